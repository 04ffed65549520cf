"""From register points to device records, in columns: what a register shows at moments becomes energy over intervals.

Decided here: how points are paired and rounded. Not decided here: which readings are points (the readers,
``transactions``), which of them make no series (``billing_rules``), or whether the result is plausible (``vee``). A
register is floored to whole milliwatt-hours and an interval's energy is the difference of two floored registers, so
that registers and energies always add up. Invariants: no Python object lives per point; of several faults the first
in order of time is named. docs/spec/meter-files.md
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wattest.metering.billing_rules import (
    BillingRule,
    NotImportable,
    register_outside,
    time_unusable,
    verify_spans,
)
from wattest.metering.records import TIME_LIMIT_S, MalformedRecords, Quality, Records, make_device_records
from wattest.units import U64_MAX

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)

Places = NDArray[np.int64]
"""Indices into other columns; -1 where there is none."""


@dataclass(frozen=True, slots=True, eq=False)
class PointColumns:
    """What the import and export registers showed at moments, one element of each column for a moment.

    ``time_s`` are unix seconds, below 2**48; registers are milliwatt-hours from ``register_column``, 0 where none is
    shown; ``shown`` tells which registers are, equal numbers for equal sets; ``quality`` holds flags of ``Quality``;
    ``source`` numbers the telegrams that say so. ``fallen`` says where one of several registers that a sum is made of
    is below what the point before shows; None where no register is a sum.
    """

    time_s: Places = field(repr=False)
    import_register: NDArray[Any] = field(repr=False)
    export_register: NDArray[Any] = field(repr=False)
    shown: Places = field(repr=False)
    quality: NDArray[np.uint16] = field(repr=False)
    source: Places = field(repr=False)
    fallen: NDArray[np.bool_] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class SpanColumns:
    """Records to be: places of the points where each begins (-1: it has none and is a snapshot) and ends."""

    begin: Places
    end: Places
    quality: NDArray[np.uint16]

    def then(self, others: SpanColumns) -> SpanColumns:
        """These spans and then the others."""
        return SpanColumns(
            np.concatenate((self.begin, others.begin)),
            np.concatenate((self.end, others.end)),
            np.concatenate((self.quality, others.quality)),
        )


def chain(points: Places) -> SpanColumns:
    """Pair each point, named by its place, with the next; a single point is a snapshot."""
    if points.shape[0] == 1:
        return SpanColumns(np.full(1, -1), points, np.zeros(1, dtype=np.uint16))
    begin, end = points[:-1], points[1:]
    return SpanColumns(begin, end, np.zeros(begin.shape[0], dtype=np.uint16))


def register_column(values: Sequence[int]) -> NDArray[Any]:
    """Registers that are not negative as u64; one beyond 64 bits keeps them Python integers, which no record takes."""
    try:
        return np.asarray(values, dtype=np.uint64)
    except OverflowError:
        return np.asarray(values, dtype=object)


def span_records(points: PointColumns, spans: SpanColumns, pseudonym: bytes) -> tuple[Records, Places]:
    """Records in ascending order of time and, for each, the number of the telegram its end comes from.

    Raises ``NotImportable`` for none, or for what ``verify_spans`` refuses.
    """
    if spans.end.shape[0] == 0:
        raise NotImportable(BillingRule.NO_REGISTER, "the file holds no register of total active energy")
    alone = spans.begin < 0
    order = np.argsort(points.time_s[np.where(alone, spans.end, spans.begin)], kind="stable")
    alone, end, trouble = alone[order], spans.end[order], spans.quality[order]
    begin = np.where(alone, end, spans.begin[order])
    verify_spans(points, begin, end)
    quality = points.quality[begin] | points.quality[end] | trouble
    quality |= np.where(alone, np.uint16(Quality.SNAPSHOT), np.uint16(0))
    imported, exported = points.import_register, points.export_register
    try:
        records = make_device_records(
            pseudonym,
            start=points.time_s[begin],
            duration_s=points.time_s[end] - points.time_s[begin],
            import_register=imported[end],
            export_register=exported[end],
            import_milliwatt_hours=imported[end] - imported[begin],
            export_milliwatt_hours=exported[end] - exported[begin],
            quality=quality,
        )
    except MalformedRecords as error:
        text = f"the readings do not fit a record: {error.message}"
        raise NotImportable(BillingRule.RECORDS_UNFIT, text) from error
    return records, points.source[end]


def whole_milliwatt_hours(value: Decimal) -> int:
    """A register floored to whole milliwatt-hours; raises ``NotImportable`` outside 0 .. 2**64 - 1."""
    whole = int(value.to_integral_value(rounding=ROUND_FLOOR))
    if not 0 <= whole <= U64_MAX:
        raise register_outside(whole)
    return whole


def whole_seconds(time: datetime | None) -> int:
    """Unix seconds, a fraction dropped; raises ``NotImportable`` where there is no usable time."""
    seconds = None if time is None else (time - _EPOCH) // _SECOND
    if seconds is None or not 0 <= seconds < TIME_LIMIT_S:
        raise time_unusable(seconds)
    return seconds
