"""A standby's host and its primary's patience: nothing waits, every conversation ends, one at a time."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from waiting import HANG_S, until

from wattest.enclave.host.client import ChainHead
from wattest.errors import TransportError
from wattest.io import peer_listener
from wattest.io.peer_listener import ConversationTooLong, ListenerNotStarted
from wattest.keys.carry_over import CarryTerms
from wattest.keys.standby import (
    Replica,
    ReplicaFile,
    Replicator,
    StandbyListener,
    StandbyTerms,
)
from wattest.messages.hand_over_permit import HandOverPermit, PermitKind, SignedPermit

CHANNEL = b"\x01" * 32
PERMIT = HandOverPermit(CHANNEL, bytes(20), PermitKind.STANDBY, bytes(32), bytes(32), bytes(32), 2**32)
CARRY = CarryTerms(b"", (), 2**32, bytes(65), SignedPermit(PERMIT, bytes(65)))
HEAD = ChainHead(3, b"\x03" * 32)


class Enclave:
    """Opens a conversation and waits for the other host's first word."""

    def __init__(self) -> None:
        self.opened = 0

    def open_peer(self, *_: object) -> bytes:
        self.opened += 1
        return bytes(32)

    def start_peer(self, *_: object) -> Any:
        raise TransportError("not this far", retryable=True)

    def close_peer(self) -> None:
        pass


class Primary:
    def __init__(self, folder: Path, address: tuple[str, int]) -> None:
        self.enclave: Any = Enclave()
        self.clock = 0.0
        terms = {CHANNEL: StandbyTerms(CARRY, host=address)}
        self.replicator = Replicator(terms, lambda _: b"{}", folder, clock=lambda: self.clock)

    def tend(self, committed: int = 3) -> Any:
        return self.replicator.tend(CHANNEL, committed, lambda _: HEAD, lambda _: self.enclave, 1_000)

    def settle(self, committed: int = 3) -> Any:
        """Wait for the conversation that runs, then see how it ended."""
        thread = self.replicator._channels[CHANNEL].thread
        assert thread is not None
        thread.join(HANG_S)
        return self.tend(committed)


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A host that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def test_nobody_there_is_said_once_a_try_and_tried_later_and_later(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()
    primary = Primary(tmp_path, address)
    assert primary.tend(0) is None  # nothing is committed: nothing is sent
    for pause in (5, 10, 20):
        assert primary.tend() is None  # begins
        lag = primary.settle()
        assert (lag.behind, "StandbyUnreachable" in lag.because) == (3, True)
        assert primary.tend() is None
        assert primary.replicator._channels[CHANNEL].thread is None  # not before the pause is over
        primary.clock += pause


def test_a_host_that_hangs_holds_nobody_up(
    tmp_path: Path, silent: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_listener, "CONVERSATION_S", HANG_S)
    primary = Primary(tmp_path, silent.getsockname())
    assert primary.tend() is None
    assert primary.tend() is None  # it still runs: nothing waits, nothing second is begun
    talking = primary.replicator._channels[CHANNEL].thread
    assert talking is not None
    assert talking.is_alive()
    until(lambda: primary.enclave.opened == 1, "the conversation")
    silent.close()
    assert "PeerLost" in primary.settle().because
    assert primary.enclave.opened == 1


def test_a_host_that_hangs_for_ever_is_cut_off(
    tmp_path: Path, silent: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_listener, "CONVERSATION_S", 0.3)
    primary = Primary(tmp_path, silent.getsockname())
    assert primary.tend() is None
    assert "ConversationTooLong" in primary.settle().because


def test_what_was_replicated_is_remembered(tmp_path: Path, silent: socket.socket) -> None:
    primary = Primary(tmp_path, silent.getsockname())
    primary.replicator._channels[CHANNEL].outcome = Replica(3, 1_000)
    assert primary.tend() is None
    assert primary.replicator._channels[CHANNEL].thread is None
    assert ReplicaFile(tmp_path, CHANNEL).read() == Replica(3, 1_000)
    again = Primary(tmp_path, silent.getsockname())
    again.tend()
    assert again.replicator._channels[CHANNEL].thread is None  # current
    assert again.tend(4) is None
    assert again.replicator._channels[CHANNEL].thread is not None  # one behind


def test_a_stranger_who_drips_bytes_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_listener, "CONVERSATION_S", 0.5)
    listener = StandbyListener(StandbyTerms(CARRY, listen=("127.0.0.1", 0)))
    enclave: Any = Enclave()
    assert listener.receive(enclave, lambda: CARRY.settings(b"{}", 0), 0.01) is None  # nobody came

    def drip() -> None:
        with socket.create_connection(listener.address) as stream:
            try:
                for byte in itertools.chain(b"\x00\x00\x10\x00", itertools.repeat(0)):
                    stream.send(bytes([byte]))
                    time.sleep(0.05)
            except OSError:
                return

    thread = threading.Thread(target=drip)
    thread.start()
    with pytest.raises(ConversationTooLong):  # it would drip for longer than this test may take
        listener.receive(enclave, lambda: CARRY.settings(b"{}", 0), HANG_S)
    thread.join()
    with pytest.raises(ListenerNotStarted):
        StandbyListener(StandbyTerms(CARRY, listen=listener.address))
    listener.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60) | st.sampled_from([b'{"sequence":1,"at":2}', b'{"sequence":true,"at":2}', b"[]", b"{}"]))
def test_arbitrary_bytes_as_a_replica_file(tmp_path: Path, data: bytes) -> None:
    (tmp_path / f"{CHANNEL.hex()}.json").write_bytes(data)
    expected = Replica(1, 2) if data == b'{"sequence":1,"at":2}' else None
    assert ReplicaFile(tmp_path, CHANNEL).read() == expected
