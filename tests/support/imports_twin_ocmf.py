"""OCMF one reading at a time: payloads as objects, a file judged record by record (a part of ``imports_twin``)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from wattest.metering.billing_rules import BillingRule, NotImportable, Objection
from wattest.metering.readers.ocmf import split_records
from wattest.metering.readers.ocmf_envelope import (
    HEADER,
    RecordVerdict,
    judge_signature,
    parse_envelope,
)
from wattest.metering.readers.ocmf_payload import BEGIN, ENDS, MalformedOcmf, load_json
from wattest.metering.readers.public_key import (
    MalformedPublicKey,
    MeterPublicKey,
    parse_public_key,
)
from wattest.metering.readers.signed_values import parse_ocmf_values
from wattest.metering.reading import ImportedFile, MalformedMeterFile, Reading, check_decimal, parse_decimal
from wattest.metering.verdicts import CrcVerdict, SignatureVerdict, worst_signature

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
_VERSIONS = [f"{major}.{minor}" for major, minors in ((0, "1234"), (1, "01234")) for minor in minors]
_USER_LEVELS = ["NONE", "HEARSAY", "TRUSTED", "VERIFIED", "CERTIFIED", "SECURE"]
_USER_ERRORS = frozenset({"MISMATCH", "INVALID", "OUTDATED", "UNKNOWN"})


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
    loss: Decimal | None = None

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
    version: str | None
    user_levels: tuple[str | None, ...]
    readings: tuple[OcmfReading, ...]

    def objections(self, record: int) -> list[Objection]:
        """Why this payload must not be billed; empty when nothing speaks against it."""
        found: list[tuple[BillingRule, str]] = []
        for index, reading in enumerate(self.readings):
            where = f"reading {index + 1}"
            if reading.status != "G":
                meaning = _STATUS.get(reading.status or "", "no known meter status")
                found.append((BillingRule.METER_STATUS, f"{where}: status {reading.status}: {meaning}"))
            if "E" in reading.error_flags:
                text = f"{where}: error flag E: energy is not usable for billing"
                found.append((BillingRule.ERROR_FLAG, text))
            if "t" in reading.error_flags:
                found.append((BillingRule.ERROR_FLAG, f"{where}: error flag t: time is not usable for billing"))
            if reading.error_flags.strip("Et"):
                found.append((BillingRule.ERROR_FLAG, f"{where}: unknown error flags {reading.error_flags!r}"))
            if reading.transaction == "X":
                text = f"{where}: an exception during charging makes time or energy unusable from here on"
                found.append((BillingRule.EXCEPTION, text))
            if reading.time_status not in (None, "U", "I", "S", "R"):
                found.append((BillingRule.CLOCK_MARK, f"{where}: no known clock status {reading.time_status!r}"))
            energy = reading.to_reading()
            if energy is not None and (energy.milliwatt_hours or 0) < 0:
                found.append((BillingRule.NEGATIVE_ENERGY, f"{where}: negative energy"))
            if reading.loss is not None and reading.loss < 0:
                found.append((BillingRule.LOSS, f"{where}: a negative cumulated loss (CL)"))
            elif reading.loss is not None and reading.loss != 0 and reading.transaction == BEGIN:
                text = (
                    f"{where}: the cumulated loss (CL) is not zero where the transaction begins: it holds losses of "
                    "others"
                )
                found.append((BillingRule.LOSS, text))
        if self.version is not None and self.version not in _VERSIONS:
            text = f"format version {self.version[:20]!r} is not known: what its fields mean is not known either"
            found.append((BillingRule.FORMAT_VERSION, text))
        for level in dict.fromkeys(self.user_levels):
            if level in _USER_ERRORS:
                found.append((BillingRule.USER_ASSIGNMENT, f"user assignment failed: {level}"))
            elif level and level not in _USER_LEVELS:
                text = f"no known level of user assignment: {level[:40]!r}"
                found.append((BillingRule.USER_ASSIGNMENT, text))
        if not any(reading.value is not None for reading in self.readings):
            found.append((BillingRule.NO_VALUE, "no reading has a value"))
        return [Objection(rule, text, record) for rule, text in found]

    def remarks(self) -> list[str]:
        """What a reader should know that does not forbid billing."""
        found = []
        if any(reading.time_status == "U" for reading in self.readings):
            found.append("the clock was not synchronised (time status U)")
        if any(reading.time is None for reading in self.readings):
            found.append("a reading has no usable time")
        return found


Derive = Callable[[Sequence[OcmfPayload]], object]


def parse_payload(signed: bytes) -> OcmfPayload:
    """Read the payload section's bytes; raises ``MalformedOcmf`` or ``MalformedValue``."""
    fields = load_json(signed, "payload")
    page_context, page = None, None
    matched = _PAGE.fullmatch(_text(fields.get("PG")) or "")
    if matched is not None:
        page_context, page = matched[1].upper(), int(matched[2])
    rows = fields.get("RD")
    if not isinstance(rows, list) or not rows or len(rows) > 10_000:
        raise MalformedOcmf("RD is not an array of 1 to 10,000 readings", hint="this record holds no reading")
    readings: list[OcmfReading] = []
    before: dict[str, Any] = {}
    for row in rows:
        if not isinstance(row, dict):
            raise MalformedOcmf("an element of RD is not an object")
        before = {name: row.get(name, before.get(name)) for name in _INHERITED}
        readings.append(_reading(before, _value(row.get("RV"), "RV"), _value(row.get("CL"), "CL")))
    serials = (_text(fields.get("MS")) or "", _text(fields.get("GS")) or "")
    version = (_text(fields["FV"]) or "") if "FV" in fields else None
    levels = (_text(fields.get("IS")), _text(fields.get("IL")))
    return OcmfPayload(page_context, page, serials, version, levels, tuple(readings))


