"""A batch on its way to the chain: its states, which may follow which, and what is known of it.

Decided here: the transition table. Not decided here: when a step is taken (``operator``), how it is kept (``store``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from wattest.messages.header import BatchHeader, parse_header
from wattest.twin.batch import BatchCitation, BatchRecord


class StoredState(Enum):
    """How far a batch is on its way."""

    COLLECTED = "collected"
    SEALING = "sealing"
    SEALED = "sealed"
    STORED = "stored"
    COMMITTING = "committing"
    COMMITTED = "committed"
    FINAL = "final"
    SLASHED = "slashed"
    MISSED = "missed"
    GIVEN_UP = "given up"


_S = StoredState
NEXT_STATES: Mapping[StoredState, frozenset[StoredState]] = {
    _S.COLLECTED: frozenset({_S.SEALING}),
    _S.SEALING: frozenset({_S.SEALED}),
    _S.SEALED: frozenset({_S.STORED, _S.GIVEN_UP}),
    _S.STORED: frozenset({_S.COMMITTING, _S.MISSED, _S.GIVEN_UP}),
    _S.COMMITTING: frozenset({_S.COMMITTED, _S.MISSED, _S.GIVEN_UP}),
    _S.COMMITTED: frozenset({_S.COMMITTING, _S.FINAL, _S.SLASHED}),
    _S.FINAL: frozenset(),
    _S.SLASHED: frozenset(),
    _S.MISSED: frozenset({_S.COMMITTED, _S.GIVEN_UP}),
    _S.GIVEN_UP: frozenset(),
}


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """A batch as the operator knows it; what is not known yet is None."""

    channel: bytes
    sequence: int
    period_start: int
    period_end: int
    state: StoredState
    header: BatchHeader | None
    header_digest: bytes | None
    signature: bytes | None
    content_id: bytes | None
    record: BatchRecord | None
    block_number: int | None
    block_hash: bytes | None
    transaction_hash: bytes | None
    gas_used: int | None
    released: bool

    @property
    def signed(self) -> tuple[BatchHeader, bytes]:
        """Header and 65-byte signature; only a sealed batch has them: asking another is a fault."""
        if self.header is None or self.signature is None:
            raise RuntimeError(f"batch {self.sequence} is not sealed")
        return self.header, self.signature

    def citation(self, operator: bytes) -> BatchCitation:
        """The batch on chain as calls name it; only a batch that was committed has it."""
        assert self.record is not None
        return BatchCitation(self.channel, operator, self.sequence, self.record)


def stored_batch(row: Sequence[Any]) -> StoredBatch:
    """A batch from its seventeen columns, in the order of ``OperatorStore``'s query."""
    state, header, digest, committed_at, version = StoredState(row[4]), row[5], row[6], row[9], row[10]
    record = None if committed_at is None else BatchRecord(digest, committed_at, version, row[16])
    return StoredBatch(
        channel=row[0],
        sequence=row[1],
        period_start=row[2],
        period_end=row[3],
        state=state,
        header=None if header is None else parse_header(header),
        header_digest=digest,
        signature=row[7],
        content_id=row[8],
        record=record,
        block_number=row[11],
        block_hash=row[12],
        transaction_hash=row[13],
        gas_used=row[14],
        released=bool(row[15]),
    )
