"""Roots and authorities that bear one name are told apart by the fingerprints that stand beside it."""

from __future__ import annotations

import dataclasses
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256

from wattest.attestation.appraisal import appraise
from wattest.attestation.appraisal_policy import parse_policy
from wattest.attestation.endorsements import endorse
from wattest.attestation.evidence import parse_evidence
from wattest.attestation.formats.collateral import Collateral
from wattest.attestation.result import AppraisalResult
from wattest.attestation.roots import TrustRoot, parse_root
from wattest.enclave.simulator.pki import SimulatedPki, pem_chain
from wattest.enclave.simulator.platform import SimulatedPlatform

NOW = 1_790_000_000
PLATFORM = SimulatedPlatform(SimulatedPki.create(bytes(range(32)), NOW))
OTHER = SimulatedPlatform(SimulatedPki.create(bytes(range(1, 33)), NOW))
ROOT = parse_root(PLATFORM.root_certificate)
POLICY = parse_policy(b'version = 1\n[[enclave]]\nname = "ours"\nmr_enclave = "' + b"01" * 32 + b'"\n')
QUOTE = PLATFORM.quote(measurement=bytes([1] * 32), signer=bytes(32), product=0, svn=0, report_data=bytes(64))


def judge(collateral: Collateral | None = None, roots: tuple[TrustRoot, ...] = (ROOT,)) -> AppraisalResult:
    return appraise(parse_evidence(QUOTE), endorse(collateral or PLATFORM.collateral(NOW)), POLICY, roots, NOW)


def patched(**fields: Any) -> Collateral:
    return dataclasses.replace(PLATFORM.collateral(NOW), **fields)


def test_two_roots_of_one_name_are_told_apart() -> None:
    other = parse_root(OTHER.root_certificate)
    assert other.name == ROOT.name
    assert other.shown != ROOT.shown
    result = judge(roots=(other,))
    (finding,) = result.findings
    assert finding.code == "other_root"
    assert (finding.expected, finding.actual) == (other.fingerprint.hex(), ROOT.fingerprint.hex())
    assert ROOT.fingerprint.hex()[:16] in finding.text
    assert other.fingerprint.hex()[:16] in finding.text
    assert result.root_fingerprint is None
    assert judge().root_fingerprint == ROOT.fingerprint
    shown = result.as_dict()["findings"]
    assert shown == [finding.as_dict()]
    assert shown[0]["expected"] == other.fingerprint.hex()


def test_two_authorities_of_one_name_are_told_apart() -> None:
    own, other = PLATFORM.pki.platform_ca, OTHER.pki.platform_ca
    assert own.subject == other.subject
    foreign = pem_chain(other, PLATFORM.pki.root)
    (finding,) = judge(collateral=patched(pck_crl_issuer_chain=foreign)).findings
    assert (finding.code, finding.actual) == ("wrong_revocation_list", other.fingerprint(SHA256()).hex())
    assert finding.actual[:16] in finding.text
    assert judge(collateral=patched(pck_crl_issuer_chain=pem_chain(own, PLATFORM.pki.root))).accepted


def test_a_root_list_of_another_root_names_the_trusted_one() -> None:
    result = judge(collateral=patched(root_ca_crl=OTHER.collateral(NOW).root_ca_crl))
    assert (result.codes, result.findings[0].expected) == (["other_root"], ROOT.fingerprint.hex())
    assert ROOT.shown in result.reasons[0]
