"""Revocation evidence made from a registration's transaction: the same bytes as from the quote, and any input typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattest.attestation.chain_evidence import EvidenceNotForChain, chain_evidence, registered_revocation
from wattest.attestation.evidence import parse_evidence
from wattest.enclave.simulator.pki import SimulatedPki
from wattest.enclave.simulator.platform import SimulatedPlatform

NONCE, WORKLOAD = b"\x01" * 32, b"\x02" * 32
PLATFORM = SimulatedPlatform(SimulatedPki.create(bytes(range(32)), 1_790_000_000))
EVIDENCE = chain_evidence(
    parse_evidence(
        PLATFORM.quote(measurement=b"\x03" * 32, signer=b"\x04" * 32, product=1, svn=1, report_data=bytes(64))
    )
)
FIRST = EVIDENCE.first()


def test_certificate_and_facts_give_what_the_quote_gives() -> None:
    wanted = EVIDENCE.revocation(NONCE, WORKLOAD)
    assert registered_revocation(FIRST, NONCE, WORKLOAD) == wanted
    assert registered_revocation(EVIDENCE.next(), NONCE, WORKLOAD) == wanted


@pytest.mark.parametrize("registered", [b"", b"\x02", b"\x03" + FIRST[1:], FIRST[:66], FIRST[:67], FIRST[:200]])
def test_what_no_contract_took_is_refused(registered: bytes) -> None:
    with pytest.raises(EvidenceNotForChain):
        registered_revocation(registered, NONCE, WORKLOAD)


@given(at=st.integers(0, len(FIRST) - 1), to=st.integers(0, 255), end=st.integers(0, len(FIRST)))
def test_changed_evidence_gives_bytes_or_a_typed_error(at: int, to: int, end: int) -> None:
    changed = (FIRST[:at] + bytes([to]) + FIRST[at + 1 :])[:end]
    try:
        shown = registered_revocation(changed, NONCE, WORKLOAD)
        assert shown[:65] == NONCE + WORKLOAD + b"\x01"
    except EvidenceNotForChain:
        pass
