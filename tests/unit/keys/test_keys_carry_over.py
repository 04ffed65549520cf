"""Giving a channel's state over a listener: strangers cost nothing, and the true successor gets it once."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from enclave_community import Community, LocalEnclave
from enclave_peers import NOW, peer_settings, permit
from waiting import HANG_S

from wattest.enclave.host.client import ChainHead
from wattest.enclave.host.jobs import PeerSettings
from wattest.enclave.host.peer import take
from wattest.enclave.measured import cbor
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.errors import WattestError
from wattest.keys.carry_over import give_once
from wattest.messages.hand_over_permit import PermitRefused

COMMUNITY = Community(2)
HELLO = {"v": 1, "channel": COMMUNITY.channel.id, "nonce": bytes(32), "endorsements": b"{}"}
TLS_HELLO = b"\x16\x03\x01\x00\x05hello"


def frame(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


@pytest.fixture
def platforms(tmp_path: Path) -> tuple[SimulatedPlatform, SimulatedPlatform]:
    return SimulatedPlatform.create(tmp_path / "a", NOW), SimulatedPlatform.create(tmp_path / "b", NOW)


class Giving:
    """A giver that waits behind a listener, in a thread."""

    def __init__(self, client: LocalEnclave, settings: Callable[[], PeerSettings], to: SimulatedPlatform) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.refused: list[str] = []
        self.given: list[int] = []
        self.failure: WattestError | None = None
        self._heard = threading.Semaphore(0)
        self._client, self._settings, self._permit = client, settings, permit(COMMUNITY, to)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.given.append(
                give_once(self._client, self._permit, self._settings, ChainHead(), self.listener, self._hear)
            )
        except WattestError as error:
            self.failure = error

    def _hear(self, error: WattestError) -> None:
        self.refused.append(error.code)
        self._heard.release()

    def connect(self) -> socket.socket:
        return socket.create_connection(self.listener.getsockname(), 10)

    def stranger(self, said: bytes) -> str:
        """Says something, ends its side, and waits until the giver gave it up."""
        with self.connect() as stream:
            stream.sendall(said)
            stream.shutdown(socket.SHUT_WR)
            assert self._heard.acquire(timeout=HANG_S)
        return self.refused[-1]

    def end(self) -> None:
        self._thread.join(HANG_S)
        self.listener.close()
        assert not self._thread.is_alive()


def test_strangers_cost_nothing(platforms: tuple[SimulatedPlatform, SimulatedPlatform], tmp_path: Path) -> None:
    giver, taker = LocalEnclave(platforms[0], tmp_path / "giver"), LocalEnclave(platforms[1], tmp_path / "taker")
    giver.create_identity(COMMUNITY.binding(), COMMUNITY.channel)
    taker.prepare_successor(COMMUNITY.binding(), COMMUNITY.channel)
    ours, theirs = (peer_settings(COMMUNITY, each, platforms) for each in platforms)
    unlisted = peer_settings(COMMUNITY, platforms[0], platforms, measurements=(b"\x01" * 32,))
    # Settings as old as a listener that waits for half a day: the successor would find its certificate expired.
    times = [ours] * 6 + [unlisted, replace(ours, now=NOW - 43_200), ours]
    giving = Giving(giver, lambda: times.pop(0), platforms[1])
    assert giving.stranger(b"") == "PeerLost"
    assert giving.stranger(b"GET / HTTP/1.1\r\n\r\n") == "PeerMisspoke"  # a frame of 1 GiB
    assert giving.stranger(frame(b"\xff\xff")) == "PeerMisspoke"
    assert giving.stranger(frame(cbor.encode({**HELLO, "nonce": bytes(31)}))) == "PeerMisspoke"
    assert giving.stranger(frame(cbor.encode({**HELLO, "channel": bytes(32)}))) == "PeerMismatch"
    assert giving.stranger(frame(cbor.encode(HELLO)) + TLS_HELLO) == "TlsFailed"
    for _ in range(2):
        with giving.connect() as stream, pytest.raises(WattestError):
            take(taker, theirs, stream, permit(COMMUNITY, platforms[1]))
    with giving.connect() as stream:
        assert take(taker, theirs, stream, permit(COMMUNITY, platforms[1])).sequence == 0
    giving.end()
    assert (giving.given, giving.failure, giving.refused[6:]) == ([0], None, ["PeerRefused", "PeerLost"])


def test_a_permit_for_another_platform_ends_it(
    platforms: tuple[SimulatedPlatform, SimulatedPlatform], tmp_path: Path
) -> None:
    giver, taker = LocalEnclave(platforms[0], tmp_path / "giver"), LocalEnclave(platforms[1], tmp_path / "taker")
    giver.create_identity(COMMUNITY.binding(), COMMUNITY.channel)
    taker.prepare_successor(COMMUNITY.binding(), COMMUNITY.channel)
    ours, theirs = (peer_settings(COMMUNITY, each, platforms) for each in platforms)
    giving = Giving(giver, lambda: ours, platforms[0])
    with giving.connect() as stream, pytest.raises(WattestError):
        take(taker, theirs, stream, permit(COMMUNITY, platforms[1]))
    giving.end()
    assert isinstance(giving.failure, PermitRefused)
    assert (giving.given, giving.refused) == ([], [])
