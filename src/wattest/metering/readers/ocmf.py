"""OCMF: signed readings of charge points, verified over the raw bytes as they came.

Decided here: where a record's sections begin and end, which key and algorithm count, and a file's verdict. The signed
message is exactly the bytes between ``OCMF|`` and the last ``|``: JSON is read from them but never written again.
The registered key decides the curve; the signature section is not signed, so an algorithm there that contradicts the
key makes the record invalid instead of choosing another. All records of a file are judged at once, each exactly once
where its signature holds; one that the core does not confirm is judged by the plain rule, which says why. OCMF 0.1 to
1.4; docs/spec/meter-files.md
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from wattest.metering.readers.ocmf_payload import (
    BEGIN,
    ENDS,
    MalformedOcmf,
    PayloadHead,
    load_json,
    parse_payload,
    take_payload,
)
from wattest.metering.readers.ocmf_rows import OcmfRows
from wattest.metering.readers.public_key import DEFAULT_CURVE, Curve, MalformedPublicKey, MeterPublicKey, curve_by_name
from wattest.metering.readers.signature import (
    DecodedSignature,
    MalformedSignature,
    MeterSignatureInvalid,
    UnsupportedSignature,
    decode_text,
    parse_signature,
    verify_signature,
)
from wattest.metering.readers.signature_batch import Check, hold_together
from wattest.metering.reading import (
    MAX_FILE_BYTES,
    CrcVerdict,
    FileFormat,
    ImportedFile,
    MalformedMeterFile,
    Reading,
    Readings,
    SignatureVerdict,
    worst_signature,
)

HEADER = b"OCMF|"
MAX_RECORD_BYTES = 2**20
MAX_OCMF_RECORDS = 10_000
_RECORD_START = re.compile(rb"^[ \t]*(?=OCMF\|)", re.MULTILINE)
_ALGORITHM = re.compile(r"ECDSA-([A-Za-z0-9-]+?)-SHA-?(256|384|512)", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class OcmfEnvelope:
    """One record cut into its sections; ``raw`` is the whole record, ``signed`` the payload section's bytes."""

    raw: bytes
    signed: bytes
    section: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RecordVerdict:
    """What is known about one record's signature, with the reasons for people."""

    signature: SignatureVerdict
    reasons: tuple[str, ...]
    key: MeterPublicKey | None = None
    unsupported: bool = False


def is_ocmf(data: bytes) -> bool:
    """Whether a line of ``data`` starts an OCMF record."""
    return _RECORD_START.search(data) is not None


def split_records(data: bytes) -> list[bytes]:
    """Cut a file into records, each from ``OCMF|`` to before the next one, blanks after it dropped.

    At most 10,000 records of 1 MiB. Raises ``MalformedOcmf``.
    """
    starts = [matched.end() for matched in _RECORD_START.finditer(data)]
    if not starts or len(starts) > MAX_OCMF_RECORDS or len(data) > MAX_FILE_BYTES:
        raise MalformedOcmf("a file holds 1 to 10,000 OCMF records in at most 16 MiB", actual=len(starts))
    records = [data[a:b].rstrip(b" \t\r\n\x00\x1a") for a, b in zip(starts, [*starts[1:], len(data)], strict=True)]
    if max(len(record) for record in records) > MAX_RECORD_BYTES:
        raise MalformedOcmf("an OCMF record is longer than 1 MiB")
    return records


def parse_envelope(raw: bytes) -> OcmfEnvelope:
    """Cut one record at its first and last pipe; raises ``MalformedOcmf`` when a section is missing or no JSON."""
    if not raw.startswith(HEADER):
        raise MalformedOcmf("an OCMF record starts with OCMF|")
    signed, pipe, section = raw[len(HEADER) :].rpartition(b"|")
    if not pipe:
        raise MalformedOcmf("the record has no signature section", hint="it is truncated, or was never signed")
    return OcmfEnvelope(raw, signed, load_json(section, "signature"))


def verify_envelope(envelope: OcmfEnvelope, key: MeterPublicKey) -> tuple[MeterPublicKey, tuple[str, ...]]:
    """Check a record's signature; returns the key on its curve and notes about the encoding.

    Raises ``MalformedSignature``, ``MeterSignatureInvalid`` or ``UnsupportedSignature``.
    """
    settled, hash_bits = _algorithm(envelope.section.get("SA"), key)
    failure: MalformedSignature | MeterSignatureInvalid = MalformedSignature(
        "SD is neither hex nor base64", hint="the signature may be truncated"
    )
    assert settled.curve is not None
    for data, how in _candidates(envelope.section):
        try:
            decoded: DecodedSignature = parse_signature(data, settled.curve)
            verify_signature(settled, hash_bits, envelope.signed, decoded)
        except (MalformedSignature, MeterSignatureInvalid) as error:
            failure = error if not isinstance(failure, MeterSignatureInvalid) else failure
            continue
        return settled, (*how, *decoded.notes)
    raise failure


