"""Evidence as ``DcapVerifier`` takes it: a quote without its certificates, and its PCK certificate once, then its
facts.

Decided here: the bytes, and how they are read from a quote as a machine makes it. Not decided here: whether any of it
is genuine: the contract judges. Invariant: the facts packed here are those that the contract packs, so that the same
hash names them. Specification: docs/spec/dcap-on-chain.md, section "Evidence".
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import dcap_qvl
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from wattest.attestation.evidence import PLATFORM_ID_TAG, Evidence
from wattest.attestation.formats.collateral import Collateral
from wattest.attestation.formats.der import X509_FAULTS
from wattest.attestation.formats.quote import CERTIFICATION_PCK_CHAIN, TeeType
from wattest.crypto.hashing import keccak256
from wattest.errors import InputError

FACTS_BYTES = 198
MAX_CERTIFICATE_BYTES = 4_096
_KNOWN, _CERTIFICATE = b"\x01", b"\x02"
_CERTIFICATE_AT = 1 + 32 + 32 + 2
_AUTHENTICATION_LENGTH, _AUTHENTICATION = 1012, 1014
_SGX = "1.2.840.113741.1.13.1"


class EvidenceNotForChain(InputError):
    """The contract takes SGX quotes of version 3 that carry their PCK certificate chain, and nothing else."""


@dataclass(frozen=True, slots=True)
class PckFacts:
    """What the contract keeps of a PCK certificate (as a hash): who issued it, its key, and the platform it names.

    ``root`` and ``authority`` are the collateral registry's 32-byte names, ``public_key`` X||Y, ``not_after`` unix
    seconds.
    """

    root: bytes
    authority: bytes
    public_key: bytes
    serial: int
    ppid: bytes
    components: bytes
    pce_svn: int
    pce_id: bytes
    fmspc: bytes
    not_after: int

    def pack(self) -> bytes:
        """The facts in 198 bytes."""
        return b"".join(
            (
                self.root,
                self.authority,
                self.public_key,
                self.serial.to_bytes(20, "big"),
                self.ppid,
                self.components,
                self.pce_svn.to_bytes(2, "big"),
                self.pce_id,
                self.fmspc,
                self.not_after.to_bytes(8, "big"),
            )
        )

    @property
    def id(self) -> bytes:
        """The 32 bytes that name the certificate on chain."""
        return keccak256(self.pack())

    @property
    def platform(self) -> bytes:
        """The platform's 32-byte id, as ``attestation.evidence.platform_id`` computes it."""
        return hashlib.sha256(PLATFORM_ID_TAG + self.root + self.ppid).digest()


@dataclass(frozen=True, slots=True)
class ChainEvidence:
    """A quote as the contract takes it, its PCK certificate and the root that its chain ends in (DER)."""

    quote: bytes
    certificate: bytes
    root_certificate: bytes
    facts: PckFacts

    def first(self) -> bytes:
        """With the certificate: what a platform brings that the contract has not seen."""
        head = _CERTIFICATE + self.facts.root + self.facts.authority
        return head + len(self.certificate).to_bytes(2, "big") + self.certificate + self.quote

    def next(self) -> bytes:
        """With the facts of a certificate that the contract has verified."""
        return _KNOWN + self.facts.pack() + self.quote

    def revocation(self, nonce: bytes, workload: bytes) -> bytes:
        """What shows that a registration must end: the nonce that its quote binds and the workload of its key, 32
        bytes."""
        return nonce + workload + self.next()


def chain_quote(evidence: Evidence) -> bytes:
    """The quote up to its authentication data: all that is signed, and the signatures.

    Raises: EvidenceNotForChain.
    """
    quote = evidence.quote
    if quote.header.version != 3 or quote.header.tee_type is not TeeType.SGX:
        raise EvidenceNotForChain(
            "the quote is of another kind than the contract reads",
            version=quote.header.version,
            tee=quote.header.tee_type.name,
            hint="register with appraisers, or make SGX quotes of version 3",
        )
    size = int.from_bytes(quote.raw[_AUTHENTICATION_LENGTH:_AUTHENTICATION], "little")
    return quote.raw[: _AUTHENTICATION + size]


