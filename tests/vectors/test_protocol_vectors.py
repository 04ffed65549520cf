"""Messages and the contracts' twin against vectors/protocol, and those against an independent check."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from waiting import HANG_S

from wattest.crypto.errors import SignatureInvalid
from wattest.errors import InputError, VerificationError
from wattest.messages.acceptance import (
    AcceptanceUnsigned,
    BlockAcceptance,
    SignedAcceptance,
    parse_acceptance,
    verify_acceptance,
)
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.messages.eip712 import Domain
from wattest.messages.evidence_verdict import (
    VERDICT_FIELDS,
    EvidenceVerdict,
    Revocation,
    VerdictUnsigned,
    parse_verdict,
    verify_quorum,
)
from wattest.messages.fields import FieldInvalid
from wattest.messages.header import HEADER_FIELDS, BatchHeader, parse_header, recover_header_signer
from wattest.messages.member_list import MemberListUnsigned, parse_signed_member_list, verify_member_list
from wattest.messages.report_data import KeyBinding, report_data
from wattest.messages.roster import roster_root
from wattest.twin.stake import StakeModel, base_stake, required_stake

VECTORS = Path(__file__).parents[2] / "vectors"
HEADER = json.loads((VECTORS / "protocol/header.json").read_text())
MEMBERS = json.loads((VECTORS / "protocol/member_list.json").read_text())
ACCEPTANCE = json.loads((VECTORS / "protocol/acceptance.json").read_text())
VERDICT = json.loads((VECTORS / "protocol/verdict.json").read_text())
INTEGERS = {"sequence", "period_start", "period_end", "entry_count", "issued_at", "expires_at", "nonce_block"}


def load(name: str) -> Any:
    return json.loads((VECTORS / f"protocol/{name}.json").read_text())


def fields_of(shown: dict[str, str], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: int(shown[name]) if name in INTEGERS else bytes.fromhex(shown[name]) for name in names}


def domain_of(case: dict[str, str], contract: str = "referee") -> Domain:
    return Domain(int(case["chain_id"]), bytes.fromhex(case[contract]))


def test_independent_check_confirms() -> None:
    subprocess.run([sys.executable, str(VECTORS / "check_protocol.py")], check=True, timeout=HANG_S)


@pytest.mark.parametrize("case", HEADER["valid"], ids=lambda case: case["name"])
def test_header_valid(case: dict[str, Any]) -> None:
    header = BatchHeader(**fields_of(case["fields"], HEADER_FIELDS))
    assert header.to_bytes().hex() == case["bytes"]
    assert parse_header(bytes.fromhex(case["bytes"])) == header
    assert header.digest(domain_of(case)).hex() == case["digest"]
    assert recover_header_signer(header, bytes.fromhex(case["signature"]), domain_of(case)).hex() == case["signer"]


@pytest.mark.parametrize("case", HEADER["one_field_changed"], ids=lambda case: case["field"])
def test_header_one_field_changed(case: dict[str, str]) -> None:
    base = HEADER["valid"][0]
    fields = fields_of(base["fields"], HEADER_FIELDS)
    old = fields[case["field"]]
    fields[case["field"]] = old + 1 if isinstance(old, int) else bytes([old[0] ^ 1]) + old[1:]
    header = BatchHeader(**fields)
    assert header.digest(domain_of(base)).hex() == case["digest"] != base["digest"]
    assert recover_header_signer(header, bytes.fromhex(base["signature"]), domain_of(base)).hex() != base["signer"]


@pytest.mark.parametrize("case", HEADER["invalid_bytes"], ids=lambda case: case["why"])
def test_header_bytes_refused(case: dict[str, str]) -> None:
    with pytest.raises(FieldInvalid):
        parse_header(bytes.fromhex(case["bytes"]))


@pytest.mark.parametrize("case", HEADER["invalid_signatures"], ids=lambda case: case["why"])
def test_header_signature_refused(case: dict[str, str]) -> None:
    base = HEADER["valid"][0]
    header = BatchHeader(**fields_of(base["fields"], HEADER_FIELDS))
    with pytest.raises(SignatureInvalid):
        recover_header_signer(header, bytes.fromhex(case["signature"]), domain_of(base))


def test_channel_ids() -> None:
    for case in load("channel"):
        identity = ChannelIdentity(
            bytes.fromhex(case["manager"]), ChannelKind(int(case["kind"])), bytes.fromhex(case["salt"])
        )
        assert identity.id.hex() == case["id"]


def test_report_data() -> None:
    for case in load("report_data"):
        names = ("referee", "channel", "operator", "nonce")
        binding = KeyBinding(int(case["chain_id"]), **{name: bytes.fromhex(case[name]) for name in names})
        assert report_data(binding, bytes.fromhex(case["enclave_key"])).hex() == case["report_data"]


def verdict() -> EvidenceVerdict:
    return EvidenceVerdict(**fields_of(VERDICT["fields"], VERDICT_FIELDS))


def check_quorum(signatures: list[str]) -> None:
    verify_quorum(
        verdict(),
        [bytes.fromhex(text) for text in signatures],
        domain_of(VERDICT, "registry"),
        {bytes.fromhex(text) for text in VERDICT["appraisers"]},
        int(VERDICT["threshold"]),
    )


def test_verdict_bytes_and_digest() -> None:
    domain = domain_of(VERDICT, "registry")
    assert verdict().to_bytes().hex() == VERDICT["bytes"]
    assert parse_verdict(bytes.fromhex(VERDICT["bytes"])) == verdict()
    assert verdict().digest(domain).hex() == VERDICT["digest"]
    it = verdict()
    revocation = Revocation(it.enclave_key, it.referee, it.channel, it.operator)
    assert revocation.digest(domain).hex() == VERDICT["revocation_digest"]


@pytest.mark.parametrize("case", VERDICT["valid"], ids=lambda case: case["why"])
def test_verdict_counts(case: dict[str, Any]) -> None:
    check_quorum(case["signatures"])


@pytest.mark.parametrize("case", VERDICT["invalid"], ids=lambda case: case["why"])
def test_verdict_does_not_count(case: dict[str, Any]) -> None:
    with pytest.raises((VerdictUnsigned, SignatureInvalid)):
        check_quorum(case["signatures"])


def test_member_list_valid() -> None:
    signed = parse_signed_member_list(bytes.fromhex(MEMBERS["bytes"]))
    assert signed.to_bytes().hex() == MEMBERS["bytes"]
    assert signed.member_list.digest(domain_of(MEMBERS)).hex() == MEMBERS["digest"]
    assert signed.member_list.channel.hex() == MEMBERS["channel"]
    verify_member_list(signed, domain_of(MEMBERS))
    keys = [member.public_key for member in signed.member_list.members]
    for name in ("roster", "roster_of_one"):
        blinded = [bytes.fromhex(text) for text in MEMBERS[name]["blinded_meters"]]
        assert roster_root(blinded, keys[: len(blinded)]).hex() == MEMBERS[name]["root"]


@pytest.mark.parametrize("case", MEMBERS["invalid_bytes"], ids=lambda case: case["why"])
def test_member_list_bytes_refused(case: dict[str, str]) -> None:
    with pytest.raises(InputError):
        parse_signed_member_list(bytes.fromhex(case["bytes"]))


@pytest.mark.parametrize("case", MEMBERS["unsigned_bytes"], ids=lambda case: case["why"])
def test_member_list_unsigned(case: dict[str, str]) -> None:
    signed = parse_signed_member_list(bytes.fromhex(case["bytes"]))
    with pytest.raises(MemberListUnsigned):
        verify_member_list(signed, domain_of(MEMBERS))


@pytest.mark.parametrize("domain", [Domain(1, b"\x01" * 20), Domain(31337, b"\x01" * 20)])
def test_member_list_of_another_domain(domain: Domain) -> None:
    with pytest.raises(VerificationError):
        verify_member_list(parse_signed_member_list(bytes.fromhex(MEMBERS["bytes"])), domain)


@pytest.mark.parametrize("case", ACCEPTANCE["valid"], ids=lambda case: case["name"])
def test_acceptance_valid(case: dict[str, Any]) -> None:
    names = ("channel", "operator", "blinded_meter", "period_start", "block_digest")
    acceptance = BlockAcceptance(**fields_of(case["fields"], names))
    signed = SignedAcceptance(acceptance, domain_of(case), bytes.fromhex(case["signature"]))
    assert acceptance.digest(domain_of(case)).hex() == case["digest"]
    assert signed.to_bytes().decode() == case["file"]
    assert parse_acceptance(case["file"].encode()) == signed
    verify_acceptance(signed)


@pytest.mark.parametrize("case", ACCEPTANCE["unsigned_files"], ids=lambda case: case["why"])
def test_acceptance_unsigned(case: dict[str, str]) -> None:
    signed = parse_acceptance(case["file"].encode())
    with pytest.raises(AcceptanceUnsigned):
        verify_acceptance(signed)


@pytest.mark.parametrize("case", ACCEPTANCE["invalid_signatures"], ids=lambda case: case["why"])
def test_acceptance_signature_refused(case: dict[str, str]) -> None:
    signed = parse_acceptance(case["file"].encode())
    with pytest.raises(SignatureInvalid):
        verify_acceptance(signed)


@pytest.mark.parametrize("case", ACCEPTANCE["invalid_files"], ids=lambda case: case["why"])
def test_acceptance_file_refused(case: dict[str, str]) -> None:
    with pytest.raises(InputError):
        parse_acceptance(case["file"].encode())


def test_stakes() -> None:
    for case in load("stake"):
        model = StakeModel(
            int(case["entries"]),
            int(case["entry_gain"]),
            int(case["batch_gain"]),
            Fraction(case["detection"]),
            Fraction(case["selection"]),
            int(case["drawn"]),
        )
        assert base_stake(model) == int(case["base_stake"])
        for rho, stake in case["required_stake"].items():
            assert required_stake(base_stake(model), Fraction(rho)) == int(stake)
