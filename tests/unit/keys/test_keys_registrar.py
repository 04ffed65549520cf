"""A quorum asked one by one, and what an appraiser's service takes: only verdicts on what was asked count."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import HANG_S

from wattest.appraiser.appraiser import RegistrationRequest
from wattest.appraiser.appraiser_service import (
    MAX_REQUEST_BYTES,
    RemoteAppraiser,
    VerdictRequestInvalid,
    parse_request,
    request_body,
)
from wattest.attestation.result import EvidenceRefused
from wattest.errors import InputError, TransportError, WattestError
from wattest.keys.registrar import AppraisersDisagree, QuorumRegistrar, QuorumUnreachable
from wattest.messages.eip712 import Domain
from wattest.messages.evidence_verdict import EvidenceVerdict
from wattest.messages.report_data import KeyBinding

REQUEST = RegistrationRequest(
    KeyBinding(31_337, b"\x01" * 20, b"\x02" * 32, b"\x03" * 20, b"\x04" * 32),
    b"\x05" * 20, b"quote", b"{}", 7, b"\x06" * 32,
)  # fmt: skip
NOW = 1_700_000_000
DOMAIN = Domain(31_337, b"\x09" * 20)
VERDICT = EvidenceVerdict(
    REQUEST.enclave_key, b"\x01" * 20, b"\x02" * 32, b"\x03" * 20, b"\x07" * 32, REQUEST.workload, b"\x08" * 32,
    NOW, NOW + 100, 7, b"\x04" * 32, bytes(32), bytes(32), bytes(32),
)  # fmt: skip


@dataclass
class Source:
    """What an appraiser says, without one."""

    signer: bytes
    says: EvidenceVerdict | WattestError = VERDICT
    asked: int = 0

    def ask(self, _: RegistrationRequest, __: Domain, ___: int) -> tuple[EvidenceVerdict, bytes, bytes]:
        self.asked += 1
        if isinstance(self.says, WattestError):
            raise self.says
        return self.says, self.signer, self.signer[:1] * 65


SILENT = TransportError("silent", retryable=True)
REFUSES = EvidenceRefused("no")


def test_as_many_as_needed_ascending_by_signer() -> None:
    sources = [Source(b"\x03" * 20), Source(b"\x01" * 20), Source(b"\x02" * 20)]
    proven = QuorumRegistrar(sources, 2, DOMAIN).prove(REQUEST, NOW)
    assert (proven.verdict, proven.proof) == (VERDICT, b"\x01" * 65 + b"\x03" * 65)
    assert [source.asked for source in sources] == [1, 1, 0]


@pytest.mark.parametrize("says", [SILENT, REFUSES, replace(VERDICT, nonce=bytes(32)), replace(VERDICT, issued_at=1)])
def test_one_that_fails_is_passed_over_and_two_are_too_many(says: EvidenceVerdict | WattestError) -> None:
    good, bad = Source(b"\x01" * 20), Source(b"\x02" * 20, says)
    assert QuorumRegistrar([bad, good], 1, DOMAIN).prove(REQUEST, NOW).verdict == VERDICT
    with pytest.raises((QuorumUnreachable, EvidenceRefused, AppraisersDisagree)):
        QuorumRegistrar([bad, good], 2, DOMAIN).prove(REQUEST, NOW)


def test_the_first_reason_is_told() -> None:
    with pytest.raises(EvidenceRefused):
        QuorumRegistrar([Source(b"\x01" * 20, SILENT), Source(b"\x02" * 20, REFUSES)], 1, DOMAIN).prove(REQUEST, NOW)
    with pytest.raises(QuorumUnreachable):
        QuorumRegistrar([Source(b"\x01" * 20, SILENT)], 1, DOMAIN).prove(REQUEST, NOW)


def test_one_appraiser_counts_once_and_other_policies_disagree() -> None:
    twice = [Source(b"\x01" * 20), Source(b"\x01" * 20)]
    with pytest.raises(QuorumUnreachable):
        QuorumRegistrar(twice, 2, DOMAIN).prove(REQUEST, NOW)
    other = Source(b"\x02" * 20, replace(VERDICT, policy_digest=b"\x0f" * 32))
    with pytest.raises(AppraisersDisagree):
        QuorumRegistrar([Source(b"\x01" * 20), other], 2, DOMAIN).prove(REQUEST, NOW)


def test_a_request_there_and_back() -> None:
    assert parse_request(request_body(REQUEST, NOW)) == (REQUEST, NOW)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("format", "wattest/appraiser/2"),
        ("chain_id", "+1"), ("chain_id", "1" * 79), ("chain_id", 31_337), ("chain_id", str(2**256)),
        ("nonce", "04" * 31), ("nonce", "0G" * 32), ("nonce", None), ("enclave_key", "05" * 21),
        ("nonce_block", -1), ("nonce_block", True), ("nonce_block", 2**63), ("issued_at", 1.5),
        ("evidence", "0"), ("evidence", "AA"), ("more", 1),
    ],
)  # fmt: skip
def test_a_request_that_differs_in_one_field(name: str, value: object) -> None:
    changed = json.loads(request_body(REQUEST, NOW)) | {name: value}
    with pytest.raises(VerdictRequestInvalid):
        parse_request(json.dumps(changed).encode())


@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_any_bytes_as_a_request(body: bytes) -> None:
    with pytest.raises(InputError):
        parse_request(body)


@given(at=st.integers(0, 2_000), byte=st.integers(0, 255))
def test_a_request_changed_in_one_byte(at: int, byte: int) -> None:
    body = bytearray(request_body(REQUEST, NOW))
    body[at % len(body)] = byte
    with contextlib.suppress(InputError):
        parse_request(bytes(body))


def test_a_request_that_is_too_large() -> None:
    with pytest.raises(VerdictRequestInvalid):
        parse_request(b" " * (MAX_REQUEST_BYTES + 1))


def test_an_appraiser_that_is_not_there() -> None:
    with pytest.raises(TransportError) as caught:
        RemoteAppraiser("http://127.0.0.1:9", timeout_s=HANG_S).ask(REQUEST, DOMAIN, NOW)
    assert caught.value.retryable