def chain_evidence(evidence: Evidence, collateral: Collateral | None = None) -> ChainEvidence:
    """Take a quote and its certificate chain apart; a chain in the collateral comes first, as in appraisal.

    Raises: EvidenceNotForChain.
    """
    quote = chain_quote(evidence)
    pem = collateral.pck_certificate_chain if collateral is not None else None
    if pem is None and evidence.quote.certification_type != CERTIFICATION_PCK_CHAIN:
        raise EvidenceNotForChain("the quote does not carry its PCK certificate chain")
    text = pem.encode() if pem is not None else evidence.quote.certification_data.rstrip(b"\x00")
    try:
        leaf, authority, *_, root = x509.load_pem_x509_certificates(text)
        root_id = root_id_of(root)
        facts = _facts(leaf, root_id, authority_id_of(root_id, authority))
    except X509_FAULTS as error:
        raise EvidenceNotForChain("the quote's PCK certificate chain cannot be read", cause=str(error)) from error
    certificate = leaf.public_bytes(Encoding.DER)
    if len(certificate) > MAX_CERTIFICATE_BYTES:
        raise EvidenceNotForChain(
            "the PCK certificate is too long", expected=MAX_CERTIFICATE_BYTES, actual=len(certificate)
        )
    return ChainEvidence(quote, certificate, root.public_bytes(Encoding.DER), facts)


def registered_revocation(registered: bytes, nonce: bytes, workload: bytes) -> bytes:
    """What shows that a registration must end, made from the evidence that its transaction carried.

    ``registered`` is ``first()`` or ``next()``; ``nonce`` and ``workload`` are the verdict's, 32 bytes each. Nobody has
    to serve anything for it. Raises: EvidenceNotForChain.
    """
    if registered[:1] == _KNOWN:
        return nonce + workload + registered
    if registered[:1] != _CERTIFICATE or len(registered) < _CERTIFICATE_AT:
        raise EvidenceNotForChain("the registration carried no quote that a contract judged", length=len(registered))
    size = int.from_bytes(registered[_CERTIFICATE_AT - 2 : _CERTIFICATE_AT], "big")
    end = _CERTIFICATE_AT + size
    try:
        leaf = x509.load_der_x509_certificate(registered[_CERTIFICATE_AT:end])
        facts = _facts(leaf, registered[1:33], registered[33:65])
    except X509_FAULTS as error:
        raise EvidenceNotForChain("the registration's PCK certificate cannot be read", cause=str(error)) from error
    return nonce + workload + _KNOWN + facts.pack() + registered[end:]


def root_id_of(certificate: x509.Certificate) -> bytes:
    """The 32 bytes that name a trust domain: SHA-256 of the root key's SubjectPublicKeyInfo, DER."""
    info = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(info).digest()


def authority_id_of(root: bytes, certificate: x509.Certificate) -> bytes:
    """The 32 bytes that name a CA or a TCB signer: keccak256(root || keccak256(subject, DER) || X || Y).

    Raises: ValueError when its key is not P-256.
    """
    return keccak256(root + keccak256(certificate.subject.public_bytes()) + _point(certificate))


def _facts(leaf: x509.Certificate, root: bytes, authority: bytes) -> PckFacts:
    """Raises: one of X509_FAULTS."""
    found = dcap_qvl.parse_pck_extension_from_pem(leaf.public_bytes(Encoding.PEM))
    values = [found.get_value(f"{_SGX}.2.{component}") for component in range(1, 17)]
    facts = PckFacts(
        root=root,
        authority=authority,
        public_key=_point(leaf),
        serial=leaf.serial_number,
        ppid=bytes(found.ppid),
        components=bytes(int.from_bytes(value or b"", "big") for value in values),
        pce_svn=found.pce_svn,
        pce_id=bytes(found.pce_id),
        fmspc=bytes(found.fmspc),
        not_after=int(leaf.not_valid_after_utc.timestamp()),
    )
    if len(facts.pack()) != FACTS_BYTES:
        raise ValueError("a field has another size")
    return facts


def _point(certificate: x509.Certificate) -> bytes:
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("a key is not P-256")
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]
