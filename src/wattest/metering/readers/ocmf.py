"""OCMF: files of signed readings of charge points.

Decided here: where a file's records begin and end, and the file's verdict: every record counts, the worst one wins. Not
decided here: a record's signature (``ocmf_envelope``) or its readings (``ocmf_payload``). A file is opened and
reported in two steps, so that the signatures of many files can be judged between them at once. OCMF 0.1 to 1.4;
docs/spec/meter-files.md
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from wattest.metering.billing_rules import BillingRule, NotImportable, Objection, several_meters
from wattest.metering.readers.ocmf_envelope import (
    HEADER,
    OcmfEnvelope,
    PreparedCheck,
    RecordVerdict,
    parse_envelope,
    prepare_checks,
    verdict_of,
)
from wattest.metering.readers.ocmf_payload import BEGIN, ENDS, MalformedOcmf, PayloadHead, parse_payload, take_payload
from wattest.metering.readers.ocmf_rows import OcmfColumns, OcmfRows
from wattest.metering.readers.public_key import MalformedPublicKey, MeterPublicKey
from wattest.metering.readers.signature_batch import Check, hold_together
from wattest.metering.readers.signed_values import OCMF_NAME
from wattest.metering.reading import MAX_FILE_BYTES, ImportedFile, MalformedMeterFile, Reading, Readings
from wattest.metering.records import Quality
from wattest.metering.transactions import ocmf_records, without_partner
from wattest.metering.verdicts import CrcVerdict, SignatureVerdict, worst_signature

MAX_RECORD_BYTES = 2**20
MAX_OCMF_RECORDS = 10_000
_BLANK = b" \t\r\n\x00\x1a\xef\xbb\xbf"
_RECORD_START = re.compile(rb"^(?:[ \t]|\xef\xbb\xbf)*(?=OCMF\|)", re.MULTILINE)


def has_record(data: bytes) -> bool:
    """Whether a line of ``data`` starts an OCMF record."""
    return _RECORD_START.search(data) is not None


def split_records(data: bytes) -> tuple[list[bytes], int]:
    """Cut a file into records, each from ``OCMF|`` to before the next one, blanks after it dropped.

    At most 10,000 records of 1 MiB; beside them how many bytes stand before the first one. Raises ``MalformedOcmf``.
    """
    starts = [matched.end() for matched in _RECORD_START.finditer(data)]
    if not starts or len(starts) > MAX_OCMF_RECORDS or len(data) > MAX_FILE_BYTES:
        raise MalformedOcmf("a file holds 1 to 10,000 OCMF records in at most 16 MiB", actual=len(starts))
    records = [data[a:b].rstrip(_BLANK) for a, b in zip(starts, [*starts[1:], len(data)], strict=True)]
    if max(len(record) for record in records) > MAX_RECORD_BYTES:
        raise MalformedOcmf("an OCMF record is longer than 1 MiB")
    return records, len(data[: starts[0]].strip(_BLANK))


def read_ocmf(data: bytes, key: MeterPublicKey | None) -> ImportedFile:
    """Read and judge a file of OCMF records; every record counts, the worst verdict wins.

    Raises ``MalformedOcmf`` when the bytes are no OCMF at all.
    """
    opened = OpenedOcmf.of(data, key)
    return opened.report(hold_together(opened.checks))


@dataclass(frozen=True, slots=True)
class OpenedOcmf:
    """A file's records, each cut into its sections or, where that cannot be done, with the reason.

    ``source`` is the whole file, of which ``passed`` bytes stand before the first record. ``key`` is the one that
    signatures are judged under, and ``prepared`` has for each record what the core can judge.
    """

    source: bytes
    records: tuple[bytes, ...]
    envelopes: tuple[OcmfEnvelope | MalformedOcmf, ...]
    key: MeterPublicKey | None
    prepared: tuple[PreparedCheck, ...]
    passed: int = 0

    @classmethod
    def of(cls, data: bytes, key: MeterPublicKey | None) -> OpenedOcmf:
        """Open a file of lines; raises ``MalformedOcmf`` for bytes that hold no record."""
        records, passed = split_records(data)
        return cls._of_records(records, data, key, passed)

    @classmethod
    def of_values(cls, values: Sequence[bytes], source: bytes, key: MeterPublicKey | None) -> OpenedOcmf:
        """Open values that each begin with a record, as they were taken out of ``source``."""
        records = [record for value in values for record in split_records(value)[0]]
        if len(records) > MAX_OCMF_RECORDS:
            raise MalformedOcmf("a file holds 1 to 10,000 OCMF records in at most 16 MiB", actual=len(records))
        return cls._of_records(records, source, key, 0)

    @classmethod
    def _of_records(
        cls, records: Sequence[bytes], source: bytes, key: MeterPublicKey | None, passed: int
    ) -> OpenedOcmf:
        envelopes = tuple(_opened(raw) for raw in records)
        return cls(source, tuple(records), envelopes, key, tuple(prepare_checks(envelopes, key)), passed)

    @property
    def checks(self) -> Sequence[Check | None]:
        """The signatures that the core can judge, one place for each record."""
        return [prepared.check for prepared in self.prepared]

    def report(self, holds: Sequence[bool]) -> ImportedFile:
        """Read the payloads into columns and put everything that is known about the file together."""
        verdicts = [
            _torn(raw) if isinstance(envelope, MalformedOcmf) else verdict_of(envelope, self.key, prepared, held)
            for raw, envelope, prepared, held in zip(self.records, self.envelopes, self.prepared, holds, strict=True)
        ]
        reasons: list[str] = []
        objections: list[Objection] = []
        rows, heads = OcmfRows(), _Heads()
        malformed = self.passed > 0
        if malformed:
            reasons.append(f"{self.passed} bytes before the first record are no OCMF")
        for number, (envelope, verdict) in enumerate(zip(self.envelopes, verdicts, strict=True), start=1):
            prefix = f"record {number}: " if len(self.records) > 1 else ""
            if not isinstance(envelope, OcmfEnvelope):
                reasons.append(f"{prefix}{envelope.message}")
                malformed = True
                continue
            malformed |= verdict.unsupported or verdict.signature is SignatureVerdict.ABSENT
            reasons += [prefix + reason for reason in verdict.reasons]
            try:
                head = take_payload(envelope.signed, rows, number - 1)
            except MalformedMeterFile as error:
                reasons.append(f"{prefix}{error.message}")
                malformed = True
                continue
            heads.add(head)
            objections += [replace(objection, record=number) for objection in head.objections]
            reasons += [prefix + remark for remark in head.remarks]
        objections += heads.objections()
        signature = worst_signature(verdict.signature for verdict in verdicts)
        keys = [verdict.key for verdict in verdicts if verdict.key is not None]
        public_key = keys[0].to_spki() if keys else b""
        checked = signature is SignatureVerdict.VALID and all(key.curve is keys[0].curve for key in keys)
        columns = None if malformed else rows.columns(heads.serials, self.records, public_key if checked else b"")
        if columns is not None:
            try:
                columns = replace(columns, derived=ocmf_records(columns))
            except NotImportable as error:
                objections.append(error.objection)
        reasons += [self._worded(objection) for objection in objections]
        reasons += _transactions(rows.transactions, columns)
        return ImportedFile(
            format=OCMF_NAME,
            signature=signature,
            crc=CrcVerdict.NONE,
            reasons=tuple(dict.fromkeys(reasons)),
            readings=Readings(partial(_readings, self.records)),
            source=self.source,
            telegrams=self.records,
            public_key=public_key,
            columns=columns,
            malformed=malformed,
            found=tuple(dict.fromkeys(objections)),
        )

    def _worded(self, objection: Objection) -> str:
        """An objection with the record that it is about, where there are several."""
        about = len(self.records) > 1 and objection.record is not None
        return f"record {objection.record}: {objection.text}" if about else objection.text


def _readings(records: Sequence[bytes]) -> Iterator[Reading]:
    """The readings of every record that can be read, made anew from its bytes."""
    for raw in records:
        try:
            rows = parse_payload(parse_envelope(raw).signed)
        except MalformedMeterFile:
            continue  # the file's reasons say so
        yield from (reading for row in rows if (reading := row.to_reading()) is not None)


def _opened(raw: bytes) -> OcmfEnvelope | MalformedOcmf:
    try:
        return parse_envelope(raw)
    except MalformedOcmf as error:
        return error


def _torn(raw: bytes) -> RecordVerdict:
    """The verdict on a record whose sections cannot be told apart or read."""
    torn = SignatureVerdict.UNCHECKED if b"|" in raw[len(HEADER) :] else SignatureVerdict.ABSENT
    return RecordVerdict(torn, ())


class _Heads:
    """What only shows between records: another source, or pages missing, repeated or out of order."""

    def __init__(self) -> None:
        self._serials: dict[tuple[str, str], None] = {}
        self._last: dict[str, int] = {}
        self._pages: list[Objection] = []

    def add(self, head: PayloadHead) -> None:
        """Take the next record's payload."""
        self._serials.setdefault(head.serials)
        if head.page is None or head.page_context is None:
            return
        name, before = head.page_context, self._last.get(head.page_context)
        if before is not None and head.page != before + 1:
            text = f"page {name}{head.page} follows {name}{before}: pages are missing, repeated or reordered"
            self._pages.append(Objection(BillingRule.PAGES, text))
        self._last[name] = head.page

    @property
    def serials(self) -> tuple[tuple[str, str], ...]:
        """The serials that payloads name, each once."""
        return tuple(self._serials)

    def objections(self) -> list[Objection]:
        """Why the records must not be billed together."""
        return ([several_meters()] if len(self._serials) > 1 else []) + self._pages


def _transactions(kinds: set[str | None], columns: OcmfColumns | None) -> list[str]:
    """Remarks on begins and ends without a partner: they are snapshots, and no energy is theirs."""
    if BEGIN in kinds and not kinds & ENDS:
        return ["the transaction's begin is here, its end is not"]
    if kinds & ENDS and BEGIN not in kinds:
        return ["the transaction's end is here, its begin is not"]
    if columns is None or columns.derived is None or not (columns.derived[0]["quality"] & Quality.SNAPSHOT).any():
        return []
    begins, ends = without_partner(columns)
    found = [f"begins of transactions without an end: {begins}"] if begins else []
    return [*found, f"ends of transactions without a begin: {ends}"] if ends else found


__all__ = ["MalformedOcmf", "MalformedPublicKey", "OpenedOcmf", "has_record", "read_ocmf", "split_records"]
