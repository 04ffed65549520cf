"""DSMR P1: telegrams of Dutch, Belgian and Luxembourg meters, checked by their CRC.

Decided here: where telegrams begin and end, their checksum, which data objects are readings and at what time. Not
decided here: who the meter is: P1 carries no signature, so nothing read here is billable by itself. DSMR P1 companion
standard 2.2 to 5.0.2, e-MUCS P1 (Fluvius); docs/spec/meter-files.md
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache, partial
from typing import TypeAlias

import numpy as np

from wattest.crypto import native
from wattest.metering.meter import unsigned_pseudonym
from wattest.metering.points import (
    NotImportable,
    PointColumns,
    chain,
    register_column,
    span_records,
    whole_milliwatt_hours,
    whole_seconds,
)
from wattest.metering.reading import (
    MAX_FILE_BYTES,
    CrcVerdict,
    FileFormat,
    ImportedFile,
    MalformedMeterFile,
    MalformedValue,
    Reading,
    Readings,
    SignatureVerdict,
    parse_decimal,
    to_milliwatt_hours,
    worst_crc,
)
from wattest.metering.records import Records
from wattest.units import U64_MAX

MAX_TELEGRAM_BYTES = 65_536
MAX_TELEGRAMS = 10_000
_START = re.compile(rb"^/(?=[A-Za-z0-9]{3})", re.MULTILINE)
_END = re.compile(rb"^!([0-9A-Fa-f]{4})?[ \t]*(?:\r?\n|\r|\Z)", re.MULTILINE)
_OBJECT = re.compile(r"(\d{1,3}-\d{1,3}:\d{1,3}\.\d{1,3}\.\d{1,3}(?:\*\d{1,3})?)((?:\([^()]*\))+)", re.ASCII)
_GROUP = re.compile(r"\(([^()]*)\)")
_STAMP = re.compile(r"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)([SW]?)", re.ASCII)
_STAMP_LENGTHS = (12, 13)
_VALUE = re.compile(r"(-?[0-9.]{1,40})\*([A-Za-z0-9]{1,8})", re.ASCII)
_TELEGRAM_TIME = "0-0:1.0.0"
_SERIALS = frozenset({"0-0:96.1.1", "0-0:96.1.0", "0-0:42.0.0", "1-0:0.0.0"})
_LEGACY_GAS = re.compile(r"0-\d{1,3}:24\.3\.0", re.ASCII)
_REGISTER = re.compile(r"1-\d{1,3}:([12])\.8\.(\d)", re.ASCII)
_IMPORT, _EXPORT = "1", "2"


class MalformedTelegram(MalformedMeterFile):
    """P1 bytes that are truncated, oversized, or hold no data object."""


_Grown: TypeAlias = "array[int] | list[int]"
_Value = tuple[str, Decimal, str, datetime | None]
"""A data object's code, value, unit and time."""


@dataclass(frozen=True, slots=True)
class DsmrTelegram:
    """One telegram: its values, its own time, its meter, and what its checksum says."""

    identification: str
    serial: str
    time: datetime | None
    values: tuple[_Value, ...] = field(repr=False)
    crc: CrcVerdict
    notes: tuple[str, ...]


def is_dsmr(data: bytes) -> bool:
    """Whether a line starts a telegram and a data object of P1 follows."""
    return _START.search(data) is not None and re.search(rb"^\d{1,3}-\d{1,3}:\d", data, re.MULTILINE) is not None


def crc16(data: bytes) -> int:
    """CRC-16/ARC: polynomial 0x8005 reflected, start and final value zero."""
    return native.crc16(data)


def split_telegrams(data: bytes) -> list[tuple[bytes, bytes | None]]:
    """Cut a file into telegrams, each ``/`` to ``!`` inclusive, with the four CRC digits after it if there are any.

    At most 10,000 telegrams of 64 KiB. Raises ``MalformedTelegram``, also for a telegram without its end.
    """
    if len(data) > MAX_FILE_BYTES:
        raise MalformedTelegram("a file of telegrams is larger than 16 MiB", actual=len(data))
    starts = [matched.start() for matched in _START.finditer(data)]
    if not starts or len(starts) > MAX_TELEGRAMS:
        raise MalformedTelegram("a file holds 1 to 10,000 telegrams", actual=len(starts))
    found: list[tuple[bytes, bytes | None]] = []
    for start, limit in zip(starts, [*starts[1:], len(data)], strict=True):
        end = _END.search(data, start, limit)
        if end is None:
            raise MalformedTelegram(
                f"telegram {len(found) + 1} has no end (a line with ! and four hexadecimal digits)",
                hint="the file is truncated: read the port until the line that starts with !",
            )
        body = data[start : end.start() + 1]
        if len(body) > MAX_TELEGRAM_BYTES:
            raise MalformedTelegram("a telegram is longer than 64 KiB", actual=len(body))
        found.append((body, end[1]))
    return found


