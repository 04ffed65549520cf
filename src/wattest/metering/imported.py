"""Imported series: a file that was read becomes interval records for an open channel.

Decided here: which files make which kind of series, and how signed OCMF telegrams turn into records; ``series_block``
derives them again from the telegrams alone. Not decided here: what makes no series (``billing_rules``), blinded names,
keys and trees (inside the enclave). Kind 2 for OCMF whose every signature holds under one registered key; kind 3 for
everything unsigned or unchecked. Invariants: a telegram's signature is verified once, by whoever read the file or,
where only telegrams are at hand, here; readings stay in columns. docs/spec/meter-files.md
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from wattest.crypto.hashing import sha256
from wattest.metering.billing_rules import BillingRule, NotImportable, Objection, series_period
from wattest.metering.entry import EntryKind
from wattest.metering.meter import pseudonym, unsigned_pseudonym
from wattest.metering.points import Places
from wattest.metering.readers.ocmf_envelope import OcmfEnvelope, parse_envelope, verify_envelopes
from wattest.metering.readers.ocmf_payload import MalformedOcmf, take_payload
from wattest.metering.readers.ocmf_rows import OcmfColumns, OcmfRows
from wattest.metering.readers.public_key import parse_public_key_bytes
from wattest.metering.reading import ImportedFile
from wattest.metering.records import Records, make_interval_records
from wattest.metering.transactions import ocmf_records
from wattest.metering.verdicts import SignatureVerdict


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

    Raises ``NotImportable`` with the rule that forbids a series: the first of the file's objections that does.
    """
    for objection in imported.objections:
        if objection.rule.forbids_series:
            raise _refusal(objection, imported)
    if imported.telegrams and imported.signature is SignatureVerdict.VALID:
        records = _signed_records(imported)
        return [
            _series(EntryKind.SIGNED_TELEGRAMS, records, public_key=imported.public_key, telegrams=imported.telegrams)
        ]
    if imported.telegrams:
        columns = _columns_of(imported) or _read_columns([parse_envelope(raw) for raw in imported.telegrams])
        device_records, _ = _named(columns, unsigned_pseudonym("|".join(columns.serials).encode()))
    elif imported.records is not None:
        device_records = imported.records
    else:
        raise NotImportable(BillingRule.NO_REGISTER, "the file holds no register of total active energy")
    records = make_interval_records(device_records, sha256(imported.source))
    return [_series(EntryKind.UNSIGNED_SOURCE, records, source=imported.source)]


def _refusal(objection: Objection, imported: ImportedFile) -> NotImportable:
    """What a file's verdict or its reader objects to, with the reasons as the hint where it has none of its own."""
    refused = objection.refusal()
    refused.hint = refused.hint or "; ".join(imported.reasons) or None
    return refused


def signed_telegram_records(telegrams: Sequence[bytes], public_key: bytes) -> Records:
    """Verify OCMF telegrams under one key (DER SPKI) and derive their interval records.

    A record's source digest is the SHA-256 of the telegram its end comes from. Raises ``NotImportable``,
    ``MeterSignatureInvalid``, ``MalformedOcmf`` and their kin.
    """
    key = parse_public_key_bytes(public_key)
    if key.curve is None or key.to_spki() != public_key:
        text = "the key of signed telegrams is kept as DER SPKI with an uncompressed point"
        raise NotImportable(BillingRule.FORMAT_BROKEN, text)
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
    rows = OcmfRows()
    serials: dict[tuple[str, str], None] = {}
    for number, envelope in enumerate(envelopes):
        serials.setdefault(take_payload(envelope.signed, rows, number).serials)
    return rows.columns(serials, tuple(envelope.raw for envelope in envelopes), b"")


def _telegram_records(columns: OcmfColumns, telegrams: Sequence[bytes], point: bytes) -> Records:
    records, sources = _named(columns, pseudonym(point))
    interval_records = make_interval_records(records, bytes(32))
    digests = np.frombuffer(b"".join(sha256(telegram) for telegram in telegrams), dtype=np.uint8)
    interval_records["source_digest"] = digests.reshape(-1, 32)[sources]
    return interval_records


def _named(columns: OcmfColumns, name: bytes) -> tuple[Records, Places]:
    """Device records under a pseudonym and, for each, the number of the telegram that its end comes from."""
    derived, sources = ocmf_records(columns) if columns.derived is None else columns.derived
    records = derived.copy()
    records["pseudonym"] = np.frombuffer(name, dtype=np.uint8)
    return records, sources


def _series(
    kind: EntryKind,
    records: Records,
    *,
    public_key: bytes = b"",
    telegrams: tuple[bytes, ...] = (),
    source: bytes = b"",
) -> ImportedSeries:
    period_start, period_end = series_period(records)
    name = records["pseudonym"][0].tobytes()
    return ImportedSeries(kind, name, period_start, period_end, records, public_key, telegrams, source)
