"""Frames on the enclave's socket: u32 length (big-endian) || one CBOR map.

Decided here: the frame limit, the envelopes of requests and replies, and how bytes are read off a stream. Not decided
here: the methods (``service``). Invariants: a length is checked before anything is read or allocated for it; a peer
that stops in the middle of a frame is a closed connection, not an exception of another kind.
Source: docs/spec/enclave-socket.md.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass

from wattest.crypto.strict_fields import Fields
from wattest.enclave.measured import cbor
from wattest.enclave.measured.cbor import Value
from wattest.enclave.measured.errors import (
    BRANCHES,
    FrameMalformed,
    FrameTooLarge,
    error_from_wire,
    error_to_wire,
)
from wattest.enclave.measured.schema import read_map
from wattest.errors import WattestError

VERSION = 1
LENGTH_BYTES = 4
MAX_FRAME_BYTES = 64 * 1024 * 1024
MAX_METHOD = 64


@dataclass(frozen=True, slots=True)
class Request:
    """One question: ``id`` is repeated in the reply."""

    id: int
    method: str
    params: Value


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: a result, or the error that took its place."""

    id: int
    result: Value
    error: WattestError | None


def encode_request(identifier: int, method: str, params: dict[str, object]) -> bytes:
    """The CBOR map of a request, without its length."""
    return cbor.encode({"v": VERSION, "id": identifier, "method": method, "params": params})


def encode_result(identifier: int, result: dict[str, object]) -> bytes:
    """The CBOR map of a successful reply, without its length."""
    return cbor.encode({"v": VERSION, "id": identifier, "result": result})


def encode_error(identifier: int, error: WattestError) -> bytes:
    """The CBOR map of a failed reply, without its length."""
    return cbor.encode({"v": VERSION, "id": identifier, "error": error_to_wire(error)})


def parse_request(data: bytes) -> Request:
    """Read a request.

    Raises: FrameMalformed or RequestInvalid.
    """
    fields = read_map(cbor.parse(data), "request")
    _require_version(fields)
    request = Request(fields["id"].uint(), fields["method"].text(MAX_METHOD), fields["params"].raw())
    fields.close()
    return request


def parse_reply(data: bytes) -> Reply:
    """Read a reply; the error inside is rebuilt, not raised.

    Raises: FrameMalformed or RequestInvalid.
    """
    value = cbor.parse(data)
    fields = read_map(value, "reply")
    _require_version(fields)
    identifier = fields["id"].uint()
    if isinstance(value, dict) and "error" in value:
        error = _parse_error(fields["error"].fields())
        fields.close()
        return Reply(identifier, None, error)
    result = fields["result"].raw()
    fields.close()
    return Reply(identifier, result, None)


def _require_version(fields: Fields) -> None:
    version = fields["v"].uint(8)
    if version != VERSION:
        raise FrameMalformed("unknown version of the socket protocol", expected=VERSION, actual=version)


def _parse_error(fields: Fields) -> WattestError:
    code = fields["code"].text(64)
    branch = fields["branch"].text(32)
    if branch not in BRANCHES or not code.isidentifier():
        raise FrameMalformed("an error of an unknown branch", actual=branch)
    message = fields["message"].text(4_000)
    hint = fields["hint"].or_none(lambda field: field.text(4_000))
    retryable = fields["retryable"].boolean()
    shown = fields["fields"].raw()
    fields.close()
    if not isinstance(shown, dict) or any(name in ("message", "hint", "retryable", "self") for name in shown):
        raise FrameMalformed("the fields of an error are a map")
    return error_from_wire(code, branch, message, hint, retryable, dict(shown))


def send_frame(stream: socket.socket, data: bytes) -> None:
    """Write one frame.

    Raises: FrameTooLarge; OSError from the socket.
    """
    if len(data) > MAX_FRAME_BYTES:
        raise FrameTooLarge("a frame is too large", limit_bytes=MAX_FRAME_BYTES, actual=len(data))
    stream.sendall(len(data).to_bytes(LENGTH_BYTES, "big") + data)


def receive_frame(stream: socket.socket, limit_bytes: int = MAX_FRAME_BYTES) -> bytes | None:
    """Read one frame; None when the peer closed, also in the middle of a frame.

    Raises: FrameTooLarge before the frame is read; OSError from the socket.
    """
    head = _receive_exactly(stream, LENGTH_BYTES)
    if head is None:
        return None
    length = int.from_bytes(head, "big")
    if length > limit_bytes:
        raise FrameTooLarge("a frame is too large", limit_bytes=limit_bytes, actual=length)
    return _receive_exactly(stream, length)


def _receive_exactly(stream: socket.socket, length: int) -> bytes | None:
    # Grown as bytes arrive: a peer that announces 64 MiB and sends nothing costs nothing.
    buffer = bytearray()
    while len(buffer) < length:
        piece = stream.recv(min(length - len(buffer), 1 << 18))
        if not piece:
            return None
        buffer += piece
    return bytes(buffer)
