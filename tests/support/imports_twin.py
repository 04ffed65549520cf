"""Meter files read and imported one reading at a time: what the columns of ``wattest.metering`` are held to.

A twin of the whole way from a file's bytes to a series, with an object for each reading and a verification for each
signature, and again for each signature of a series. What has no columns is taken from the package: where records and
telegrams begin, how a section, a stamp or a cell is read, and the rule for a single signature.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import ROUND_FLOOR, Decimal
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree as XmlTree

import numpy as np

from wattest.crypto.hashing import sha256
from wattest.errors import InputError, VerificationError
from wattest.metering.entry import EntryKind
from wattest.metering.imported import ImportedSeries
from wattest.metering.meter import pseudonym, unsigned_pseudonym
from wattest.metering.points import NotImportable
from wattest.metering.readers import dsmr, interval_csv, ocmf_container
from wattest.metering.readers.dsmr import MalformedTelegram, judge_crc, split_telegrams
from wattest.metering.readers.interval_csv import MalformedTable, TableOptions
from wattest.metering.readers.ocmf import (
    HEADER,
    RecordVerdict,
    judge_signature,
    parse_envelope,
    split_records,
    verify_envelope,
)
from wattest.metering.readers.ocmf_payload import BEGIN, ENDS, MalformedOcmf, load_json
from wattest.metering.readers.public_key import (
    MalformedPublicKey,
    MeterPublicKey,
    parse_public_key,
    parse_public_key_bytes,
)
from wattest.metering.readers.recognise import UnknownFormat, recognise
from wattest.metering.reading import (
    MAX_FILE_BYTES,
    MILLIWATT_HOURS_PER_UNIT,
    CrcVerdict,
    FileFormat,
    ImportedFile,
    MalformedMeterFile,
    Reading,
    SignatureVerdict,
    check_decimal,
    parse_decimal,
    to_milliwatt_hours,
    worst_crc,
    worst_signature,
)
from wattest.metering.records import (
    TIME_LIMIT_S,
    MalformedRecords,
    Quality,
    Records,
    ends,
    make_device_records,
    make_interval_records,
    verify_order,
)
from wattest.units import U32_MAX, U64_MAX

NO_FLAGS = Quality(0)


def read_meter_file(data: bytes, key: MeterPublicKey | None = None, table: TableOptions | None = None) -> ImportedFile:
    """Recognise, read and judge one file."""
    if len(data) > MAX_FILE_BYTES:
        raise MalformedMeterFile("the file is larger than 16 MiB", expected=MAX_FILE_BYTES, actual=len(data))
    if not data.strip():
        raise UnknownFormat("the file is empty")
    data = data.removeprefix(b"\xef\xbb\xbf")
    kind = recognise(data)
    if kind is FileFormat.OCMF:
        return read_container(data, key) if ocmf_container.is_container(data) else read_ocmf(data, key)
    if kind is FileFormat.DSMR:
        return read_dsmr(data)
    if kind is FileFormat.INTERVAL_CSV:
        return read_interval_csv(data, table or TableOptions())
    raise UnknownFormat(
        "the file is of no known format", hint="OCMF starts with OCMF|, DSMR P1 with /, a table has columns"
    )


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
    by_name = {name: _exact(column) for name, column in zip(names, zip(*columns, strict=True), strict=True)}
    try:
        records = make_device_records(pseudonym, **by_name)
    except MalformedRecords as error:
        raise NotImportable(f"the readings do not fit a record: {error.message}") from error
    return records, [span.end.source for span in ordered]


def _exact(column: Sequence[int]) -> Any:
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


def imported_series(imported: ImportedFile) -> list[ImportedSeries]:
    """The series a file makes: one, since a file is one meter's.

    Raises ``NotImportable`` when its checks failed or its readings make no series.
    """
    if imported.exit_code != 0:
        raise NotImportable(
            "a file whose checks failed makes no series",
            hint="; ".join(imported.reasons) or None,
            format=imported.format,
        )
    if imported.format is FileFormat.OCMF and imported.signature is SignatureVerdict.VALID:
        records = signed_telegram_records(imported.telegrams, imported.public_key)
        return [
            _series(EntryKind.SIGNED_TELEGRAMS, records, public_key=imported.public_key, telegrams=imported.telegrams)
        ]
    if imported.format is FileFormat.OCMF:
        serials = parse_payload(parse_envelope(imported.telegrams[0]).signed).serials
        device_records, _ = _ocmf_records(imported.telegrams, unsigned_pseudonym("|".join(serials).encode()))
    elif imported.records is not None and imported.crc is not CrcVerdict.FAILED:
        device_records = imported.records
    else:
        raise NotImportable(
            "the file holds no register of total active energy", hint="; ".join(imported.reasons) or None
        )
    records = make_interval_records(device_records, sha256(imported.source))
    return [_series(EntryKind.UNSIGNED_SOURCE, records, source=imported.source)]


def signed_telegram_records(telegrams: Sequence[bytes], public_key: bytes) -> Records:
    """Verify OCMF telegrams under one key (DER SPKI) and derive their interval records.

    A record's source digest is the SHA-256 of the telegram its end comes from. Raises ``NotImportable``,
    ``MeterSignatureInvalid``, ``MalformedOcmf`` and their kin.
    """
    key = parse_public_key_bytes(public_key)
    if key.curve is None or key.to_spki() != public_key:
        raise NotImportable("the key of signed telegrams is kept as DER SPKI with an uncompressed point")
    for telegram in telegrams:
        verify_envelope(parse_envelope(telegram), key)
    records, sources = _ocmf_records(telegrams, pseudonym(key.point))
    interval_records = make_interval_records(records, bytes(32))
    digests = np.stack([np.frombuffer(sha256(telegram), dtype=np.uint8) for telegram in telegrams])
    interval_records["source_digest"] = digests[np.asarray(sources)]
    return interval_records


def _series(
    kind: EntryKind,
    records: Records,
    *,
    public_key: bytes = b"",
    telegrams: tuple[bytes, ...] = (),
    source: bytes = b"",
) -> ImportedSeries:
    period_start, period_end = int(records["start"][0]), int(ends(records).max())
    period_end = max(period_end, period_start + 1)
    try:
        verify_order(records, period_start, period_end)
    except VerificationError as error:
        raise NotImportable(f"the readings overlap or repeat: {error.message}", hint=error.hint) from error
    name = records["pseudonym"][0].tobytes()
    return ImportedSeries(kind, name, period_start, period_end, records, public_key, telegrams, source)


def _ocmf_records(telegrams: Sequence[bytes], name: bytes) -> tuple[Records, list[int]]:
    payloads = [parse_payload(parse_envelope(telegram).signed) for telegram in telegrams]
    try:
        return span_records(_transactions(_points(payloads)), name)
    except InputError as error:
        raise NotImportable(f"the readings make no records: {error.message}") from error


def _points(payloads: Sequence[OcmfPayload]) -> list[tuple[str | None, RegisterPoint | None, Quality]]:
    """One element for each moment: its transaction code, its registers if it shows any, and what went wrong."""
    registers = _chosen_registers(payloads)
    found: list[tuple[str | None, RegisterPoint | None, Quality]] = []

    for number, payload in enumerate(payloads):
        moments: dict[tuple[datetime | None, str | None], list[OcmfReading]] = {}
        for row in payload.readings:  # a record may list one register after the other: begin, end, begin, end
            moments.setdefault((row.time, row.transaction), []).append(row)
        for (time, code), rows in moments.items():
            values = {"import": 0, "export": 0}
            shown, quality = False, NO_FLAGS
            for row in rows:
                quality |= _quality(row)
                direction, reading = row.direction(), row.to_reading()
                if direction is None or reading is None or row.obis != registers.get(direction):
                    continue
                energy = reading.milliwatt_hours
                if energy is not None:
                    values[direction], shown = whole_milliwatt_hours(energy), True
            point = None
            if shown:
                point = RegisterPoint(whole_seconds(time), values["import"], values["export"], quality, number)
            found.append((code, point, quality))
    return found


def _chosen_registers(payloads: Sequence[OcmfPayload]) -> dict[str, str]:
    """The first register of each direction that shows energy; a record never mixes two registers."""
    chosen: dict[str, str] = {}
    for payload in payloads:
        for row in payload.readings:
            direction, reading = row.direction(), row.to_reading()
            if direction and row.obis and reading is not None and reading.milliwatt_hours is not None:
                chosen.setdefault(direction, row.obis)
    return chosen


def _transactions(points: Sequence[tuple[str | None, RegisterPoint | None, Quality]]) -> list[Span]:
    """One span for each begin and end; what has no partner is a snapshot; fiscal points are chained."""
    spans: list[Span] = []
    fiscal: list[RegisterPoint] = []
    begun: RegisterPoint | None = None
    trouble = NO_FLAGS
    for code, point, quality in points:
        if code == BEGIN:
            if begun is not None:
                spans.append(Span(None, begun, trouble))
            begun, trouble = point, NO_FLAGS
        elif code is not None and code in ENDS:
            if point is not None:
                spans.append(Span(begun, point, trouble))
                begun = None
        elif code is None and point is not None:
            fiscal.append(point)
        else:
            trouble |= quality
    if begun is not None:
        spans.append(Span(None, begun, trouble))
    return spans + (chain(fiscal) if fiscal else [])


def _quality(row: OcmfReading) -> Quality:
    quality = NO_FLAGS
    if row.status != "G" or "E" in row.error_flags or row.transaction == "X":
        quality |= Quality.METER_ERROR
    if row.status == "M":
        quality |= Quality.TAMPER_DETECTED
    if row.transaction == "P":
        quality |= Quality.POWER_LOST
    if "t" in row.error_flags or row.time_status == "U":
        quality |= Quality.CLOCK_UNCERTAIN
    return quality


def read_ocmf(data: bytes, key: MeterPublicKey | None) -> ImportedFile:
    """Read and judge a file of OCMF records; every record counts, the worst verdict wins.

    Raises ``MalformedOcmf`` when the bytes are no OCMF at all.
    """
    records = split_records(data)
    verdicts: list[RecordVerdict] = []
    reasons: list[str] = []
    payloads: list[OcmfPayload] = []
    readings: list[Reading] = []
    objections: list[str] = []
    malformed = False
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
        objections += [prefix + objection for objection in payload.objections()]
        reasons += [prefix + remark for remark in payload.remarks()]
    objections += _cohesion(payloads)
    reasons += objections + _lone_ends(payloads)
    signature = worst_signature(verdict.signature for verdict in verdicts)
    keys = [verdict.key for verdict in verdicts if verdict.key is not None]
    return ImportedFile(
        format=FileFormat.OCMF,
        signature=signature,
        crc=CrcVerdict.NONE,
        billable=signature is SignatureVerdict.VALID and not objections and not malformed,
        reasons=tuple(dict.fromkeys(reasons)),
        readings=tuple(readings),
        source=data,
        telegrams=tuple(records),
        public_key=keys[0].to_spki() if keys else b"",
        malformed=malformed,
    )


def _cohesion(payloads: list[OcmfPayload]) -> list[str]:
    """Objections that only show between records: another source, or pages missing, repeated or out of order."""
    found: list[str] = []
    if len({payload.serials for payload in payloads}) > 1:
        found.append("the records come from more than one meter")
    last: dict[str, int] = {}
    for payload in payloads:
        if payload.page is None or payload.page_context is None:
            continue
        before = last.get(payload.page_context)
        if before is not None and payload.page != before + 1:
            name = payload.page_context
            found.append(f"page {name}{payload.page} follows {name}{before}: pages are missing, repeated or reordered")
        last[payload.page_context] = payload.page
    return found


def _lone_ends(payloads: list[OcmfPayload]) -> list[str]:
    kinds = {reading.transaction for payload in payloads for reading in payload.readings}
    if BEGIN in kinds and not kinds & ENDS:
        return ["the transaction's begin is here, its end is not"]
    if kinds & ENDS and BEGIN not in kinds:
        return ["the transaction's end is here, its begin is not"]
    return []


def read_container(data: bytes, key: MeterPublicKey | None) -> ImportedFile:
    """Read the records of an XML container and judge them under ``key``.

    Without ``key`` the verdict is ``unchecked``, or ``invalid`` when not even the file's own key fits. Raises
    ``MalformedOcmf``.
    """
    if re.search(rb"<!(?!--|\[CDATA\[)", data):
        raise MalformedOcmf("the container declares a document type or entity", hint="no meter file needs one")
    try:
        root = XmlTree.fromstring(data)
    except (XmlTree.ParseError, ValueError, LookupError, RecursionError) as error:
        raise MalformedOcmf(f"the container is not XML: {error}", hint="it may be truncated") from error
    records: list[bytes] = []
    own_keys: set[str] = set()
    for element in root.iter():
        name = str(element.tag).rpartition("}")[2]
        text = (element.text or "").strip()
        if name == "signedData" and text:
            records.append(ocmf_container._decoded(text, element.get("encoding", "")))
        elif name == "publicKey" and text:
            own_keys.add(text)
    if not records or len(records) > ocmf_container.MAX_CONTAINER_RECORDS:
        raise MalformedOcmf("the container holds 1 to 10,000 records", actual=len(records))
    joined = b"\n".join(records)
    if key is not None:
        return replace(read_ocmf(joined, key), source=data)
    return _self_consistent(joined, own_keys, data)


def _self_consistent(joined: bytes, own_keys: set[str], data: bytes) -> ImportedFile:
    unchecked = read_ocmf(joined, None)
    remark = "the container holds no single public key of its own"
    if len(own_keys) == 1:
        try:
            judged = read_ocmf(joined, parse_public_key(next(iter(own_keys))))
        except MalformedPublicKey as error:
            remark = f"the container's own key cannot be read: {error.message}"
        else:
            if judged.signature is SignatureVerdict.INVALID:
                return replace(judged, source=data)
            remark = "the signature fits the key inside the file, which proves nothing about the meter"
    return replace(unchecked, source=data, reasons=(*unchecked.reasons, remark))


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
        imported, exported = _total(telegram.readings, dsmr._IMPORT), _total(telegram.readings, dsmr._EXPORT)
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
    table = interval_csv._open(data, options)
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


def _times(table: interval_csv._Table, options: TableOptions) -> tuple[list[int], list[int]]:
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
    table: interval_csv._Table, role: str, options: TableOptions, start: Sequence[int], duration: Sequence[int]
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
        import_register=_exact(columns["import_register"]),
        export_register=_exact(columns["export_register"]),
        import_milliwatt_hours=_exact(columns["import"]),
        export_milliwatt_hours=_exact(columns["export"]),
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
