"""DSMR telegrams and tables one reading at a time (a part of ``imports_twin``)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from imports_twin_points import (
    RegisterPoint,
    chain,
    exact,
    span_records,
    whole_milliwatt_hours,
    whole_seconds,
)

from wattest.metering.meter import unsigned_pseudonym
from wattest.metering.points import NotImportable
from wattest.metering.readers import dsmr, interval_csv
from wattest.metering.readers.dsmr import MalformedTelegram, judge_crc, split_telegrams
from wattest.metering.readers.interval_csv import MalformedTable, TableOptions
from wattest.metering.readers.table import Table, open_table
from wattest.metering.reading import (
    MILLIWATT_HOURS_PER_UNIT,
    CrcVerdict,
    FileFormat,
    ImportedFile,
    Reading,
    SignatureVerdict,
    to_milliwatt_hours,
    worst_crc,
)
from wattest.metering.records import (
    Records,
    ends,
    make_device_records,
)
from wattest.units import U32_MAX, U64_MAX

_IMPORT = re.compile(r"1-\d{1,3}:1\.8\.(\d)", re.ASCII)
_EXPORT = re.compile(r"1-\d{1,3}:2\.8\.(\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class DsmrTelegram:
    """One telegram: its readings, its own time, its meter, and what its checksum says."""

    identification: str
    serial: str
    time: datetime | None
    readings: tuple[Reading, ...]
    crc: CrcVerdict
    notes: tuple[str, ...]


def parse_telegram(body: bytes, digits: bytes | None) -> DsmrTelegram:
    """Read one telegram and judge its checksum; raises ``MalformedTelegram`` when it holds no data object."""
    crc, notes = judge_crc(body, digits)
    lines = re.split(r"\r\n|\r|\n", body.decode("latin-1")[1:-1])
    objects, ignored = dsmr._objects(lines[1:])
    if not objects:
        raise MalformedTelegram("the telegram holds no data object", hint="a P1 line is 1-0:1.8.1(000123.456*kWh)")
    if ignored:
        notes = (*notes, f"{ignored} lines are no P1 data objects and were passed over")
    by_code = {code: groups for code, groups in objects if groups}
    time, sure = dsmr._stamp(by_code.get(dsmr._TELEGRAM_TIME, [""])[0])
    readings: list[Reading] = []
    for code, groups in objects:
        found, certain = _readings(code, groups, time)
        readings += found
        sure = sure and certain
    if not sure:
        notes = (*notes, "a time without the letter S or W was taken as Central European time by the rule of the EU")
    serial = next((by_code[code][0] for code in sorted(dsmr._SERIALS) if code in by_code and by_code[code][0]), "")
    return DsmrTelegram(lines[0].strip(), serial, time, tuple(readings), crc, notes)


def read_dsmr(data: bytes) -> ImportedFile:
    """Read and judge a file of one or more telegrams; raises ``MalformedTelegram``."""
    telegrams = [parse_telegram(body, digits) for body, digits in split_telegrams(data)]
    crc = worst_crc(telegram.crc for telegram in telegrams)
    reasons = ["P1 telegrams carry no signature: nothing binds the values to a meter"]
    for number, telegram in enumerate(telegrams, start=1):
        prefix = f"telegram {number}: " if len(telegrams) > 1 else ""
        reasons += [prefix + note for note in telegram.notes]
    records: Records | None = None
    if crc is not CrcVerdict.FAILED:
        try:
            records = _dsmr_records(telegrams)
        except NotImportable as error:
            reasons.append(f"no interval records: {error.message}")
    return ImportedFile(
        format=FileFormat.DSMR,
        signature=SignatureVerdict.ABSENT,
        crc=crc,
        billable=False,
        reasons=tuple(reasons),
        readings=tuple(reading for telegram in telegrams for reading in telegram.readings),
        source=data,
        records=records,
    )


def _readings(code: str, groups: Sequence[str], telegram_time: datetime | None) -> tuple[list[Reading], bool]:
    """Every value with a unit, at the time that stands before it, else at the telegram's."""
    if dsmr._LEGACY_GAS.fullmatch(code) and len(groups) >= 3:
        return _legacy_gas(groups)
    found: list[Reading] = []
    time, sure = telegram_time, True
    for group in groups:
        if dsmr._STAMP.fullmatch(group):
            time, certain = dsmr._stamp(group)
            sure = sure and certain
            continue
        matched = dsmr._VALUE.fullmatch(group)
        if matched is not None:
            found.append(Reading(code, dsmr._value(matched[1]), matched[2], time))
    return found, sure


