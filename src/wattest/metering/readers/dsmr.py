"""DSMR P1: telegrams of Dutch, Belgian and Luxembourg meters, checked by their CRC.

Decided here: which data objects are readings and at what time, and the file's report. Not decided here: where
telegrams begin and end and their checksum (``dsmr_frame``), what a time means (``dsmr_stamp``), which registers make
records (``dsmr_registers``), or who the meter is: P1 carries no signature, so nothing read here is billable by itself.
DSMR P1 companion standard 2.2 to 5.0.2, e-MUCS P1 (Fluvius); docs/spec/meter-files.md
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial

from wattest.metering.billing_rules import NotImportable, Objection
from wattest.metering.readers.dsmr_frame import (
    Frame,
    MalformedTelegram,
    crc16,
    is_dsmr,
    judge_crc,
    split_telegrams,
)
from wattest.metering.readers.dsmr_registers import CURRENT, DsmrValue, TelegramRegisters, is_earlier, register_of
from wattest.metering.readers.dsmr_stamp import Doubt, Stamp, parse_stamp
from wattest.metering.readers.meter_format import Claim, Unsigned
from wattest.metering.readers.public_key import MeterPublicKey
from wattest.metering.readers.table import TableOptions
from wattest.metering.reading import (
    ImportedFile,
    MalformedValue,
    Reading,
    Readings,
    parse_decimal,
)
from wattest.metering.records import Quality, Records
from wattest.metering.verdicts import CrcVerdict, SignatureVerdict, worst_crc

_OBJECT = re.compile(r"(\d{1,3}-\d{1,3}:\d{1,3}\.\d{1,3}\.\d{1,3}(?:\*\d{1,3})?)((?:\([^()]*\))+)", re.ASCII)
_GROUP = re.compile(r"\(([^()]*)\)")
_VALUE = re.compile(r"[ \t]*(-?[0-9.]{1,40})[ \t]*\*[ \t]*([A-Za-z0-9]{1,8})[ \t]*", re.ASCII)
_LEGACY_GAS = re.compile(r"0-\d{1,3}:24\.3\.0", re.ASCII)
_TELEGRAM_TIME = "0-0:1.0.0"
_SERIALS = ("0-0:42.0.0", "0-0:96.1.0", "0-0:96.1.1", "1-0:0.0.0")
_VERSIONS = ("1-3:0.2.8", "0-0:96.1.4")  # DSMR, e-MUCS; both came with version 4, which has a checksum

_Objects = list[tuple[str, list[str]]]


@dataclass(frozen=True, slots=True)
class DsmrTelegram:
    """One telegram: its values, its own time, its meter, and what its checksum says.

    ``unread_register`` is the code of a register of total active energy whose value cannot be read, if there is one;
    ``malformed`` says that something is missing that its version must have.
    """

    identification: str
    serial: str
    time: datetime | None
    values: tuple[DsmrValue, ...] = field(repr=False)
    crc: CrcVerdict
    notes: tuple[str, ...]
    quality: Quality
    unread_register: str | None
    malformed: bool


def parse_telegram(frame: Frame) -> DsmrTelegram:
    """Read one telegram and judge its checksum; raises ``MalformedTelegram`` when it holds no data object."""
    crc, judged = judge_crc(frame)
    lines = re.split(r"\r\n|\r|\n", frame.body.decode("latin-1")[1:-1])
    objects, ignored = split_objects(lines[1:])
    if not objects:
        raise MalformedTelegram("the telegram holds no data object", hint="a P1 line is 1-0:1.8.1(000123.456*kWh)")
    by_code = {code.removesuffix(CURRENT): groups for code, groups in objects}
    stated = by_code.get(_TELEGRAM_TIME, [""])[0]
    stamp = parse_stamp(stated) or Stamp(None)
    values: list[DsmrValue] = []
    doubts = {stamp.doubt: None}
    unread: list[tuple[str, str]] = []
    for code, groups in objects:
        found, doubted, missed = read_object(code, groups, stamp.time)
        values += found
        doubts |= dict.fromkeys(doubted)
        unread += [(code, group) for group in missed]
    torn = frame.digits is None and any(code in by_code for code in _VERSIONS)
    notes = [
        *judged,
        *_counted_notes(ignored, unread, [code for code, *_ in values if is_earlier(code)]),
        *([f"the telegram's time {stated[:20]!r} does not exist"] if stated and stamp.time is None else []),
        *(str(doubt) for doubt in Doubt if doubt in doubts),
        *(["the telegram names a version that has a checksum, and has none: it is truncated"] if torn else []),
    ]
    return DsmrTelegram(
        identification=lines[0].strip(),
        serial=next((by_code[code][0] for code in _SERIALS if by_code.get(code, [""])[0]), ""),
        time=stamp.time,
        values=tuple(values),
        crc=crc,
        notes=tuple(notes),
        quality=Quality.CLOCK_UNCERTAIN if stamp.doubt is not None and stamp.doubt.is_uncertain else Quality(0),
        unread_register=next((code for code, _ in unread if register_of(code) is not None), None),
        malformed=torn,
    )


def _counted_notes(ignored: int, unread: Sequence[tuple[str, str]], earlier: Sequence[str]) -> Iterator[str]:
    """What was passed over, with how often and one sample."""
    if ignored:
        yield f"{ignored} lines are no P1 data objects and were passed over"
    if unread:
        sample = "{}({})".format(*unread[0])
        yield f"{len(unread)} values cannot be read and were passed over, such as {sample[:60]}"
    if earlier:
        yield f"{len(earlier)} registers of earlier periods are shown and not counted, such as {earlier[0]}"


def read_dsmr(data: bytes) -> ImportedFile:
    """Read and judge a file of one or more telegrams; raises ``MalformedTelegram``."""
    frames = split_telegrams(data)
    registers = TelegramRegisters()
    verdicts: set[CrcVerdict] = set()
    malformed = frames.lost
    reasons = ["P1 telegrams carry no signature: nothing binds the values to a meter", *frames.passed]
    for number, frame in enumerate(frames.telegrams, start=1):
        telegram = parse_telegram(frame)
        meter = telegram.identification, telegram.serial
        registers.add(meter, telegram.values, telegram.unread_register, telegram.time, telegram.quality)
        verdicts.add(telegram.crc)
        malformed |= telegram.malformed
        prefix = f"telegram {number}: " if len(frames.telegrams) > 1 else ""
        reasons += [prefix + note for note in telegram.notes]
    crc = worst_crc(verdicts)
    records: Records | None = None
    found: list[Objection] = []
    if crc is not CrcVerdict.FAILED:
        try:
            records = registers.records()
        except NotImportable as error:
            found.append(error.objection)
            reasons.append(f"no interval records: {error.message}")
    return ImportedFile(
        format=DSMR.name,
        signature=SignatureVerdict.ABSENT,
        crc=crc,
        reasons=tuple(reasons),
        readings=Readings(partial(_readings, data)),
        source=data,
        records=records,
        malformed=malformed,
        found=tuple(found),
    )


@dataclass(frozen=True, slots=True)
class DsmrFormat:
    """DSMR P1 2.2 to 5.0.2 and e-MUCS."""

    name: str = "dsmr"

    def claim(self, data: bytes) -> Claim:
        """A line that starts a telegram, and a data object of P1."""
        return Claim.MARK if is_dsmr(data) else Claim.NONE

    def parse(self, data: bytes, key: MeterPublicKey | None, table: TableOptions) -> Unsigned:
        """Read and judge a file; raises ``MalformedTelegram``."""
        del key, table
        return Unsigned(read_dsmr(data))


DSMR = DsmrFormat()


def _readings(data: bytes) -> Iterator[Reading]:
    """Every telegram's readings, made anew from the file's bytes."""
    for frame in split_telegrams(data).telegrams:
        for code, value, unit, time in parse_telegram(frame).values:
            yield Reading(code, value, unit, time)


def split_objects(lines: Sequence[str]) -> tuple[_Objects, int]:
    """Data objects with their groups; a line that starts with a bracket continues the one before."""
    joined: list[str] = []
    for line in lines:
        stripped = line.strip()
        if stripped.startswith("(") and joined:
            joined[-1] += stripped
        elif stripped:
            joined.append(stripped)
    objects: _Objects = []
    ignored = 0
    for line in joined:
        matched = _OBJECT.fullmatch(line)
        if matched is None:
            ignored += 1
        else:
            objects.append((matched[1], _GROUP.findall(matched[2])))
    return objects, ignored


def read_object(
    code: str, groups: Sequence[str], telegram_time: datetime | None
) -> tuple[list[DsmrValue], list[Doubt], list[str]]:
    """Every value with a unit, at the time that stands before it, else at the telegram's.

    Beside that what is doubtful about the times, and the groups that look like values and cannot be read: those with
    an asterisk, and any of a register of total active energy.
    """
    if len(groups) >= 3 and _LEGACY_GAS.fullmatch(code.removesuffix(CURRENT)):
        return _legacy_gas(groups)
    found: list[DsmrValue] = []
    doubts: list[Doubt] = []
    missed: list[str] = []
    time = telegram_time
    for group in groups:
        stamp = parse_stamp(group)
        if stamp is not None:
            time = stamp.time
            doubts += [stamp.doubt] if stamp.doubt is not None else []
            continue
        matched = _VALUE.fullmatch(group)
        if matched is not None:
            found.append((code, _value(matched[1]), matched[2], time))
        elif "*" in group or register_of(code) is not None:
            missed.append(group)
    return found, doubts, missed


def _legacy_gas(groups: Sequence[str]) -> tuple[list[DsmrValue], list[Doubt], list[str]]:
    """The profile of P1 2.2 and 3.0: (time)(status)(period)(count)(code)(unit)(value)."""
    stamp = parse_stamp(groups[0]) or Stamp(None)
    code, unit = groups[-3], groups[-2]
    if not re.fullmatch(r"\d{1,3}-\d{1,3}:[0-9.]{1,20}", code, re.ASCII) or not unit.isalnum():
        return [], [], [groups[-1]]
    return [(code, _value(groups[-1]), unit, stamp.time)], [stamp.doubt] if stamp.doubt is not None else [], []


def _value(text: str) -> Decimal:
    try:
        return parse_decimal(text)
    except MalformedValue as error:
        raise MalformedTelegram("a P1 value is no decimal number", actual=text[:40]) from error


__all__ = ["DsmrTelegram", "MalformedTelegram", "crc16", "is_dsmr", "parse_telegram", "read_dsmr"]
