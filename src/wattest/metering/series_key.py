"""The series key, and the salts that derive from it.

Decided here: what a series key is, and the salts of a series' records, of its entry in the batch tree and of its leaf
in the state tree. Not decided here: how the key is made (inside the enclave, from nothing), wrapped for readers
(``sealing.wrapped_keys``) and erased. Invariant: a salt tells nothing of another one. docs/spec/entries.md
"""

from __future__ import annotations

from collections.abc import Sequence

from wattest.crypto.hashing import derive_salts, hmac_sha256, key_salts
from wattest.errors import InputError

SERIES_KEY_BYTES = 32
SALT_BYTES = 16
MAX_SALTS = 2**20
_RECORD_TAG, _ENTRY_TAG, _STATE_TAG = 1, 2, 3


class MalformedSeriesKey(InputError):
    """A series key that has not 32 bytes, or more salts than one key gives at once."""


def record_salts(series_key: bytes, count: int) -> bytes:
    """``count`` salts of 16 bytes, HMAC-SHA256(series_key, 0x01 || u32 index)[:16], back to back."""
    _check_key(series_key)
    if not 0 <= count <= MAX_SALTS:
        raise MalformedSeriesKey("too many salts at once", expected=MAX_SALTS, actual=count)
    return derive_salts(series_key, _RECORD_TAG, count)


def entry_salt(series_key: bytes) -> bytes:
    """The 16-byte salt of the series' entry in the batch tree."""
    _check_key(series_key)
    return hmac_sha256(series_key, bytes((_ENTRY_TAG,)))[:SALT_BYTES]


def state_salt(series_key: bytes) -> bytes:
    """The 16-byte salt of the series' leaf in the state tree."""
    _check_key(series_key)
    return hmac_sha256(series_key, bytes((_STATE_TAG,)))[:SALT_BYTES]


def entry_salts(series_keys: Sequence[bytes]) -> bytes:
    """``entry_salt`` of many series, 16 bytes each, back to back."""
    return key_salts(_joined(series_keys), _ENTRY_TAG)


def state_salts(series_keys: Sequence[bytes]) -> bytes:
    """``state_salt`` of many series, 16 bytes each, back to back."""
    return key_salts(_joined(series_keys), _STATE_TAG)


def _joined(series_keys: Sequence[bytes]) -> bytes:
    for key in series_keys:
        _check_key(key)
    return b"".join(series_keys)


def _check_key(series_key: bytes) -> None:
    if len(series_key) != SERIES_KEY_BYTES:
        raise MalformedSeriesKey("a series key has 32 bytes", expected=SERIES_KEY_BYTES, actual=len(series_key))
