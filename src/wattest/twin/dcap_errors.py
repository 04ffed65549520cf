"""Every way the contracts that judge quotes refuse, under the name of its Solidity custom error.

Made by ``tools/make_contract_errors.py`` from the contracts' NatSpec, as ``errors`` is, for ``DcapVerifier``,
``CollateralRegistry`` and the libraries that they read DCAP's formats with. How evidence is judged off chain is decided
in ``attestation``.
"""

from __future__ import annotations

from wattest.twin.reverted import Reverted, reverts_in

# CertificateChain


class IssuerMismatch(Reverted):
    """The certificate or list names another issuer than the one given."""

    arguments = ("expected", "actual")


class IssuerNotAuthority(Reverted):
    """The issuer is no authority, or may not sign this kind of thing."""


class PathTooLong(Reverted):
    """More authorities below one than it allows."""


class CertificateSignatureInvalid(Reverted):
    """The issuer's key did not make this signature."""


class RevocationListSignatureInvalid(Reverted):
    """The issuer's key did not make this list's signature."""


class NotYetValid(Reverted):
    """The time lies before the certificate's or the list's validity."""

    arguments = ("from", "time")


class Expired(Reverted):
    """The time lies after the certificate's or the list's validity."""

    arguments = ("until", "time")


class CertificateRevoked(Reverted):
    """The list names this certificate."""

    arguments = ("serial",)


# CodeStore


class CodeStoreFailed(Reverted):
    """More than MAX_BYTES, or the account could not be made."""

    arguments = ("length",)


# Der


class DerTruncated(Reverted):
    """The element at this offset does not fit into what surrounds it."""

    arguments = ("position",)


class DerLengthInvalid(Reverted):
    """A length that is indefinite, not the shortest form, or above 65,535."""

    arguments = ("position",)


class DerTagUnexpected(Reverted):
    """An element of another type than belongs at this offset."""

    arguments = ("position", "expected", "actual")


class DerTrailing(Reverted):
    """Bytes after the last element that belongs here."""

    arguments = ("position",)


class DerIntegerInvalid(Reverted):
    """An integer that is empty, negative, not the shortest form, or too large."""

    arguments = ("position",)


class DerBooleanInvalid(Reverted):
    """A boolean that is neither 0x00 nor 0xff, or of another length than one."""

    arguments = ("position",)


class DerTimeInvalid(Reverted):
    """A time of another form than RFC 5280 allows, or no date of the calendar."""

    arguments = ("position",)


# EnclaveReport


class ReportLengthInvalid(Reverted):
    """A report is 384 bytes."""

    arguments = ("actual",)


class EnclaveInDebugMode(Reverted):
    """The enclave can be read and changed from outside."""


class EnclaveNotInitialised(Reverted):
    """The enclave was never initialised, so that nothing can have run in it."""


class EnclaveHasProvisionKey(Reverted):
    """The enclave can derive the platform's provisioning key."""


class EnclaveHasLaunchKey(Reverted):
    """The enclave can derive the launch key."""


class AttributesMismatch(Reverted):
    """Attributes other than pinned."""

    arguments = ("expected", "actual")


class MiscSelectMismatch(Reverted):
    """MISCSELECT other than pinned."""

    arguments = ("expected", "actual")


# ICollateralRegistry


class CollateralMissing(Reverted):
    """Nobody has brought it yet."""

    arguments = ("kind", "id")
    advice = "publish it: wattest collateral publish"


class CollateralExpired(Reverted):
    """Its validity or the time of its next update is over: at ``until`` it no longer counts."""

    arguments = ("kind", "id", "until")
    advice = "publish newer collateral: wattest collateral publish"


class CollateralFromFuture(Reverted):
    """Its validity has not begun, or its issue date is ahead of the chain's clock."""

    arguments = ("kind", "id", "from")


class CollateralRevoked(Reverted):
    """Its issuer has revoked the certificate, or the certificate that signed it."""

    arguments = ("kind", "id")


class CollateralTooOld(Reverted):
    """Issued longer ago than the asking policy allows."""

    arguments = ("kind", "id", "issued", "max_age_s")
    advice = "publish newer collateral: wattest collateral publish"


class CollateralNotNewer(Reverted):
    """Not newer than what is stored: a lower number, or the same number and no later date. For certificates the numbers
    are 0 and the date is the end of validity.
    """

    arguments = ("kind", "id", "stored_number", "stored_date", "number", "date")


