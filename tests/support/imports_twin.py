"""Meter files read and imported one reading at a time: what the columns of ``wattest.metering`` are held to.

A twin of the whole way from a file's bytes to a series, with an object for each reading and a verification for each
signature, and again for each signature of a series. What has no columns is taken from the package: where records and
telegrams begin, how a section, a stamp or a cell is read, and the rule for a single signature.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from imports_twin_ocmf import OcmfPayload, OcmfReading, parse_payload, read_container, read_ocmf
from imports_twin_points import NO_FLAGS, RegisterPoint, Span, chain, span_records, whole_milliwatt_hours, whole_seconds
from imports_twin_tables import read_dsmr, read_interval_csv

from wattest.crypto.hashing import sha256
from wattest.errors import InputError, VerificationError
from wattest.metering.entry import EntryKind
from wattest.metering.imported import ImportedSeries
from wattest.metering.meter import pseudonym, unsigned_pseudonym
from wattest.metering.points import NotImportable
from wattest.metering.readers import ocmf_container
from wattest.metering.readers.interval_csv import TableOptions
from wattest.metering.readers.ocmf_envelope import (
    parse_envelope,
    verify_envelope,
)
from wattest.metering.readers.ocmf_payload import BEGIN, ENDS
from wattest.metering.readers.public_key import (
    MeterPublicKey,
    parse_public_key_bytes,
)
from wattest.metering.readers.recognise import UnknownFormat, recognise
from wattest.metering.reading import (
    MAX_FILE_BYTES,
    CrcVerdict,
    FileFormat,
    ImportedFile,
    MalformedMeterFile,
    SignatureVerdict,
)
from wattest.metering.records import (
    Quality,
    Records,
    ends,
    make_interval_records,
    verify_order,
)


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
