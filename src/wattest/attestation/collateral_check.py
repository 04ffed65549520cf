"""Collateral held against a trust root by itself, without a quote: what a fetched file must satisfy before it is kept.

Decided here: that every certificate chain is signing certificate and root, that the root is the trusted one, every
signature, date and revocation, that each revocation list is by the CA it stands for, and that TCB info is for the
platform asked for. Not decided here: how a quote is judged against it (``verification``), what a policy makes of its
age (``appraisal``), whether it is newer than what was there (``collateral_succession``).

Invariants: what passes here at a time is refused by ``verification`` at that time only for what the quote says.
Source: Intel SGX PCK Certificate and CRL Profile Specification; Intel PCS API v4, appendices A and B.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from wattest.attestation.collateral_age import dated_parts
from wattest.attestation.collateral_signers import judge_signers
from wattest.attestation.endorsements import Endorsements
from wattest.attestation.formats.collateral import CollateralMalformed
from wattest.attestation.formats.der import X509_FAULTS
from wattest.attestation.formats.qe_identity import QE_IDENTITY_VERSION
from wattest.attestation.formats.tcb_info import TCB_INFO_VERSION
from wattest.attestation.platform_model import PckAuthority, PlatformModel, PlatformModelUnknown, Tee, authority_named
from wattest.attestation.roots import TrustRoot, show_name, show_root
from wattest.crypto.errors import BufferRefused, PublicKeyInvalid, SignatureInvalid
from wattest.crypto.p256 import normalise_signature, verify_digest
from wattest.errors import VerificationError

_QE_IDENTITY_IDS = {Tee.SGX: "QE", Tee.TDX: "TD_QE"}
_CHAIN_LENGTH = 2
_CHAIN_FAULTS: tuple[type[Exception], ...] = (InvalidSignature, *X509_FAULTS)
_MODEL_FAULTS: tuple[type[Exception], ...] = (PlatformModelUnknown, *X509_FAULTS)


class CollateralRefused(VerificationError):
    """Collateral that does not hold under the trusted root, or not for what it was asked for; ``reason`` is stable.

    The codes are those of an appraisal where both can find the fault (docs/spec/evidence.md).
    """

    def __init__(self, reason: str, message: str, *, hint: str | None = None, **fields: object) -> None:
        super().__init__(message, hint=hint, reason=reason, **fields)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Signer:
    """The lower certificate of a chain, its own dates and the root's included."""

    certificate: x509.Certificate
    public_key: ec.EllipticCurvePublicKey


def verify_collateral(
    endorsements: Endorsements, wanted: PlatformModel, root: TrustRoot, now: int, *, tolerance_s: int = 0
) -> None:
    """Check collateral for a platform model under one root at ``now`` (unix seconds).

    ``tolerance_s`` is how far ahead of ``now`` an issue date may lie: two clocks never agree to the second.

    Raises:
        CollateralRefused: with a reason.
        CollateralMalformed: a part that cannot be read.
    """
    collateral = endorsements.collateral
    platform, quoting = endorsements.platform_statement(), endorsements.quoting_enclave_statement()
    for what, found, expected in (
        ("TCB info", (platform.id, platform.version), (wanted.tee.upper(), TCB_INFO_VERSION)),
        ("QE identity", (quoting.id, quoting.version), (_QE_IDENTITY_IDS[wanted.tee], QE_IDENTITY_VERSION)),
    ):
        if found != expected:
            raise CollateralRefused(
                "collateral_of_other_kind",
                f"the {what} is for another kind of enclave, or of another version",
                expected=expected,
                actual=(found[0][:32], found[1]),
            )
    if platform.fmspc != wanted.fmspc:
        raise CollateralRefused(
            "fmspc_mismatch",
            "the TCB info is for another platform model",
            hint="the service answers for another FMSPC than it was asked for: do not use it",
            expected=wanted.fmspc,
            actual=platform.fmspc,
        )
    tcb_signer = _chain(collateral.tcb_info_issuer_chain, "TCB info's certificates", root)
    qe_signer = _chain(collateral.qe_identity_issuer_chain, "QE identity's certificates", root)
    authority = _chain(collateral.pck_crl_issuer_chain, "PCK revocation list's certificates", root, is_authority=True)
    if _authority(authority.certificate) is not wanted.authority:
        raise CollateralRefused(
            "wrong_revocation_list",
            "the PCK revocation list is by the other CA",
            expected=wanted.authority.value,
            actual=show_name(authority.certificate.subject),
        )
    anchor = x509.load_der_x509_certificate(root.certificate)
    root_list = _list(collateral.root_ca_crl, "root revocation list", anchor)
    _list(collateral.pck_crl, "PCK revocation list", authority.certificate)
    for what, signer in (
        ("TCB info's signing certificate", tcb_signer),
        ("QE identity's signing certificate", qe_signer),
        ("PCK CA's certificate", authority),
    ):
        if root_list.get_revoked_certificate_by_serial_number(signer.certificate.serial_number) is not None:
            raise CollateralRefused("certificate_revoked", f"the {what} is revoked by the root")
    _signature(collateral.tcb_info, collateral.tcb_info_signature, tcb_signer, "TCB info", "tcb_info_signature")
    _signature(
        collateral.qe_identity, collateral.qe_identity_signature, qe_signer, "QE identity", "qe_identity_signature"
    )
    for finding in judge_signers(collateral):
        raise CollateralRefused(finding.code, finding.text)
    _dates(endorsements, now, tolerance_s)


