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
from wattest.messages.channel import ChannelKind
from wattest.messages.header import BatchHeader
from wattest.twin.batch import BatchRecord, BatchReference, BatchRun, EntryInclusion
from wattest.twin.history_proof import HistoryProof
from wattest.twin.modules import ModuleGrant
from wattest.twin.parameters import ChannelParameters, queued_digest
from wattest.twin.payouts import DistributionTerms

WORD, ADDRESS = st.binary(min_size=32, max_size=32), st.binary(min_size=20, max_size=20)
U64 = st.integers(0, 2**64 - 1)
REFEREE, CHALLENGES, PAYOUTS = (
    Web3().eth.contract(abi=load_abi(name)._entries)  # type: ignore[call-overload]
    for name in ("Referee", "DirectedChallenges", "Payouts")
)


@st.composite
def headers(draw: Any) -> BatchHeader:
    return BatchHeader(
        draw(WORD), draw(ADDRESS), draw(U64), draw(WORD), draw(U64), draw(U64), draw(WORD),
        draw(st.integers(0, 2**32 - 1)), *(draw(WORD) for _ in range(7)),
    )  # fmt: skip


def as_tuple(value: Any) -> Any:
    """As web3 wants structs: tuples, addresses with their checksum."""
    if isinstance(value, (list, tuple)):
        return [as_tuple(part) for part in value]
    if isinstance(value, bytes):
        return Web3.to_checksum_address(value) if len(value) == 20 else value
    names = getattr(value, "__slots__", None)
    return value if names is None else tuple(as_tuple(getattr(value, name)) for name in names)


def agree(name: str, contract: Any, function: str, *arguments: Any) -> bytes:
    """Both encode the call alike; returns it."""
    ours = load_abi(name).encode_call(function, *arguments)
    assert "0x" + ours.hex() == contract.encode_abi(function, args=[as_tuple(value) for value in arguments])
    return ours


@settings(max_examples=40, deadline=None)
@given(headers(), WORD, U64, st.binary(min_size=118, max_size=118), st.lists(WORD, max_size=20))
def test_calldata(header: BatchHeader, digest: bytes, number: int, payload: bytes, path: list[bytes]) -> None:
    data = agree("Referee", REFEREE, "commit", header, digest, digest[::-1], path)
    *back, r, vs, peaks = load_abi("Referee").decode_input("commit", data)
    assert (BatchHeader(*back[0]), r, vs, list(peaks)) == (header, digest, digest[::-1], path)
    record = BatchRecord(digest, number, 3, number)
    proof = HistoryProof(number, digest, tuple(path[:7]), tuple(path[7:]))
    batch = BatchReference(header.channel, header.operator, number, record, proof)
    run = BatchRun(header.channel, header.operator, number, (record,) * len(path), proof)
    entry = EntryInclusion(7, digest[:16], payload, tuple(path))
    agree("Referee", REFEREE, "release", run)
    agree("Referee", REFEREE, "convict", batch, digest, True, header.operator)
    agree("DirectedChallenges", CHALLENGES, "challenge", header, batch, 7)
    agree("DirectedChallenges", CHALLENGES, "answer", header, entry)
    agree("Payouts", PAYOUTS, "postRoot", digest, digest, number, header, batch, entry, [run, run])


@given(WORD, st.binary(min_size=20, max_size=20), st.lists(WORD, max_size=8), st.integers(0, 255))
def test_calldata_of_what_is_set_up(word: bytes, address: bytes, terms: list[bytes], powers: int) -> None:
    parameters = ChannelParameters(86_400, 3_600, 604_800, 1_814_400, 10**18, 10**17, 10**16)
    modules = [ModuleGrant(address, powers)] * len(terms)
    agree("Referee", REFEREE, "createChannel", ChannelKind.SCHEDULED, word, parameters, modules, terms)
    distribution = DistributionTerms(address, address, address, address, word, address, 3_600, (word,), tuple(terms))
    agree("Payouts", PAYOUTS, "createDistribution", word, distribution)
    kinds = ["(uint24,uint24,uint32,uint32,uint88,uint88,uint88)", "bytes32[]"]
    encoded = Web3().codec.encode(kinds, [as_tuple(parameters), terms])
    assert queued_digest(parameters, terms) == bytes(Web3.keccak(encoded))


@pytest.mark.parametrize("to", [b"\x01" * 20, None])
def test_signed_transactions(to: bytes | None) -> None:
    key = hashlib.sha256(b"signer").digest()
    signer = LocalSigner(key)
    signed = sign_transaction(signer, UnsignedTransaction(31_337, 7, to, b"\x12\x34", 5, 90_000, 10**10, 10**9))
    account = Web3().eth.account
    assert bytes.fromhex(account.recover_transaction(signed.raw)[2:]) == signer.address
    assert keccak256(signed.raw) == signed.hash


@pytest.mark.parametrize("name", ["Referee", "DirectedChallenges"])
def test_event_topics(name: str) -> None:
    abi = load_abi(name)
    for entry in abi._entries:
        if entry["type"] == "event":
            types = [part["type"] for part in entry["inputs"]]
            if not any(kind.startswith("tuple") for kind in types):
                text = f"{entry['name']}({','.join(types)})"
                assert abi.event_topic(entry["name"]) == bytes(Web3.keccak(text=text))
