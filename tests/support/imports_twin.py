"""Meter files read and imported one reading at a time: what the columns of ``wattest.metering`` are held to.

A twin of the whole way from a file's bytes to a series, with an object for each reading and a verification for each
signature, and again for each signature of a series. What has no columns is taken from the package: where records and
telegrams begin, how a section, a stamp or a cell is read, and the rule for a single signature.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from imports_twin_ocmf import OcmfPayload, OcmfReading, parse_payload, read_container, read_ocmf, several_meters
from imports_twin_points import (
    NO_FLAGS,
    RegisterPoint,
    Span,
    chain,
    registers_differ,
    span_records,
    verify_order,
    whole_milliwatt_hours,
    whole_seconds,
)
from imports_twin_tables import read_dsmr, read_interval_csv

from wattest.crypto.hashing import sha256
from wattest.metering.billing_rules import BillingRule, NotImportable
from wattest.metering.entry import EntryKind
from wattest.metering.imported import ImportedSeries
from wattest.metering.meter import pseudonym, unsigned_pseudonym
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
from wattest.metering.readers.signed_values import is_values_file
from wattest.metering.reading import ImportedFile
from wattest.metering.records import (
    Quality,
    Records,
    ends,
    make_interval_records,
)
from wattest.metering.verdicts import SignatureVerdict


def read_meter_file(data: bytes, key: MeterPublicKey | None = None, table: TableOptions | None = None) -> ImportedFile:
    """Recognise, read and judge one file."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    if not data.strip():
        raise UnknownFormat("the file is empty")
    kind = recognise(data).name
    if kind == "ocmf":
        read = read_container if is_values_file(data) else read_ocmf
        return read(data, key, _derived)
    if kind == "dsmr":
        return read_dsmr(data)
    assert kind == "csv"
    return read_interval_csv(data, table or TableOptions())


def imported_series(imported: ImportedFile) -> list[ImportedSeries]:
    """The series a file makes: one, since a file is one meter's.

    Raises ``NotImportable`` when its checks failed or its readings make no series.
    """
    for objection in imported.objections:
        if objection.rule.forbids_series:
            error = objection.refusal()
            error.hint = error.hint or "; ".join(imported.reasons) or None
            raise error
    if imported.format == "ocmf" and imported.signature is SignatureVerdict.VALID:
        records = signed_telegram_records(imported.telegrams, imported.public_key)
        return [
            _series(EntryKind.SIGNED_TELEGRAMS, records, public_key=imported.public_key, telegrams=imported.telegrams)
        ]
    if imported.format == "ocmf":
        serials = parse_payload(parse_envelope(imported.telegrams[0]).signed).serials
        device_records, _ = _ocmf_records(imported.telegrams, unsigned_pseudonym("|".join(serials).encode()))
    else:
        assert imported.records is not None
        device_records = imported.records
    records = make_interval_records(device_records, sha256(imported.source))
    return [_series(EntryKind.UNSIGNED_SOURCE, records, source=imported.source)]


def signed_telegram_records(telegrams: Sequence[bytes], public_key: bytes) -> Records:
    """Verify OCMF telegrams under one key (DER SPKI) and derive their interval records.

    A record's source digest is the SHA-256 of the telegram its end comes from. Raises ``NotImportable``,
    ``MeterSignatureInvalid``, ``MalformedOcmf`` and their kin.
    """
    key = parse_public_key_bytes(public_key)
    if key.curve is None or key.to_spki() != public_key:
        text = "the key of signed telegrams is kept as DER SPKI with an uncompressed point"
        raise NotImportable(BillingRule.FORMAT_BROKEN, text)
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
    verify_order(records["start"].tolist(), ends(records).tolist())
    name = records["pseudonym"][0].tobytes()
    return ImportedSeries(kind, name, period_start, period_end, records, public_key, telegrams, source)


def _ocmf_records(telegrams: Sequence[bytes], name: bytes) -> tuple[Records, list[int]]:
    return _payload_records([parse_payload(parse_envelope(telegram).signed) for telegram in telegrams], name)


def _derived(payloads: Sequence[OcmfPayload]) -> None:
    """What a reader asks: do these make records in order of time?"""
    _payload_records(payloads, bytes(16))


def _payload_records(payloads: Sequence[OcmfPayload], name: bytes) -> tuple[Records, list[int]]:
    if len({payload.serials for payload in payloads}) > 1:
        raise several_meters().refusal()
    records, sources = span_records(_transactions(_points(payloads)), name)
    verify_order(records["start"].tolist(), ends(records).tolist())
    return records, sources


@dataclass(frozen=True)
class _Moment:
    """Readings of one time and transaction code: the registers they show, if any, and what went wrong."""

    code: str | None
    point: RegisterPoint | None
    quality: Quality
    record: int


def _points(payloads: Sequence[OcmfPayload]) -> list[_Moment]:
    registers = _chosen_registers(payloads)
    found: list[_Moment] = []
    refused: list[NotImportable] = []
    for number, payload in enumerate(payloads):
        moments: dict[tuple[datetime | None, str | None], list[OcmfReading]] = {}
        for row in payload.readings:  # a record may list one register after the other: begin, end, begin, end
            moments.setdefault((row.time, row.transaction), []).append(row)
        for (time, code), rows in moments.items():
            shown: dict[str, list[int]] = {}
            other: set[str] = set()
            quality = NO_FLAGS
            for row in rows:
                quality |= _quality(row)
                direction, reading = row.direction(), row.to_reading()
                energy = reading.milliwatt_hours if reading is not None else None
                if direction is None or energy is None:
                    continue
                if row.obis == registers[direction]:
                    shown.setdefault(direction, []).append(whole_milliwatt_hours(energy, number + 1))
                else:
                    other.add(direction)
            point = None
            if shown:
                last = {direction: values[-1] for direction, values in shown.items()}
                point = RegisterPoint(
                    whole_seconds(time, number + 1), last.get("import", 0), last.get("export", 0), quality, number,
                    frozenset(shown),
                )  # fmt: skip
            found.append(_Moment(code, point, quality, number + 1))
            if code is None or code == BEGIN or code in ENDS:
                if other - set(shown):
                    text = "a reading shows another register of energy than those before it"
                    refused.append(registers_differ(text, number + 1))
                elif any(len(set(values)) > 1 for values in shown.values()):
                    refused.append(registers_differ("a register shows two values at one time", number + 1))
    if refused:
        raise refused[0]
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


def _verify_ends(moments: Sequence[_Moment]) -> None:
    """Refuse the first end of a transaction that shows a register at one end only."""
    runs: list[tuple[_Moment, list[_Moment]]] = []
    for moment in moments:
        if moment.code == BEGIN:
            runs.append((moment, []))
        elif moment.code in ENDS and runs:
            runs[-1][1].append(moment)
    for begin, ends_ in runs:
        shown = any(moment.point for moment in ends_)
        if ends_ and shown != (begin.point is not None):
            which = "begin" if shown else "end"
            raise registers_differ(f"the transaction's {which} shows no register of energy", ends_[0].record)


def _transactions(moments: Sequence[_Moment]) -> list[Span]:
    """One span for each begin and end; what has no partner is a snapshot; fiscal points are chained."""
    _verify_ends(moments)
    spans: list[Span] = []
    fiscal: list[RegisterPoint] = []
    begun: RegisterPoint | None = None
    trouble = NO_FLAGS
    for moment in moments:
        code, point, quality = moment.code, moment.point, moment.quality
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
    if "t" in row.error_flags or row.time_status not in (None, "I", "S", "R"):
        quality |= Quality.CLOCK_UNCERTAIN
    return quality