def _value(raw: object, name: str) -> Decimal | None:
    if raw is None or raw == "":
        return None
    if isinstance(raw, Decimal):
        return check_decimal(raw)
    if isinstance(raw, str):
        return parse_decimal(raw)
    raise MalformedOcmf(f"{name} is neither a number nor a string")


def _reading(fields: dict[str, Any], value: Decimal | None, loss: Decimal | None) -> OcmfReading:
    time, time_status = _ocmf_time(fields["TM"])
    return OcmfReading(
        time=time,
        time_status=time_status,
        transaction=_text(fields["TX"]) or None,
        value=value,
        obis=_text(fields["RI"]),
        unit=_text(fields["RU"]),
        error_flags=_text(fields["EF"]) or "",
        status=_text(fields["ST"]) or None,
        loss=loss,
    )


def _ocmf_time(raw: object) -> tuple[datetime | None, str | None]:
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
        if int(zone[-2:]) >= 60:
            raise MalformedOcmf("TM names a time zone that does not exist")
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


def read_ocmf(data: bytes, key: MeterPublicKey | None, derive: Derive) -> ImportedFile:
    """Read and judge a file of OCMF records; every record counts, the worst verdict wins.

    ``derive`` makes records of payloads, and so says what keeps them from being a series.

    Raises ``MalformedOcmf`` when the bytes are no OCMF at all.
    """
    records, passed = split_records(data)
    verdicts: list[RecordVerdict] = []
    reasons: list[str] = []
    payloads: list[OcmfPayload] = []
    readings: list[Reading] = []
    objections: list[Objection] = []
    malformed = passed > 0
    if malformed:
        reasons.append(f"{passed} bytes before the first record are no OCMF")
    for number, raw in enumerate(records, start=1):
        prefix = f"record {number}: " if len(records) > 1 else ""
        try:
            envelope = parse_envelope(raw)
        except MalformedOcmf as error:
            torn = SignatureVerdict.UNCHECKED if b"|" in raw[len(HEADER) :] else SignatureVerdict.ABSENT
            verdicts.append(RecordVerdict(torn, ()))
            reasons.append(f"{prefix}{error.message}")
            malformed = True
            continue
        verdict = judge_signature(envelope, key)
        verdicts.append(verdict)
        malformed |= verdict.unsupported or verdict.signature is SignatureVerdict.ABSENT
        reasons += [prefix + reason for reason in verdict.reasons]
        try:
            payload = parse_payload(envelope.signed)
        except MalformedMeterFile as error:
            reasons.append(f"{prefix}{error.message}")
            malformed = True
            continue
        payloads.append(payload)
        readings += [reading for row in payload.readings if (reading := row.to_reading()) is not None]
        objections += payload.objections(number)
        reasons += [prefix + remark for remark in payload.remarks()]
    objections += _cohesion(payloads)
    is_series = False
    if not malformed:
        try:
            derive(payloads)
            is_series = True
        except NotImportable as error:
            objections.append(error.objection)
    for objection in objections:
        about = len(records) > 1 and objection.record is not None
        reasons.append(f"record {objection.record}: {objection.text}" if about else objection.text)
    reasons += _lone_ends(payloads, is_series)
    signature = worst_signature(verdict.signature for verdict in verdicts)
    keys = [verdict.key for verdict in verdicts if verdict.key is not None]
    return ImportedFile(
        format="ocmf",
        signature=signature,
        crc=CrcVerdict.NONE,
        reasons=tuple(dict.fromkeys(reasons)),
        readings=tuple(readings),
        source=data,
        telegrams=tuple(records),
        public_key=keys[0].to_spki() if keys else b"",
        malformed=malformed,
        found=tuple(dict.fromkeys(objections)),
    )


