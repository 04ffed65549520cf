"""Evidence: what an attester says of itself, here a DCAP quote, taken apart and named.

Decided here: what identifies a piece of evidence and the platform it came from. Not decided here: whether it is true
(``appraisal``).

Invariants: the digest is over the quote cut to its declared length, so appended bytes make no new evidence. The
platform id binds the trust root, so that a simulated platform can never take a real one's id.
Specification: docs/spec/evidence.md; words: RFC 9334.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from wattest.attestation.formats.quote import EnclaveReport, Quote, TdReport, parse_quote

PLATFORM_ID_TAG = b"wattest/platform-id/1"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A quote and its digest."""

    quote: Quote
    digest: bytes  # SHA-256 of the quote, cut to its declared length

    @property
    def signed_digest(self) -> bytes:
        """SHA-256 of the header and report alone: the key for "seen before".

        Certificates and signatures around the report can be re-encoded without breaking anything, so ``digest`` names
        a file and not a fact.
        """
        return hashlib.sha256(self.quote.raw[: self.quote.signed_bytes]).digest()

    @property
    def report(self) -> EnclaveReport | TdReport:
        """The measured side of the quote."""
        return self.quote.report


def parse_evidence(data: bytes) -> Evidence:
    """Read a DCAP quote.

    Raises:
        QuoteMalformed: as ``parse_quote`` does.
    """
    quote = parse_quote(data)
    return Evidence(quote, hashlib.sha256(quote.raw).digest())


def platform_id(root_certificate: bytes, ppid: bytes) -> bytes:
    """The id of a platform under a root: SHA-256(tag || SHA-256(root's SubjectPublicKeyInfo) || PPID 16), 32 bytes.

    The PPID names the processor package and outlives microcode updates, which change the PCK certificate.
    """
    certificate = x509.load_der_x509_certificate(root_certificate)
    key_info = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(PLATFORM_ID_TAG + hashlib.sha256(key_info).digest() + ppid).digest()
