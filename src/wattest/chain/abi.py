"""Contract ABI: from Python values to calldata and back, and from revert data to an error of the protocol.

Decided here: how dataclasses, enums and addresses map to ABI types (a struct is a dataclass with the same fields in the
same order; an address is 20 bytes), and which exception a custom error becomes. Not decided here: which contract
functions exist (``artifacts``) and what they mean (``referee`` and its neighbours). Invariant: no ABI value leaves this
room except as bytes, int, bool, str, tuple or a protocol type.

Source: Solidity contract ABI specification.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from functools import cached_property, lru_cache
from importlib import resources
from typing import Any

from wattest.chain.abi_words import decode_words, encode_words
from wattest.crypto.hashing import keccak256
from wattest.errors import ConfigError, ProtocolError, TransportError

# Errors of a contract that another one calls come through it unchanged.
_CALLEES = {
    "EnclaveRegistry": ("AppraiserQuorum", "DcapVerifier", "CollateralRegistry"),
    "DcapVerifier": ("CollateralRegistry",),
    "DirectedChallenges": ("Referee",),
    "FraudProofs": ("Referee",),
    "Payouts": ("Referee",),
    "Referee": ("DirectedChallenges", "FraudProofs"),
}
_ERROR_STRING = bytes.fromhex("08c379a0")  # Error(string)
_PANIC = bytes.fromhex("4e487b71")  # Panic(uint256)


class ArtifactMissing(ConfigError):
    """The package lacks a contract's ABI and bytecode."""


class ContractReverted(ProtocolError):
    """A call was refused for a reason that is no custom error known here; ``reason`` is what the contract said."""


class UnexpectedContractAnswer(TransportError):
    """An address answered something that the contract's ABI does not allow: most likely another contract, or none."""


@dataclasses.dataclass(frozen=True, slots=True)
class AbiEvent:
    """One decoded log: the event's name and its arguments, indexed ones included."""

    name: str
    arguments: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class _Signature:
    name: str
    selector: bytes
    input_types: tuple[str, ...]
    input_names: tuple[str, ...]
    output_types: tuple[str, ...]
    indexed: tuple[bool, ...]


class ContractAbi:
    """The ABI of one contract, and the bytecode to deploy it where the package ships that."""

    def __init__(self, name: str, entries: Sequence[Mapping[str, Any]], bytecode: bytes = b"") -> None:
        self.name = name
        self.bytecode = bytecode
        self._entries = entries

    @cached_property
    def _functions(self) -> dict[str, _Signature]:
        return {s.name: s for s in self._of_kind("function")}

    @cached_property
    def _events(self) -> dict[bytes, _Signature]:
        return {s.selector: s for s in self._of_kind("event")}

    @cached_property
    def _errors(self) -> dict[bytes, _Signature]:
        return {s.selector: s for s in self._of_kind("error")}

    @property
    def error_names(self) -> frozenset[str]:
        """Names of every custom error that the contract can revert with."""
        return frozenset(s.name for s in self._errors.values())

    def encode_call(self, function: str, *arguments: object) -> bytes:
        """Calldata: the selector and the encoded arguments."""
        signature = self._functions[function]
        return signature.selector + _encode(signature.input_types, [_plain(value) for value in arguments])

    def encode_deployment(self, *arguments: object) -> bytes:
        """Creation bytecode followed by the encoded constructor arguments."""
        if not self.bytecode:
            raise ArtifactMissing("the package ships no bytecode for this contract", contract=self.name)
        inputs: Sequence[Mapping[str, Any]] = next(
            (entry["inputs"] for entry in self._entries if entry["type"] == "constructor"), []
        )
        types = [_type_of(parameter) for parameter in inputs]
        return self.bytecode + _encode(types, [_plain(value) for value in arguments])

    def decode_result(self, function: str, data: bytes) -> tuple[Any, ...]:
        """What a call returned; structs are tuples, addresses 20 bytes. Raises ``UnexpectedContractAnswer``."""
        return self._decode(function, self._functions[function].output_types, data)

    def decode_input(self, function: str, calldata: bytes) -> tuple[Any, ...]:
        """The arguments that a transaction gave to a function; raises ``UnexpectedContractAnswer`` for another one."""
        return self._decode(function, self._functions[function].input_types, self.arguments_of(function, calldata))

    def arguments_of(self, function: str, calldata: bytes) -> bytes:
        """The same, still encoded."""
        signature = self._functions[function]
        if calldata[:4] != signature.selector:
            raise UnexpectedContractAnswer(
                "the transaction calls something else",
                retryable=False,
                expected=signature.selector,
                actual=calldata[:4],
                function=function,
            )
        return calldata[4:]

    def event_topic(self, event: str) -> bytes:
        """The 32-byte first topic of an event."""
        return next(topic for topic, signature in self._events.items() if signature.name == event)

    def decode_log(self, topics: Sequence[bytes], data: bytes) -> AbiEvent | None:
        """The event of a log, None when it is none of this contract's."""
        signature = self._events.get(topics[0]) if topics else None
        if signature is None:
            return None
        plain_types = [t for t, indexed in zip(signature.input_types, signature.indexed, strict=True) if not indexed]
        plain = iter(self._decode(signature.name, plain_types, data))
        positions = iter(topics[1:])
        arguments: dict[str, Any] = {}
        for kind, name, indexed in zip(signature.input_types, signature.input_names, signature.indexed, strict=True):
            try:
                arguments[name] = self._decode(name, [kind], next(positions))[0] if indexed else next(plain)
            except StopIteration as error:
                raise UnexpectedContractAnswer("a log lacks a topic", retryable=False, event=signature.name) from error
        return AbiEvent(signature.name, arguments)

    def _callees_error(self, selector: bytes) -> _Signature | None:
        errors = (load_abi(name)._errors for name in _CALLEES.get(self.name, ()))
        return next((known[selector] for known in errors if selector in known), None)

    def error_from(self, data: bytes) -> ProtocolError:
        """The exception for revert data: the class in ``wattest.twin.errors`` with the custom error's name."""
        signature = self._errors.get(data[:4]) or self._callees_error(data[:4])
        if signature is not None:
            values = self._decode(signature.name, signature.input_types, data[4:])
            return _protocol_error(signature, values)
        if data[:4] == _ERROR_STRING:
            reason = str(self._decode("Error", ["string"], data[4:])[0])
        elif data[:4] == _PANIC:
            reason = f"panic {self._decode('Panic', ['uint256'], data[4:])[0]:#x}"
        else:
            reason = "0x" + data[:68].hex()
        return ContractReverted("the contract refused the call", reason=reason, contract=self.name)

    def _decode(self, what: str, types: Sequence[str], data: bytes) -> tuple[Any, ...]:
        try:
            return _decode(types, data)
        except (ValueError, OverflowError) as error:
            raise UnexpectedContractAnswer(
                "the address answered something else than this contract does",
                retryable=False,
                contract=self.name,
                function=what,
                answer_bytes=len(data),
                hint="check the deployment file, and that the RPC address is of its chain",
            ) from error

    def _of_kind(self, kind: str) -> Iterator[_Signature]:
        for entry in self._entries:
            if entry["type"] != kind:
                continue
            types = tuple(_type_of(parameter) for parameter in entry["inputs"])
            topic = keccak256(f"{entry['name']}({','.join(types)})".encode())
            yield _Signature(
                entry["name"],
                topic if kind == "event" else topic[:4],
                types,
                tuple(parameter["name"] for parameter in entry["inputs"]),
                tuple(_type_of(parameter) for parameter in entry.get("outputs", ())),
                tuple(bool(parameter.get("indexed")) for parameter in entry["inputs"]),
            )


