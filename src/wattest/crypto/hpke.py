"""Keys wrapped for one reader: HPKE base mode, single shot (RFC 9180).

Decided here: the suite, DHKEM(X25519, HKDF-SHA256) with HKDF-SHA256 and AES-256-GCM (ids 0x0020, 0x0001, 0x0002), empty
associated data, and the form ``enc[32] || ciphertext[32 + 16]`` = 80 bytes for a 32-byte key. Not decided here: what
``info`` says; the caller binds channel, period and reader there. The ephemeral key comes from the operating system,
inside the library: the one place on this floor that draws randomness, since HPKE has no form without it.
"""

from __future__ import annotations

from typing import NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from wattest.crypto.errors import AuthenticationFailed, BufferRefused, KeyMaterialInvalid, PublicKeyInvalid

PUBLIC_KEY_BYTES = 32
WRAPPED_KEY_BYTES = 32
WRAPPED_BYTES = PUBLIC_KEY_BYTES + WRAPPED_KEY_BYTES + 16
INFO_MAX_BYTES = 1024

# u of every point of order 1, 2, 4 or 8 on the curve and its twist, and those that are the same modulo p.
_P = 2**255 - 19
_ORDER_8 = (
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
)
_SMALL_ORDER = frozenset({0, 1, *_ORDER_8, _P - 1, _P, _P + 1})

_SUITE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


class ReaderPrivateKey:
    """A reader's X25519 private key; it shows and gives away only its public half."""

    __slots__ = ("_key", "public_key")

    def __init__(self, key: X25519PrivateKey) -> None:
        self._key = key
        self.public_key = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @classmethod
    def from_seed(cls, seed: bytes) -> ReaderPrivateKey:
        """The key whose 32 secret bytes are ``seed`` (clamped as in RFC 7748); pass fresh random bytes.

        Raises:
            KeyMaterialInvalid: a seed that is not 32 bytes.
        """
        if len(seed) != 32:
            raise KeyMaterialInvalid("an X25519 seed has 32 bytes", expected=32, actual=len(seed))
        return cls(X25519PrivateKey.from_private_bytes(seed))

    def unwrap(self, wrapped: bytes, info: bytes) -> bytes:
        """The same as ``unwrap_key``, spelled from the key's side."""
        return unwrap_key(self, wrapped, info)

    def __repr__(self) -> str:
        return f"ReaderPrivateKey(public_key={self.public_key.hex()})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a private key is not pickled or copied")


def verify_reader_key(reader_public_key: bytes) -> None:
    """Checks that a secret can be sent to an X25519 public key; ``wrap_key`` then takes it.

    Raises:
        PublicKeyInvalid: not 32 bytes, or a point of small order, under which every secret would be the same.
    """
    if len(reader_public_key) != PUBLIC_KEY_BYTES:
        raise PublicKeyInvalid(
            "an X25519 public key has 32 bytes", expected=PUBLIC_KEY_BYTES, actual=len(reader_public_key)
        )
    # RFC 7748, section 5: the top bit is not part of the number.
    if int.from_bytes(reader_public_key, "little") & (2**255 - 1) in _SMALL_ORDER:
        raise PublicKeyInvalid("an X25519 public key of small order", public_key=reader_public_key)


def wrap_key(reader_public_key: bytes, key: bytes, info: bytes) -> bytes:
    """Wraps a 32-byte key for a reader; 80 bytes, different each time.

    ``info`` is bound, not sent: unwrapping needs the same bytes.

    Raises:
        KeyMaterialInvalid: a key that is not 32 bytes.
        BufferRefused: ``info`` over 1024 bytes.
        PublicKeyInvalid: a reader key that is not 32 bytes, or a point of small order.
    """
    if len(key) != WRAPPED_KEY_BYTES:
        raise KeyMaterialInvalid("only 32-byte keys are wrapped", expected=WRAPPED_KEY_BYTES, actual=len(key))
    _check_info(info)
    verify_reader_key(reader_public_key)
    return _SUITE.encrypt(key, X25519PublicKey.from_public_bytes(reader_public_key), info)


def unwrap_key(private_key: ReaderPrivateKey, wrapped: bytes, info: bytes) -> bytes:
    """The 32-byte key that was wrapped for this reader under this ``info``.

    Raises:
        BufferRefused: not 80 bytes, or ``info`` over 1024 bytes.
        AuthenticationFailed: wrapped for another reader or another ``info``, or changed bytes.
    """
    if len(wrapped) != WRAPPED_BYTES:
        raise BufferRefused("a wrapped key has 80 bytes", expected=WRAPPED_BYTES, actual=len(wrapped))
    _check_info(info)
    try:
        return _SUITE.decrypt(wrapped, private_key._key, info)
    except (InvalidTag, ValueError):
        raise AuthenticationFailed(
            "the wrapped key was changed, or belongs to another reader or context",
            hint="check that this reader was granted the key",
            reader=private_key.public_key,
        ) from None


def _check_info(info: bytes) -> None:
    if len(info) > INFO_MAX_BYTES:
        raise BufferRefused("info is too long", maximum=INFO_MAX_BYTES, actual=len(info))
