"""AES-256-GCM (NIST SP 800-38D) with everything about lengths checked first.

Decided here: key 32 bytes, nonce 12 bytes, tag 16 bytes at the end. Not decided here: nonces. A nonce must never come
twice under one key with different input; the caller derives or counts them.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from wattest.crypto.errors import AuthenticationFailed, BufferRefused, KeyMaterialInvalid

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
PLAINTEXT_MAX_BYTES = 2**30


def seal(key: bytes, nonce: bytes, plaintext: bytes, associated: bytes = b"") -> bytes:
    """Encrypts and authenticates; the result is 16 bytes longer than the plaintext.

    Raises:
        KeyMaterialInvalid: a key that is not 32 bytes.
        BufferRefused: a nonce that is not 12 bytes, a plaintext over 2**30 bytes.
    """
    _check(key, nonce)
    if len(plaintext) > PLAINTEXT_MAX_BYTES:
        raise BufferRefused("plaintext too long to seal", maximum=PLAINTEXT_MAX_BYTES, actual=len(plaintext))
    return AESGCM(key).encrypt(nonce, plaintext, associated)


def open_sealed(key: bytes, nonce: bytes, sealed: bytes, associated: bytes = b"") -> bytes:
    """Checks the tag and decrypts; nothing of the plaintext leaves if the tag is wrong.

    Raises:
        KeyMaterialInvalid: a key that is not 32 bytes.
        BufferRefused: a nonce that is not 12 bytes, a ciphertext shorter than its tag or over the limit.
        AuthenticationFailed: another key, nonce or associated data, or changed bytes.
    """
    _check(key, nonce)
    if not TAG_BYTES <= len(sealed) <= PLAINTEXT_MAX_BYTES + TAG_BYTES:
        raise BufferRefused("not a sealed text: wrong length", minimum=TAG_BYTES, actual=len(sealed))
    try:
        return AESGCM(key).decrypt(nonce, sealed, associated)
    except InvalidTag:
        raise AuthenticationFailed(
            "the sealed bytes were changed, or belong to another key, nonce or context",
            hint="fetch the ciphertext again and check that the key belongs to it",
        ) from None


def _check(key: bytes, nonce: bytes) -> None:
    if len(key) != KEY_BYTES:
        raise KeyMaterialInvalid("an AES-256-GCM key has 32 bytes", expected=KEY_BYTES, actual=len(key))
    if len(nonce) != NONCE_BYTES:
        raise BufferRefused("an AES-256-GCM nonce has 12 bytes", expected=NONCE_BYTES, actual=len(nonce))
