"""Attested certificates: self-signed X.509 whose extension holds evidence for the very key that the certificate names.

Decided here: the certificate's form, how it is read, and what makes a peer's certificate good: within its dates, its
signature its own key's, its key the claims' key, its claims the quote's, its nonce the one that was asked for, and the
quote accepted by the policy. Not decided here: that the peer holds the private key (TLS shows it), whose policy it is
(``messages.peer_policy``) and what is then said (``enclave.measured``). Invariants: every refusal has a code and a
sentence; nothing is accepted without all of the above. Specification: docs/spec/ra-tls.md; RFC 5280.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from wattest.attestation.appraisal import Expectation, appraise
from wattest.attestation.appraisal_policy import AppraisalPolicy
from wattest.attestation.endorsements import Endorsements
from wattest.attestation.evidence import parse_evidence
from wattest.attestation.formats.der import X509_FAULTS
from wattest.attestation.formats.tagged_evidence import (
    TAGGED_EVIDENCE_OID,
    TaggedEvidence,
    encode_tagged_evidence,
    parse_tagged_evidence,
)
from wattest.attestation.result import AppraisalResult
from wattest.attestation.roots import TrustRoot
from wattest.errors import InputError, VerificationError

MAX_CERTIFICATE_BYTES = 81_920
VALID_BEFORE_S, VALID_AFTER_S = 3_600, 3_600
SUBJECT = "wattest enclave"
_SIGNATURE_FAULTS: tuple[type[Exception], ...] = (InvalidSignature, *X509_FAULTS)
_OID = x509.ObjectIdentifier(TAGGED_EVIDENCE_OID)


class AttestedCertificateMalformed(InputError):
    """Bytes that are not one P-256 or P-384 certificate with tagged evidence."""


class PeerRefused(VerificationError):
    """A peer whose certificate or evidence does not hold; ``codes`` and the message say why."""


@dataclass(frozen=True, slots=True)
class AttestedCertificate:
    """A certificate, read: its key (DER SubjectPublicKeyInfo), its dates (unix seconds, inclusive) and its evidence."""

    certificate: bytes
    public_key_info: bytes
    not_before: int
    not_after: int
    is_self_signed: bool
    evidence: TaggedEvidence


def issue_certificate(private_key: ec.EllipticCurvePrivateKey, quote: bytes, claims_buffer: bytes, now: int) -> bytes:
    """A certificate (DER) over the key, an hour old and valid for another at ``now`` (unix seconds).

    The claims must name the key and the quote the claims. The signature is deterministic (RFC 6979).
    """
    public_key = private_key.public_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, SUBJECT)])
    serial = int.from_bytes(hashlib.sha256(claims_buffer + quote).digest()[:19], "big") | 1
    identifier = x509.SubjectKeyIdentifier.from_public_key(public_key)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(datetime.fromtimestamp(now - VALID_BEFORE_S, UTC))
        .not_valid_after(datetime.fromtimestamp(now + VALID_AFTER_S, UTC))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        # Not critical: an ordinary TLS stack that does not know the extension must still complete the handshake.
        .add_extension(x509.UnrecognizedExtension(_OID, encode_tagged_evidence(quote, claims_buffer)), critical=False)
    )
    return builder.sign(private_key, hashes.SHA256(), ecdsa_deterministic=True).public_bytes(Encoding.DER)


def public_key_info(private_key: ec.EllipticCurvePrivateKey) -> bytes:
    """The key's SubjectPublicKeyInfo, DER: what the claims hash."""
    return private_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def parse_attested_certificate(data: bytes) -> AttestedCertificate:
    """Read a certificate (DER) and the evidence in it; nothing is believed yet.

    Raises: AttestedCertificateMalformed; TaggedEvidenceMalformed.
    """
    if len(data) > MAX_CERTIFICATE_BYTES:
        raise AttestedCertificateMalformed(
            "the certificate is too large", limit_bytes=MAX_CERTIFICATE_BYTES, actual=len(data)
        )
    try:
        certificate = x509.load_der_x509_certificate(data)
        key = certificate.public_key()
        extensions = certificate.extensions
        dates = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
        if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in ("secp256r1", "secp384r1"):
            raise ValueError("its key is not on P-256 or P-384")
        info = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        unknown = [found.oid.dotted_string for found in extensions if found.critical and _is_unknown(found)]
        found = next((found.value for found in extensions if found.oid == _OID), None)
    except X509_FAULTS as error:
        raise AttestedCertificateMalformed(f"the peer's certificate cannot be read: {error}") from error
    if unknown:
        raise AttestedCertificateMalformed("the peer's certificate has an unknown critical extension", actual=unknown)
    if not isinstance(found, x509.UnrecognizedExtension):
        raise AttestedCertificateMalformed(
            "the peer's certificate carries no evidence",
            hint="the peer is no enclave, or something ends the connection on the way",
            expected=TAGGED_EVIDENCE_OID,
        )
    return AttestedCertificate(
        certificate=data,
        public_key_info=info,
        not_before=int(dates[0]),
        not_after=int(dates[1]),
        is_self_signed=_is_signed_by(certificate, key),
        evidence=parse_tagged_evidence(found.value),
    )


def _is_unknown(extension: x509.Extension[x509.ExtensionType]) -> bool:
    return isinstance(extension.value, x509.UnrecognizedExtension) and extension.oid != _OID


def _is_signed_by(certificate: x509.Certificate, key: ec.EllipticCurvePublicKey) -> bool:
    try:
        algorithm = certificate.signature_hash_algorithm  # raises for one that nobody knows
        if algorithm is None:
            return False
        key.verify(certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(algorithm))
    except _SIGNATURE_FAULTS:
        return False
    return True


def verify_peer(
    certificate: AttestedCertificate,
    endorsements: Endorsements,
    policy: AppraisalPolicy,
    roots: Sequence[TrustRoot],
    now: int,
    nonce: bytes,
) -> AppraisalResult:
    """The result of appraising a peer whose TLS stack showed the certificate's private key.

    ``nonce`` is what this side asked the peer to attest over in this very session.
    Raises: PeerRefused; QuoteMalformed.
    """
    if not certificate.not_before <= now <= certificate.not_after:
        raise _refuse(
            "certificate_dates",
            "the peer's certificate is expired or not yet valid",
            [certificate.not_before, certificate.not_after],
            now,
        )
    if not certificate.is_self_signed:
        raise _refuse("certificate_signature", "the peer's certificate is not signed by its own key")
    claims = certificate.evidence.claims
    if not claims.names(certificate.public_key_info):
        raise _refuse("certificate_key", "the evidence is for another key than the certificate's")
    if claims.nonce != nonce:
        raise _refuse("nonce", "the evidence is not over this session's nonce: replayed, or made for another session")
    evidence = parse_evidence(certificate.evidence.quote)
    expectation = Expectation(report_data=certificate.evidence.report_data)
    result = appraise(evidence, endorsements, policy, roots, now, expectation=expectation)
    if not result.accepted:
        raise PeerRefused(
            "the peer's evidence is not accepted: " + "; ".join(result.reasons),
            hint="compare the policy with the peer's measurement, platform and collateral",
            codes=result.codes,
            genuine=result.genuine,
        )
    return result


def _refuse(code: str, message: str, expected: object = None, actual: object = None) -> PeerRefused:
    return PeerRefused(message, codes=[code], genuine=False, expected=expected, actual=actual)
