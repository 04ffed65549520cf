"""Operators' histories on a simulated chain, for proofs of the moment.

Decided here: that a history follows the chain, back too when blocks are dropped. Not decided here: the tree and its
proofs (``twin.history``). The twin keeps of a history what the contract does, eight words; the records are beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from wattest.chain.errors import Reorganised
from wattest.twin.batch import BatchCitation, BatchRecord, BatchReference, BatchRun
from wattest.twin.history import History
from wattest.twin.referee.state import OperatorKey

Records = Mapping[OperatorKey, tuple[BatchRecord, ...]]


class SimulatedHistories:
    """The histories of all operators; ``records`` tells what was committed by now."""

    def __init__(self, records: Callable[[], Records]) -> None:
        self._records = records
        self._known: dict[OperatorKey, History] = {}

    def of(self, channel: bytes, operator: bytes) -> History:
        """One history, up to the chain's head."""
        records = self._records().get((channel, operator), ())
        history = self._known.setdefault((channel, operator), History(channel, operator))
        common = min(history.size, len(records))
        # A record names the header before it: where two histories have one in common, they have all before it.
        while common and history.record(common) != records[common - 1]:
            common -= 1
        history.truncate(common)
        for record in records[common:]:
            history.append(record)
        return history

    def holds(self, batch: BatchCitation) -> bool:
        """Whether this very record stands at its sequence."""
        history = self.of(batch.channel, batch.operator)
        return 0 < batch.sequence <= history.size and history.record(batch.sequence) == batch.record

    def require(self, batches: Sequence[BatchCitation]) -> None:
        """Check that the chain holds all of them.

        Raises: Reorganised.
        """
        for batch in batches:
            if not self.holds(batch):
                raise Reorganised(
                    "the chain no longer holds this batch",
                    retryable=True,
                    channel=batch.channel,
                    sequence=batch.sequence,
                )

    def reference(self, batch: BatchCitation) -> BatchReference:
        """The batch with a proof.

        Raises: Reorganised.
        """
        self.require([batch])
        return self.of(batch.channel, batch.operator).reference(batch.sequence)

    def runs(self, batches: Sequence[BatchCitation]) -> list[BatchRun]:
        """Batches in their order, cut into runs that follow one another, each with a proof.

        Raises: Reorganised.
        """
        self.require(batches)
        starts = [at for at, (before, batch) in enumerate(pairwise(batches), 1) if not _follows(before, batch)]
        cuts = [0, *starts, len(batches)] if batches else []
        return [
            self.of(batches[first].channel, batches[first].operator).run(batches[first].sequence, end - first)
            for first, end in pairwise(cuts)
        ]


def _follows(before: BatchCitation, batch: BatchCitation) -> bool:
    expected = (before.channel, before.operator, before.sequence + 1)
    return (batch.channel, batch.operator, batch.sequence) == expected