class CertificateUnfit(Reverted):
    """The certificate may not do what its place in the chain asks of it."""

    arguments = ("kind",)


class SerialReused(Reverted):
    """The root has issued two different certificates under one serial number."""

    arguments = ("root", "serial")


class RootRenamed(Reverted):
    """The root's certificate names itself otherwise than the one stored under the same key."""

    arguments = ("expected", "actual")


class StatementSignatureInvalid(Reverted):
    """The TCB signing key did not sign this text."""

    arguments = ("kind",)


class TooManySigners(Reverted):
    """One root has at most 65,535 TCB signing keys."""


# IDcapVerifier


class VerifierMisconfigured(Reverted):
    """The collateral registry is no contract."""


class EvidenceMalformed(Reverted):
    """Evidence is shorter than its parts, or of an unknown form."""


class PckCertificateUnknown(Reverted):
    """No certificate with these facts was verified here: bring the certificate itself."""

    arguments = ("pck",)
    advice = "bring the certificate itself once"


class PckCertificateExpired(Reverted):
    """The PCK certificate's validity is over."""

    arguments = ("until", "now_s")
    advice = "fetch the platform's new certificate"


class ReportDataMismatch(Reverted):
    """The report data does not bind this key to this chain, referee, channel, operator and nonce."""

    arguments = ("expected", "actual")


class MeasurementMismatch(Reverted):
    """The quote is of another enclave than the verdict says."""

    arguments = ("expected", "actual")


class PlatformMismatch(Reverted):
    """The quote is of another platform than the verdict says."""

    arguments = ("expected", "actual")


class VerdictTooOld(Reverted):
    """The verdict was issued over an hour ago."""

    arguments = ("issued_at", "now_s")
    advice = "make new evidence and register it within the hour"


class PolicyMissing(Reverted):
    """The channel's manager has set no policy."""

    arguments = ("referee", "channel")
    advice = "the channel's manager sets one: wattest chain policy set"


class PolicyDigestMismatch(Reverted):
    """The verdict cites another policy than the one in force."""

    arguments = ("expected", "actual")


class RootNotIntel(Reverted):
    """A production policy takes Intel's root only."""

    arguments = ("root",)


class EnclaveUnwanted(Reverted):
    """No reference of the policy names this enclave, in this trust domain, for this workload."""

    arguments = ("root", "measurement", "workload")


class ReferenceEnds(Reverted):
    """The reference ends before the registration would."""

    arguments = ("until", "expires_at")


class PlatformUnlisted(Reverted):
    """The platform is not on the policy's list."""

    arguments = ("platform",)


class TcbStatusRefused(Reverted):
    """The platform's status is not allowed with these advisories, or no longer."""

    arguments = ("status", "advisories")
    advice = "update the platform, or have the manager allow the status"


class QeStatusRefused(Reverted):
    """The quoting enclave's status is not allowed with these advisories, or no longer."""

    arguments = ("status", "advisories")


class EvaluationNumberTooLow(Reverted):
    """TCB info or QE identity has a lower evaluation number than the policy asks for."""

    arguments = ("least", "actual")


class NotPolicyManager(Reverted):
    """Only the channel's manager, as its referee names it, decides on its policy."""

    arguments = ("caller",)


class PolicyInvalid(Reverted):
    """A policy that allows what none may allow, or contradicts itself; ``part`` says which field."""

    arguments = ("part",)


class PolicyInForce(Reverted):
    """There is a policy: queue the next one."""

    arguments = ("version",)


class PolicyNotQueued(Reverted):
    """No policy is queued, or another one."""


class PolicyNotReady(Reverted):
    """The queued policy must wait."""

    arguments = ("ready_at", "now_s")


class PolicyEntryMissing(Reverted):
    """The policy in force does not have this entry."""


class LimitLoosened(Reverted):
    """A limit would get looser."""


class EvidenceNotRegistered(Reverted):
    """The quote is not the one that the key was last registered with."""

    arguments = ("expected", "actual")


class WorkloadNotActive(Reverted):
    """The key is not active with this workload: it commits nothing that revoking it would stop."""

    arguments = ("workload",)


class NothingAgainst(Reverted):
    """Nothing known speaks against the registration now. Missing and expired collateral do not."""


# JsonText


class JsonUnexpected(Reverted):
    """Another text than belongs at this offset, or none."""

    arguments = ("position",)


# PckCertificate


class PckCertificateUnfit(Reverted):
    """An authority's certificate, or one whose key may not sign."""


# QeIdentity