def verify_envelopes(envelopes: Sequence[OcmfEnvelope], key: MeterPublicKey) -> None:
    """Check the signatures of many records under one key at once; the first that does not hold is raised.

    Raises what ``verify_envelope`` raises.
    """
    for envelope, held in zip(envelopes, _held(envelopes, key), strict=True):
        if held is None:
            verify_envelope(envelope, key)


def judge_envelopes(envelopes: Sequence[OcmfEnvelope], key: MeterPublicKey | None) -> list[RecordVerdict]:
    """The verdicts on many records' signatures, judged at once; never raises for what a file may hold."""
    if key is None:
        return [judge_signature(envelope, None) for envelope in envelopes]
    return [
        judge_signature(envelope, key) if held is None else _valid(*held)
        for envelope, held in zip(envelopes, _held(envelopes, key), strict=True)
    ]


def judge_signature(envelope: OcmfEnvelope, key: MeterPublicKey | None) -> RecordVerdict:
    """The verdict on one record's signature; never raises for what a file may hold."""
    if not isinstance(envelope.section.get("SD"), str) or not envelope.section["SD"].strip():
        return RecordVerdict(SignatureVerdict.ABSENT, ("the signature section holds no signature (SD)",))
    if key is None:
        return RecordVerdict(
            SignatureVerdict.UNCHECKED, ("no public key for this meter was given: pass --public-key or --keys",)
        )
    try:
        settled, notes = verify_envelope(envelope, key)
    except UnsupportedSignature as error:
        return RecordVerdict(SignatureVerdict.UNCHECKED, (error.message,), unsupported=True)
    except (MeterSignatureInvalid, MalformedSignature) as error:
        return RecordVerdict(SignatureVerdict.INVALID, (error.message,))
    return _valid(settled, notes)


def _valid(settled: MeterPublicKey, notes: Sequence[str]) -> RecordVerdict:
    assert settled.curve is not None
    return RecordVerdict(
        SignatureVerdict.VALID, (f"the signature holds under the registered {settled.curve.name} key", *notes), settled
    )


def _held(
    envelopes: Sequence[OcmfEnvelope], key: MeterPublicKey
) -> list[tuple[MeterPublicKey, tuple[str, ...]] | None]:
    """What ``verify_envelope`` returns, for every record whose signature the core confirms; None for the others."""
    settle = lru_cache(maxsize=16)(partial(_settled, key))
    checks: list[Check | None] = []
    notes: list[tuple[str, ...]] = []
    for envelope in envelopes:
        named = envelope.section.get("SA")
        algorithm = settle(named) if named is None or isinstance(named, str) else None
        check, noted = (None, ()) if algorithm is None else _first_check(envelope, *algorithm)
        checks.append(check)
        notes.append(noted)
    return [
        (check[0], noted) if check is not None and holds else None
        for check, noted, holds in zip(checks, notes, hold_together(checks), strict=True)
    ]


def _settled(key: MeterPublicKey, named: str | None) -> tuple[MeterPublicKey, str] | None:
    """What ``_algorithm`` says of a name; None where it refuses."""
    try:
        return _algorithm(named, key)
    except (MeterSignatureInvalid, UnsupportedSignature):
        return None


def _first_check(
    envelope: OcmfEnvelope, settled: MeterPublicKey, hash_bits: str
) -> tuple[Check | None, tuple[str, ...]]:
    """The first reading of a signature that is a pair (r, s), which counts if it holds; None where there is none."""
    assert settled.curve is not None
    candidates = _candidates(envelope.section)
    while True:
        try:
            data, how = next(candidates)
            decoded = parse_signature(data, settled.curve)
        except StopIteration:
            return None, ()
        except MalformedSignature:
            continue  # a text too long ends the candidates, too
        return (settled, hash_bits, envelope.signed, decoded), (*how, *decoded.notes)


def _candidates(section: dict[str, Any]) -> Iterator[tuple[bytes, tuple[str, ...]]]:
    """Every reading of a record's signature as bytes, the declared encoding first, with notes for people."""
    text = section.get("SD")
    if not isinstance(text, str):
        return
    mime = section.get("SM")
    claim = () if mime in (None, "", "application/x-der") else (f"the signature claims to be {str(mime)[:40]}",)
    for data, how in decode_text(text, str(section.get("SE") or "hex").lower()):
        yield data, (*claim, *how)


def read_ocmf(data: bytes, key: MeterPublicKey | None) -> ImportedFile:
    """Read and judge a file of OCMF records; every record counts, the worst verdict wins.

    Raises ``MalformedOcmf`` when the bytes are no OCMF at all.
    """
    opened = OpenedOcmf.of(data)
    return opened.report(opened.judge(key))


