"""Register points and spans as objects: the twin of ``wattest.metering.points``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from itertools import pairwise
from typing import Any

import numpy as np

from wattest.metering.points import NotImportable
from wattest.metering.records import (
    TIME_LIMIT_S,
    MalformedRecords,
    Quality,
    Records,
    make_device_records,
)
from wattest.units import U32_MAX, U64_MAX

NO_FLAGS = Quality(0)


@dataclass(frozen=True, slots=True)
class RegisterPoint:
    """What the import and export registers showed at one moment; ``source`` numbers the telegram that says so."""

    time_s: int
    import_register: int
    export_register: int
    quality: Quality = NO_FLAGS
    source: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """One record to be: between two points, or one point alone (``begin`` None: a snapshot)."""

    begin: RegisterPoint | None
    end: RegisterPoint
    quality: Quality = NO_FLAGS


def chain(points: Sequence[RegisterPoint]) -> list[Span]:
    """Pair each point with the next; a single point is a snapshot."""
    if len(points) == 1:
        return [Span(None, points[0])]
    return [Span(begin, end) for begin, end in pairwise(points)]


def span_records(spans: Sequence[Span], pseudonym: bytes) -> tuple[Records, list[int]]:
    """Records in ascending order of time and, for each, the number of the telegram its end comes from.

    Raises ``NotImportable`` for none, or for a register or time that runs backwards or leaves its field.
    """
    if not spans:
        raise NotImportable("the file holds no register of total active energy")
    ordered = sorted(spans, key=lambda span: (span.begin or span.end).time_s)
    columns: list[tuple[int, int, int, int, int, int, int]] = []
    for span in ordered:
        begin, end = span.begin or span.end, span.end
        duration = end.time_s - begin.time_s
        imported = end.import_register - begin.import_register
        exported = end.export_register - begin.export_register
        if duration < 0 or duration > U32_MAX:
            raise NotImportable("time runs backwards between two readings", actual=[begin.time_s, end.time_s])
        if imported < 0 or exported < 0:
            raise NotImportable(
                "a register runs backwards between two readings",
                hint="the meter was exchanged, or its register rolled over; import the parts as files of their own",
                actual=[imported, exported],
            )
        quality = begin.quality | end.quality | span.quality | (NO_FLAGS if span.begin else Quality.SNAPSHOT)
        columns.append(
            (begin.time_s, duration, end.import_register, end.export_register, imported, exported, int(quality))
        )
    names = (
        "start",
        "duration_s",
        "import_register",
        "export_register",
        "import_milliwatt_hours",
        "export_milliwatt_hours",
        "quality",
    )
    by_name = {name: exact(column) for name, column in zip(names, zip(*columns, strict=True), strict=True)}
    try:
        records = make_device_records(pseudonym, **by_name)
    except MalformedRecords as error:
        raise NotImportable(f"the readings do not fit a record: {error.message}") from error
    return records, [span.end.source for span in ordered]


def exact(column: Sequence[int]) -> Any:
    """Integers as numpy holds them without loss: a list of small and very large ones would become fractions."""
    return np.asarray(column, dtype=object)


def whole_milliwatt_hours(value: Decimal) -> int:
    """A register floored to whole milliwatt-hours; raises ``NotImportable`` outside 0 .. 2**64 - 1."""
    whole = int(value.to_integral_value(rounding=ROUND_FLOOR))
    if not 0 <= whole <= U64_MAX:
        raise NotImportable("an energy register is negative or beyond 64 bits", actual=whole)
    return whole


def whole_seconds(time: datetime | None) -> int:
    """Unix seconds, a fraction dropped; raises ``NotImportable`` where there is no usable time."""
    if time is None:
        raise NotImportable("a reading has no usable time", hint="records need the time of every reading")
    seconds = (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    if not 0 <= seconds < TIME_LIMIT_S:
        raise NotImportable("a reading's time is before 1970", actual=seconds)
    return seconds
