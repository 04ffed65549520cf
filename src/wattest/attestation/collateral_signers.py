"""Who signed TCB info and QE identity: the certificate must be the vendor's for that purpose, not just under its root.

Decided here: by which marks a TCB signing certificate is known. Not decided here: whether its chain and signature hold
(``verification``). dcap-qvl takes any certificate that leads to the root: with the key of one PCK certificate, which a
broken platform gives away, a host could then write its own TCB info. Source: Intel SGX PCK Certificate and CRL Profile
Specification; Intel PCS API v4, "Get SGX TCB Info" (TCB-Info-Issuer-Chain).
"""

from __future__ import annotations

from collections.abc import Iterator

from cryptography import x509
from cryptography.x509.oid import NameOID

from wattest.attestation.formats.collateral import Collateral
from wattest.attestation.formats.der import X509_FAULTS
from wattest.attestation.result import Finding
from wattest.attestation.roots import show_name

# The phrases by which Intel's certificates, and the simulator's, name their roles.
SIGNER_PHRASE, ROOT_PHRASE = "SGX TCB Signing", "SGX Root CA"
SGX_EXTENSION = x509.ObjectIdentifier("1.2.840.113741.1.13.1")


def judge_signers(collateral: Collateral) -> Iterator[Finding]:
    """One finding for each of TCB info and QE identity whose first certificate is not a TCB signing certificate."""
    for what, chain in (
        ("TCB info", collateral.tcb_info_issuer_chain),
        ("QE identity", collateral.qe_identity_issuer_chain),
    ):
        try:
            signer = x509.load_pem_x509_certificates(chain.encode())[0]
            shown, is_signer = show_name(signer.subject), _is_tcb_signer(signer)
        except X509_FAULTS:
            yield Finding("collateral_signer", f"the certificate that signs the {what} cannot be read")
            continue
        if not is_signer:
            yield Finding(
                "collateral_signer", f"the {what} is signed by '{shown}', which is no TCB signing certificate"
            )


def _is_tcb_signer(certificate: x509.Certificate) -> bool:
    extensions = certificate.extensions
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    authority = extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    return (
        usage.digital_signature
        and not authority
        and all(extension.oid != SGX_EXTENSION for extension in extensions)
        and _is_named(certificate.subject, SIGNER_PHRASE)
        and _is_named(certificate.issuer, ROOT_PHRASE)
    )


def _is_named(name: x509.Name, phrase: str) -> bool:
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return len(common) == 1 and phrase in str(common[0].value)
