"""vectors/ra_tls: evidence, permits and verdicts are as the files say, the generator makes them, and a check agrees."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from wattest.attestation.formats.tagged_evidence import (
    TaggedEvidenceMalformed,
    encode_tagged_evidence,
    parse_tagged_evidence,
)
from wattest.errors import VerificationError
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.messages.eip712 import Domain
from wattest.messages.hand_over_permit import (
    HandOverPermit,
    PermitInvalid,
    PermitKind,
    PermitRefused,
    SignedPermit,
    parse_permit_kind,
    verify_ends,
    verify_permit,
)
from wattest.messages.peer_policy import PeerPolicy, PeerPolicyUnsigned, verify_peer_policy
from wattest.messages.witness_verdict import DrawnEntriesInvalid, WitnessVerdict, recover_witness

VECTORS = Path(__file__).parents[2] / "vectors"
EVIDENCE: dict[str, Any] = json.loads((VECTORS / "ra_tls" / "tagged_evidence.json").read_text())
SIGNED: dict[str, Any] = json.loads((VECTORS / "ra_tls" / "signed.json").read_text())
DOMAIN = Domain(int(SIGNED["chain_id"]), bytes.fromhex(SIGNED["referee"]))
CHANNEL = ChannelIdentity(bytes.fromhex(SIGNED["manager"]), ChannelKind(SIGNED["kind"]), bytes.fromhex(SIGNED["salt"]))
END = 2_000_000_000


def by_name(case: dict[str, Any]) -> str:
    return str(case["name"])


@pytest.mark.parametrize("case", EVIDENCE["cases"], ids=by_name)
def test_evidence_is_read_and_written(case: dict[str, Any]) -> None:
    read = parse_tagged_evidence(bytes.fromhex(case["content"]))
    assert read.quote.hex() == case["quote"]
    assert read.claims_buffer.hex() == case["claims_buffer"] == read.claims.to_bytes().hex()
    assert read.report_data.hex() == case["report_data"]
    assert read.claims.names(bytes.fromhex(case["public_key_info"]))
    assert not read.claims.names(bytes.fromhex(case["public_key_info"])[:-1])
    assert encode_tagged_evidence(read.quote, read.claims_buffer).hex() == case["content"]


@pytest.mark.parametrize("case", EVIDENCE["refused"], ids=by_name)
def test_what_differs_in_one_thing_is_no_evidence(case: dict[str, Any]) -> None:
    with pytest.raises(TaggedEvidenceMalformed):
        parse_tagged_evidence(bytes.fromhex(case["content"]))


@pytest.mark.parametrize("case", SIGNED["peer_policies"], ids=by_name)
def test_a_peer_policy(case: dict[str, Any]) -> None:
    policy = PeerPolicy(
        *(bytes.fromhex(case[name]) for name in ("channel", "policy", "roots")), int(case["valid_until"])
    )
    signature = bytes.fromhex(case["signature"])
    assert policy.digest(DOMAIN).hex() == case["digest"]
    verify_peer_policy(policy, signature, CHANNEL, DOMAIN, policy.valid_until - 1)
    other = ChannelIdentity(CHANNEL.manager, ChannelKind.OPEN, CHANNEL.salt)
    for channel, domain, now in (
        (CHANNEL, DOMAIN, policy.valid_until),
        (other, DOMAIN, 0),
        (CHANNEL, Domain(1, DOMAIN.verifying_contract), 0),
    ):
        with pytest.raises(PeerPolicyUnsigned):
            verify_peer_policy(policy, signature, channel, domain, now)


def test_a_peer_policy_is_over_file_and_roots() -> None:
    roots = [bytes.fromhex(root) for root in SIGNED["root_certificates"]]
    policy = PeerPolicy.over(CHANNEL.id, bytes.fromhex(SIGNED["policy_file"]), roots, END)
    assert policy.digest(DOMAIN).hex() == SIGNED["peer_policies"][0]["digest"]


@pytest.mark.parametrize("case", SIGNED["permits"], ids=by_name)
def test_a_permit(case: dict[str, Any]) -> None:
    permit = HandOverPermit(
        bytes.fromhex(case["channel"]),
        bytes.fromhex(case["operator"]),
        parse_permit_kind(case["kind"]),
        bytes.fromhex(case["from_measurement"]),
        bytes.fromhex(case["to_measurement"]),
        bytes.fromhex(case["to_platform"]),
        int(case["valid_until"]),
    )
    signed = SignedPermit(permit, bytes.fromhex(case["signature"]))
    assert permit.digest(DOMAIN).hex() == case["digest"]
    verify_permit(signed, CHANNEL, permit.operator, permit.kind, DOMAIN, END - 1)
    verify_ends(permit, permit.from_measurement, permit.to_measurement, permit.to_platform)
    other_kind = PermitKind(3 - permit.kind)
    for operator, kind, domain, now in (
        (permit.operator, permit.kind, DOMAIN, END),
        (bytes(20), permit.kind, DOMAIN, 0),
        (permit.operator, other_kind, DOMAIN, 0),
        (permit.operator, permit.kind, Domain(1, DOMAIN.verifying_contract), 0),
    ):
        with pytest.raises(PermitRefused):
            verify_permit(signed, CHANNEL, operator, kind, domain, now)
    for ends in (
        (bytes(32), permit.to_measurement, permit.to_platform),
        (permit.from_measurement, bytes(32), permit.to_platform),
        (permit.from_measurement, permit.to_measurement, bytes(32)),
        (permit.from_measurement, permit.to_measurement, None),
    ):
        with pytest.raises(PermitRefused):
            verify_ends(permit, *ends)


@pytest.mark.parametrize("case", SIGNED["verdicts"], ids=by_name)
def test_a_verdict(case: dict[str, Any]) -> None:
    verdict = WitnessVerdict(
        bytes.fromhex(case["header"]), bytes.fromhex(case["seed"]), tuple(case["entries"]), case["ok"]
    )
    assert verdict.digest(DOMAIN).hex() == case["digest"]
    witness, signature = bytes.fromhex(SIGNED["witness"]), bytes.fromhex(case["signature"])
    assert recover_witness(verdict, signature, DOMAIN) == witness
    other = WitnessVerdict(verdict.header, verdict.seed, verdict.entries, not verdict.ok)
    assert recover_witness(other, signature, DOMAIN) != witness


@pytest.mark.parametrize("entries", [(), (1, 1), (2, 1), tuple(range(65))])
def test_entries_that_no_verdict_has(entries: tuple[int, ...]) -> None:
    with pytest.raises(DrawnEntriesInvalid):
        WitnessVerdict(bytes(32), bytes(32), entries, ok=True)


@pytest.mark.parametrize("number", [0, 3, 255])
def test_kinds_that_no_permit_has(number: int) -> None:
    with pytest.raises(PermitInvalid):
        parse_permit_kind(number)


def test_a_signature_that_is_none() -> None:
    permit = HandOverPermit(CHANNEL.id, bytes(20), PermitKind.STANDBY, bytes(32), bytes(32), bytes(32), END)
    with pytest.raises(VerificationError):
        verify_permit(SignedPermit(permit, bytes(65)), CHANNEL, bytes(20), PermitKind.STANDBY, DOMAIN, 0)


def test_the_generator_makes_these_files_and_the_check_agrees(tmp_path: Path) -> None:
    generator = runpy.run_path(str(VECTORS / "generate_ra_tls.py"))
    generator["write"].__globals__["HERE"] = tmp_path
    generator["main"]()
    for name in ("tagged_evidence", "signed"):
        assert (tmp_path / f"{name}.json").read_bytes() == (VECTORS / "ra_tls" / f"{name}.json").read_bytes()
    runpy.run_path(str(VECTORS / "check_ra_tls.py"), run_name="__main__")
