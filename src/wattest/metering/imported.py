"""Imported series: a file that was read becomes interval records for an open channel.

Decided here: which files make which kind of series, and how signed OCMF telegrams turn into records; ``series_block``
derives them again from the telegrams alone. Not decided here: blinded names, keys and trees (inside the enclave).
Kind 2 for OCMF whose every signature holds under one registered key; kind 3 for everything unsigned or unchecked; an
invalid signature or failed checksum makes no series. Invariants: a telegram's signature is verified once, by whoever
read the file or, where only telegrams are at hand, here; readings stay in columns. docs/spec/meter-files.md
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from wattest.crypto.hashing import sha256
from wattest.errors import VerificationError
from wattest.metering.entry import EntryKind
from wattest.metering.meter import pseudonym, unsigned_pseudonym
from wattest.metering.points import NotImportable, Places, span_records
from wattest.metering.readers.ocmf_envelope import OcmfEnvelope, parse_envelope, verify_envelopes
from wattest.metering.readers.ocmf_payload import MalformedOcmf, take_payload
from wattest.metering.readers.ocmf_rows import OcmfColumns, OcmfRows
from wattest.metering.readers.public_key import parse_public_key_bytes
from wattest.metering.reading import CrcVerdict, FileFormat, ImportedFile, SignatureVerdict
from wattest.metering.records import Records, ends, make_interval_records, verify_order
from wattest.metering.transactions import ocmf_spans


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
        records = _signed_records(imported)
        return [
            _series(EntryKind.SIGNED_TELEGRAMS, records, public_key=imported.public_key, telegrams=imported.telegrams)
        ]
    if imported.format is FileFormat.OCMF:
        columns = _columns_of(imported) or _read_columns([parse_envelope(raw) for raw in imported.telegrams])
        device_records, _ = _ocmf_records(columns, unsigned_pseudonym("|".join(columns.serials).encode()))
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
    envelopes: list[OcmfEnvelope] = []
    torn: MalformedOcmf | None = None
    for telegram in telegrams:
        try:
            envelopes.append(parse_envelope(telegram))
        except MalformedOcmf as error:
            torn = error
            break
    verify_envelopes(envelopes, key)  # a signature that does not hold comes before a later telegram that is torn
    if torn is not None:
        raise torn
    return _telegram_records(_read_columns(envelopes), telegrams, key.point)


def _signed_records(imported: ImportedFile) -> Records:
    """The records of a file whose signatures its reader saw to hold; anything else is verified here."""
    columns = _columns_of(imported)
    if columns is None or not columns.public_key or columns.public_key != imported.public_key:
        return signed_telegram_records(imported.telegrams, imported.public_key)
    key = parse_public_key_bytes(columns.public_key)
    return _telegram_records(columns, imported.telegrams, key.point)


def _columns_of(imported: ImportedFile) -> OcmfColumns | None:
    """The columns that were read from these very telegrams, if any."""
    columns = imported.columns
    return columns if columns is not None and columns.telegrams == imported.telegrams else None


def _read_columns(envelopes: Sequence[OcmfEnvelope]) -> OcmfColumns:
    rows, serials = OcmfRows(), ("", "")
    for number, envelope in enumerate(envelopes):
        head = take_payload(envelope.signed, rows, number)
        serials = serials if number else head.serials
    return rows.columns(serials, tuple(envelope.raw for envelope in envelopes), b"")


def _telegram_records(columns: OcmfColumns, telegrams: Sequence[bytes], point: bytes) -> Records:
    records, sources = _ocmf_records(columns, pseudonym(point))
    interval_records = make_interval_records(records, bytes(32))
    digests = np.frombuffer(b"".join(sha256(telegram) for telegram in telegrams), dtype=np.uint8)
    interval_records["source_digest"] = digests.reshape(-1, 32)[sources]
    return interval_records


def _ocmf_records(columns: OcmfColumns, name: bytes) -> tuple[Records, Places]:
    """Device records and, for each, the number of the telegram that its end comes from."""
    if columns.time_us.shape[0] == 0:
        raise NotImportable("the file holds no register of total active energy")
    return span_records(*ocmf_spans(columns), name)


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
