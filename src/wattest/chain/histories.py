"""Operators' histories as the chain has them: rebuilt from the commits' events, and never believed unchecked.

Decided here: when events are read, and what is forgotten when the chain changed its mind. Not decided here: the tree
and its proofs (``twin.history``), who needs them (``referee``, ``payouts``). Invariants: a history is handed out only
after the word that the referee keeps of its size was the same; only a few of the newest commits are read anew after a
reorganisation, and everything only where that did not help. It is kept in memory: the chain has it all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from wattest.chain.abi import ContractAbi
from wattest.chain.errors import Reorganised
from wattest.chain.referee_events import CommittedBatch, committed_batch
from wattest.chain.transactions import Receipt
from wattest.twin.batch import BatchCitation, BatchReference, BatchRun
from wattest.twin.errors import HistoryMismatch, HistoryStale, UnknownBatch
from wattest.twin.history import History

if TYPE_CHECKING:
    from wattest.chain.client import ChainClient

REWIND_BLOCKS = 256
"""So many blocks are read again before everything is."""
MAX_ROUNDS = 6
"""Readings of the log until it must agree with the state: commits may come in between, and reorganisations."""

PROOF_ATTEMPTS = 3
"""So often a proof is made and sent before its refusal is told: each time eight commits came in between."""
_AGED = (HistoryStale, HistoryMismatch, UnknownBatch)

HistoryKey = tuple[bytes, bytes]
"""Channel (32 bytes) and operator (20)."""


class KnownHistory:
    """One operator's history in one channel, as far as the log was read."""

    def __init__(self, key: HistoryKey, first_block: int) -> None:
        self.history = History(*key)
        self.next_block = first_block
        self._first_block = first_block
        self._blocks: list[int] = []

    @property
    def size(self) -> int:
        """Batches read."""
        return self.history.size

    def take(self, batch: CommittedBatch) -> bool:
        """Take an event in, the same one twice as well; False where an earlier one is missing."""
        if batch.sequence > self.size + 1:
            return False
        if batch.sequence <= self.size:
            if self.history.record(batch.sequence) == batch.record:
                self._blocks[batch.sequence - 1] = batch.place.block_number
                return True
            self.cut(batch.sequence - 1)
        self.history.append(batch.record)
        self._blocks.append(batch.place.block_number)
        return True

    def cut(self, size: int) -> None:
        """Forget the batches after ``size``."""
        self.history.truncate(size)
        del self._blocks[size:]

    def rewind(self) -> None:
        """Forget the newest blocks, or everything where they were forgotten already, so that they are read again."""
        back = max(self._first_block, self.next_block - REWIND_BLOCKS)
        kept = sum(1 for block in self._blocks if block < back)
        if kept == self.size:  # nothing of it is in these blocks: what is wrong is older
            back, kept = self._first_block, 0
        self.cut(kept)
        self.next_block = back

    def has(self, batch: BatchCitation) -> bool:
        """Whether this very record stands at its sequence."""
        return 0 < batch.sequence <= self.size and self.history.record(batch.sequence) == batch.record

    def reference(self, batch: BatchCitation) -> BatchReference:
        """The batch with a proof against the whole history; raises ``Reorganised`` where the chain has another."""
        self._require(batch)
        return self.history.reference(batch.sequence)

    def run(self, batches: Sequence[BatchCitation]) -> BatchRun:
        """Consecutive batches under one proof; raises ``Reorganised`` where the chain has another."""
        for batch in batches:
            self._require(batch)
        return self.history.run(batches[0].sequence, len(batches))

    def _require(self, batch: BatchCitation) -> None:
        if not self.has(batch):
            raise Reorganised(
                "the chain no longer holds this batch", retryable=True, channel=batch.channel, sequence=batch.sequence
            )


