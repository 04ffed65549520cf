"""DSMR telegrams and tables one reading at a time (a part of ``imports_twin``)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise

import numpy as np
from imports_twin_points import (
    RegisterPoint,
    chain,
    exact,
    registers_differ,
    span_records,
    verify_order,
    whole_milliwatt_hours,
    whole_seconds,
)

from wattest.metering.billing_rules import BillingRule, NotImportable, Objection
from wattest.metering.meter import unsigned_pseudonym
from wattest.metering.readers import dsmr, interval_csv
from wattest.metering.readers.dsmr_frame import split_telegrams
from wattest.metering.readers.interval_csv import MalformedTable, TableOptions
from wattest.metering.readers.table import Table, open_table
from wattest.metering.reading import MILLIWATT_HOURS_PER_UNIT, ImportedFile, Reading, to_milliwatt_hours
from wattest.metering.records import (
    Records,
    ends,
    make_device_records,
)
from wattest.metering.verdicts import CrcVerdict, SignatureVerdict, worst_crc
from wattest.units import U32_MAX, U64_MAX

_TOTAL = re.compile(r"1-\d{1,3}:([12])\.8\.(\d{1,3})(?:\*255)?", re.ASCII)


def read_dsmr(data: bytes) -> ImportedFile:
    """Read and judge a file of one or more telegrams; raises ``MalformedTelegram``."""
    frames = split_telegrams(data)
    telegrams = [dsmr.parse_telegram(frame) for frame in frames.telegrams]
    crc = worst_crc(telegram.crc for telegram in telegrams)
    reasons = ["P1 telegrams carry no signature: nothing binds the values to a meter", *frames.passed]
    for number, telegram in enumerate(telegrams, start=1):
        prefix = f"telegram {number}: " if len(telegrams) > 1 else ""
        reasons += [prefix + note for note in telegram.notes]
    records: Records | None = None
    found: tuple[Objection, ...] = ()
    if crc is not CrcVerdict.FAILED:
        try:
            records = _dsmr_records(telegrams)
        except NotImportable as error:
            reasons.append(f"no interval records: {error.message}")
            found = (error.objection,)
    return ImportedFile(
        format="dsmr",
        signature=SignatureVerdict.ABSENT,
        crc=crc,
        reasons=tuple(reasons),
        readings=tuple(Reading(*value) for telegram in telegrams for value in telegram.values),
        source=data,
        records=records,
        malformed=frames.lost or any(telegram.malformed for telegram in telegrams),
        found=found,
    )


def _dsmr_records(telegrams: Sequence[dsmr.DsmrTelegram]) -> Records:
    if len({(telegram.identification, telegram.serial) for telegram in telegrams}) > 1:
        text = "the records come from more than one meter"
        raise NotImportable(BillingRule.SEVERAL_METERS, text, hint="import one file per meter")
    points: list[RegisterPoint] = []
    for number, telegram in enumerate(telegrams):
        shown = _shown(telegram)
        imported, exported = ([code for code in shown if code[0] == way] for way in "12")
        totals = [sum(whole_milliwatt_hours(shown[code]) for code in codes) for codes in (imported, exported)]
        if not imported:
            text = "a telegram shows no register of imported energy (1.8.x)"
            raise NotImportable(BillingRule.NO_REGISTER, text)
        seconds = whole_seconds(telegram.time)
        parts = tuple((code, whole_milliwatt_hours(shown[code])) for code in shown)
        points.append(RegisterPoint(seconds, *totals, telegram.quality, number, frozenset(shown), parts))
    name = unsigned_pseudonym(f"{telegrams[0].identification}|{telegrams[0].serial}".encode())
    records, _ = span_records(chain(points), name)
    verify_order(records["start"].tolist(), ends(records).tolist())
    return records


def _shown(telegram: dsmr.DsmrTelegram) -> dict[str, Decimal]:
    """The registers x.8.0 where they are shown, else the tariffs x.8.1 and up."""
    if telegram.unread_register is not None:
        text = f"register {telegram.unread_register} has no value that can be read"
        raise NotImportable(BillingRule.ENERGY_UNKNOWN, text)
    every: dict[str, Decimal] = {}
    for code, value, unit, time in telegram.values:
        matched = _TOTAL.fullmatch(code)
        energy = Reading(code, value, unit, time).milliwatt_hours
        if matched is None:
            continue
        if energy is None:
            text = f"register {code} is shown in {unit}, no unit of energy"
            raise NotImportable(BillingRule.ENERGY_UNKNOWN, text)
        register = f"{matched[1]}.8.{matched[2]}"
        if every.setdefault(register, energy) != energy:
            raise registers_differ(f"a telegram shows two values of register {register}", None)
    return {
        register: energy
        for register, energy in every.items()
        if register.endswith(".8.0") or f"{register[0]}.8.0" not in every
    }


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
    made, reasons = _records(start, duration, energies, data)
    records: Records | None = None
    found: tuple[Objection, ...] = ()
    try:
        _verify_columns(made, energies)
        records = made
    except NotImportable as error:
        reasons.append(f"no interval records: {error.message}")
        found = (error.objection,)
    return ImportedFile(
        format="csv",
        signature=SignatureVerdict.ABSENT,
        crc=CrcVerdict.NONE,
        reasons=("a table carries no signature: nothing binds the values to a meter", *reasons),
        readings=tuple(readings),
        source=data,
        records=records,
        found=found,
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
) -> tuple[Records, list[str]]:
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
            columns[f"{role}_register"] = [total := (total + energy) % 2**64 for energy in columns[role]]
        else:
            columns[f"{role}_register"] = [register[index] for index in order]
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
    return records, reasons


def _verify_columns(records: Records, energies: dict[str, list[int]]) -> None:
    for way in ("import", "export"):
        register = records[f"{way}_register"].tolist()
        if f"{way}_register" not in energies:
            if sum(energies.get(way, [])) > U64_MAX:
                raise NotImportable(BillingRule.REGISTER_OUT_OF_RANGE, "the running total leaves 64 bits")
            continue
        if way not in energies:
            raise NotImportable(
                BillingRule.ENERGY_UNKNOWN, "a column of registers has no column of energies beside it",
                hint="name the column that has the energy of each interval",
            )  # fmt: skip
        for before, after in pairwise(register):
            if after < before:
                raise NotImportable(
                    BillingRule.REGISTER_BACKWARDS, "a register runs backwards between two rows",
                    hint="the meter was exchanged, or its register rolled over; import the parts as files of their own",
                    actual=[before, after],
                )  # fmt: skip
    verify_order(records["start"].tolist(), ends(records).tolist())