def _dates(endorsements: Endorsements, now: int, tolerance_s: int) -> None:
    for part in dated_parts(endorsements):
        ahead = part.issued_at - now
        if ahead > tolerance_s:
            raise CollateralRefused(
                "collateral_from_future",
                f"{part.name}: issued {ahead} s after this machine's time, more than clocks differ",
                hint="set this machine's clock, then fetch again",
                ahead_s=ahead,
                tolerance_s=tolerance_s,
            )
        if part.expires_at <= now:
            raise CollateralRefused(
                "certificate_expired" if part.is_chain else "collateral_expired",
                f"{part.name}: ended {now - part.expires_at} s ago",
                hint="the service serves what it no longer refreshes: tell its operator, or ask another",
                expired_s=now - part.expires_at,
            )


def _chain(pem: str, what: str, root: TrustRoot, *, is_authority: bool = False) -> _Signer:
    try:
        found = x509.load_pem_x509_certificates(pem.encode("ascii"))
    except X509_FAULTS as error:
        raise CollateralMalformed(f"the {what} cannot be read", what) from error
    if len(found) != _CHAIN_LENGTH:
        raise CollateralRefused(
            "certificate_chain", f"the {what} are not two", expected=_CHAIN_LENGTH, actual=len(found)
        )
    lower, upper = found
    try:
        der = upper.public_bytes(Encoding.DER)
        if der != root.certificate:
            raise CollateralRefused(
                "other_root",
                f"the {what} end in {show_root(show_name(upper.subject), der)}, not in the trusted root {root.shown}",
                hint="check --root; a simulator's collateral holds under its own root only",
                expected=root.fingerprint,
                actual=hashlib.sha256(der).digest(),
            )
        lower.verify_directly_issued_by(upper)
        key = lower.public_key()
        constraints = lower.extensions.get_extension_for_class(x509.BasicConstraints).value
    except _CHAIN_FAULTS as error:
        raise CollateralRefused("certificate_chain", f"the {what} do not hold: {_words(error)}") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise CollateralRefused("certificate_chain", f"the {what} have another kind of key than P-256")
    if constraints.ca is not is_authority:
        raise CollateralRefused("certificate_chain", f"the {what} are for another purpose")
    return _Signer(lower, key)


def _list(der: bytes, what: str, issuer: x509.Certificate) -> x509.CertificateRevocationList:
    try:
        found = x509.load_der_x509_crl(der)
        key = issuer.public_key()
        by_issuer = found.issuer == issuer.subject
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise TypeError("not an elliptic curve key")
        holds = by_issuer and found.is_signature_valid(key)
        shown = show_name(found.issuer)
    except X509_FAULTS as error:
        raise CollateralMalformed(f"the {what} cannot be read", what) from error
    if not holds:
        why = "its signature does not hold" if by_issuer else f"it is by '{shown}'"
        raise CollateralRefused(
            "wrong_revocation_list",
            f"the {what} is not by '{show_name(issuer.subject)}': {why}",
            expected=show_name(issuer.subject),
            actual=shown,
        )
    return found


def _signature(text: str, signature: bytes, signer: _Signer, what: str, reason: str) -> None:
    point = signer.public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]
    digest = hashlib.sha256(text.encode("ascii")).digest()
    try:
        # The vendor signs with either s; only its bytes reach here, so none can pass off a second form of them.
        verify_digest(point, digest, normalise_signature(signature))
    except (BufferRefused, SignatureInvalid, PublicKeyInvalid) as error:
        raise CollateralRefused(reason, f"the {what} was altered, or signed by someone else") from error


def _authority(certificate: x509.Certificate) -> PckAuthority | None:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    try:
        return authority_named(str(names[0].value)) if names else None
    except PlatformModelUnknown:
        return None


def _words(error: Exception) -> str:
    return str(error) or "a signature does not hold"


def model_named_by(endorsements: Endorsements) -> PlatformModel:
    """The platform model that collateral says it is for; nothing of it is checked.

    Raises:
        CollateralMalformed: it does not say so.
    """
    platform = endorsements.platform_statement()
    quoting = endorsements.quoting_enclave_statement()
    try:
        tee = Tee(platform.id.lower())
        issuer = x509.load_der_x509_crl(endorsements.collateral.pck_crl).issuer
        names = issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
        authority = authority_named(str(names[0].value) if names else "")
    except _MODEL_FAULTS as error:
        raise CollateralMalformed("the collateral does not say which platforms it is for") from error
    if platform.fmspc is None or quoting.id != _QE_IDENTITY_IDS[tee]:
        raise CollateralMalformed("the collateral does not say which platforms it is for")
    return PlatformModel(tee, platform.fmspc, authority)