class QeIdentityTooLong(Reverted):
    """More than MAX_BYTES."""

    arguments = ("maximum", "actual")


class TooManyQeLevels(Reverted):
    """More than MAX_LEVELS."""


class QeLevelsNotDescending(Reverted):
    """SVNs must fall from level to level."""

    arguments = ("position",)


# QeTable


class QeSignerMismatch(Reverted):
    """The quoting enclave is by another signer."""

    arguments = ("expected", "actual")


class QeProductMismatch(Reverted):
    """The quoting enclave is another product of its signer's."""

    arguments = ("expected", "actual")


class QeLevelMissing(Reverted):
    """The quoting enclave is older than any level."""

    arguments = ("svn",)


# QuoteSignatures


class QeReportSignatureInvalid(Reverted):
    """The PCK key did not sign the quoting enclave's report."""


class AttestationKeyForeign(Reverted):
    """The quoting enclave vouched for another attestation key or other authentication data."""


class ReportSignatureInvalid(Reverted):
    """The attestation key did not sign this header and report."""


# SgxExtension


class SgxExtensionMissing(Reverted):
    """The certificate has no SGX extension: it is no PCK certificate."""


class SgxFieldUnexpected(Reverted):
    """Another field than the profile puts at this offset."""

    arguments = ("position",)


class SgxFieldInvalid(Reverted):
    """A field of another size, or a number out of its range."""

    arguments = ("position",)


# SgxQuote


class QuoteLengthInvalid(Reverted):
    """Fewer or more bytes than header, reports, signatures and authentication data have."""

    arguments = ("expected", "actual")


class AuthenticationDataTooLong(Reverted):
    """Authentication data above MAX_AUTHENTICATION_BYTES."""

    arguments = ("maximum", "actual")


class QuoteKindUnknown(Reverted):
    """Not version 3 with a P-256 attestation key and an SGX enclave."""

    arguments = ("actual",)


class QeVendorUnknown(Reverted):
    """A quoting enclave of another vendor."""

    arguments = ("actual",)


# TcbInfo


class TcbInfoTooLong(Reverted):
    """More than MAX_BYTES."""

    arguments = ("maximum", "actual")


class TooManyTcbLevels(Reverted):
    """More than MAX_LEVELS."""


# TcbStatus


class TcbStatusUnknown(Reverted):
    """A status that is none of TcbStatus."""

    arguments = ("position",)


class TooManyAdvisories(Reverted):
    """More than MAX_ADVISORIES."""


# TcbTable


class TcbLevelMissing(Reverted):
    """No level fits the platform."""

    arguments = ("components", "pce_svn")


# X509Certificate


class CertificateTooLong(Reverted):
    """More than MAX_BYTES."""

    arguments = ("maximum", "actual")


class CertificateVersionUnknown(Reverted):
    """Not version 3."""

    arguments = ("version",)


class SerialInvalid(Reverted):
    """A serial number of zero or above 20 octets (RFC 5280, 4.1.2.2)."""


class PublicKeyUnknown(Reverted):
    """The key is not an uncompressed P-256 point."""

    arguments = ("position",)


class CriticalExtensionUnknown(Reverted):
    """A critical extension that nothing here understands."""

    arguments = ("position",)


class ExtensionRepeated(Reverted):
    """The same extension a second time."""

    arguments = ("position",)


class TooManyExtensions(Reverted):
    """More than MAX_EXTENSIONS."""


class ExtensionMalformed(Reverted):
    """An extension whose value is not what its type says."""

    arguments = ("position",)


# X509RevocationList


class RevocationListTooLong(Reverted):
    """More than MAX_BYTES."""

    arguments = ("maximum", "actual")


class RevocationListVersionUnknown(Reverted):
    """Not version 2."""

    arguments = ("version",)


class RevocationListNumberMissing(Reverted):
    """A list without a number cannot be told from an older one."""


class RevocationListNumberInvalid(Reverted):
    """A number above 20 octets (RFC 5280, 5.2.3)."""

    arguments = ("position",)


class RevocationListDatesInvalid(Reverted):
    """nextUpdate is not after thisUpdate."""

    arguments = ("this_update", "next_update")


# X509Signature


class SignatureAlgorithmUnknown(Reverted):
    """Another algorithm than ecdsa-with-SHA256."""

    arguments = ("position",)


class SignatureMalformed(Reverted):
    """A bit string that is no DER signature of two integers."""

    arguments = ("position",)


DCAP_REVERTS: dict[str, type[Reverted]] = reverts_in(__name__)
