"""Register points and spans as objects: the twin of ``wattest.metering.points``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from itertools import pairwise
from typing import Any

import numpy as np

from wattest.metering.billing_rules import BillingRule, NotImportable
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
    shown: frozenset[str] = frozenset()
    parts: tuple[tuple[str, int], ...] = ()  # the registers that the sums are made of, as telegrams have them


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
        raise NotImportable(BillingRule.NO_REGISTER, "the file holds no register of total active energy")
    ordered = sorted(spans, key=lambda span: (span.begin or span.end).time_s)
    columns: list[tuple[int, int, int, int, int, int, int]] = []
    for span in ordered:
        begin, end = span.begin or span.end, span.end
        duration = end.time_s - begin.time_s
        imported = end.import_register - begin.import_register
        exported = end.export_register - begin.export_register
        if duration < 0 or duration > U32_MAX:
            raise NotImportable(
                BillingRule.TIME_BACKWARDS, "time runs backwards between two readings", record=end.source + 1,
                actual=[begin.time_s, end.time_s],
            )  # fmt: skip
        if begin.shown != end.shown:
            text = "begin and end of an interval show different registers"
            raise registers_differ(text, end.source + 1)
        if imported < 0 or exported < 0:
            raise NotImportable(
                BillingRule.REGISTER_BACKWARDS,
                "a register runs backwards between two readings",
                record=end.source + 1,
                hint="the meter was exchanged, or its register rolled over; import the parts as files of their own",
                actual=[imported, exported],
            )
        before = dict(begin.parts)
        if any(whole < before[register] for register, whole in end.parts):
            raise NotImportable(
                BillingRule.REGISTER_BACKWARDS,
                "the register of one tariff runs backwards between two readings, though the sum of all does not",
                record=end.source + 1,
                hint="the meter was exchanged, or its register rolled over; import the parts as files of their own",
            )
        if duration == 0 and (imported or exported):
            raise NotImportable(
                BillingRule.TIME_BACKWARDS, "a register moves while time stands still", record=end.source + 1,
                actual=end.time_s,
            )  # fmt: skip
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
        text = f"the readings do not fit a record: {error.message}"
        raise NotImportable(BillingRule.RECORDS_UNFIT, text) from error
    return records, [span.end.source for span in ordered]


def exact(column: Sequence[int]) -> Any:
    """Integers as numpy holds them without loss: a list of small and very large ones would become fractions."""
    return np.asarray(column, dtype=object)


def registers_differ(text: str, record: int | None) -> NotImportable:
    """Readings that show other registers than those before them."""
    hint = "energy is the difference of one register at two times"
    return NotImportable(BillingRule.REGISTERS_DIFFER, text, record=record, hint=hint)


def verify_order(starts: Sequence[int], stops: Sequence[int]) -> None:
    """Refuse records that overlap or repeat, in the order that they come in."""
    for index in range(1, len(starts)):
        least = max(stops[index - 1], starts[index - 1] + 1)
        if starts[index] < least:
            raise NotImportable(
                BillingRule.READINGS_OVERLAP,
                f"the readings overlap or repeat: record {index} starts at {starts[index]}, before record {index - 1} "
                "ends",
                hint="send each interval once, in ascending order of time",
            )


def whole_milliwatt_hours(value: Decimal, record: int | None = None) -> int:
    """A register floored to whole milliwatt-hours; raises ``NotImportable`` outside 0 .. 2**64 - 1."""
    whole = int(value.to_integral_value(rounding=ROUND_FLOOR))
    if not 0 <= whole <= U64_MAX:
        text = "an energy register is negative or beyond 64 bits"
        raise NotImportable(BillingRule.REGISTER_OUT_OF_RANGE, text, record=record, actual=whole)
    return whole


def whole_seconds(time: datetime | None, record: int | None = None) -> int:
    """Unix seconds, a fraction dropped; raises ``NotImportable`` where there is no usable time."""
    if time is None:
        hint = "records need the time of every reading"
        raise NotImportable(BillingRule.TIME_MISSING, "a reading has no usable time", record=record, hint=hint)
    seconds = (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    if not 0 <= seconds < TIME_LIMIT_S:
        text = "a reading's time is before 1970"
        raise NotImportable(BillingRule.TIME_OUT_OF_RANGE, text, record=record, actual=seconds)
    return seconds
