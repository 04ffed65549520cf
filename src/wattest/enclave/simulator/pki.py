"""The simulated platform's public key infrastructure: root, platform CA, PCK certificate, TCB signing certificate.

Decided here: which keys there are, how they follow from one 32-byte seed, what the certificates say. Not decided
here: where the seed is kept (``platform``), what is signed with the keys (``collateral``, ``quoting``).

Invariants: the same seed, creation time and root give byte-identical certificates, so that a platform restored from
disk is the same platform. Every name says that it is a simulator and not Intel. The seed and what follows from it are
secrets of the simulated hardware; whoever holds them can forge any quote of this platform, and of every platform when
the root is the published one. Source: Intel SGX PCK Certificate and CRL Profile Specification.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from importlib import resources

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID

from wattest.enclave.simulator.sgx_extension import SGX_EXTENSION_OID, PlatformFacts, encode_sgx_extension

SEED_BYTES = 32
ORGANISATION = "wattest simulator - not Intel"
# Intel's library tells the certificates' roles by phrases in these names.
ROOT_NAME = "wattest simulator SGX Root CA (not Intel)"
PLATFORM_CA_NAME = "wattest simulator SGX PCK Platform CA (not Intel)"
PCK_NAME = "wattest simulator SGX PCK Certificate (not Intel)"
TCB_SIGNING_NAME = "wattest simulator SGX TCB Signing (not Intel)"
DEVELOPMENT_ROOT_KEY = "unsafe_development_root_key.pem"

FMSPC = b"WTSIM\x00"
PCE_ID = bytes(2)
PCE_SVN = 11
CPU_SVN = bytes([5] * 16)
VALIDITY = timedelta(days=3650)
# The published root outlives every simulated clock; the demo's chain may run weeks before the wall clock.
_DEVELOPMENT_ROOT_FROM = datetime(2020, 1, 1, tzinfo=UTC)
_DEVELOPMENT_ROOT_UNTIL = datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
# Deterministic nonces (RFC 6979): the same platform signs the same bytes the same way.
SIGNATURE_ALGORITHM = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)


@dataclass(frozen=True)
class SimulatedPki:
    """Keys and certificates of one simulated platform, all derived from ``seed`` (32 bytes, secret).

    ``created_at`` is unix seconds and sets the certificates' validity, which begins a day earlier. With
    ``published_root`` the root is the development root whose private key everyone has.
    """

    seed: bytes = field(repr=False)
    created_at: int
    published_root: bool = False

    @classmethod
    def create(cls, seed: bytes, now: int, *, published_root: bool = False) -> SimulatedPki:
        """The platform that follows from a seed of 32 secret bytes and the unix time of its making."""
        if len(seed) != SEED_BYTES:
            raise ValueError(f"a platform seed has {SEED_BYTES} bytes, not {len(seed)}")
        return cls(seed, now, published_root)

    def derive_secret(self, label: str, length: int = 32) -> bytes:
        """A secret of the simulated hardware for one purpose: HKDF-SHA256 over the seed, info ``label``."""
        return HKDF(hashes.SHA256(), length, salt=b"wattest/simulator/1", info=label.encode()).derive(self.seed)

    @cached_property
    def ppid(self) -> bytes:
        """The platform's provisioning id, 16 bytes."""
        return self.derive_secret("public/ppid", 16)

    @cached_property
    def root_key(self) -> ec.EllipticCurvePrivateKey:
        """The root's private key: the platform's own, or the published one."""
        return unsafe_development_root_key() if self.published_root else self._key("root")

    @cached_property
    def platform_ca_key(self) -> ec.EllipticCurvePrivateKey:
        """The key that issues the PCK certificate and its revocation list."""
        return self._key("platform-ca")

    @cached_property
    def pck_key(self) -> ec.EllipticCurvePrivateKey:
        """The provisioning certification key: signs the quoting enclave's report."""
        return self._key("pck")

    @cached_property
    def tcb_signing_key(self) -> ec.EllipticCurvePrivateKey:
        """The key that signs TCB info and QE identity."""
        return self._key("tcb-signing")

    @cached_property
    def attestation_key(self) -> ec.EllipticCurvePrivateKey:
        """The quoting enclave's key: signs enclave reports."""
        return self._key("attestation")

    @cached_property
    def root(self) -> x509.Certificate:
        """The self-signed root certificate."""
        if self.published_root:
            return development_root_certificate()
        return _certificate(ROOT_NAME, self.root_key.public_key(), ROOT_NAME, self.root_key, self._window(), path=1)

    @cached_property
    def platform_ca(self) -> x509.Certificate:
        """The certificate below the root, one per platform."""
        return _certificate(
            PLATFORM_CA_NAME, self.platform_ca_key.public_key(), ROOT_NAME, self.root_key, self._window(), path=0
        )

    @cached_property
    def pck(self) -> x509.Certificate:
        """The platform's leaf certificate with the SGX extension."""
        facts = PlatformFacts(
            ppid=self.ppid,
            cpu_svn=CPU_SVN,
            pce_svn=PCE_SVN,
            pce_id=PCE_ID,
            fmspc=FMSPC,
            platform_instance_id=self.derive_secret("public/platform-instance", 16),
        )
        return _certificate(
            PCK_NAME,
            self.pck_key.public_key(),
            PLATFORM_CA_NAME,
            self.platform_ca_key,
            self._window(),
            sgx_extension=encode_sgx_extension(facts),
        )

    @cached_property
    def tcb_signing(self) -> x509.Certificate:
        """The certificate under which TCB info and QE identity are signed, issued by the root itself."""
        return _certificate(
            TCB_SIGNING_NAME, self.tcb_signing_key.public_key(), ROOT_NAME, self.root_key, self._window()
        )

    @property
    def pck_chain(self) -> tuple[x509.Certificate, ...]:
        """What a quote carries: leaf, platform CA, root."""
        return self.pck, self.platform_ca, self.root

    @property
    def root_certificate(self) -> bytes:
        """The root certificate, DER."""
        return self.root.public_bytes(Encoding.DER)

    @property
    def root_certificate_pem(self) -> bytes:
        """The root certificate, PEM: what ``wattest attest verify --root FILE`` takes."""
        return self.root.public_bytes(Encoding.PEM)

    def _key(self, label: str) -> ec.EllipticCurvePrivateKey:
        # 48 bytes reduced modulo n - 1: the bias is below 2^-128.
        scalar = int.from_bytes(self.derive_secret(f"key/{label}", 48), "big") % (_P256_ORDER - 1) + 1
        return ec.derive_private_key(scalar, ec.SECP256R1())

    def _window(self) -> tuple[datetime, datetime]:
        start = datetime.fromtimestamp(self.created_at, UTC) - timedelta(days=1)
        return start, start + VALIDITY


