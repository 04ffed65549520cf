"""ECDSA over secp256k1, as Ethereum verifies it: one ecrecover per batch.

Decided here: signatures r || s || v with v in {27, 28} and s low; an address is the last 20 bytes of
``keccak256(X || Y)``; signing is deterministic (RFC 6979). Not decided here: what is hashed.
"""

from __future__ import annotations

from typing import NoReturn

from coincurve import PrivateKey, PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from wattest.crypto._ecdsa import Group, check_digest
from wattest.crypto.errors import PublicKeyInvalid, SignatureInvalid
from wattest.crypto.hashing import keccak256

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
RECOVERABLE_BYTES = 65
ADDRESS_BYTES = 20

_GROUP = Group("secp256k1", ORDER)
_V_OFFSET = 27


class Secp256k1PrivateKey:
    """An enclave's or account's private key; it shows and gives away only its public half."""

    __slots__ = ("_key", "address", "public_key")

    def __init__(self, key: PrivateKey) -> None:
        self._key = key
        self.public_key = key.public_key.format(compressed=False)[1:]
        self.address = address_of(self.public_key)

    @classmethod
    def from_seed(cls, seed: bytes) -> Secp256k1PrivateKey:
        """The key whose scalar is these 32 big-endian bytes; pass fresh random bytes.

        Raises:
            KeyMaterialInvalid: not 32 bytes, or not in 1 .. n - 1.
        """
        _GROUP.scalar(seed)
        return cls(PrivateKey(bytes(seed)))

    def sign_digest(self, digest: bytes) -> bytes:
        """Signs a 32-byte digest; 65 bytes r || s || v, s low, v in {27, 28}, the same each time (RFC 6979).

        Raises:
            BufferRefused: a digest that is not 32 bytes.
        """
        check_digest(digest)
        signature = self._key.sign_recoverable(bytes(digest), hasher=None)
        if signature[64] > 1:  # r overflowed n: one signature in 2**127, and Ethereum has no v for it
            raise SignatureInvalid("this digest has no signature that Ethereum can recover")
        return signature[:64] + bytes([_V_OFFSET + signature[64]])

    def __repr__(self) -> str:
        return f"Secp256k1PrivateKey(address=0x{self.address.hex()})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a private key is not pickled or copied")


def address_of(public_key: bytes) -> bytes:
    """The 20-byte address of a 64-byte public key.

    Raises:
        PublicKeyInvalid: not 64 bytes.
    """
    _GROUP.check_public_key(public_key)
    return keccak256(public_key)[12:]


def recover_public_key(digest: bytes, signature: bytes) -> bytes:
    """The 64-byte public key that made a 65-byte signature over a 32-byte digest.

    Any well-formed signature recovers *some* key: compare it with the one expected.

    Raises:
        SignatureInvalid: not 65 bytes, v not 27 or 28, r or s out of range, s high, or no point at r.
        BufferRefused: a digest that is not 32 bytes.
    """
    check_digest(digest)
    if len(signature) != RECOVERABLE_BYTES:
        raise SignatureInvalid(
            "a recoverable signature has 65 bytes", expected=RECOVERABLE_BYTES, actual=len(signature)
        )
    if signature[64] not in (_V_OFFSET, _V_OFFSET + 1):
        raise SignatureInvalid("v is 27 or 28", expected="27 or 28", actual=signature[64])
    compact = bytes(signature[:64])
    _GROUP.parse_strict(compact)
    try:
        key = PublicKey.from_signature_and_message(
            compact + bytes([signature[64] - _V_OFFSET]), bytes(digest), hasher=None
        )
    except Exception as error:  # coincurve raises bare Exception for "no such point"
        raise SignatureInvalid("no public key recovers from this signature", digest=digest) from error
    return key.format(compressed=False)[1:]


def recover_address(digest: bytes, signature: bytes) -> bytes:
    """The 20-byte address that made a 65-byte signature, exactly as ``ecrecover`` with a strict form.

    Raises:
        SignatureInvalid, BufferRefused: as ``recover_public_key``.
    """
    return address_of(recover_public_key(digest, signature))


def verify_digest(public_key: bytes, digest: bytes, signature: bytes) -> None:
    """Checks a 64-byte signature over a 32-byte digest under X || Y.

    Raises:
        PublicKeyInvalid: not 64 bytes, or no point of the curve.
        SignatureInvalid: not 64 bytes, r or s out of range, s in the upper half, or it does not hold.
        BufferRefused: a digest that is not 32 bytes.
    """
    check_digest(digest)
    r, s = _GROUP.parse_strict(signature)
    if not _load(public_key).verify(encode_dss_signature(r, s), bytes(digest), hasher=None):
        _GROUP.refuse_signature(public_key, digest)


def verify_public_key(public_key: bytes) -> None:
    """Checks that 64 bytes are a point of the curve.

    Raises:
        PublicKeyInvalid: they are not.
    """
    _load(public_key)


def normalise_signature(signature: bytes) -> bytes:
    """The same 64-byte signature r || s with s brought into the lower half.

    Raises:
        BufferRefused: not 64 bytes, or r or s out of range.
    """
    return _GROUP.normalise(signature)


def _load(public_key: bytes) -> PublicKey:
    _GROUP.check_public_key(public_key)
    try:
        return PublicKey(b"\x04" + bytes(public_key))
    except ValueError:
        raise PublicKeyInvalid("these 64 bytes are no point of secp256k1", public_key=public_key) from None