def _legacy_gas(groups: Sequence[str]) -> tuple[list[Reading], bool]:
    """The profile of P1 2.2 and 3.0: (time)(status)(period)(count)(code)(unit)(value)."""
    time, sure = dsmr._stamp(groups[0])
    code, unit = groups[-3], groups[-2]
    if not re.fullmatch(r"\d{1,3}-\d{1,3}:[0-9.]{1,20}", code, re.ASCII) or not unit.isalnum():
        return [], True
    return [Reading(code, dsmr._value(groups[-1]), unit, time)], sure


def _dsmr_records(telegrams: Sequence[DsmrTelegram]) -> Records:
    if len({(telegram.identification, telegram.serial) for telegram in telegrams}) > 1:
        raise NotImportable("the telegrams come from more than one meter", hint="import one file per meter")
    points: list[RegisterPoint] = []
    for telegram in telegrams:
        imported, exported = _total(telegram.readings, _IMPORT), _total(telegram.readings, _EXPORT)
        if imported is None:
            raise NotImportable("a telegram shows no register of imported energy (1.8.x)")
        points.append(RegisterPoint(whole_seconds(telegram.time), imported, exported or 0))
    name = unsigned_pseudonym(f"{telegrams[0].identification}|{telegrams[0].serial}".encode())
    records, _ = span_records(chain(points), name)
    return records


def _total(readings: Sequence[Reading], pattern: re.Pattern[str]) -> int | None:
    """The register x.8.0 where it is shown, else the sum over the tariffs x.8.1 and up; None without either."""
    total: int | None = None
    for reading in readings:
        matched = pattern.fullmatch(reading.obis or "")
        energy = reading.milliwatt_hours
        if matched is None or energy is None:
            continue
        if matched[1] == "0":
            return whole_milliwatt_hours(energy)
        total = (total or 0) + whole_milliwatt_hours(energy)
    return total


def read_interval_csv(data: bytes, options: TableOptions) -> ImportedFile:
    """Read a table of at most 100,000 intervals; raises ``MalformedTable`` when a row cannot be read.

    Gaps, repetitions and overlaps are reasons in the result; overlaps leave it without records.
    """
    if options.unit not in MILLIWATT_HOURS_PER_UNIT:
        raise MalformedTable("the unit is not one of energy", hint="mWh, Wh, kWh or MWh", actual=options.unit)
    table = open_table(data, options)
    start, duration = _times(table, options)
    readings: list[Reading] = []
    energies: dict[str, list[int]] = {}
    for role in ("import", "export", "import_register", "export_register"):
        if role in table.columns:
            energies[role], found = _energies(table, role, options, start, duration)
            readings += found
    if not energies:
        raise MalformedTable("the table has no column of energy", hint="map at least import= or export=")
    readings.sort(key=lambda reading: reading.time or datetime.max.replace(tzinfo=UTC))
    records, reasons = _records(start, duration, energies, data)
    return ImportedFile(
        format=FileFormat.INTERVAL_CSV,
        signature=SignatureVerdict.ABSENT,
        crc=CrcVerdict.NONE,
        billable=False,
        reasons=("a table carries no signature: nothing binds the values to a meter", *reasons),
        readings=tuple(readings),
        source=data,
        records=records,
    )