def judge_crc(body: bytes, digits: bytes | None) -> tuple[CrcVerdict, tuple[str, ...]]:
    """Check the CRC over ``/`` to ``!``; line endings that were changed on the way are restored, and that is said."""
    if digits is None:
        return CrcVerdict.NONE, ("no checksum: P1 before version 4 has none",)
    claimed = int(digits, 16)
    if crc16(body) == claimed:
        return CrcVerdict.OK, ()
    restored = _restored(body)
    if restored != body and crc16(restored) == claimed:
        return CrcVerdict.OK, (
            "the checksum holds with the meter's line endings (CR LF), which were changed on the way",
        )
    return CrcVerdict.FAILED, (
        f"the checksum does not hold: the telegram says {claimed:04X}, its bytes {crc16(body):04X}",
    )


def _restored(body: bytes) -> bytes:
    """``body`` with every line ended by CR LF; in linear time, whatever stands there."""
    if b"\n" not in body:
        return body.replace(b"\r", b"\r\n")
    return b"\r\n".join(line.rstrip(b"\r") for line in body.split(b"\n"))


def parse_telegram(body: bytes, digits: bytes | None) -> DsmrTelegram:
    """Read one telegram and judge its checksum; raises ``MalformedTelegram`` when it holds no data object."""
    crc, notes = judge_crc(body, digits)
    lines = re.split(r"\r\n|\r|\n", body.decode("latin-1")[1:-1])
    objects, ignored = _objects(lines[1:])
    if not objects:
        raise MalformedTelegram("the telegram holds no data object", hint="a P1 line is 1-0:1.8.1(000123.456*kWh)")
    if ignored:
        notes = (*notes, f"{ignored} lines are no P1 data objects and were passed over")
    by_code = {code: groups for code, groups in objects if groups}
    time, sure = _stamp(by_code.get(_TELEGRAM_TIME, [""])[0])
    values: list[_Value] = []
    for code, groups in objects:
        found, certain = _values(code, groups, time)
        values += found
        sure = sure and certain
    if not sure:
        notes = (*notes, "a time without the letter S or W was taken as Central European time by the rule of the EU")
    serial = next((by_code[code][0] for code in sorted(_SERIALS) if code in by_code and by_code[code][0]), "")
    return DsmrTelegram(lines[0].strip(), serial, time, tuple(values), crc, notes)


def read_dsmr(data: bytes) -> ImportedFile:
    """Read and judge a file of one or more telegrams; raises ``MalformedTelegram``."""
    bodies = split_telegrams(data)
    registers = _Registers()
    verdicts: set[CrcVerdict] = set()
    reasons = ["P1 telegrams carry no signature: nothing binds the values to a meter"]
    for number, (body, digits) in enumerate(bodies, start=1):
        telegram = parse_telegram(body, digits)
        registers.add(telegram)
        verdicts.add(telegram.crc)
        prefix = f"telegram {number}: " if len(bodies) > 1 else ""
        reasons += [prefix + note for note in telegram.notes]
    crc = worst_crc(verdicts)
    records: Records | None = None
    if crc is not CrcVerdict.FAILED:
        try:
            records = registers.records()
        except NotImportable as error:
            reasons.append(f"no interval records: {error.message}")
    return ImportedFile(
        format=FileFormat.DSMR,
        signature=SignatureVerdict.ABSENT,
        crc=crc,
        billable=False,
        reasons=tuple(reasons),
        readings=Readings(partial(_readings, data)),
        source=data,
        records=records,
    )


def _readings(data: bytes) -> Iterator[Reading]:
    """Every telegram's readings, made anew from the file's bytes."""
    for body, digits in split_telegrams(data):
        for code, value, unit, time in parse_telegram(body, digits).values:
            yield Reading(code, value, unit, time)


def _objects(lines: Sequence[str]) -> tuple[list[tuple[str, list[str]]], int]:
    """Data objects with their groups; a line that starts with a bracket continues the one before."""
    joined: list[str] = []
    for line in lines:
        stripped = line.strip()
        if stripped.startswith("(") and joined:
            joined[-1] += stripped
        elif stripped:
            joined.append(stripped)
    objects: list[tuple[str, list[str]]] = []
    ignored = 0
    for line in joined:
        matched = _OBJECT.fullmatch(line)
        if matched is None:
            ignored += 1
        else:
            objects.append((matched[1], _GROUP.findall(matched[2])))
    return objects, ignored


def _values(code: str, groups: Sequence[str], telegram_time: datetime | None) -> tuple[list[_Value], bool]:
    """Every value with a unit, at the time that stands before it, else at the telegram's."""
    if len(groups) >= 3 and _LEGACY_GAS.fullmatch(code):
        return _legacy_gas(groups)
    found: list[_Value] = []
    time, sure = telegram_time, True
    for group in groups:
        if len(group) in _STAMP_LENGTHS and _STAMP.fullmatch(group):
            time, certain = _stamp(group)
            sure = sure and certain
            continue
        matched = _VALUE.fullmatch(group)
        if matched is not None:
            found.append((code, _value(matched[1]), matched[2], time))
    return found, sure