@lru_cache(maxsize=32)
def load_abi(name: str) -> ContractAbi:
    """The ABI and bytecode that the package ships for a contract; raises ``ArtifactMissing``."""
    file = resources.files("wattest.chain") / "artifacts" / f"{name}.json"
    try:
        artifact = json.loads(file.read_text())
    except OSError as error:
        raise ArtifactMissing(
            "the package ships no such contract", contract=name, hint="install wattest again, whole"
        ) from error
    code = artifact.get("bytecode", "")
    if isinstance(code, dict):
        code = code.get("object", "")
    return ContractAbi(name, artifact["abi"], bytes.fromhex(code.removeprefix("0x")))


def _protocol_error(signature: _Signature, values: Sequence[Any]) -> ProtocolError:
    from wattest.twin.dcap_errors import DCAP_REVERTS
    from wattest.twin.errors import REVERTS

    kind = REVERTS.get(signature.name) or DCAP_REVERTS.get(signature.name)
    if kind is not None and len(kind.arguments) == len(values):
        return kind(*values)
    fields = {
        f"error_{name or at}": value for at, (name, value) in enumerate(zip(signature.input_names, values, strict=True))
    }
    return ContractReverted("the contract refused the call", reason=signature.name, **fields)


def _type_of(parameter: Mapping[str, Any]) -> str:
    kind: str = parameter["type"]
    if kind.startswith("tuple"):
        return f"({','.join(_type_of(part) for part in parameter['components'])}){kind[5:]}"
    return kind


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return tuple(_plain(getattr(value, field.name)) for field in dataclasses.fields(value))
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return int(value) if isinstance(value, IntEnum) else value


def _encode(types: Sequence[str], values: Sequence[Any]) -> bytes:
    words = encode_words(types, values)
    if words is not None:
        return words
    from eth_abi.abi import encode

    return encode(list(types), list(values))


def _decode(types: Sequence[str], data: bytes) -> tuple[Any, ...]:
    words = decode_words(types, data)
    if words is not None:
        return words
    from eth_abi.abi import decode
    from eth_abi.exceptions import DecodingError

    try:
        values = decode(list(types), data)
    except DecodingError as error:
        raise ValueError(str(error)) from error
    return tuple(_native(kind, value) for kind, value in zip(types, values, strict=True))


def _native(kind: str, value: Any) -> Any:
    if kind.endswith("]"):
        return tuple(_native(kind[: kind.rindex("[")], part) for part in value)
    if kind.startswith("("):
        return tuple(_native(part, inner) for part, inner in zip(_split(kind[1:-1]), value, strict=True))
    return bytes.fromhex(value[2:]) if kind == "address" else value


def _split(kinds: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for at, character in enumerate(kinds):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append(kinds[start:at])
            start = at + 1
    return [*parts, kinds[start:]] if kinds else []
