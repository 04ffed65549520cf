"""Who issued the PCK revocation list: the chain that the collateral brings for it, held against list and root.

Decided here: that the chain is there, begins with the very CA that signed the list, leads to the trusted root and is in
force. Not decided here: whether the list is the one of the CA that issued the PCK certificate (``verification``).
dcap-qvl finds the list's issuer in the quote's own chain and never looks at this one: collateral with another
platform's chain, or none, would pass, and be good for nothing to whoever needs the chain. As with the other chains of
the collateral, the root itself may be missing. Source: Intel PCS API v4, "Get PCK CRL" (SGX-PCK-CRL-Issuer-Chain).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from wattest.attestation.formats.collateral import Collateral
from wattest.attestation.formats.der import X509_FAULTS
from wattest.attestation.result import Finding
from wattest.attestation.roots import TrustRoot, show_name, show_root

_BEGIN = "-----BEGIN CERTIFICATE-----"
_FIELD = "pck_crl_issuer_chain"
_CHAIN = f"the PCK revocation list's issuer chain ({_FIELD})"


def judge_list_issuer(collateral: Collateral, root: TrustRoot, now: int) -> Iterator[Finding]:
    """The first thing that is wrong with the PCK revocation list's issuer chain at ``now`` (unix seconds), if any."""
    try:
        chain = x509.load_pem_x509_certificates(collateral.pck_crl_issuer_chain.encode("ascii"))
        if collateral.pck_crl_issuer_chain.count(_BEGIN) != len(chain):
            raise ValueError("a certificate has no end")  # the library passes over it
        found = x509.load_der_x509_crl(collateral.pck_crl)
        yield from _judge(chain, found, root, now)
    except X509_FAULTS as error:
        shown = "is empty" if not collateral.pck_crl_issuer_chain.strip() else "cannot be read"
        yield Finding("collateral_malformed", f"{_CHAIN} {shown}: {error}", "PEM certificates", shown)


def _judge(
    chain: list[x509.Certificate], found: x509.CertificateRevocationList, root: TrustRoot, now: int
) -> Iterator[Finding]:
    issuer, top = chain[0], chain[-1]
    own, der = issuer.public_bytes(Encoding.DER), top.public_bytes(Encoding.DER)
    if top.subject == top.issuer and der != root.certificate:
        yield Finding(
            "other_root",
            f"{_CHAIN} ends in {show_root(show_name(top.subject), der)}, not in the trusted root {root.shown}",
            root.fingerprint.hex(),
            hashlib.sha256(der).hexdigest(),
        )
        return
    key = issuer.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not (
        found.issuer == issuer.subject and found.is_signature_valid(key)
    ):
        yield Finding(
            "wrong_revocation_list",
            f"{_CHAIN} begins with {show_root(show_name(issuer.subject), own)}, which did not issue the list",
            actual=hashlib.sha256(own).hexdigest(),  # the right one may bear the same name
        )
        return
    try:
        issuer.verify_directly_issued_by(x509.load_der_x509_certificate(root.certificate))
    except (InvalidSignature, ValueError):  # by another key than the root's, or in another name
        yield Finding(
            "certificate_chain",
            f"{_CHAIN} does not lead to the trusted root {root.shown}",
            root.fingerprint.hex(),
        )
        return
    if not issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
        yield Finding("certificate_chain", f"{_CHAIN} begins with a certificate that may not issue lists")
        return
    begins, until = int(issuer.not_valid_before_utc.timestamp()), int(issuer.not_valid_after_utc.timestamp())
    if now < begins:
        yield Finding("certificate_not_yet_valid", f"{_CHAIN}: its CA's certificate is not yet valid", begins, now)
    if now > until:
        yield Finding("certificate_expired", f"{_CHAIN}: its CA's certificate has expired", until, now)
