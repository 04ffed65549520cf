"""Asking a witness: a verdict counts only if the key that it names signed it, on what was asked."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from waiting import HANG_S, until

from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.enclave.host.jobs import PeerSettings, WitnessJob, WitnessOutcome
from wattest.errors import WattestError
from wattest.io import peer_listener
from wattest.messages.eip712 import Domain
from wattest.messages.witness_verdict import WitnessVerdict, sign_witness_verdict
from wattest.operator import witness_service
from wattest.operator.witness_service import VerdictUnsigned, WitnessServer, WitnessUnreachable, ask

DOMAIN = Domain(31_337, b"\x0a" * 20)
KEY, OTHER = (Secp256k1PrivateKey.from_seed(bytes([each]) * 32) for each in (1, 2))
HEADER: Any = type("Header", (), {"digest": lambda self, domain: b"\x05" * 32})()
JOB = WitnessJob(HEADER, bytes(65), b"\x06" * 32, (0, 2), (), (), (), ())
SETTINGS: Any = PeerSettings(bytes(32), b"", (), 0, bytes(65), b"", 0)
GOOD = WitnessVerdict(b"\x05" * 32, b"\x06" * 32, (0, 2), ok=True)


def outcome(verdict: WitnessVerdict = GOOD, key: Secp256k1PrivateKey = KEY) -> WitnessOutcome:
    return WitnessOutcome(verdict, "", KEY.address, sign_witness_verdict(key, verdict, DOMAIN))


@pytest.fixture
def listener() -> Iterator[tuple[str, int]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()


def test_a_good_and_a_bad_verdict_are_verdicts(listener: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    for verdict in (GOOD, replace(GOOD, ok=False)):
        found = outcome(verdict)
        monkeypatch.setattr(witness_service, "ask_witness", lambda *_, found=found: found)
        assert ask(None, SETTINGS, JOB, listener, DOMAIN).verdict == verdict  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "found",
    [
        outcome(key=OTHER),
        outcome(replace(GOOD, header=b"\x07" * 32)),
        outcome(replace(GOOD, seed=b"\x07" * 32)),
        outcome(replace(GOOD, entries=(0, 1))),
        replace(outcome(), witness=OTHER.address),
        replace(outcome(), signature=bytes(65)),
        replace(outcome(), signature=outcome().signature[:64] + b"\x05"),
    ],
)
def test_any_other_is_none(found: WitnessOutcome, listener: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness_service, "ask_witness", lambda *_: found)
    with pytest.raises(VerdictUnsigned):
        ask(None, SETTINGS, JOB, listener, DOMAIN)  # type: ignore[arg-type]


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()
    with pytest.raises(WitnessUnreachable):
        ask(None, SETTINGS, JOB, address, DOMAIN)  # type: ignore[arg-type]


def test_a_server_outlives_strangers_and_gives_the_turn_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_listener, "CONVERSATION_S", 0.3)

    def hear(_client: object, _settings: object, stream: socket.socket) -> WitnessOutcome:
        if stream.recv(1) != b"!":
            raise WattestError("a stranger")
        return outcome()

    monkeypatch.setattr(witness_service, "serve_witness", hear)
    turn, heard = threading.Lock(), list[Any]()
    server = WitnessServer(("127.0.0.1", 0), turn, heard.append)
    try:
        with socket.create_connection(server.address) as early:  # before an enclave is offered
            assert early.recv(1) == b""
        client: Any = object()
        server.offer(client, SETTINGS)
        with socket.create_connection(server.address) as mute:  # says nothing for ever
            assert mute.recv(1) == b""
        monkeypatch.setattr(peer_listener, "CONVERSATION_S", HANG_S)
        with socket.create_connection(server.address) as asker:
            asker.sendall(b"!")
            assert asker.recv(1) == b""
        until(lambda: len(heard) == 2, "both conversations")
        assert [getattr(one, "code", "outcome") for one in heard] == ["ConversationTooLong", "outcome"]
        assert turn.acquire(timeout=HANG_S)
        turn.release()
    finally:
        server.stop()
