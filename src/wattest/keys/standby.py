"""A standby on another host: the primary keeps its replica current, and it waits for its turn.

Decided here: when the primary sends its state, what it does when nobody takes it, and how the standby's host receives.
Not decided here: what crosses and who may have it (``enclave.host.peer``), how a standby takes over (``take_over``).
Invariants: a standby that is down, slow or hostile delays no commit: each conversation has a thread and a connection of
its own for the time it lasts, and an end; there is one at a time; only what is committed is replicated.
Source: docs/spec/ra-tls.md, section "Standby".
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from wattest.enclave.host.client import ChainHead, EnclaveClient
from wattest.enclave.host.jobs import PeerSettings
from wattest.enclave.host.peer import give, take
from wattest.errors import TransportError, WattestError
from wattest.io.files import write_atomically
from wattest.io.peer_listener import CONVERSATION_S, PeerListener, connect, ending
from wattest.keys.carry_over import CarryTerms

CONNECT_TIMEOUT_S = 10.0
FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 600.0
_MAX_FILE_BYTES = 1_024


class StandbyUnreachable(TransportError):
    """The standby's host does not answer at its address."""


@dataclass(frozen=True, slots=True)
class StandbyTerms:
    """What the manager signed for a standby, and this host's side of it.

    ``host`` is where the primary reaches the standby, ``listen`` where the standby waits: one of them. Once nothing was
    committed for ``take_over_after_s`` (chain time) beyond a period's end, the standby takes over by itself; 0: never.
    """

    terms: CarryTerms
    host: tuple[str, int] | None = None
    listen: tuple[str, int] | None = None
    take_over_after_s: int = 0


@dataclass(frozen=True, slots=True)
class Replica:
    """The sequence of the last batch that the replica is of, and the chain's time (unix seconds) when it was made."""

    sequence: int
    at: int


@dataclass(frozen=True, slots=True)
class ReplicaLag:
    """The standby is so many batches behind, and why."""

    channel: bytes
    behind: int
    because: str


class ReplicaFile:
    """What a host last heard of a channel's replica, beside its database; it decides nothing."""

    def __init__(self, folder: Path, channel: bytes) -> None:
        self._path = folder / f"{channel.hex()}.json"

    def read(self) -> Replica | None:
        """None when nothing readable is there."""
        try:
            with self._path.open("rb") as file:
                values = json.loads(file.read(_MAX_FILE_BYTES))
            sequence, at = values["sequence"], values["at"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return Replica(sequence, at) if type(sequence) is int and type(at) is int else None

    def write(self, replica: Replica) -> None:
        """Replace it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self._path, json.dumps({"sequence": replica.sequence, "at": replica.at}).encode())


@dataclass(slots=True)
class _Channel:
    """How far one channel's replication is, and the conversation that runs."""

    replica: Replica | None
    thread: threading.Thread | None = None
    outcome: Replica | WattestError | None = None
    failed: int = 0
    not_before: float = 0.0


class Replicator:
    """The primary's side; the operator's loop calls ``tend`` after its commits."""

    def __init__(
        self,
        terms: Mapping[bytes, StandbyTerms],
        endorsements: Callable[[int], bytes],
        folder: Path,
        *,
        turn: threading.Lock | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``turn`` is held during a conversation: an enclave has one at a time, and others may want it."""
        self._turn = turn or threading.Lock()
        self._terms = {channel: one for channel, one in terms.items() if one.host is not None}
        self._endorsements = endorsements
        self._folder = folder
        self._clock = clock
        self._channels = {channel: _Channel(ReplicaFile(folder, channel).read()) for channel in self._terms}

    def tend(
        self,
        channel: bytes,
        committed: int,
        head: Callable[[bytes], ChainHead],
        enclave: Callable[[bytes], EnclaveClient],
        now: int,
    ) -> ReplicaLag | None:
        """See how the last conversation ended, and begin one if the replica is not of the last ``committed`` batch.

        A failure is said once; the next try waits longer. Raises: what ``head``, ``enclave`` and endorsements raise.
        """
        state = self._channels.get(channel)
        if state is None or (state.thread is not None and state.thread.is_alive()):
            return None
        lag = self._conclude(channel, state, committed)
        current = state.replica is not None and state.replica.sequence == committed
        if lag is None and committed and not current and self._clock() >= state.not_before:
            self._begin(channel, state, head(channel), enclave(channel), now)
        return lag

    def finish(self) -> None:
        """Wait for what runs, as long as a conversation may last, and note how it ended."""
        for channel, state in self._channels.items():
            if state.thread is not None:
                state.thread.join(CONVERSATION_S)
                self._conclude(channel, state, 0)

    def _conclude(self, channel: bytes, state: _Channel, committed: int) -> ReplicaLag | None:
        outcome, state.outcome, state.thread = state.outcome, None, None
        if isinstance(outcome, Replica):
            state.replica, state.failed, state.not_before = outcome, 0, 0.0
            ReplicaFile(self._folder, channel).write(outcome)
        if not isinstance(outcome, WattestError):
            return None
        state.not_before = self._clock() + min(FIRST_PAUSE_S * 2**state.failed, LONGEST_PAUSE_S)
        state.failed = min(state.failed + 1, 30)
        behind = committed - (state.replica.sequence if state.replica is not None else 0)
        return ReplicaLag(channel, behind, f"{outcome.code}: {outcome.message}")

    def _begin(self, channel: bytes, state: _Channel, head: ChainHead, client: EnclaveClient, now: int) -> None:
        terms = self._terms[channel]
        settings = terms.terms.settings(self._endorsements(now), now)

        def converse() -> None:
            try:
                with self._turn:
                    state.outcome = Replica(_send(client, terms, settings, head), now)
            except WattestError as error:
                state.outcome = error

        state.thread = threading.Thread(target=converse, name="replication", daemon=True)
        state.thread.start()


def _send(client: EnclaveClient, terms: StandbyTerms, settings: PeerSettings, head: ChainHead) -> int:
    assert terms.host is not None  # the replicator keeps no others
    try:
        stream = connect(terms.host, CONNECT_TIMEOUT_S)
    except OSError as error:
        raise StandbyUnreachable(
            "the standby does not answer",
            retryable=True,
            address=f"{terms.host[0]}:{terms.host[1]}",
            cause=str(error),
            hint="run there: wattest operator standby",
        ) from error
    with stream, ending(stream):
        return give(client, settings, stream, terms.terms.permit, head).sequence


class StandbyListener:
    """The standby's side: waits at an address and takes what the primary sends."""

    def __init__(self, terms: StandbyTerms) -> None:
        """Raises: ListenerNotStarted."""
        self._terms = terms
        self._listener = PeerListener(terms.listen or ("127.0.0.1", 0))
        self.address = self._listener.address

    def receive(self, client: EnclaveClient, settings: Callable[[], PeerSettings], wait_s: float) -> int | None:
        """One conversation: the sequence that the replica is of now, None when nobody came in time.

        Raises: what ``enclave.host.peer.take`` raises; ConversationTooLong, ListenerNotStarted.
        """
        stream = self._listener.accept(wait_s)
        if stream is None:
            return None
        with stream, ending(stream):
            return take(client, settings(), stream, self._terms.terms.permit).sequence

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()
