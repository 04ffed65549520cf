"""The payload of an OCMF record: who measured what, when, and in which state.

Decided here: how payload fields are read, inherited and judged for billing. Not decided here: whether the payload is
what was signed (``ocmf``): these functions read values and never write the payload again. OCMF 0.1 to 1.4, "Payload
Data Section".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from wattest.crypto import json_text
from wattest.metering.reading import MalformedMeterFile, Reading, check_decimal, parse_decimal

MAX_READINGS_PER_RECORD = 10_000
BEGIN = "B"
ENDS = frozenset("ELRAP")
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[,.](\d{1,9}))?\s*(Z|[+-]\d\d:?\d\d)?(?:\s+([A-Za-z]))?", re.ASCII
)
_PAGE = re.compile(r"([A-Za-z])(\d{1,18})", re.ASCII)
_OBIS = re.compile(
    r"(?:[0-9A-Za-z]{1,3}-[0-9A-Za-z]{1,3}:)?([0-9A-Za-z]{1,3})\.0?8\.[0-9A-Za-z]{1,3}(?:[.*][0-9A-Za-z]{1,3})?"
)
_INHERITED = ("TM", "TX", "RI", "RU", "RT", "EF", "ST")  # omitted where equal to the reading before
_STATUS = {
    "N": "the meter was not present",
    "T": "a timeout while reading the meter",
    "D": "the meter was disconnected",
    "R": "the meter was removed",
    "M": "manipulation was detected",
    "X": "the meter was exchanged",
    "I": "the meter is incompatible",
    "O": "the value is out of range",
    "S": "a substitute value",
    "E": "an unspecified error",
    "F": "the register was not read correctly",
}
_USER_ERRORS = frozenset({"MISMATCH", "INVALID", "OUTDATED", "UNKNOWN"})


class MalformedOcmf(MalformedMeterFile):
    """OCMF text that is truncated, or whose sections are not what the format says."""


@dataclass(frozen=True, slots=True)
class OcmfReading:
    """One element of ``RD`` with inherited fields filled in; ``value`` is None for a pure error event."""

    time: datetime | None
    time_status: str | None
    transaction: str | None
    value: Decimal | None
    obis: str | None
    unit: str | None
    error_flags: str
    status: str | None

    def to_reading(self) -> Reading | None:
        """The common form; None for an event without a value."""
        if self.value is None:
            return None
        return Reading(self.obis, self.value, self.unit, self.time, self.status)

    def direction(self) -> str | None:
        """``import`` or ``export`` for a register of total active energy, else None."""
        matched = _OBIS.fullmatch(self.obis or "")
        if matched is None:
            return None
        group = matched[1].upper().lstrip("0")
        if group in ("1", "98", "B0", "B1", "B2", "B3"):  # 98: OCMF before 1.0
            return "import"
        return "export" if group == "2" or group in ("C0", "C1", "C2", "C3") else None


@dataclass(frozen=True, slots=True)
class OcmfPayload:
    """What one signed payload says; ``serials`` are meter serial and gateway serial."""

    page_context: str | None
    page: int | None
    serials: tuple[str, str]
    user_level: str | None
    readings: tuple[OcmfReading, ...]

    def objections(self) -> list[str]:
        """Why this payload must not be billed, in words; empty when nothing speaks against it."""
        found: list[str] = []
        for index, reading in enumerate(self.readings):
            where = f"reading {index + 1}"
            if reading.status != "G":
                meaning = _STATUS.get(reading.status or "", "no known meter status")
                found.append(f"{where}: status {reading.status}: {meaning}")
            if "E" in reading.error_flags:
                found.append(f"{where}: error flag E: energy is not usable for billing")
            if "t" in reading.error_flags:
                found.append(f"{where}: error flag t: time is not usable for billing")
            if reading.error_flags.strip("Et"):
                found.append(f"{where}: unknown error flags {reading.error_flags!r}")
            if reading.transaction == "X":
                found.append(f"{where}: an exception during charging makes time or energy unusable from here on")
            energy = reading.to_reading()
            if energy is not None and (energy.milliwatt_hours or 0) < 0:
                found.append(f"{where}: negative energy")
        if self.user_level in _USER_ERRORS:
            found.append(f"user assignment failed: {self.user_level}")
        if not any(reading.value is not None for reading in self.readings):
            found.append("no reading has a value")
        return found

    def remarks(self) -> list[str]:
        """What a reader should know that does not forbid billing."""
        found = []
        if any(reading.time_status == "U" for reading in self.readings):
            found.append("the clock was not synchronised (time status U)")
        if any(reading.time is None for reading in self.readings):
            found.append("a reading has no usable time")
        return found


def load_json(data: bytes, what: str) -> dict[str, Any]:
    """Read one JSON object: numbers become ``Decimal``, repeated names and NaN are refused."""
    try:
        data.decode("utf-8")
        encoding = "utf-8"
    except UnicodeDecodeError:
        encoding = "latin-1"  # every byte has a meaning there; the signature is over the bytes anyway
    try:
        value = json_text.load_json(
            data,
            encoding=encoding,
            parse_float=_number,
            parse_int=_number,
            parse_constant=_refuse_constant,
            object_pairs_hook=_unique,
        )
    except ValueError as error:
        raise MalformedOcmf(
            f"the {what} section is not JSON: {str(error)[:120]}", hint="the record may be truncated"
        ) from error
    if not isinstance(value, dict):
        raise MalformedOcmf(f"the {what} section is not a JSON object")
    return value


def parse_payload(signed: bytes) -> OcmfPayload:
    """Read the payload section's bytes; raises ``MalformedOcmf`` or ``MalformedValue``."""
    fields = load_json(signed, "payload")
    page_context, page = None, None
    matched = _PAGE.fullmatch(_text(fields.get("PG")) or "")
    if matched is not None:
        page_context, page = matched[1].upper(), int(matched[2])
    rows = fields.get("RD")
    if not isinstance(rows, list) or not rows or len(rows) > MAX_READINGS_PER_RECORD:
        raise MalformedOcmf("RD is not an array of 1 to 10,000 readings", hint="this record holds no reading")
    readings: list[OcmfReading] = []
    before: dict[str, Any] = {}
    for row in rows:
        if not isinstance(row, dict):
            raise MalformedOcmf("an element of RD is not an object")
        before = {name: row.get(name, before.get(name)) for name in _INHERITED}
        readings.append(_reading(before, row.get("RV")))
    serials = (_text(fields.get("MS")) or "", _text(fields.get("GS")) or "")
    return OcmfPayload(page_context, page, serials, _text(fields.get("IL")), tuple(readings))


