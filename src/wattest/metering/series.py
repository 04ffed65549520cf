"""Series: the salted tree over one meter's interval records, and the state that links periods.

Decided here: salts from the series key, the series tree, the state payload. Not decided here: how the key is made
(inside the enclave, from nothing) and kept. docs/spec/entries.md
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wattest.crypto.hashing import derive_salts, hmac_sha256, key_salts
from wattest.errors import InputError
from wattest.merkle import MerkleTree
from wattest.metering.records import INTERVAL_RECORD, INTERVAL_RECORD_BYTES, Records
from wattest.units import U64_MAX

SERIES_KEY_BYTES = 32
SALT_BYTES = 16
STATE_BYTES = 56
MAX_SALTS = 2**20
_ENTRY_TAG, _STATE_TAG = 2, 3
_STATE: np.dtype[np.void] = np.dtype(
    [("name", "V32"), ("end", ">u8"), ("import_register", ">u8"), ("export_register", ">u8")]
)


class MalformedSeries(InputError):
    """A series key, count or state outside the format."""


def record_salts(series_key: bytes, count: int) -> bytes:
    """``count`` salts of 16 bytes, HMAC-SHA256(series_key, 0x01 || u32 index)[:16], back to back."""
    _check_key(series_key)
    if not 0 <= count <= MAX_SALTS:
        raise MalformedSeries("too many salts at once", expected=MAX_SALTS, actual=count)
    return derive_salts(series_key, 1, count)


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


def build_series_tree(records: Records, series_key: bytes) -> MerkleTree:
    """The tree over 95-byte interval records; raises ``MalformedSeries`` for none or another dtype."""
    if records.dtype != INTERVAL_RECORD or records.shape[0] == 0:
        raise MalformedSeries("a series has at least one interval record", actual=records.shape[0])
    return MerkleTree.build(records.tobytes(), INTERVAL_RECORD_BYTES, record_salts(series_key, records.shape[0]))


def state_payload(blinded: bytes, last_interval_end: int, import_register: int, export_register: int) -> bytes:
    """Blinded meter 32, last interval end 8, import register 8, export register 8: 56 bytes, big-endian."""
    if len(blinded) != 32 or not all(0 <= n <= U64_MAX for n in (last_interval_end, import_register, export_register)):
        raise MalformedSeries("a state is a 32-byte name and three unsigned 64-bit numbers")
    return blinded + b"".join(n.to_bytes(8, "big") for n in (last_interval_end, import_register, export_register))


def state_payloads(names: Sequence[bytes], states: Sequence[tuple[int, int, int]]) -> bytes:
    """``state_payload`` of many meters back to back; ``states`` are last interval end, import and export register."""
    refused = "a state is a 32-byte name and three unsigned 64-bit numbers"
    if len(names) != len(states) or any(len(name) != 32 for name in names):
        raise MalformedSeries(refused, expected=len(names), actual=len(states))
    rows = np.zeros(len(names), dtype=_STATE)
    rows["name"] = np.frombuffer(b"".join(names), dtype="V32")
    try:
        columns = np.array(states, dtype=np.uint64).reshape(-1, 3).T
    except (OverflowError, ValueError) as error:
        raise MalformedSeries(refused) from error
    rows["end"], rows["import_register"], rows["export_register"] = columns
    return rows.tobytes()


def _joined(series_keys: Sequence[bytes]) -> bytes:
    for key in series_keys:
        _check_key(key)
    return b"".join(series_keys)


def _check_key(series_key: bytes) -> None:
    if len(series_key) != SERIES_KEY_BYTES:
        raise MalformedSeries("a series key has 32 bytes", expected=SERIES_KEY_BYTES, actual=len(series_key))
