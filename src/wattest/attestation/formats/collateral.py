"""Collateral in dcap-qvl's JSON form: what a quote is checked against.

Decided here: which fields there are, how they are encoded and how large they may be; the few dates and numbers that
the appraisal policy reads. Not decided here: whether any signature holds.

Invariants: nothing longer than ``MAX_COLLATERAL_BYTES`` is parsed, duplicate keys are refused, byte fields are
lower- or upper-case hex without blanks. ``tcb_info`` and ``qe_identity`` stay the exact text that was signed.
Specification: docs/spec/evidence.md; source: Intel PCS API v4.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import lru_cache

from cryptography import x509

from wattest.attestation.formats.der import X509_FAULTS
from wattest.crypto.canonical import encode
from wattest.crypto.json_text import load_json
from wattest.errors import InputError

MAX_COLLATERAL_BYTES = 1_048_576
FMSPC_BYTES = 6
_REMEMBERED = 8
_BYTE_FIELDS = frozenset({"root_ca_crl", "pck_crl", "tcb_info_signature", "qe_identity_signature"})
_OPTIONAL_FIELDS = frozenset({"pck_certificate_chain"})
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})*\Z")


class CollateralMalformed(InputError):
    """The bytes are not collateral in dcap-qvl's JSON form; ``part`` says which part of it."""

    def __init__(self, message: str, part: str = "collateral") -> None:
        super().__init__(message, hint="pass collateral in dcap-qvl's JSON form (docs/spec/evidence.md)", part=part)


@dataclass(frozen=True, slots=True)
class Collateral:
    """Certificate chains (PEM), revocation lists (DER), and signed statements about platforms and quoting enclaves."""

    pck_crl_issuer_chain: str
    root_ca_crl: bytes
    pck_crl: bytes
    tcb_info_issuer_chain: str
    tcb_info: str
    tcb_info_signature: bytes
    qe_identity_issuer_chain: str
    qe_identity: str
    qe_identity_signature: bytes
    pck_certificate_chain: str | None = None

    def to_json(self) -> bytes:
        """The collateral as RFC 8785 JSON (UTF-8, sorted, no blanks), byte fields as lower-case hex."""
        shown: dict[str, str] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                shown[field.name] = value.hex() if isinstance(value, bytes) else value
        return encode(shown)

    @property
    def digest(self) -> bytes:
        """SHA-256 of ``to_json``: how a file spelled its JSON makes no difference."""
        return hashlib.sha256(self.to_json()).digest()


@dataclass(frozen=True, slots=True)
class Statement:
    """What the policy reads of TCB info or QE identity; times are unix seconds. Believe it once its signature held."""

    id: str
    version: int
    issued_at: int
    next_update: int
    evaluation_number: int
    fmspc: bytes | None
    pce_id: bytes | None


def parse_collateral(data: bytes) -> Collateral:
    """Read collateral from JSON.

    Raises:
        CollateralMalformed: when it is over 1 MiB, not one JSON object, or a field is missing, repeated or of a wrong
            kind. Fields that dcap-qvl does not know are ignored, as it ignores them.
    """
    if len(data) > MAX_COLLATERAL_BYTES:
        raise CollateralMalformed(f"the collateral has {len(data)} bytes, at most {MAX_COLLATERAL_BYTES} are read")
    value = _load_json(data, "collateral")
    found: dict[str, str | bytes | None] = {}
    for field in fields(Collateral):
        text = value.get(field.name)
        if text is None and field.name in _OPTIONAL_FIELDS:
            continue
        if not isinstance(text, str):
            raise CollateralMalformed(f"the collateral's field '{field.name}' is missing or not text", field.name)
        if field.name in _BYTE_FIELDS:
            if not _HEX.match(text):
                raise CollateralMalformed(f"the collateral's field '{field.name}' is not hex", field.name)
            found[field.name] = bytes.fromhex(text)
        elif not text.isascii():
            raise CollateralMalformed(f"the collateral's field '{field.name}' is not ASCII", field.name)
        else:
            found[field.name] = text
    return Collateral(**found)  # type: ignore[arg-type]  # kinds were checked field by field


@lru_cache(maxsize=_REMEMBERED)  # one appraisal reads the same two texts several times
def parse_statement(text: str, what: str) -> Statement:
    """Read the dates and numbers of TCB info or QE identity (``what`` names it in errors).

    Raises:
        CollateralMalformed: when the text is not an object with these fields.
    """
    value = _load_json(text.encode("utf-8", "surrogatepass"), what)
    try:
        return Statement(
            id=_text(value["id"]),
            version=_small_integer(value["version"]),
            issued_at=_unix_seconds(value["issueDate"]),
            next_update=_unix_seconds(value["nextUpdate"]),
            evaluation_number=_small_integer(value["tcbEvaluationDataNumber"]),
            fmspc=bytes.fromhex(_text(value["fmspc"])) if "fmspc" in value else None,
            pce_id=bytes.fromhex(_text(value["pceId"])) if "pceId" in value else None,
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise CollateralMalformed(f"the {what} lacks a field or has one of a wrong kind: {error}", what) from error


def parse_crl_issue_date(crl: bytes, what: str) -> int:
    """The unix time at which a DER revocation list was issued.

    Raises:
        CollateralMalformed: when the bytes are not a revocation list.
    """
    try:
        return int(x509.load_der_x509_crl(crl).last_update_utc.timestamp())
    except X509_FAULTS as error:
        raise CollateralMalformed(f"the {what} is not a DER certificate revocation list", what) from error


def _load_json(data: bytes, what: str) -> dict[str, object]:
    try:
        value = load_json(data, object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
    except ValueError as error:
        raise CollateralMalformed(f"the {what} is not JSON: {error}", what) from error
    if not isinstance(value, dict):
        raise CollateralMalformed(f"the {what} is not a JSON object", what)
    return value


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key appears twice")
    return value


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("text expected")
    return value


def _small_integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**32:
        raise ValueError("an integer below 2^32 expected")
    return value


def _unix_seconds(value: object) -> int:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        raise ValueError("a date without a time zone")
    return int(moment.astimezone(UTC).timestamp())