def _reading(fields: dict[str, Any], raw_value: object) -> OcmfReading:
    if raw_value is None or raw_value == "":
        value = None
    elif isinstance(raw_value, Decimal):
        value = check_decimal(raw_value)
    elif isinstance(raw_value, str):
        value = parse_decimal(raw_value)
    else:
        raise MalformedOcmf("RV is neither a number nor a string")
    time, time_status = _time(fields["TM"])
    return OcmfReading(
        time=time,
        time_status=time_status,
        transaction=_text(fields["TX"]) or None,
        value=value,
        obis=_text(fields["RI"]),
        unit=_text(fields["RU"]),
        error_flags=_text(fields["EF"]) or "",
        status=_text(fields["ST"]) or None,
    )


def _time(raw: object) -> tuple[datetime | None, str | None]:
    matched = _TIME.fullmatch(raw.strip()) if isinstance(raw, str) and len(raw) < 64 else None
    if matched is None:
        if raw is None:
            return None, None
        raise MalformedOcmf("TM is not a time of the form 2018-07-24T13:22:04,000+0200 S")
    zone, status = matched[8], matched[9]
    if zone is None:
        return None, status
    offset = timedelta(0)
    if zone != "Z":
        minutes = int(zone[1:3]) * 60 + int(zone[-2:])
        offset = timedelta(minutes=-minutes if zone[0] == "-" else minutes)
    try:
        micro = int((matched[7] or "0")[:6].ljust(6, "0"))
        year, month, day, hour, minute, second = (int(part) for part in matched.groups()[:6])
        local = datetime(year, month, day, hour, minute, second, micro, timezone(offset))
        return local.astimezone(UTC), status
    except (ValueError, OverflowError) as error:
        raise MalformedOcmf("TM names a time that does not exist") from error


def _text(value: object) -> str | None:
    if isinstance(value, bool) or value is None:
        return None
    return value if isinstance(value, str) else str(value) if isinstance(value, Decimal) else None


def _number(text: str) -> Decimal:
    if len(text) > 200:
        raise ValueError("a number is too long")
    try:
        return Decimal(text)
    except ArithmeticError as error:
        raise ValueError("a number is out of range") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object names a field twice")
    return found