def several_meters() -> Objection:
    """Records of more than one meter."""
    text = "the records come from more than one meter"
    return Objection(BillingRule.SEVERAL_METERS, text, hint="import one file per meter")


def _cohesion(payloads: list[OcmfPayload]) -> list[Objection]:
    """Objections that only show between records: another source, or pages missing, repeated or out of order."""
    found: list[Objection] = []
    if len({payload.serials for payload in payloads}) > 1:
        found.append(several_meters())
    last: dict[str, int] = {}
    for payload in payloads:
        if payload.page is None or payload.page_context is None:
            continue
        before = last.get(payload.page_context)
        if before is not None and payload.page != before + 1:
            name = payload.page_context
            text = f"page {name}{payload.page} follows {name}{before}: pages are missing, repeated or reordered"
            found.append(Objection(BillingRule.PAGES, text))
        last[payload.page_context] = payload.page
    return found


def _lone_ends(payloads: list[OcmfPayload], is_series: bool) -> list[str]:
    kinds = {reading.transaction for payload in payloads for reading in payload.readings}
    if BEGIN in kinds and not kinds & ENDS:
        return ["the transaction's begin is here, its end is not"]
    if kinds & ENDS and BEGIN not in kinds:
        return ["the transaction's end is here, its begin is not"]
    if not is_series:
        return []
    codes = [
        code
        for payload in payloads
        for _, code in dict.fromkeys((reading.time, reading.transaction) for reading in payload.readings)
    ]
    begins = ends = 0
    is_open = False
    for code in codes:
        if code == BEGIN:
            begins, is_open = begins + 1, True
        elif code in ENDS:
            begins, ends, is_open = (begins - 1, ends, False) if is_open else (begins, ends + 1, False)
    found = [f"begins of transactions without an end: {begins}"] if begins else []
    return [*found, f"ends of transactions without a begin: {ends}"] if ends else found


def read_container(data: bytes, key: MeterPublicKey | None, derive: Derive) -> ImportedFile:
    """Read the records of an XML container and judge them under ``key``.

    Without ``key`` the verdict is ``unchecked``, or ``invalid`` when not even the file's own key fits. Raises
    ``MalformedOcmf``.
    """
    values = parse_ocmf_values(data)
    joined, own_keys = b"\n".join(values.records), set(values.keys)
    if key is not None:
        return replace(read_ocmf(joined, key, derive), source=data)
    return _self_consistent(joined, own_keys, data, derive)


def _self_consistent(joined: bytes, own_keys: set[str], data: bytes, derive: Derive) -> ImportedFile:
    unchecked = read_ocmf(joined, None, derive)
    remark = "the container holds no single public key of its own"
    if len(own_keys) == 1:
        try:
            judged = read_ocmf(joined, parse_public_key(next(iter(own_keys))), derive)
        except MalformedPublicKey as error:
            remark = f"the container's own key cannot be read: {error.message}"
        else:
            if judged.signature is SignatureVerdict.INVALID:
                return replace(judged, source=data)
            remark = "the signature fits the key inside the file, which proves nothing about the meter"
    return replace(unchecked, source=data, reasons=(*unchecked.reasons, remark))