def _legacy_gas(groups: Sequence[str]) -> tuple[list[_Value], bool]:
    """The profile of P1 2.2 and 3.0: (time)(status)(period)(count)(code)(unit)(value)."""
    time, sure = _stamp(groups[0])
    code, unit = groups[-3], groups[-2]
    if not re.fullmatch(r"\d{1,3}-\d{1,3}:[0-9.]{1,20}", code, re.ASCII) or not unit.isalnum():
        return [], True
    return [(code, _value(groups[-1]), unit, time)], sure


def _value(text: str) -> Decimal:
    try:
        return parse_decimal(text)
    except MalformedValue as error:
        raise MalformedTelegram("a P1 value is no decimal number", actual=text[:40]) from error


def _stamp(text: str) -> tuple[datetime | None, bool]:
    """YYMMDDhhmmss with S (UTC+2) or W (UTC+1); without a letter by the rule of the EU, and then not sure."""
    matched = _STAMP.fullmatch(text)
    if matched is None:
        return None, True
    year, month, day, hour, minute, second = (int(part) for part in matched.groups()[:6])
    try:
        local = datetime(2000 + year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None, True  # meters write impossible dates for "never", such as 632525252525
    letter = matched[7]
    summer = letter == "S" if letter else _is_summer(local)
    return local - timedelta(hours=2 if summer else 1), bool(letter)


def _is_summer(local: datetime) -> bool:
    """Directive 2000/84/EC: from 02:00 on the last Sunday of March to 03:00 local on that of October."""
    return _last_sunday(local.year, 3, 2) <= local < _last_sunday(local.year, 10, 3)


def _last_sunday(year: int, month: int, hour: int) -> datetime:
    last = datetime(year, month, 31, hour, tzinfo=UTC)
    return last - timedelta(days=(last.weekday() + 1) % 7)


class _Registers:
    """The registers of a file's telegrams in columns that grow by one element for each telegram."""

    def __init__(self) -> None:
        self._meters: set[tuple[str, str]] = set()
        self._time_s = array("q")
        self._imported: _Grown = array("Q")
        self._exported: _Grown = array("Q")
        self._trouble: NotImportable | None = None

    def add(self, telegram: DsmrTelegram) -> None:
        """Take the next telegram; what keeps it from being a point is kept for ``records``, the first such alone."""
        self._meters.add((telegram.identification, telegram.serial))
        if self._trouble is not None:
            return
        try:
            imported, exported = _total(telegram.values, _IMPORT), _total(telegram.values, _EXPORT)
            if imported is None:
                raise NotImportable("a telegram shows no register of imported energy (1.8.x)")
            self._time_s.append(whole_seconds(telegram.time))
            self._imported = _with(self._imported, imported)
            self._exported = _with(self._exported, exported or 0)
        except NotImportable as error:
            self._trouble = error

    def records(self) -> Records:
        """Device records of the whole file; raises ``NotImportable``."""
        if len(self._meters) > 1:
            raise NotImportable("the telegrams come from more than one meter", hint="import one file per meter")
        if self._trouble is not None:
            raise self._trouble
        places = np.arange(len(self._time_s))
        points = PointColumns(
            np.asarray(self._time_s, dtype=np.int64),
            register_column(self._imported),
            register_column(self._exported),
            np.zeros(places.shape[0], dtype=np.uint16),
            places,
        )
        (identification, serial), *_ = self._meters
        records, _ = span_records(points, chain(places), unsigned_pseudonym(f"{identification}|{serial}".encode()))
        return records


def _with(column: _Grown, total: int) -> _Grown:
    """The column with one more register; a sum of tariffs may leave 64 bits, and then no record takes it."""
    if total > U64_MAX and isinstance(column, array):
        column = column.tolist()
    column.append(total)
    return column


def _total(values: Sequence[_Value], group: str) -> int | None:
    """The register x.8.0 where it is shown, else the sum over the tariffs x.8.1 and up; None without either."""
    total: int | None = None
    for code, value, unit, _ in values:
        way, tariff = _register(code)
        energy = to_milliwatt_hours(value, unit) if way == group else None
        if energy is None:
            continue
        if tariff == "0":
            return whole_milliwatt_hours(energy)
        total = (total or 0) + whole_milliwatt_hours(energy)
    return total


@lru_cache(maxsize=1024)
def _register(code: str) -> tuple[str, str]:
    """Which way energy flows and at which tariff, for a code of total active energy; a file's codes repeat."""
    matched = _REGISTER.fullmatch(code)
    return ("", "") if matched is None else (matched[1], matched[2])
