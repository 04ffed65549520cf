"""Keys wrapped for one reader under HPKE contexts: base mode, one set-up and many messages (RFC 9180).

Decided here: the suite, DHKEM(X25519, HKDF-SHA256) with HKDF-SHA256 and AES-256-GCM (ids 0x0020, 0x0001, 0x0002), and
that the caller numbers messages (the RFC's sequence number, 96 bits). Not decided here: what ``info``, numbers and
associated data say. Invariant: a sender's context takes ascending numbers only, so that none comes twice. The ephemeral
key comes from the operating system: the one place on this floor that draws randomness, since HPKE has no form without
it. The library's own ``hpke`` has single shots only; its X25519 and AES-GCM are used here.
Source: RFC 9180, sections 4, 4.1, 5.1 and 5.2; docs/spec/hashing-and-keys.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from wattest.crypto.errors import AuthenticationFailed, BufferRefused, KeyMaterialInvalid, PublicKeyInvalid
from wattest.crypto.hashing import hmac_sha256

PUBLIC_KEY_BYTES = 32
ENC_BYTES = 32
TAG_BYTES = 16
INFO_MAX_BYTES = 1024
MESSAGE_MAX_BYTES = 2**16
NUMBERS = 2**96
"""How many numbers there are for messages: nonces have 12 bytes."""

# u of every point of order 1, 2, 4 or 8 on the curve and its twist, and those that are the same modulo p.
_P = 2**255 - 19
_ORDER_8 = (
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
)
_SMALL_ORDER = frozenset({0, 1, *_ORDER_8, _P - 1, _P, _P + 1})

_KEM_SUITE = b"KEM\x00\x20"


@dataclass(frozen=True, slots=True)
class _Aead:
    """An AEAD's number in the registry of RFC 9180, and the bytes of its key."""

    number: int
    key_bytes: int


_AES_128_GCM = _Aead(0x0001, 16)
_AES_256_GCM = _Aead(0x0002, 32)


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

    def __repr__(self) -> str:
        return f"ReaderPrivateKey(public_key={self.public_key.hex()})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a private key is not pickled or copied")


class _Context:
    """What both sides of a set-up share: the cipher under the context's key, and the nonce of message 0."""

    __slots__ = ("_base_nonce", "_cipher")

    def __init__(self, key: bytes, base_nonce: bytes) -> None:
        self._cipher = AESGCM(key)
        self._base_nonce = int.from_bytes(base_nonce, "big")

    def _nonce(self, number: int) -> bytes:
        if not 0 <= number < NUMBERS:
            raise BufferRefused("a message's number has 96 bits", maximum=NUMBERS - 1, actual=number)
        return (self._base_nonce ^ number).to_bytes(12, "big")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a context is not pickled or copied: two of them would use one number twice")


class SenderContext(_Context):
    """A sender's end: ``enc`` (32 bytes) goes along with every message."""

    __slots__ = ("_next", "enc")

    def __init__(self, key: bytes, base_nonce: bytes, enc: bytes) -> None:
        super().__init__(key, base_nonce)
        self.enc = enc
        self._next = 0

    def seal(self, number: int, plaintext: bytes, associated: bytes) -> bytes:
        """Encrypt message ``number``; 16 bytes longer than the plaintext (up to 2**16 bytes).

        Raises:
            BufferRefused: a number that is not above all before it, or over 96 bits; a plaintext that is too long.
        """
        nonce = self._nonce(number)
        if number < self._next:
            raise BufferRefused("a context's numbers ascend: none comes twice", minimum=self._next, actual=number)
        if len(plaintext) > MESSAGE_MAX_BYTES:
            raise BufferRefused("message too long to seal", maximum=MESSAGE_MAX_BYTES, actual=len(plaintext))
        self._next = number + 1
        return self._cipher.encrypt(nonce, plaintext, associated)


