"""ECDSA over P-256 (FIPS 186-5), as meters sign: public key X || Y, signature r || s with s low, digests only.

Decided here: signing is deterministic (RFC 6979), so one digest has one signature and no randomness is needed;
verifying is strict; parsed public keys are cached, since a meter's key comes again every day. Not decided here: what is
hashed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from wattest.crypto._ecdsa import Group, check_digest
from wattest.crypto.errors import PublicKeyInvalid

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

_GROUP = Group("P-256", ORDER)
_PREHASHED = utils.Prehashed(hashes.SHA256())
_SIGN = ec.ECDSA(_PREHASHED, deterministic_signing=True)
_VERIFY = ec.ECDSA(_PREHASHED)
_CACHED_KEYS = 8192


class P256PrivateKey:
    """A meter's private key; it shows and gives away only its public half."""

    __slots__ = ("_key", "public_key")

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.public_key = point[1:]

    @classmethod
    def from_seed(cls, seed: bytes) -> P256PrivateKey:
        """The key whose scalar is these 32 big-endian bytes; pass fresh random bytes.

        Raises:
            KeyMaterialInvalid: not 32 bytes, or not in 1 .. n - 1 (one draw in 2**32: draw again).
        """
        return cls(ec.derive_private_key(_GROUP.scalar(seed), ec.SECP256R1()))

    def sign_digest(self, digest: bytes) -> bytes:
        """Signs a 32-byte SHA-256 digest; 64 bytes r || s, s low, the same each time (RFC 6979).

        Raises:
            BufferRefused: a digest that is not 32 bytes.
        """
        check_digest(digest)
        return _GROUP.join(*utils.decode_dss_signature(self._key.sign(digest, _SIGN)))

    def __repr__(self) -> str:
        return f"P256PrivateKey(public_key={self.public_key.hex()})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a private key is not pickled or copied")


def verify_digest(public_key: bytes, digest: bytes, signature: bytes) -> None:
    """Checks a 64-byte signature over a 32-byte digest under X || Y.

    Raises:
        PublicKeyInvalid: not 64 bytes, or no point of the curve.
        SignatureInvalid: not 64 bytes, r or s out of range, s in the upper half, or it does not hold.
        BufferRefused: a digest that is not 32 bytes.
    """
    check_digest(digest)
    r, s = _GROUP.parse_strict(signature)
    try:
        _load(bytes(public_key)).verify(utils.encode_dss_signature(r, s), digest, _VERIFY)
    except InvalidSignature:
        _GROUP.refuse_signature(public_key, digest)


def verify_public_key(public_key: bytes) -> None:
    """Checks that 64 bytes are a point of the curve.

    Raises:
        PublicKeyInvalid: they are not.
    """
    _load(bytes(public_key))


def normalise_signature(signature: bytes) -> bytes:
    """The same signature with s brought into the lower half; for signers that do not do so themselves.

    Raises:
        BufferRefused: not 64 bytes, or r or s out of range.
    """
    return _GROUP.normalise(signature)


@lru_cache(maxsize=_CACHED_KEYS)
def _load(public_key: bytes) -> ec.EllipticCurvePublicKey:
    _GROUP.check_public_key(public_key)
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + public_key)
    except ValueError:
        raise PublicKeyInvalid("these 64 bytes are no point of P-256", public_key=public_key) from None
