"""Digests and message authentication: Keccak-256, SHA-256, HMAC-SHA256.

Decided here: one name for each, ``bytes`` out. Not decided here: what is hashed under which tag; every format's own
room says that. Tags of the salts: ``docs/spec/hashing-and-keys.md``.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from wattest.crypto import native
from wattest.crypto.errors import BufferRefused

if TYPE_CHECKING:
    from typing_extensions import Buffer

DIGEST_BYTES = 32
SALT_BYTES = 16


def keccak256(data: Buffer) -> bytes:
    """Keccak-256 with the original padding, as Ethereum uses it (not SHA3-256); 32 bytes."""
    try:
        return native.keccak256(data)
    except native.Fault as fault:
        raise _refused(fault) from None


def sha256(data: Buffer) -> bytes:
    """SHA-256 (FIPS 180-4); 32 bytes."""
    return hashlib.sha256(data).digest()


def hmac_sha256(key: Buffer, data: Buffer) -> bytes:
    """HMAC-SHA256 (RFC 2104); 32 bytes, key of any length."""
    return hmac.digest(bytes(key), data, "sha256")


def derive_salts(series_key: Buffer, tag: int, count: int) -> bytes:
    """``HMAC-SHA256(series_key, u8 tag || u32 index)[:16]`` for index 0 .. count - 1, one after the other.

    ``series_key`` is 32 bytes, ``count`` at most 2**24; the result is ``16 * count`` bytes.

    Raises:
        BufferRefused: a key of another length, a tag that is no byte, a count out of range.
    """
    if not 0 <= tag <= 0xFF:
        raise BufferRefused("a salt's tag is one byte", expected="0..255", actual=tag)
    if count < 0:
        raise BufferRefused("a count of salts cannot be negative", expected="0..2**24", actual=count)
    if count >= 2**64:
        raise BufferRefused("too many salts at once", expected="0..2**24", actual=count)
    try:
        return native.derive_salts(series_key, tag, count)
    except native.Fault as fault:
        raise _refused(fault) from None


def key_salts(series_keys: Buffer, tag: int) -> bytes:
    """``HMAC-SHA256(series_key, u8 tag)[:16]`` for each of many keys, 32 bytes each in one flat buffer.

    Raises:
        BufferRefused: keys of another length in all, a tag that is no byte.
    """
    if not 0 <= tag <= 0xFF:
        raise BufferRefused("a salt's tag is one byte", expected="0..255", actual=tag)
    try:
        return native.key_salts(series_keys, tag)
    except native.Fault as fault:
        raise _refused(fault) from None


def _refused(fault: native.Fault) -> BufferRefused:
    _, message, fields = fault.args
    return BufferRefused(message, hint="pass bytes, or a contiguous buffer of single bytes", **fields)
