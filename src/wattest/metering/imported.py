"""Imported series: a file that was read becomes interval records for an open channel.

Decided here: which files make which kind of series, and how signed OCMF telegrams turn into records; ``series_block``
derives them again from the telegrams alone. Not decided here: blinded names, keys and trees (inside the enclave).
Kind 2 for OCMF whose every signature holds under one registered key; kind 3 for everything unsigned or unchecked; an
invalid signature or failed checksum makes no series. docs/spec/meter-files.md
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from wattest.crypto.hashing import sha256
from wattest.errors import InputError, VerificationError
from wattest.metering.entry import EntryKind
from wattest.metering.meter import pseudonym, unsigned_pseudonym
from wattest.metering.points import (
    NO_FLAGS,
    NotImportable,
    RegisterPoint,
    Span,
    chain,
    span_records,
    whole_milliwatt_hours,
    whole_seconds,
)
from wattest.metering.readers.ocmf import parse_envelope, verify_envelope
from wattest.metering.readers.ocmf_payload import BEGIN, ENDS, OcmfPayload, OcmfReading, parse_payload
from wattest.metering.readers.public_key import parse_public_key_bytes
from wattest.metering.reading import CrcVerdict, FileFormat, ImportedFile, SignatureVerdict
from wattest.metering.records import Quality, Records, ends, make_interval_records, verify_order


@dataclass(frozen=True, slots=True, eq=False)
class ImportedSeries:
    """One meter's records from one file, ready for an enclave to seal.

    ``records`` has dtype ``INTERVAL_RECORD``; ``public_key`` is DER SPKI and ``telegrams`` are as kept for kind 2,
    both empty for kind 3, where ``source`` is the whole file. The period holds every record.
    """

    kind: EntryKind
    pseudonym: bytes
    period_start: int
    period_end: int
    records: Records
    public_key: bytes = b""
    telegrams: tuple[bytes, ...] = field(default=(), repr=False)
    source: bytes = field(default=b"", repr=False)


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
