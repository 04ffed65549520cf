"""Interval CSV: tables of interval energies as portals and loggers export them, read by a column map.

Decided here: how a table's columns (``table``) become interval records, and what is objected to. Not decided here: time
zones by name (the caller passes a ``tzinfo``) or how gaps are filled (``vee``); gaps and repetitions are named, never
mended. Invariants: times and energies are columns of numbers from the cells on; a cell that the columns do not read is
read by itself, and only that rule refuses one. docs/spec/meter-files.md
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from functools import partial

import numpy as np
from numpy.typing import NDArray

from wattest.metering.billing_rules import NotImportable, Objection, series_period, verify_register_column
from wattest.metering.meter import unsigned_pseudonym
from wattest.metering.points import whole_milliwatt_hours
from wattest.metering.readers.meter_format import Claim, Unsigned
from wattest.metering.readers.public_key import MeterPublicKey
from wattest.metering.readers.table import MalformedTable, Table, TableOptions, is_table, open_table, parse_column_map
from wattest.metering.readers.text_columns import counted, floored, unix_seconds
from wattest.metering.reading import (
    MILLIWATT_HOURS_PER_UNIT,
    ImportedFile,
    MalformedValue,
    Reading,
    Readings,
    parse_decimal,
    to_milliwatt_hours,
)
from wattest.metering.records import TIME_LIMIT_S, Records, ends, make_device_records
from wattest.metering.verdicts import CrcVerdict, SignatureVerdict
from wattest.units import U32_MAX, U64_MAX

_OBIS = {
    "import": "1-0:1.29.0",
    "export": "1-0:2.29.0",
    "import_register": "1-0:1.8.0",
    "export_register": "1-0:2.8.0",
}
_POWERS = {unit: len(str(factor)) - 1 for unit, factor in MILLIWATT_HOURS_PER_UNIT.items()}  # factors are powers of ten
_MAX_LISTED = 5
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+(?:,\d*)?", re.ASCII)
_LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z, the last that RFC 3339 can write

_Seconds = NDArray[np.int64]
_Energies = NDArray[np.uint64]


def read_interval_csv(data: bytes, options: TableOptions) -> ImportedFile:
    """Read a table of at most 100,000 intervals; raises ``MalformedTable`` when a row cannot be read.

    Gaps, repetitions and overlaps are reasons in the result; overlaps leave it without records.
    """
    if options.unit not in MILLIWATT_HOURS_PER_UNIT:
        raise MalformedTable("the unit is not one of energy", hint="mWh, Wh, kWh or MWh", actual=options.unit)
    table = open_table(data, options)
    start, duration = _times(table, options)
    energies = {role: _energies(table, role, options) for role in _OBIS if role in table.columns}
    if not energies:
        raise MalformedTable("the table has no column of energy", hint="map at least import= or export=")
    laid, reasons = _laid_out(start, duration, energies, data)
    records: Records | None = None
    found: tuple[Objection, ...] = ()
    try:
        records = _verified(laid, energies)
    except NotImportable as error:
        found = (error.objection,)
        reasons.append(f"no interval records: {error.message}")
    return ImportedFile(
        format=INTERVAL_CSV.name,
        signature=SignatureVerdict.ABSENT,
        crc=CrcVerdict.NONE,
        reasons=("a table carries no signature: nothing binds the values to a meter", *reasons),
        readings=Readings(partial(_readings, data, options)),
        source=data,
        records=records,
        found=found,
    )


@dataclass(frozen=True, slots=True)
class IntervalCsvFormat:
    """Tables of interval energies."""

    name: str = "csv"

    def claim(self, data: bytes) -> Claim:
        """Text whose first line has a delimiter: anything with a mark of its own comes first."""
        return Claim.SHAPE if is_table(data) else Claim.NONE

    def parse(self, data: bytes, key: MeterPublicKey | None, table: TableOptions) -> Unsigned:
        """Read a table as ``table`` says; raises ``MalformedTable``."""
        del key
        return Unsigned(read_interval_csv(data, table))


INTERVAL_CSV = IntervalCsvFormat()


def _readings(data: bytes, options: TableOptions) -> list[Reading]:
    """The readings of a table that was read before, made anew from its cells, in order of time."""
    table = open_table(data, options)
    start, duration = _times(table, options)
    found: list[Reading] = []
    for role, obis in _OBIS.items():
        if role not in table.columns:
            continue
        moments = (start + duration if role.endswith("register") else start).tolist()
        for number, (moment, cell) in enumerate(zip(moments, table.cells(role), strict=True), start=table.first_line):
            value = _decimal(cell, options, number)
            found.append(Reading(obis, value, table.unit, datetime.fromtimestamp(moment, UTC)))
    found.sort(key=lambda reading: reading.time or datetime.max.replace(tzinfo=UTC))
    return found


def _times(table: Table, options: TableOptions) -> tuple[_Seconds, _Seconds]:
    """Where each interval starts and how many seconds it lasts."""
    found = _whole_times(table, options)
    return _single_times(table, options) if found is None else found


def _whole_times(table: Table, options: TableOptions) -> tuple[_Seconds, _Seconds] | None:
    """The same from whole columns; None where a cell is not plain enough, or wrong."""
    if options.time_format:
        return None
    start = unix_seconds(table.cells("start"))
    if start is None:
        return None
    if "duration" in table.columns:
        duration, plain = counted(table.cells("duration"))
        if not bool(plain.all()):
            return None
    elif "end" in table.columns:
        end = unix_seconds(table.cells("end"))
        if end is None or bool((end < 0).any()):
            return None
        duration = end - start
    else:
        duration = np.full(start.shape[0], options.duration_s)
    sound = (start >= 0) & (duration > 0) & (duration <= U32_MAX) & (start + duration <= _LAST_SECOND)
    return (start, duration) if bool(sound.all()) else None


def _single_times(table: Table, options: TableOptions) -> tuple[_Seconds, _Seconds]:
    """The same row by row, each time in whatever form; raises ``MalformedTable`` for the first row that has none."""
    starts, durations = array("q"), array("q")
    before: int | None = None
    for number, row in enumerate(table.rows, start=table.first_line):
        begun = _time(row[table.columns["start"]], options, before, number)
        if "duration" in table.columns:
            length = _integer(row[table.columns["duration"]], number)
        elif "end" in table.columns:
            length = _time(row[table.columns["end"]], options, begun, number) - begun
        else:
            length = options.duration_s
        if not 0 < length <= U32_MAX:
            raise MalformedTable(f"row {number}: an interval lasts 1 s or longer", row=number, actual=length)
        if begun + length > _LAST_SECOND:
            raise MalformedTable(f"row {number}: the time is out of range", row=number)
        starts.append(begun)
        durations.append(length)
        before = begun
    return np.asarray(starts, dtype=np.int64), np.asarray(durations, dtype=np.int64)


def _time(text: str, options: TableOptions, before: int | None, row: int) -> int:
    """Unix seconds; in the hour that happens twice, the first pass unless that would not come after ``before``."""
    text = text.strip()
    try:
        if options.time_format:
            if any(one.isdecimal() and not one.isascii() for one in text):
                raise ValueError("digits of another script, which strptime takes for 0 to 9")
            moment = datetime.strptime(text, options.time_format)
        elif re.fullmatch(r"\d{9,12}", text, re.ASCII):
            return int(text)
        else:
            moment = datetime.fromisoformat(text)
    except (ValueError, re.error) as error:
        raise MalformedTable(
            f"row {row}: {text[:40]!r} is no time", hint="ISO 8601, unix seconds, or say --time-format", row=row
        ) from error
    if moment.tzinfo is None:
        if options.timezone is None:
            raise MalformedTable(
                f"row {row}: {text[:40]!r} has no time zone",
                hint="say which: --timezone Europe/Berlin (or UTC)",
                row=row,
            )
        moment = _localised(moment, options.timezone, before, row)
    try:
        seconds = int(moment.timestamp() // 1)
    except (OverflowError, ValueError) as error:
        raise MalformedTable(f"row {row}: the time is out of range", row=row) from error
    if not 0 <= seconds < TIME_LIMIT_S:
        raise MalformedTable(f"row {row}: the time is before 1970", row=row)
    return seconds


def _localised(moment: datetime, zone: tzinfo, before: int | None, row: int) -> datetime:
    try:
        first = moment.replace(tzinfo=zone, fold=0)
        if first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != moment:
            raise MalformedTable(f"row {row}: {moment.isoformat()} does not exist in this time zone", row=row)
        second = moment.replace(tzinfo=zone, fold=1)
        late = before is not None and first.timestamp() <= before
        return second if late and second.timestamp() > first.timestamp() else first
    except (OverflowError, ValueError) as error:
        raise MalformedTable(f"row {row}: the time is out of range", row=row) from error


def _energies(table: Table, role: str, options: TableOptions) -> _Energies:
    """One column of energies, floored to whole milliwatt-hours; the first row that has none is refused."""
    cells = table.cells(role)
    written = [_without_comma(cell) for cell in cells] if options.decimal_comma else cells
    whole, plain = floored(written, _POWERS[table.unit])
    for offset in np.flatnonzero(~plain).tolist():
        number = offset + table.first_line
        energy = to_milliwatt_hours(_decimal(table.rows[offset][table.columns[role]], options, number), table.unit)
        if energy is None or not 0 <= energy <= U64_MAX:
            raise MalformedTable(f"row {number}: energy is negative or out of range", row=number)
        whole[offset] = whole_milliwatt_hours(energy)
    return whole


def _without_comma(cell: str) -> str:
    """A number with a comma before its decimals as one with a point; "1.250" is a thousand and more.

    Where points do not group thousands the cell keeps a comma, and so is no number.
    """
    if "." not in cell:
        return cell.replace(",", ".")
    return cell.replace(".", "").replace(",", ".") if _GROUPED.fullmatch(cell) else f"{cell},"


def _decimal(text: str, options: TableOptions, row: int) -> Decimal:
    cell = text.strip()
    if options.decimal_comma:
        cell = _without_comma(cell)
    try:
        return parse_decimal(cell)
    except MalformedValue as error:
        hint = "every interval needs a value; leave a row out to show a gap"
        if options.decimal_comma and "." in text:
            hint = "where a comma begins the decimals, points group thousands: 1.234,5"
        elif "," in text:
            hint = "say --decimal-comma"
        raise MalformedTable(f"row {row}: {text[:40]!r} is no decimal number", hint=hint, row=row) from error


def _integer(text: str, row: int) -> int:
    cell = text.strip()
    if not re.fullmatch(r"\d{1,10}", cell, re.ASCII):
        raise MalformedTable(f"row {row}: a duration is a count of seconds", row=row, actual=cell[:40])
    return int(cell)


def _laid_out(
    start: _Seconds, duration: _Seconds, energies: dict[str, _Energies], data: bytes
) -> tuple[Records, list[str]]:
    """Device records in order of time; a missing register is the running total from the file's first interval."""
    order = np.argsort(start, kind="stable")
    reasons = [] if bool((np.diff(order) > 0).all()) else ["the rows are not in order of time; they were sorted"]
    columns: dict[str, _Energies] = {}
    for role in ("import", "export"):
        columns[role] = energies[role][order] if role in energies else np.zeros(start.shape[0], dtype=np.uint64)
        register = energies.get(f"{role}_register")
        total = np.cumsum(columns[role], dtype=np.uint64) if register is None else register[order]
        columns[f"{role}_register"] = total
    records = make_device_records(
        unsigned_pseudonym(data[:4096]),
        start=start[order],
        duration_s=duration[order],
        import_register=columns["import_register"],
        export_register=columns["export_register"],
        import_milliwatt_hours=columns["import"],
        export_milliwatt_hours=columns["export"],
    )
    starts, stops = records["start"].astype(np.int64), ends(records)
    gaps, overlaps = np.flatnonzero(starts[1:] > stops[:-1]), np.flatnonzero(starts[1:] < stops[:-1])
    for what, found in (("a gap", gaps), ("an overlap or repetition", overlaps)):
        for index in found[:_MAX_LISTED]:
            moment = datetime.fromtimestamp(int(min(stops[index], starts[index + 1])), UTC)
            reasons.append(f"{what} at {moment.isoformat()}")
        if len(found) > _MAX_LISTED:
            reasons.append(f"and {len(found) - _MAX_LISTED} more like it ({what})")
    return records, reasons


def _verified(records: Records, energies: Collection[str]) -> Records:
    """The records, if they make a series; raises ``NotImportable``."""
    for role in ("import", "export"):
        verify_register_column(
            records[f"{role}_register"], records[f"{role}_milliwatt_hours"],
            is_shown=f"{role}_register" in energies, has_energy=role in energies,
        )  # fmt: skip
    series_period(records)
    return records


__all__ = ["MalformedTable", "TableOptions", "is_table", "parse_column_map", "read_interval_csv"]