def _times(table: Table, options: TableOptions) -> tuple[list[int], list[int]]:
    start: list[int] = []
    duration: list[int] = []
    before: int | None = None
    for number, row in enumerate(table.rows, start=table.first_line):
        begun = interval_csv._time(row[table.columns["start"]], options, before, number)
        if "duration" in table.columns:
            length = interval_csv._integer(row[table.columns["duration"]], number)
        elif "end" in table.columns:
            length = interval_csv._time(row[table.columns["end"]], options, begun, number) - begun
        else:
            length = options.duration_s
        if not 0 < length <= U32_MAX:
            raise MalformedTable(f"row {number}: an interval lasts 1 s or longer", row=number, actual=length)
        if begun + length > interval_csv._LAST_SECOND:
            raise MalformedTable(f"row {number}: the time is out of range", row=number)
        start.append(begun)
        duration.append(length)
        before = begun
    return start, duration


def _energies(
    table: Table, role: str, options: TableOptions, start: Sequence[int], duration: Sequence[int]
) -> tuple[list[int], list[Reading]]:
    index = table.columns[role]
    whole: list[int] = []
    readings: list[Reading] = []
    for offset, row in enumerate(table.rows):
        number = offset + table.first_line
        value = interval_csv._decimal(row[index], options, number)
        energy = to_milliwatt_hours(value, table.unit)
        if energy is None or not 0 <= energy <= U64_MAX:
            raise MalformedTable(f"row {number}: energy is negative or out of range", row=number)
        whole.append(whole_milliwatt_hours(energy))
        moment = start[offset] + (duration[offset] if role.endswith("register") else 0)
        readings.append(Reading(interval_csv._OBIS[role], value, table.unit, datetime.fromtimestamp(moment, UTC)))
    return whole, readings


def _records(
    start: Sequence[int], duration: Sequence[int], energies: dict[str, list[int]], data: bytes
) -> tuple[Records | None, list[str]]:
    """Device records in order of time; a missing register is the running total from the file's first interval."""
    order = np.argsort(np.asarray(start, dtype=np.int64), kind="stable")
    reasons = [] if bool((np.diff(order) > 0).all()) else ["the rows are not in order of time; they were sorted"]
    count = len(start)
    columns: dict[str, list[int]] = {}
    for role in ("import", "export"):
        column = energies.get(role, [0] * count)
        columns[role] = [column[index] for index in order]
        register = energies.get(f"{role}_register")
        if register is None:
            total = 0
            columns[f"{role}_register"] = [total := total + energy for energy in columns[role]]
        else:
            columns[f"{role}_register"] = [register[index] for index in order]
    if max(columns["import_register"][-1], columns["export_register"][-1]) > U64_MAX:
        return None, [*reasons, "the running total leaves 64 bits"]
    records = make_device_records(
        unsigned_pseudonym(data[:4096]),
        start=[start[index] for index in order],
        duration_s=[duration[index] for index in order],
        import_register=exact(columns["import_register"]),
        export_register=exact(columns["export_register"]),
        import_milliwatt_hours=exact(columns["import"]),
        export_milliwatt_hours=exact(columns["export"]),
    )
    starts, stops = records["start"].astype(np.int64), ends(records)
    gaps, overlaps = np.flatnonzero(starts[1:] > stops[:-1]), np.flatnonzero(starts[1:] < stops[:-1])
    for what, found in (("a gap", gaps), ("an overlap or repetition", overlaps)):
        for index in found[: interval_csv._MAX_LISTED]:
            moment = datetime.fromtimestamp(int(min(stops[index], starts[index + 1])), UTC)
            reasons.append(f"{what} at {moment.isoformat()}")
        if len(found) > interval_csv._MAX_LISTED:
            reasons.append(f"and {len(found) - interval_csv._MAX_LISTED} more like it ({what})")
    return (None if len(overlaps) else records), reasons
