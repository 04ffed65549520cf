"""The roster of a stored batch: one column that holds whose entries they are and what is served of the roster.

Decided here: the column's two forms. Not decided here: a row's bytes (``messages.roster``), when it is kept
(``operator_store``). Invariant: what an earlier version kept, key ids alone, is read as such, and has no rows to serve.
"""

from __future__ import annotations

from typing import Any

from wattest.crypto.hashing import DIGEST_BYTES
from wattest.messages.header import parse_header
from wattest.messages.roster import ROSTER_ROW_BYTES
from wattest.store.database import Database


def stored_roster(database: Database, channel: bytes, sequence: int) -> tuple[bytes, bytes]:
    """Each entry's meter key id, 32 bytes, and its roster row, 20; both empty in an open channel."""
    rows: list[Any] = database.rows(
        "SELECT roster, header FROM batch WHERE channel = ? AND sequence = ? AND header IS NOT NULL", channel, sequence
    )
    if not rows or not rows[0][0]:
        return b"", b""
    kept, count = rows[0][0], parse_header(rows[0][1]).entry_count
    end = DIGEST_BYTES * count if len(kept) == (DIGEST_BYTES + ROSTER_ROW_BYTES) * count else len(kept)
    return kept[:end], kept[end:]
