"""Collateral in dcap-qvl's JSON form: what a quote is checked against.

Decided here: which fields there are, how they are encoded and how large they may be; when a
revocation list was issued. Not decided here: what TCB info and QE identity say (``tcb_info``, ``qe_identity``) and
whether any signature holds.

Invariants: nothing longer than ``MAX_COLLATERAL_BYTES`` is parsed, duplicate keys are refused, byte fields are
lower- or upper-case hex without blanks. ``tcb_info`` and ``qe_identity`` stay the exact text that was signed.
Specification: docs/spec/evidence.md; source: Intel PCS API v4.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, fields
from functools import lru_cache

from cryptography import x509

from wattest.attestation.formats.der import X509_FAULTS
from wattest.crypto.canonical import encode
from wattest.crypto.strict_fields import Reader, Refusal
from wattest.errors import InputError

MAX_COLLATERAL_BYTES = 1_048_576
FMSPC_BYTES = 6
_BYTE_FIELDS = frozenset({"root_ca_crl", "pck_crl", "tcb_info_signature", "qe_identity_signature"})
_OPTIONAL_FIELDS = frozenset({"pck_certificate_chain"})
_ASCII = re.compile(r"[\x00-\x7f]*")


class CollateralMalformed(InputError):
    """The bytes are not collateral in dcap-qvl's JSON form; ``part`` says which part of it.

    ``reason`` is the code that an appraisal gives it; ``fields`` may have ``field``, ``expected`` and ``actual``.
    """

    def __init__(
        self, message: str, part: str = "collateral", *, reason: str = "collateral_malformed", **fields: object
    ) -> None:
        super().__init__(
            message, hint="pass collateral in dcap-qvl's JSON form (docs/spec/evidence.md)", part=part, **fields
        )
        self.reason = reason


def _refuse(refusal: Refusal) -> CollateralMalformed:
    where = refusal.where or "collateral"
    return CollateralMalformed(
        f"the collateral's {refusal.where or 'whole'}: {refusal.message}", where, **refusal.details
    )


_COLLATERAL = Reader(_refuse)


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
        return _as_json(self)

    @property
    def digest(self) -> bytes:
        """SHA-256 of ``to_json``: how a file spelled its JSON makes no difference."""
        return hashlib.sha256(self.to_json()).digest()


@lru_cache(maxsize=8)  # an appraisal asks for it several times, and a receipt's registrations mostly share one
def _as_json(collateral: Collateral) -> bytes:
    shown: dict[str, str] = {}
    for field in fields(collateral):
        value = getattr(collateral, field.name)
        if value is not None:
            shown[field.name] = value.hex() if isinstance(value, bytes) else value
    return encode(shown)


def parse_collateral(data: bytes) -> Collateral:
    """Read collateral from JSON.

    Raises:
        CollateralMalformed: when it is over 1 MiB, not one JSON object, or a field is missing, repeated or of a wrong
            kind. Fields that dcap-qvl does not know are ignored, as it ignores them.
    """
    value = _COLLATERAL.json(data, MAX_COLLATERAL_BYTES).fields()
    found: dict[str, str | bytes | None] = {}
    for field in fields(Collateral):
        given = value[field.name]
        if field.name in _OPTIONAL_FIELDS and (given.is_absent or given.is_null):
            continue
        if field.name in _BYTE_FIELDS:
            found[field.name] = given.hex_up_to(MAX_COLLATERAL_BYTES, any_case=True)
        else:
            found[field.name] = given.matching(_ASCII, "ASCII text")
    return Collateral(**found)  # type: ignore[arg-type]  # kinds were checked field by field


def parse_crl_issue_date(crl: bytes, what: str) -> int:
    """The unix time at which a DER revocation list was issued.

    Raises:
        CollateralMalformed: when the bytes are not a revocation list.
    """
    try:
        return int(x509.load_der_x509_crl(crl).last_update_utc.timestamp())
    except X509_FAULTS as error:
        raise CollateralMalformed(f"the {what} is not a DER certificate revocation list", what) from error