@dataclass(frozen=True, slots=True)
class OpenedOcmf:
    """A file's records, each cut into its sections or, where that cannot be done, with the reason."""

    data: bytes
    records: tuple[bytes, ...]
    envelopes: tuple[OcmfEnvelope | MalformedOcmf, ...]

    @classmethod
    def of(cls, data: bytes) -> OpenedOcmf:
        """Open a file; raises ``MalformedOcmf`` when the bytes are no OCMF at all."""
        records = tuple(split_records(data))
        return cls(data, records, tuple(_opened(raw) for raw in records))

    def judge(self, key: MeterPublicKey | None) -> list[RecordVerdict]:
        """A verdict for each record's signature, under ``key``."""
        whole = [envelope for envelope in self.envelopes if isinstance(envelope, OcmfEnvelope)]
        judged = iter(judge_envelopes(whole, key))
        return [
            next(judged) if isinstance(envelope, OcmfEnvelope) else _torn(raw)
            for raw, envelope in zip(self.records, self.envelopes, strict=True)
        ]

    def report(self, verdicts: Sequence[RecordVerdict]) -> ImportedFile:
        """Read the payloads into columns and put everything that is known about the file together."""
        reasons: list[str] = []
        objections: list[str] = []
        rows, heads = OcmfRows(), _Heads()
        malformed = False
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
            objections += [prefix + objection for objection in head.objections]
            reasons += [prefix + remark for remark in head.remarks]
        objections += heads.objections()
        reasons += objections + _transactions(rows.transactions)
        signature = worst_signature(verdict.signature for verdict in verdicts)
        keys = [verdict.key for verdict in verdicts if verdict.key is not None]
        public_key = keys[0].to_spki() if keys else b""
        checked = signature is SignatureVerdict.VALID and all(key.curve is keys[0].curve for key in keys)
        return ImportedFile(
            format=FileFormat.OCMF,
            signature=signature,
            crc=CrcVerdict.NONE,
            billable=signature is SignatureVerdict.VALID and not objections and not malformed,
            reasons=tuple(dict.fromkeys(reasons)),
            readings=Readings(partial(_readings, self.records)),
            source=self.data,
            telegrams=self.records,
            public_key=public_key,
            columns=None if malformed else rows.columns(heads.first, self.records, public_key if checked else b""),
            malformed=malformed,
        )


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


def _algorithm(named: object, key: MeterPublicKey) -> tuple[MeterPublicKey, str]:
    """Settle curve and hash from the registered key and ``SA``, absent meaning secp256r1 with SHA-256."""
    curve: Curve | None = DEFAULT_CURVE
    hash_bits = "256"
    if named is not None:
        matched = _ALGORITHM.fullmatch(named.strip()) if isinstance(named, str) else None
        curve = curve_by_name(matched[1]) if matched else None
        hash_bits = matched[2] if matched else hash_bits
    shown = "the default (secp256r1)" if named is None else f"{str(named)[:40]!r}"
    if key.curve is not None and curve is not key.curve:
        raise MeterSignatureInvalid(
            f"the signature algorithm {shown} contradicts the registered key, which is on {key.curve.name}",
            hint="the signature section is not signed: it cannot choose another curve",
            expected=key.curve.name,
            actual=str(named)[:40],
        )
    if curve is None:
        raise UnsupportedSignature(f"unsupported signature algorithm {shown}")
    if len(key.point) != 2 * curve.coordinate_bytes:
        raise MeterSignatureInvalid(f"the registered key does not fit the signature algorithm {shown}")
    return key.on(curve), hash_bits


class _Heads:
    """What only shows between records: another source, or pages missing, repeated or out of order."""

    def __init__(self) -> None:
        self._serials: dict[tuple[str, str], None] = {}
        self._last: dict[str, int] = {}
        self._pages: list[str] = []

    def add(self, head: PayloadHead) -> None:
        """Take the next record's payload."""
        self._serials.setdefault(head.serials)
        if head.page is None or head.page_context is None:
            return
        name, before = head.page_context, self._last.get(head.page_context)
        if before is not None and head.page != before + 1:
            self._pages.append(
                f"page {name}{head.page} follows {name}{before}: pages are missing, repeated or reordered"
            )
        self._last[name] = head.page

    @property
    def first(self) -> tuple[str, str]:
        """The serials of the first payload."""
        return next(iter(self._serials), ("", ""))

    def objections(self) -> list[str]:
        """Why the records must not be billed together, in words."""
        several = ["the records come from more than one meter"] if len(self._serials) > 1 else []
        return several + self._pages


def _transactions(kinds: set[str | None]) -> list[str]:
    if BEGIN in kinds and not kinds & ENDS:
        return ["the transaction's begin is here, its end is not"]
    if kinds & ENDS and BEGIN not in kinds:
        return ["the transaction's end is here, its begin is not"]
    return []


__all__ = [
    "MalformedOcmf",
    "MalformedPublicKey",
    "OcmfEnvelope",
    "OpenedOcmf",
    "RecordVerdict",
    "is_ocmf",
    "judge_envelopes",
    "judge_signature",
    "parse_envelope",
    "read_ocmf",
    "split_records",
    "verify_envelope",
    "verify_envelopes",
]
