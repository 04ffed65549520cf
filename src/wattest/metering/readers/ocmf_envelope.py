"""OCMF records cut into their sections, and their signatures judged over the raw bytes as they came.

Decided here: where a record's sections begin and end, and which key and algorithm count. The signed message is exactly
the bytes between ``OCMF|`` and the last ``|``: JSON is read from them but never written again. The registered key
decides the curve; the signature section is not signed, so an algorithm there that contradicts the key makes the record
invalid instead of choosing another. Not decided here: what a file's verdict is (``ocmf``). Many records are judged at
once, each exactly once where its signature holds; one that the core does not confirm is judged by the plain rule, which
says why. docs/spec/meter-files.md
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from wattest.metering.readers.ocmf_payload import MalformedOcmf, load_json
from wattest.metering.readers.public_key import DEFAULT_CURVE, Curve, MeterPublicKey, curve_by_name
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
from wattest.metering.verdicts import SignatureVerdict

HEADER = b"OCMF|"
_ALGORITHM = re.compile(r"ECDSA-([A-Za-z0-9-]+?)-SHA-?(256|384|512)", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class OcmfEnvelope:
    """One record cut into its sections; ``raw`` is the whole record, ``signed`` the payload section's bytes."""

    raw: bytes
    signed: bytes
    section: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PreparedCheck:
    """What the core can judge of one record, None where it cannot, and notes about the signature's encoding."""

    check: Check | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordVerdict:
    """What is known about one record's signature, with the reasons for people."""

    signature: SignatureVerdict
    reasons: tuple[str, ...]
    key: MeterPublicKey | None = None
    unsupported: bool = False


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
    held = hold_together([prepared.check for prepared in prepare_checks(envelopes, key)])
    for envelope, holds in zip(envelopes, held, strict=True):
        if not holds:
            verify_envelope(envelope, key)


def prepare_checks(
    envelopes: Sequence[OcmfEnvelope | MalformedOcmf], key: MeterPublicKey | None
) -> list[PreparedCheck]:
    """What the core can judge of each record under ``key``; nothing without one."""
    if key is None:
        return [PreparedCheck()] * len(envelopes)
    settle = lru_cache(maxsize=256)(_settled)
    return [PreparedCheck() if isinstance(each, MalformedOcmf) else _prepared(each, key, settle) for each in envelopes]


def verdict_of(
    envelope: OcmfEnvelope, key: MeterPublicKey | None, prepared: PreparedCheck, holds: bool
) -> RecordVerdict:
    """The verdict on a record's signature, of which ``holds`` says whether the core confirmed what was prepared."""
    if holds and prepared.check is not None:
        return _valid(prepared.check[0], prepared.notes)
    return judge_signature(envelope, key)


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


def _prepared(
    envelope: OcmfEnvelope,
    key: MeterPublicKey,
    settle: Callable[[str | None, MeterPublicKey], tuple[MeterPublicKey, str] | None],
) -> PreparedCheck:
    named = envelope.section.get("SA")
    algorithm = settle(named, key) if named is None or isinstance(named, str) else None
    return PreparedCheck() if algorithm is None else _first_check(envelope, *algorithm)


def _settled(named: str | None, key: MeterPublicKey) -> tuple[MeterPublicKey, str] | None:
    """What ``_algorithm`` says of a name; None where it refuses."""
    try:
        return _algorithm(named, key)
    except (MeterSignatureInvalid, UnsupportedSignature):
        return None


def _first_check(envelope: OcmfEnvelope, settled: MeterPublicKey, hash_bits: str) -> PreparedCheck:
    """The first reading of a signature that is a pair (r, s), which counts if it holds; none where there is none."""
    assert settled.curve is not None
    candidates = _candidates(envelope.section)
    while True:
        try:
            data, how = next(candidates)
            decoded = parse_signature(data, settled.curve)
        except StopIteration:
            return PreparedCheck()
        except MalformedSignature:
            continue  # a text too long ends the candidates, too
        return PreparedCheck((settled, hash_bits, envelope.signed, decoded), (*how, *decoded.notes))


def _candidates(section: dict[str, Any]) -> Iterator[tuple[bytes, tuple[str, ...]]]:
    """Every reading of a record's signature as bytes, the declared encoding first, with notes for people."""
    text = section.get("SD")
    if not isinstance(text, str):
        return
    mime = section.get("SM")
    claim = () if mime in (None, "", "application/x-der") else (f"the signature claims to be {str(mime)[:40]}",)
    for data, how in decode_text(text, str(section.get("SE") or "hex").lower()):
        yield data, (*claim, *how)


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
