"""OCMF: signed readings of charge points, verified over the raw bytes as they came.

Decided here: where a record's sections begin and end, which key and algorithm count, and a file's verdict. The signed
message is exactly the bytes between ``OCMF|`` and the last ``|``: JSON is read from them but never written again.
The registered key decides the curve; the signature section is not signed, so an algorithm there that contradicts the
key makes the record invalid instead of choosing another. OCMF 0.1 to 1.4; docs/spec/meter-files.md
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from wattest.metering.readers.ocmf_payload import (
    BEGIN,
    ENDS,
    MalformedOcmf,
    OcmfPayload,
    load_json,
    parse_payload,
)
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
from wattest.metering.reading import (
    MAX_FILE_BYTES,
    CrcVerdict,
    FileFormat,
    ImportedFile,
    MalformedMeterFile,
    Reading,
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
    settled, hash_bits = _algorithm(envelope.section, key)
    encoding = str(envelope.section.get("SE") or "hex").lower()
    mime = envelope.section.get("SM")
    notes: list[str] = (
        [] if mime in (None, "", "application/x-der") else [f"the signature claims to be {str(mime)[:40]}"]
    )
    text = envelope.section.get("SD")
    candidates = decode_text(text, encoding) if isinstance(text, str) else []
    failure: MalformedSignature | MeterSignatureInvalid = MalformedSignature(
        "SD is neither hex nor base64", hint="the signature may be truncated"
    )
    assert settled.curve is not None
    for data, how in candidates:
        try:
            decoded: DecodedSignature = parse_signature(data, settled.curve)
            verify_signature(settled, hash_bits, envelope.signed, decoded)
        except (MalformedSignature, MeterSignatureInvalid) as error:
            failure = error if not isinstance(failure, MeterSignatureInvalid) else failure
            continue
        return settled, (*notes, *how, *decoded.notes)
    raise failure


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
    assert settled.curve is not None
    return RecordVerdict(
        SignatureVerdict.VALID, (f"the signature holds under the registered {settled.curve.name} key", *notes), settled
    )


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
    reasons += objections + _transactions(payloads)
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


def _algorithm(section: dict[str, Any], key: MeterPublicKey) -> tuple[MeterPublicKey, str]:
    """Settle curve and hash from the registered key and ``SA``, absent meaning secp256r1 with SHA-256."""
    named = section.get("SA")
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


def _transactions(payloads: list[OcmfPayload]) -> list[str]:
    kinds = {reading.transaction for payload in payloads for reading in payload.readings}
    if BEGIN in kinds and not kinds & ENDS:
        return ["the transaction's begin is here, its end is not"]
    if kinds & ENDS and BEGIN not in kinds:
        return ["the transaction's end is here, its begin is not"]
    return []


__all__ = [
    "MalformedOcmf",
    "MalformedPublicKey",
    "OcmfEnvelope",
    "RecordVerdict",
    "is_ocmf",
    "judge_signature",
    "parse_envelope",
    "read_ocmf",
    "split_records",
    "verify_envelope",
]
