"""A node that answers nonsense, and contracts that do: a value or a typed error, never anything else."""

from __future__ import annotations

import contextlib
import json
import secrets
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattest.chain.abi import ContractAbi, ContractReverted, UnexpectedContractAnswer, load_abi
from wattest.chain.client import ChainClient
from wattest.chain.local_signer import LocalSigner
from wattest.chain.registry import EnclaveRegistry
from wattest.chain.rpc import JsonRpc
from wattest.errors import ConfigError, InputError, ProtocolError, TransportError
from wattest.io.files import (
    DiskFailed,
    KeyFileExposed,
    KeyFileInvalid,
    read_key_file,
    write_atomically,
    write_key_file,
)
from wattest.merkle import errors as merkle_errors
from wattest.messages.evidence_verdict import VERDICT_FIELDS
from wattest.twin import errors as refusals

LIBRARY_ERRORS = {
    "InvalidShortString",
    "StringTooLong",
    "SafeERC20FailedOperation",
    "SafeCastOverflowedUintDowncast",
    "ReentrancyGuardReentrantCall",
}
EXPECTED = (TransportError, ProtocolError, InputError)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["0x", "0x1", "0xzz", "", "0x" + "ab" * 32]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["number", "hash", "parentHash", "timestamp", "status", "logs", "topics", "data", "address", "result",
                 "error", "id", "blockHash", "input", "code", "message", "blockNumber", "logIndex", "gasUsed"]
            ),
            inner,
            max_size=8,
        )
    ),
    max_leaves=12,
)  # fmt: skip


class NonsenseRpc(JsonRpc):
    """Answers every request with the same JSON value, or with the same bytes."""

    def __init__(self, value: Any, *, enveloped: bool) -> None:
        super().__init__("http://127.0.0.1:1", max_attempts=1)
        self.value, self.enveloped = value, enveloped

    def _exchange(self, body: bytes) -> Any:
        sent = json.loads(body)
        calls = sent if isinstance(sent, list) else [sent]
        if not self.enveloped:
            return self.value
        return [{"jsonrpc": "2.0", "id": call["id"], "result": self.value} for call in calls]


@settings(max_examples=150, deadline=None)
@given(value=JSON, enveloped=st.booleans())
def test_nonsense_answers_are_typed(value: Any, enveloped: bool) -> None:
    client = ChainClient(NonsenseRpc(value, enveloped=enveloped), chain_id=1)
    registry = EnclaveRegistry(client, b"\x01" * 20)
    for ask in (
        client.block,
        client.verify_chain,
        lambda: client.balance(bytes(20)),
        lambda: client.is_canonical(1, bytes(32)),
        lambda: client.logs(bytes(20), [None], 0, 1),
        lambda: client.receipt(bytes(32)),
        lambda: client.transaction_input(bytes(32)),
        lambda: registry.registration_of((bytes(20), bytes(32), bytes(20)), bytes(20)),
    ):
        try:
            ask()
        except (*EXPECTED, ConfigError):
            continue


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=200), function=st.sampled_from(["channelHead", "operatorHead", "parametersOf", "owed"]))
def test_arbitrary_contract_answers(data: bytes, function: str) -> None:
    abi = load_abi("Referee")
    for decode in (
        lambda: abi.decode_result(function, data),
        lambda: abi.decode_input("commit", data),
        lambda: abi.decode_log([data[:32]], data[32:]),
        lambda: abi.decode_log([abi.event_topic("BatchCommitted"), data[:32]], data[32:]),
    ):
        try:
            decode()
        except UnexpectedContractAnswer:
            continue
    with contextlib.suppress(UnexpectedContractAnswer):
        assert isinstance(abi.error_from(data), ProtocolError)


def test_custom_errors_by_name() -> None:
    abi = load_abi("Referee")
    from eth_abi.abi import encode

    from wattest.crypto.hashing import keccak256

    selector = keccak256(b"SequenceMismatch(uint64,uint64)")[:4]
    error = abi.error_from(selector + encode(["uint64", "uint64"], [4, 5]))
    assert isinstance(error, refusals.SequenceMismatch)
    assert error.fields == {"expected": 4, "actual": 5}
    with pytest.raises(UnexpectedContractAnswer):
        abi.error_from(selector + b"\x01")
    unknown = abi.error_from(b"\x12\x34\x56\x78")
    assert isinstance(unknown, ContractReverted)
    text = abi.error_from(bytes.fromhex("08c379a0") + encode(["string"], ["because"]))
    assert text.fields["reason"] == "because"
    panic = abi.error_from(bytes.fromhex("4e487b71") + encode(["uint256"], [0x11]))
    assert panic.fields["reason"] == "panic 0x11"


def test_every_custom_error_has_its_class() -> None:
    for contract in ("Referee", "EnclaveRegistry", "Payouts", "AppraiserQuorum"):
        for name in load_abi(contract).error_names:
            kind = getattr(refusals, name, None)
            own = kind is not None and issubclass(kind, ProtocolError)
            library = hasattr(merkle_errors, name) or name in LIBRARY_ERRORS
            assert own or library, (contract, name)


def test_struct_fields_are_the_dataclass_s() -> None:
    entries = [entry for entry in load_abi("EnclaveRegistry")._entries if entry.get("name") == "register"]
    components = [part["name"] for part in entries[0]["inputs"][0]["components"]]
    snake = ["".join(f"_{c.lower()}" if c.isupper() else c for c in name) for name in components]
    assert tuple(snake) == VERDICT_FIELDS


def test_key_files_are_private_whole_and_never_replaced(tmp_path: Path) -> None:
    key = secrets.token_bytes(32)
    path = tmp_path / "keys" / "operator.key"
    write_key_file(path, key)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_key_file(path) == key
    with pytest.raises(ConfigError):
        write_key_file(path, key)
    path.chmod(0o640)
    with pytest.raises(KeyFileExposed):
        read_key_file(path)
    path.chmod(0o600)
    for content in (
        b"",
        key.hex().encode()[:-1],
        b"0x" + key.hex().encode()[2:],
        key.hex().upper().encode(),
        b"z" * 64,
    ):
        path.write_bytes(content)
        with pytest.raises(KeyFileInvalid) as caught:
            read_key_file(path)
        assert key.hex()[:8] not in str(caught.value.as_dict())
    with pytest.raises(ConfigError):
        read_key_file(tmp_path / "absent")
    for bad in (bytes(32), b"\xff" * 32, b"short"):
        with pytest.raises(KeyFileInvalid):
            LocalSigner(bad)


def test_writes_are_whole_or_absent(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(DiskFailed):
        write_atomically(tmp_path / "absent" / "file", b"x")


@pytest.mark.parametrize("url", ["", "127.0.0.1:8545", "ftp://host", "http://", "file:///etc/passwd"])
def test_bad_addresses_are_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        JsonRpc(url)


def test_abi_shapes() -> None:
    abi = ContractAbi("Empty", [])
    assert abi.decode_log([], b"") is None
    assert abi.error_names == frozenset()