class ReceiverContext(_Context):
    """A reader's end of the set-up that one ``enc`` names."""

    __slots__ = ("_public_key",)

    def __init__(self, key: bytes, base_nonce: bytes, public_key: bytes) -> None:
        super().__init__(key, base_nonce)
        self._public_key = public_key

    def open_sealed(self, number: int, sealed: bytes, associated: bytes) -> bytes:
        """The plaintext of message ``number``, in any order and as often as asked.

        Raises:
            BufferRefused: a number over 96 bits, or bytes that are no sealed message by their length.
            AuthenticationFailed: another context, number or associated data, or changed bytes.
        """
        nonce = self._nonce(number)
        if not TAG_BYTES <= len(sealed) <= MESSAGE_MAX_BYTES + TAG_BYTES:
            raise BufferRefused("not a sealed message: wrong length", minimum=TAG_BYTES, actual=len(sealed))
        try:
            return self._cipher.decrypt(nonce, sealed, associated)
        except InvalidTag:
            raise _not_for(self._public_key) from None


def verify_reader_key(reader_public_key: bytes) -> None:
    """Checks that a secret can be sent to an X25519 public key; ``set_up_sender`` then takes it.

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


def set_up_sender(reader_public_key: bytes, info: bytes) -> SenderContext:
    """A new context for a reader, with an ephemeral key of its own.

    Raises:
        BufferRefused: ``info`` over 1024 bytes.
        PublicKeyInvalid: a reader key that is not 32 bytes, or a point of small order.
    """
    _check_info(info)
    verify_reader_key(reader_public_key)
    ephemeral = ReaderPrivateKey(X25519PrivateKey.generate())
    secret = ephemeral._key.exchange(X25519PublicKey.from_public_bytes(reader_public_key))
    enc = ephemeral.public_key
    return SenderContext(*_schedule(secret, enc, reader_public_key, info, _AES_256_GCM), enc)


def set_up_receiver(private_key: ReaderPrivateKey, enc: bytes, info: bytes) -> ReceiverContext:
    """The context that a sender set up for this reader under this ``info``; only opening a message shows that it did.

    Raises:
        BufferRefused: an ``enc`` that is not 32 bytes, or ``info`` over 1024 bytes.
        AuthenticationFailed: an ``enc`` of small order, which no sender makes.
    """
    return _set_up_receiver(private_key, enc, info, _AES_256_GCM)


def _set_up_receiver(private_key: ReaderPrivateKey, enc: bytes, info: bytes, aead: _Aead) -> ReceiverContext:
    if len(enc) != ENC_BYTES:
        raise BufferRefused("an enc has 32 bytes", expected=ENC_BYTES, actual=len(enc))
    _check_info(info)
    try:
        secret = private_key._key.exchange(X25519PublicKey.from_public_bytes(enc))
    except ValueError:
        raise _not_for(private_key.public_key) from None
    return ReceiverContext(*_schedule(secret, enc, private_key.public_key, info, aead), private_key.public_key)


def _schedule(secret: bytes, enc: bytes, public_key: bytes, info: bytes, aead: _Aead) -> tuple[bytes, bytes]:
    """Key and base nonce over an X25519 shared secret (RFC 9180, sections 4.1 and 5.1, mode 0)."""
    shared = _expand(_extract(b"", _KEM_SUITE, b"eae_prk", secret), _KEM_SUITE, b"shared_secret", enc + public_key, 32)
    suite = b"HPKE\x00\x20\x00\x01" + aead.number.to_bytes(2, "big")
    context = b"\x00" + _extract(b"", suite, b"psk_id_hash", b"") + _extract(b"", suite, b"info_hash", info)
    prk = _extract(shared, suite, b"secret", b"")
    return _expand(prk, suite, b"key", context, aead.key_bytes), _expand(prk, suite, b"base_nonce", context, 12)


def _extract(salt: bytes, suite: bytes, label: bytes, material: bytes) -> bytes:
    """LabeledExtract of RFC 9180, section 4."""
    return hmac_sha256(salt, b"HPKE-v1" + suite + label + material)


def _expand(key: bytes, suite: bytes, label: bytes, info: bytes, length: int) -> bytes:
    """LabeledExpand of RFC 9180, section 4; one block of HKDF is enough for up to 32 bytes."""
    return hmac_sha256(key, length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info + b"\x01")[:length]


def _not_for(public_key: bytes) -> AuthenticationFailed:
    return AuthenticationFailed(
        "the wrapped key was changed, or belongs to another reader or context",
        hint="check that this reader was granted the key",
        reader=public_key,
    )


def _check_info(info: bytes) -> None:
    if len(info) > INFO_MAX_BYTES:
        raise BufferRefused("info is too long", maximum=INFO_MAX_BYTES, actual=len(info))
