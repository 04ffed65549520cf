"""Frames and envelopes: bounded, strict, and errors that arrive as what they were."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from wattest.crypto.strict_fields import Field, Fields
from wattest.enclave.measured import cbor, wire
from wattest.enclave.measured.errors import (
    DeviceFailed,
    FrameMalformed,
    FrameTooLarge,
    HeadMismatch,
    RequestInvalid,
    error_from_wire,
    error_to_wire,
)
from wattest.enclave.measured.schema import read_map
from wattest.errors import ProtocolError, TransportError, VerificationError


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def test_a_frame_crosses(pair: tuple[socket.socket, socket.socket]) -> None:
    wire.send_frame(pair[0], b"abc")
    assert wire.receive_frame(pair[1]) == b"abc"


def test_an_oversized_frame_is_refused_before_it_is_read(pair: tuple[socket.socket, socket.socket]) -> None:
    pair[0].sendall((2**32 - 1).to_bytes(4, "big"))
    with pytest.raises(FrameTooLarge):
        wire.receive_frame(pair[1])


@pytest.mark.parametrize("sent", [b"", b"\x00\x00", b"\x00\x00\x00\x05abcd"])
def test_a_peer_that_stops_midway_is_a_closed_connection(
    pair: tuple[socket.socket, socket.socket], sent: bytes
) -> None:
    pair[0].sendall(sent)
    pair[0].close()
    assert wire.receive_frame(pair[1]) is None


def test_a_request_round_trips() -> None:
    request = wire.parse_request(wire.encode_request(7, "describe", {"a": b"b"}))
    assert (request.id, request.method, request.params) == (7, "describe", {"a": b"b"})


@pytest.mark.parametrize(
    "value",
    [
        {"v": 2, "id": 1, "method": "m", "params": {}},
        {"v": 1, "id": -1, "method": "m", "params": {}},
        {"v": 1, "id": True, "method": "m", "params": {}},
        {"v": 1, "id": 1, "method": b"m", "params": {}},
        {"v": 1, "id": 1, "method": "m" * 65, "params": {}},
        {"v": 1, "id": 1, "method": "m"},
        {"v": 1, "id": 1, "method": "m", "params": {}, "more": 0},
        [],
        1,
    ],
)
def test_another_envelope_is_refused(value: object) -> None:
    with pytest.raises((FrameMalformed, RequestInvalid)):
        wire.parse_request(cbor.encode(value))


def test_an_error_arrives_as_the_class_it_was() -> None:
    sent = HeadMismatch("gone back", hint="restore", expected=[3, b"\x01" * 32], actual=[4, b"\x02" * 32])
    reply = wire.parse_reply(wire.encode_error(9, sent))
    assert reply.id == 9
    assert type(reply.error) is HeadMismatch
    assert (reply.error.message, reply.error.hint, reply.error.fields) == (sent.message, sent.hint, sent.fields)


def test_whether_to_try_again_crosses() -> None:
    reply = wire.parse_reply(wire.encode_error(1, DeviceFailed("later", retryable=True)))
    assert isinstance(reply.error, TransportError)
    assert reply.error.retryable


def test_an_error_of_a_class_that_only_the_enclave_knows_keeps_its_code_and_branch() -> None:
    error = error_from_wire("SomethingNew", "ProtocolError", "text", None, False, {"n": 1})
    assert error.code == "SomethingNew"
    assert isinstance(error, ProtocolError)
    assert not isinstance(error, VerificationError)


@pytest.mark.parametrize(
    "change", [{"branch": "OSError"}, {"code": "no identifier"}, {"fields": [1]}, {"retryable": 1}]
)
def test_a_malformed_error_is_refused(change: dict[str, object]) -> None:
    error = {**error_to_wire(HeadMismatch("x")), **change}
    with pytest.raises((FrameMalformed, RequestInvalid)):
        wire.parse_reply(cbor.encode({"v": 1, "id": 1, "error": error}))


def test_fields_are_taken_with_their_type_or_refused() -> None:
    def fields() -> Fields:
        return read_map({"b": b"ab", "n": 300, "t": "text", "f": True, "l": [b"a", b"b"], "z": None}, "map")

    taken = fields()
    assert taken["b"].octets(2) == b"ab"
    assert taken["n"].uint(16) == 300
    assert taken["t"].text(4) == "text"
    assert taken["f"].boolean() is True
    assert taken["l"].blobs(2, 1) == [b"a", b"b"]
    assert taken["z"].or_none(Field.uint) is None
    taken.close()
    for refused in (
        lambda f: f["b"].octets(3),
        lambda f: f["b"].blob(1),
        lambda f: f["b"].rows(4, 1),
        lambda f: f["b"].rows(1, 1),
        lambda f: f["n"].uint(8),
        lambda f: f["f"].uint(),
        lambda f: f["t"].text(3),
        lambda f: f["n"].boolean(),
        lambda f: f["l"].blobs(1, 1),
        lambda f: f["l"].blobs(2, 0),
        lambda f: [each.fields() for each in f["l"].items(2)],
        lambda f: f["b"].fields(),
        lambda f: f["missing"].octets(1),
        lambda f: f.close(),
    ):
        with pytest.raises(RequestInvalid):
            refused(fields())
