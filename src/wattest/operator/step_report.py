"""What one step of an operator did, and what it could not do.

Decided here: the values that the loop writes into, beside what the keeper of keys does (``keys.key_report``). Not
decided here: how they are shown (``apps.actions.operator_run``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from wattest.chain.client import Receipt
from wattest.keys.key_report import KeyReport
from wattest.keys.standby import ReplicaLag
from wattest.settling.settler import SettlingReport


class BatchChange(StrEnum):
    """What happened to a batch; ``MISSED``: its header was released, its deadline passed, its period is left out."""

    SEALED = "sealed"
    COMMITTED = "committed"
    ANSWERED = "answered"
    FINAL = "final"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class BatchEvent:
    """A change of one batch (channel 32 bytes), with the transaction where there was one."""

    change: BatchChange
    channel: bytes
    sequence: int
    receipt: Receipt | None = None

    def shown(self) -> dict[str, object]:
        """One line of a running operator."""
        told: dict[str, object] = {"event": self.change.value, "channel": self.channel.hex(), "sequence": self.sequence}
        if self.receipt is None:
            return told
        return told | {"transaction": self.receipt.transaction_hash.hex(), "gas": self.receipt.gas_used}


@dataclass(slots=True)
class StepReport(KeyReport):
    """What one step did, and what it could not do and will try again."""

    ingested: int = 0
    batches: list[BatchEvent] = field(default_factory=list)
    lags: list[ReplicaLag] = field(default_factory=list)
    settling: SettlingReport = field(default_factory=SettlingReport)

    @property
    def is_idle(self) -> bool:
        """Whether nothing was done; a missed deadline is nothing that was done."""
        done = self.ingested or self.keys or any(one.change is not BatchChange.MISSED for one in self.batches)
        return not (done or self.settling.steps)

    def note(self, change: BatchChange, channel: bytes, sequence: int, receipt: Receipt | None = None) -> None:
        """Take note of what happened to a batch."""
        self.batches.append(BatchEvent(change, channel, sequence, receipt))

    @property
    def sealed(self) -> list[int]:
        """Sequences that were sealed, of all channels."""
        return self._sequences(BatchChange.SEALED)

    @property
    def committed(self) -> list[Receipt]:
        """The transactions of commits."""
        return self._receipts(BatchChange.COMMITTED)

    @property
    def answered(self) -> list[Receipt]:
        """The transactions of answers."""
        return self._receipts(BatchChange.ANSWERED)

    @property
    def finalised(self) -> list[int]:
        """Sequences that are final now."""
        return self._sequences(BatchChange.FINAL)

    @property
    def missed(self) -> list[int]:
        """Sequences whose header was released and whose deadline passed."""
        return self._sequences(BatchChange.MISSED)

    def _sequences(self, change: BatchChange) -> list[int]:
        return [one.sequence for one in self.batches if one.change is change]

    def _receipts(self, change: BatchChange) -> list[Receipt]:
        return [one.receipt for one in self.batches if one.change is change and one.receipt is not None]

    def raise_first(self) -> None:
        """Raise the first error, if there is one."""
        if self.errors:
            raise self.errors[0]
