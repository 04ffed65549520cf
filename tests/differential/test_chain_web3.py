"""Our calldata, logs and signed transactions against web3.py's: one meaning, two implementations."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from web3 import Web3

from wattest.chain.abi import load_abi
from wattest.chain.local_signer import LocalSigner
from wattest.chain.signed_transaction import UnsignedTransaction, sign_transaction
from wattest.crypto.hashing import keccak256
from wattest.messages.header import BatchHeader
from wattest.twin.batch import BatchRecord, BatchState, EntryInclusion

WORD, ADDRESS = st.binary(min_size=32, max_size=32), st.binary(min_size=20, max_size=20)
U64 = st.integers(0, 2**64 - 1)
REFEREE = Web3().eth.contract(abi=load_abi("Referee")._entries)  # type: ignore[call-overload]


@st.composite
def headers(draw: Any) -> BatchHeader:
    return BatchHeader(
        draw(WORD), draw(ADDRESS), draw(U64), draw(WORD), draw(U64), draw(U64), draw(WORD),
        draw(st.integers(0, 2**32 - 1)), *(draw(WORD) for _ in range(7)),
    )  # fmt: skip


def as_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(
        Web3.to_checksum_address(part) if isinstance(part, bytes) and len(part) == 20 else part
        for part in (getattr(value, name) for name in value.__slots__)
    )


@settings(max_examples=40, deadline=None)
@given(headers(), st.binary(max_size=80), WORD, U64, st.binary(min_size=118, max_size=118), st.lists(WORD, max_size=20))
def test_calldata(
    header: BatchHeader, signature: bytes, digest: bytes, time_s: int, payload: bytes, path: list[bytes]
) -> None:
    record = BatchRecord(digest, time_s, 3, BatchState.COMMITTED)
    plain = (digest, time_s, 3, 1)
    ours = load_abi("Referee").encode_call("commit", header, signature, record)
    theirs = REFEREE.encode_abi("commit", args=[as_tuple(header), signature, plain])
    assert "0x" + ours.hex() == theirs
    entry = EntryInclusion(7, digest[:16], payload, tuple(path))
    ours = load_abi("Referee").encode_call("answer", header, record, entry)
    theirs = REFEREE.encode_abi("answer", args=[as_tuple(header), plain, (7, digest[:16], payload, path)])
    assert "0x" + ours.hex() == theirs
    back, signed, _ = load_abi("Referee").decode_input(
        "commit", load_abi("Referee").encode_call("commit", header, signature, record)
    )
    assert (BatchHeader(*back), signed) == (header, signature)


@pytest.mark.parametrize("to", [b"\x01" * 20, None])
def test_signed_transactions(to: bytes | None) -> None:
    key = hashlib.sha256(b"signer").digest()
    signer = LocalSigner(key)
    signed = sign_transaction(signer, UnsignedTransaction(31_337, 7, to, b"\x12\x34", 5, 90_000, 10**10, 10**9))
    account = Web3().eth.account
    assert bytes.fromhex(account.recover_transaction(signed.raw)[2:]) == signer.address
    assert keccak256(signed.raw) == signed.hash


def test_event_topics() -> None:
    abi = load_abi("Referee")
    for entry in abi._entries:
        if entry["type"] == "event":
            types = [part["type"] for part in entry["inputs"]]
            if not any(kind.startswith("tuple") for kind in types):
                text = f"{entry['name']}({','.join(types)})"
                assert abi.event_topic(entry["name"]) == bytes(Web3.keccak(text=text))
