"""The payload of an OCMF record: who measured what, when, and in which state.

Decided here: how payload fields are read and inherited. Not decided here: what of it can be billed
(``billing_rules``), or whether the payload is what was signed (``ocmf``): these functions read values and never write
the payload again. A payload is read in one of two ways by the same rules: into columns (``take_payload``, for
records), or into objects (``parse_payload``, to show). OCMF 0.1 to 1.4, "Payload Data Section".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from wattest.crypto import json_text
from wattest.metering.billing_rules import Objection, is_plain_reading, payload_objections, reading_objections
from wattest.metering.readers.ocmf_rows import NO_TIME, OcmfRows, reading_quality
from wattest.metering.reading import MalformedMeterFile, Reading, check_decimal, parse_decimal, to_milliwatt_hours

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
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MINUTES = 24 * 60
_MICROSECOND = timedelta(microseconds=1)
_FIRST_US = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST_US = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_INHERITED = ("TM", "TX", "RI", "RU", "RT", "EF", "ST")  # omitted where equal to the reading before


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


@dataclass(frozen=True, slots=True)
class PayloadHead:
    """What one signed payload says beside its readings; ``serials`` are meter serial and gateway serial.

    ``objections`` are why it must not be billed, ``remarks`` what a reader should know beside that.
    """

    page_context: str | None
    page: int | None
    serials: tuple[str, str]
    objections: tuple[Objection, ...] = ()
    remarks: tuple[str, ...] = ()


def direction(obis: str | None) -> str | None:
    """``import`` or ``export`` for a register of total active energy, else None."""
    matched = _OBIS.fullmatch(obis or "")
    if matched is None:
        return None
    group = matched[1].upper().lstrip("0")
    if group in ("1", "98", "B0", "B1", "B2", "B3"):  # 98: OCMF before 1.0
        return "import"
    return "export" if group == "2" or group in ("C0", "C1", "C2", "C3") else None


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
            parse_constant=json_text.refuse_constant,
            object_pairs_hook=json_text.unique_keys,
        )
    except ValueError as error:
        raise MalformedOcmf(
            f"the {what} section is not JSON: {str(error)[:120]}", hint="the record may be truncated"
        ) from error
    if not isinstance(value, dict):
        raise MalformedOcmf(f"the {what} section is not a JSON object")
    return value


def parse_payload(signed: bytes) -> tuple[OcmfReading, ...]:
    """The readings of a payload section as objects; raises ``MalformedOcmf`` or ``MalformedValue``."""
    return tuple(
        OcmfReading(
            time=None if time_us == NO_TIME else _EPOCH + time_us * _MICROSECOND,
            time_status=time_status,
            transaction=_text(fields["TX"]) or None,
            value=value,
            obis=_text(fields["RI"]),
            unit=_text(fields["RU"]),
            error_flags=_text(fields["EF"]) or "",
            status=_text(fields["ST"]) or None,
        )
        for fields, value, time_us, time_status, _ in _readings(load_json(signed, "payload"))
    )


def take_payload(signed: bytes, rows: OcmfRows, telegram: int) -> PayloadHead:
    """Read a payload section into ``rows``; raises ``MalformedOcmf`` or ``MalformedValue``, and then takes nothing."""
    payload = load_json(signed, "payload")
    begun = len(rows)
    objections: list[Objection] = []
    synchronised = timed = True
    valued = False
    try:
        for number, (fields, value, time_us, time_status, loss) in enumerate(_readings(payload), start=1):
            transaction, status = _text(fields["TX"]) or None, _text(fields["ST"]) or None
            error_flags = _text(fields["EF"]) or ""
            energy = None if value is None else to_milliwatt_hours(value, _text(fields["RU"]))
            quality = reading_quality(status, error_flags, transaction, time_status)
            rows.append(telegram, time_us, transaction, _text(fields["RI"]), energy, quality)
            if not is_plain_reading(status, error_flags, transaction, energy, time_status, loss):
                objections += reading_objections(number, status, error_flags, transaction, energy, time_status, loss)
            synchronised &= time_status != "U"
            timed &= time_us != NO_TIME
            valued |= value is not None
    except MalformedMeterFile:
        rows.drop_from(begun)
        raise
    version = (_text(payload["FV"]) or "") if "FV" in payload else None
    objections += payload_objections(version, _text(payload.get("IS")), _text(payload.get("IL")), valued=valued)
    remarks = [] if synchronised else ["the clock was not synchronised (time status U)"]
    if not timed:
        remarks.append("a reading has no usable time")
    page_context, page = None, None
    matched = _PAGE.fullmatch(_text(payload.get("PG")) or "")
    if matched is not None:
        page_context, page = matched[1].upper(), int(matched[2])
    serials = (_text(payload.get("MS")) or "", _text(payload.get("GS")) or "")
    return PayloadHead(page_context, page, serials, tuple(objections), tuple(remarks))


def _readings(
    payload: dict[str, Any],
) -> Iterator[tuple[dict[str, Any], Decimal | None, int, str | None, Decimal | None]]:
    """For each element of ``RD`` its fields with inherited ones filled in, its value, time, time status and loss."""
    rows = payload.get("RD")
    if not isinstance(rows, list) or not rows or len(rows) > MAX_READINGS_PER_RECORD:
        raise MalformedOcmf("RD is not an array of 1 to 10,000 readings", hint="this record holds no reading")
    before: dict[str, Any] = {}
    for row in rows:
        if not isinstance(row, dict):
            raise MalformedOcmf("an element of RD is not an object")
        before = {name: row.get(name, before.get(name)) for name in _INHERITED}
        value, loss = _value(row.get("RV"), "RV"), _value(row.get("CL"), "CL")
        yield before, value, *_instant(before["TM"]), loss


def _value(raw: object, name: str) -> Decimal | None:
    if raw is None or raw == "":
        return None
    if isinstance(raw, Decimal):
        return check_decimal(raw)
    if isinstance(raw, str):
        return parse_decimal(raw)
    raise MalformedOcmf(f"{name} is neither a number nor a string")


def _instant(raw: object) -> tuple[int, str | None]:
    """Unix microseconds, ``NO_TIME`` where there is no time or no zone, and the status letter behind it."""
    matched = _TIME.fullmatch(raw.strip()) if isinstance(raw, str) and len(raw) < 64 else None
    if matched is None:
        if raw is None:
            return NO_TIME, None
        raise MalformedOcmf("TM is not a time of the form 2018-07-24T13:22:04,000+0200 S")
    zone, status = matched[8], matched[9]
    if zone is None:
        return NO_TIME, status
    minutes = 0
    if zone != "Z":
        if int(zone[-2:]) >= 60:
            raise MalformedOcmf("TM names a time zone that does not exist")
        minutes = int(zone[1:3]) * 60 + int(zone[-2:])
        minutes = -minutes if zone[0] == "-" else minutes
    try:
        micro = int((matched[7] or "0")[:6].ljust(6, "0"))
        year, month, day, hour, minute, second = (int(part) for part in matched.groups()[:6])
        local = datetime(year, month, day, hour, minute, second, micro, UTC)
    except ValueError as error:
        raise MalformedOcmf("TM names a time that does not exist") from error
    instant = (local - _EPOCH) // _MICROSECOND - minutes * 60_000_000
    if abs(minutes) >= _DAY_MINUTES or not _FIRST_US <= instant <= _LAST_US:
        raise MalformedOcmf("TM names a time that does not exist")
    return instant, status


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, Decimal) else None


def _number(text: str) -> Decimal:
    if len(text) > 200:
        raise ValueError("a number is too long")
    try:
        return Decimal(text)
    except ArithmeticError as error:
        raise ValueError("a number is out of range") from error
