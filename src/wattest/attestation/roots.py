"""Trust roots: whose certificate a quote's chain must end in.

Decided here: the two roots that ship (Intel's, and the project's published development root), how another is read, and
which kind a root is. Not decided here: which kinds a policy admits.

Invariants: kinds are told apart by the certificate itself, never by the name a caller gave it, so a simulator's root
passed as a file is still a simulator's. See docs/adr/0004-simulator-roots.md.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from wattest.attestation.formats.der import X509_FAULTS
from wattest.errors import InputError

MAX_ROOT_BYTES = 16_384
INTEL_ROOT_SHA256 = bytes.fromhex("44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3")
SHOWN_FINGERPRINT_DIGITS = 16
SIMULATOR_ORGANISATION = "wattest simulator - not Intel"


class RootMalformed(InputError):
    """A trust root that is not one P-256 certificate authority certificate."""


class RootKind(StrEnum):
    """Whose root it is: the processor vendor's, a simulator's, or someone else's."""

    INTEL = "intel"
    SIMULATOR = "simulator"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class TrustRoot:
    """A root certificate (DER) and whose it is."""

    certificate: bytes
    kind: RootKind
    name: str

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of the certificate, 32 bytes (what ``openssl x509 -fingerprint -sha256`` prints)."""
        return hashlib.sha256(self.certificate).digest()

    @property
    def shown(self) -> str:
        """The root for people: its name, which others may bear, too, and the beginning of its fingerprint."""
        return show_root(self.name, self.certificate)


def parse_root(data: bytes) -> TrustRoot:
    """Read one root certificate, PEM or DER.

    Raises:
        RootMalformed: when it is over 16 KiB, not exactly one certificate, or not a P-256 certificate authority.
    """
    if len(data) > MAX_ROOT_BYTES:
        raise RootMalformed("the root certificate is too long", actual=len(data), limit=MAX_ROOT_BYTES)
    try:
        if b"-----BEGIN" in data:
            found = x509.load_pem_x509_certificates(data)
            if len(found) != 1:
                raise ValueError(f"{len(found)} certificates where one belongs")
            certificate = found[0]
        else:
            certificate = x509.load_der_x509_certificate(data)
        authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        key = certificate.public_key()
        organisations = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        name = show_name(certificate.subject)
    except X509_FAULTS as error:
        raise RootMalformed(
            f"the root certificate cannot be read: {error}", hint="pass one X.509 certificate, PEM or DER"
        ) from error
    if not authority or not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise RootMalformed(
            "the certificate is not a P-256 certificate authority",
            hint="pass the root at the end of the quote's chain, not the platform's or the leaf certificate",
            subject=name,
        )
    der = certificate.public_bytes(Encoding.DER)
    kind = RootKind.OTHER
    if hashlib.sha256(der).digest() == INTEL_ROOT_SHA256:
        kind = RootKind.INTEL
    elif any(attribute.value == SIMULATOR_ORGANISATION for attribute in organisations):
        kind = RootKind.SIMULATOR
    return TrustRoot(der, kind, name)


def show_name(name: x509.Name) -> str:
    """A certificate's name for people: at most 200 printable ASCII characters, whatever a stranger wrote into it."""
    text = name.rfc4514_string()
    return "".join(character if " " <= character <= "~" else "?" for character in text[:200])


def show_root(name: str, certificate: bytes) -> str:
    """A root's or CA's name with the first 8 bytes of the SHA-256 of its certificate (DER): two may bear one name."""
    return f"'{name}' (SHA-256 {hashlib.sha256(certificate).hexdigest()[:SHOWN_FINGERPRINT_DIGITS]})"


@cache
def intel_root() -> TrustRoot:
    """Intel's SGX root CA, as it ships; its digest is pinned in this module."""
    return _shipped("intel_sgx_root.pem", RootKind.INTEL)


@cache
def development_root() -> TrustRoot:
    """The project's published development root: its private key is public, so it vouches for nothing."""
    return _shipped("simulator_root.pem", RootKind.SIMULATOR)


def _shipped(name: str, kind: RootKind) -> TrustRoot:
    root = parse_root(resources.files("wattest.attestation").joinpath("certificates", name).read_bytes())
    if root.kind is not kind:
        raise RuntimeError(f"the shipped file {name} is not the {kind} root: the installation is damaged")
    return root
