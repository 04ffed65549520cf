"""The platform model that collateral is for: TEE, FMSPC, and which CA issued the PCK certificate.

Decided here: how the model is read from a quote's own PCK certificate. Not decided here: whether that certificate is
genuine; a model read from a forged quote only leads to collateral that does not fit anything.
Source: Intel SGX PCK Certificate and CRL Profile Specification (FMSPC in extension 1.2.840.113741.1.13.1; the issuing
CA is told by its name).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

import dcap_qvl
from cryptography import x509
from cryptography.x509.oid import NameOID

from wattest.attestation.evidence import Evidence
from wattest.attestation.formats.der import X509_FAULTS
from wattest.attestation.formats.quote import CERTIFICATION_PCK_CHAIN, TeeType
from wattest.errors import InputError

_FMSPC = re.compile(r"[0-9a-fA-F]{12}\Z")


class PlatformModelUnknown(InputError):
    """A quote or text from which the platform model cannot be read."""


class Tee(StrEnum):
    """The kind of enclave."""

    SGX = "sgx"
    TDX = "tdx"


class PckAuthority(StrEnum):
    """Which of the vendor's two CAs issues a platform's PCK certificates."""

    PROCESSOR = "processor"
    PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class PlatformModel:
    """What collateral is asked for by; ``fmspc`` has 6 bytes."""

    tee: Tee
    fmspc: bytes
    authority: PckAuthority

    def __str__(self) -> str:
        return f"{self.tee.upper()} platforms with FMSPC {self.fmspc.hex()} under the {self.authority} CA"


def parse_fmspc(text: str) -> bytes:
    """An FMSPC of 12 hex digits, in either case as vendors write it."""
    if not _FMSPC.match(text):
        raise PlatformModelUnknown("an FMSPC has 12 hex digits", actual=text[:32], hint="such as 00a067110000")
    return bytes.fromhex(text)


def model_of(evidence: Evidence) -> PlatformModel:
    """The model of the platform that made a quote.

    Raises:
        PlatformModelUnknown: the quote carries no readable PCK certificate chain, or one of neither CA.
    """
    quote = evidence.quote
    if quote.certification_type != CERTIFICATION_PCK_CHAIN:
        raise PlatformModelUnknown(
            "the quote carries no PCK certificate",
            hint="name the platform by --tee, --fmspc and --ca",
            certification_type=quote.certification_type,
        )
    try:
        fmspc = bytes(dcap_qvl.parse_pck_extension_from_pem(quote.certification_data).fmspc)
        leaf = x509.load_pem_x509_certificates(quote.certification_data.rstrip(b"\x00"))[0]
        names = leaf.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
        issuer = str(names[0].value) if names else ""
    except X509_FAULTS as error:
        raise PlatformModelUnknown(
            "the quote's PCK certificate cannot be read", hint="name the platform by --tee, --fmspc and --ca"
        ) from error
    tee = Tee.SGX if quote.header.tee_type is TeeType.SGX else Tee.TDX
    return PlatformModel(tee, fmspc, authority_named(issuer))


def authority_named(common_name: str) -> PckAuthority:
    """Which CA a certificate's common name says it is.

    Raises:
        PlatformModelUnknown: neither, or both.
    """
    found = [each for each in PckAuthority if f"PCK {each.value} CA".lower() in common_name.lower()]
    if len(found) != 1:
        raise PlatformModelUnknown(
            "the PCK certificate is issued by neither the processor nor the platform CA",
            actual="".join(character if " " <= character <= "~" else "?" for character in common_name[:100]),
        )
    return found[0]