class Histories:
    """The histories that one referee keeps, as far as somebody asked for them; threads may share it."""

    def __init__(self, client: ChainClient, abi: ContractAbi, address: bytes, first_block: int) -> None:
        self._client = client
        self._abi = abi
        self._address = address
        self._first_block = first_block
        self._known: dict[HistoryKey, KnownHistory] = {}
        self._lock = threading.Lock()

    def of(self, channel: bytes, operator: bytes) -> KnownHistory:
        """One history, up to the chain's head; raises ``Reorganised`` where log and state do not agree."""
        return self.follow_all([(channel, operator)])[channel, operator]

    def follow_all(self, keys: Iterable[HistoryKey]) -> dict[HistoryKey, KnownHistory]:
        """``follow``, where all of them are needed; raises ``Reorganised`` for the first that is wrong."""
        found: dict[HistoryKey, KnownHistory] = {}
        for key, known in self.follow(keys).items():
            if isinstance(known, Reorganised):
                raise known
            found[key] = known
        return found

    def follow(self, keys: Iterable[HistoryKey]) -> dict[HistoryKey, KnownHistory | Reorganised]:
        """These histories up to the chain's head: two calls each in one round trip, and the log where one grew.

        What is wrong with one of them alone stands in its place.
        """
        with self._lock:
            wanted = list(dict.fromkeys(keys))
            for key in wanted:
                self._known.setdefault(key, KnownHistory(key, self._first_block))
            behind = self._behind(wanted)
            for _ in range(MAX_ROUNDS):
                if not behind:
                    break
                sizes = {key: self._known[key].size for key in behind}
                self._read(behind)
                behind = self._behind(behind)
                for key in behind:
                    if self._known[key].size == sizes[key]:  # what is missing lies before what was read
                        self._known[key].rewind()
            failures = {key: _disagreement(key, self._known[key]) for key in behind}
            return {key: failures.get(key, self._known[key]) for key in wanted}

    def _behind(self, keys: Sequence[HistoryKey]) -> list[HistoryKey]:
        """Those that are not what the chain has now; of one that differs its newest blocks are forgotten."""
        calls: list[tuple[str, tuple[object, ...]]] = []
        for key in keys:
            calls += [("operatorHead", key), ("historyOf", (*key, self._known[key].size))]
        answers = [value for (value,) in self._client.call_many(self._abi, self._address, calls)]
        behind = []
        for key, head, kept in zip(keys, answers[::2], answers[1::2], strict=True):
            known, sequence = self._known[key], head[2]
            if sequence == known.size and kept == known.history.word():
                continue
            # A word that left the ring is no sign of anything else: more was committed.
            if sequence < known.size or (any(kept) and kept != known.history.word()):
                known.rewind()
            behind.append(key)
        return behind

    def _read(self, keys: Sequence[HistoryKey]) -> None:
        head = self._client.block().number
        for operator in dict.fromkeys(operator for _, operator in keys):
            channels = [channel for channel, one in keys if one == operator]
            known = {channel: self._known[channel, operator] for channel in channels}
            only = channels[0] if len(channels) == 1 else None
            first = min(one.next_block for one in known.values())
            broken = set[bytes]()
            for batch in self._commits(only, operator, first, head):
                if batch.channel in known and batch.channel not in broken and not known[batch.channel].take(batch):
                    broken.add(batch.channel)
            for channel, one in known.items():
                one.next_block = max(one.next_block, head + 1)
                if channel in broken:
                    one.rewind()

    def _commits(self, channel: bytes | None, operator: bytes, first: int, last: int) -> Iterator[CommittedBatch]:
        topics = [self._abi.event_topic("BatchCommitted"), channel, bytes(12) + operator]
        for log in self._client.logs(self._address, topics, first, last):
            event = self._abi.decode_log(log.topics, log.data)
            if event is not None:
                yield committed_batch(event, log)


def with_fresh_proofs(send: Callable[[], Receipt]) -> Receipt:
    """Send what makes its proofs itself, and again where commits or a reorganisation made them old on the way."""
    for left in reversed(range(PROOF_ATTEMPTS)):
        try:
            return send()
        except _AGED:
            if not left:
                raise
    raise AssertionError("unreachable")


def _disagreement(key: HistoryKey, known: KnownHistory) -> Reorganised:
    return Reorganised(
        "the node's log of commits does not lead to what its state keeps of the operator's history",
        retryable=True,
        channel=key[0],
        operator=key[1],
        batches=known.size,
        hint="a reorganisation settles by itself; if it stays, the node lacks logs: ask another one",
    )
