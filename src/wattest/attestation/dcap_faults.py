"""Names for what dcap-qvl complains about: a stable code and a sentence for people.

Decided here: the codes. dcap-qvl gives its errors as text that may change between releases, so an unknown text is still
a refusal, only a nameless one. Each code is made to happen in tests.
"""

from __future__ import annotations

# dcap-qvl's words -> (code, what it means, in words for people). First match wins: inner causes come before wrappers.
_FAULTS: tuple[tuple[str, str, str], ...] = (
    (
        "QE report validation failed",
        "qe_attributes",
        "the quoting enclave itself is a debug enclave or has odd attributes",
    ),
    ("Debug mode is enabled", "debug", "every signature holds, but the host can read a debug enclave's memory"),
    ("TCB status is invalid: Revoked", "tcb_revoked", "the vendor revoked this platform's or quoting enclave's level"),
    ("CertRevoked", "certificate_revoked", "a certificate in the chain is on a revocation list"),
    ("CrlExpired", "collateral_expired", "a revocation list in the collateral has expired"),
    ("TCBInfo expired", "collateral_expired", "the TCB info in the collateral has expired"),
    ("QE Identity expired", "collateral_expired", "the QE identity in the collateral has expired"),
    ("issue date is in the future", "collateral_from_future", "the collateral was issued after the time of appraisal"),
    ("CertNotValidYet", "certificate_not_yet_valid", "a certificate is not yet valid at the time of appraisal"),
    ("CertExpired", "certificate_expired", "a certificate has expired at the time of appraisal"),
    ("UnknownRevocationStatus", "wrong_revocation_list", "no revocation list in the collateral is by the issuing CA"),
    ("Signature is invalid for tcb_info", "tcb_info_signature", "the TCB info was altered, or signed by someone else"),
    ("Signature is invalid for qe_identity", "qe_identity_signature", "the QE identity was altered or never signed"),
    (
        "Signature is invalid for qe_report",
        "qe_report_signature",
        "the quoting enclave's report is not signed by the PCK",
    ),
    ("QE report hash mismatch", "attestation_key", "the quoting enclave never vouched for this attestation key"),
    ("ISV enclave report signature", "report_signature", "the report was altered: its signature does not hold"),
    ("Fmspc mismatch", "fmspc_mismatch", "the collateral is for another platform model (FMSPC)"),
    ("No matching TCB level", "no_tcb_level", "the platform is below every level that the vendor knows"),
    ("QE ISVSVN", "qe_below_minimum", "the quoting enclave is older than every level that the vendor knows"),
    ("QE MRSIGNER", "qe_identity_mismatch", "the quoting enclave is not the one that the QE identity describes"),
    ("QE ISVPRODID", "qe_identity_mismatch", "the quoting enclave is not the one that the QE identity describes"),
    ("QE ATTRIBUTES", "qe_identity_mismatch", "the quoting enclave is not the one that the QE identity describes"),
    ("QE MISCSELECT", "qe_identity_mismatch", "the quoting enclave is not the one that the QE identity describes"),
    (
        "QE Identity id/version",
        "collateral_of_other_kind",
        "the collateral is for another kind of enclave (SGX or TDX)",
    ),
    (
        "TCB info in the collateral",
        "collateral_of_other_kind",
        "the collateral is for another kind of enclave (SGX or TDX)",
    ),
    ("unknown variant", "unknown_tcb_status", "the collateral names a TCB status that is not known"),
    ("Unrecognized TCB status", "unknown_tcb_status", "the collateral names a TCB status that is not valid there"),
    ("Invalid TDX module tcbDate", "collateral_malformed", "a date of a TDX module in the collateral cannot be read"),
    ("Failed to decode tdxModule", "collateral_malformed", "a TDX module in the collateral cannot be read"),
    ("has invalid length", "collateral_malformed", "a field of a TDX module in the collateral has a wrong length"),
    ("Failed to decode TCB FMSPC", "collateral_malformed", "the TCB info's FMSPC cannot be read"),
    ("TDX module", "tdx_module", "the TDX module is not one that the collateral describes"),
    ("QE vendor", "unknown_qe_vendor", "the quoting enclave is not Intel's kind"),
    ("must have version", "quote_version", "the quote's version does not fit its kind of enclave"),
    (
        "Unsupported DCAP PCK cert format",
        "no_pck_certificate",
        "neither quote nor collateral holds the PCK certificate",
    ),
    ("TD profiling is enabled", "debug", "every signature holds, but the host can profile the trust domain"),
    ("TD migration is enabled", "td_attributes", "the trust domain can be migrated to another platform"),
    ("SERVTD_EXT", "td_attributes", "the trust domain is bound to service domains"),
    ("SEPT_VE_DISABLE", "td_attributes", "the trust domain lets its host take pages away (SEPT_VE_DISABLE is off)"),
    ("in TD attributes", "td_attributes", "reserved bits are set in the trust domain's attributes"),
    ("MR service TD", "td_attributes", "the trust domain is bound to service domains"),
    ("Intel extension", "certificate_malformed", "the PCK certificate lacks the SGX extension, or a part of it"),
    ("Failed to decode DER object", "certificate_malformed", "the PCK certificate's SGX extension cannot be read"),
    ("length mismatch", "certificate_malformed", "a field of the PCK certificate's SGX extension has a wrong length"),
    ("component count", "collateral_malformed", "a TCB level in the collateral does not name sixteen components"),
    ("No TCB levels", "collateral_malformed", "the collateral has no TCB level at all"),
    ("PCK certificate", "certificate_malformed", "the PCK certificate cannot be read"),
    ("Failed to parse certs", "certificate_malformed", "a certificate chain cannot be read"),
    ("leaf certificate", "certificate_malformed", "a signing certificate in the collateral cannot be read"),
    ("issue date", "collateral_malformed", "a date in the collateral cannot be read"),
    ("next update", "collateral_malformed", "a date in the collateral cannot be read"),
    ("root CA CRL", "other_root", "the collateral's root revocation list is not by the trusted root"),
    ("PCK CRL", "collateral_malformed", "the PCK revocation list cannot be read"),
    ("UnknownIssuer", "other_root", "the certificate chain does not end in the trusted root"),
    ("Failed to verify certificate chain", "certificate_chain", "the certificate chain does not hold"),
    ("Certificate chain is too short", "certificate_chain", "a certificate chain is missing"),
    ("Failed to decode TcbInfo", "collateral_malformed", "the TCB info cannot be read"),
    ("Failed to decode QeIdentity", "collateral_malformed", "the QE identity cannot be read"),
    ("Invalid key length", "signature_length", "a signature in the collateral has a wrong length"),
)


def name_fault(said: str) -> tuple[str, str]:
    """The code and meaning of dcap-qvl's error text."""
    for words, code, meaning in _FAULTS:
        if words in said:
            return code, meaning
    return "not_genuine", "the evidence does not hold"