def pem_chain(*certificates: x509.Certificate) -> str:
    """Certificates as one PEM text, leaf first."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates).decode()


def unsafe_reissue(
    certificate: x509.Certificate,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    issuer: x509.Name | None = None,
    public_key: ec.EllipticCurvePublicKey | None = None,
    window: tuple[datetime, datetime] | None = None,
    replaced: tuple[x509.ExtensionType, ...] = (),
    without: tuple[x509.ObjectIdentifier, ...] = (),
) -> x509.Certificate:
    """The certificate again with something changed, signed by ``issuer_key``; for negative tests.

    ``replaced`` extensions take the place of those with their OID, ``without`` names those that are left out.
    """
    own = certificate.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(certificate.subject)
        .issuer_name(issuer or certificate.issuer)
        .public_key(public_key or own)
        .serial_number(certificate.serial_number)
        .not_valid_before(window[0] if window else certificate.not_valid_before_utc)
        .not_valid_after(window[1] if window else certificate.not_valid_after_utc)
    )
    values = {value.oid: value for value in replaced}
    for extension in certificate.extensions:
        if extension.oid not in without:
            builder = builder.add_extension(values.pop(extension.oid, extension.value), extension.critical)
    for value in values.values():
        builder = builder.add_extension(value, critical=False)
    return builder.sign(issuer_key, hashes.SHA256(), ecdsa_deterministic=True)


def sign_raw(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """An ECDSA signature over SHA-256 of the message as r || s, 64 bytes, with a deterministic nonce (RFC 6979)."""
    r, s = utils.decode_dss_signature(key.sign(message, SIGNATURE_ALGORITHM))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def public_key_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The public key as X || Y, 64 bytes."""
    numbers = key.public_key().public_numbers()
    return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


def unsafe_development_root_key() -> ec.EllipticCurvePrivateKey:
    """The published development root's private key: anyone can forge anything under it (docs/adr)."""
    data = resources.files("wattest.enclave.simulator").joinpath(DEVELOPMENT_ROOT_KEY).read_bytes()
    key = load_pem_private_key(data, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("the development root key is not an EC key")
    return key


def development_root_certificate() -> x509.Certificate:
    """The published development root; the same bytes as ``attestation.roots`` ships."""
    key = unsafe_development_root_key()
    window = (_DEVELOPMENT_ROOT_FROM, _DEVELOPMENT_ROOT_UNTIL)
    return _certificate(ROOT_NAME, key.public_key(), ROOT_NAME, key, window, path=1)


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION),
        ]
    )


def _certificate(
    name: str,
    public_key: ec.EllipticCurvePublicKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    window: tuple[datetime, datetime],
    *,
    path: int | None = None,
    sgx_extension: bytes | None = None,
) -> x509.Certificate:
    authority = path is not None
    identifier = x509.SubjectKeyIdentifier.from_public_key(public_key)
    # Serials come from what is certified: unique per key, and the same when the platform is restored.
    serial = int.from_bytes(hashlib.sha256(name.encode() + identifier.digest).digest()[:19], "big") | 1
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(window[0])
        .not_valid_after(window[1])
        .add_extension(x509.BasicConstraints(authority, path), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        # Revocation lists must cover the certificate by name, or a verifier cannot tell which list is in charge.
        .add_extension(_distribution_point(), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not authority,
                content_commitment=sgx_extension is not None,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=authority,
                crl_sign=authority,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )
    if sgx_extension is not None:
        builder = builder.add_extension(
            x509.UnrecognizedExtension(x509.ObjectIdentifier(SGX_EXTENSION_OID), sgx_extension), critical=False
        )
    return builder.sign(issuer_key, hashes.SHA256(), ecdsa_deterministic=True)


def _distribution_point() -> x509.CRLDistributionPoints:
    # A reserved name (RFC 2606) that never resolves: the lists travel inside the collateral.
    uri = x509.UniformResourceIdentifier("https://simulator.invalid/crl.der")
    return x509.CRLDistributionPoints([x509.DistributionPoint([uri], None, None, None)])
