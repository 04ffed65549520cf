"""Series: the salted tree over one meter's interval records, and the state that links periods.

Decided here: the series tree and the state payload. Not decided here: the salts of either (``series_key``).
docs/spec/entries.md
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wattest.errors import InputError
from wattest.merkle import MerkleTree
from wattest.metering.records import INTERVAL_RECORD, INTERVAL_RECORD_BYTES, Records
from wattest.metering.series_key import record_salts
from wattest.units import U64_MAX

STATE_BYTES = 56
_STATE: np.dtype[np.void] = np.dtype(
    [("name", "V32"), ("end", ">u8"), ("import_register", ">u8"), ("export_register", ">u8")]
)


class MalformedSeries(InputError):
    """Records or a state outside the format."""


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
