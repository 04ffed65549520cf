"""The entries of stored batches, read without the others: one by itself, or all of them in runs.

Decided here: how many rows are held at once. Not decided here: who writes them and when (``store``), what an entry
says (docs/spec/entries.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wattest.store.database import Database


class SqliteEntryRows:
    """The table ``entry`` of an operator's database; raises ``DatabaseFailed``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def one(self, channel: bytes, sequence: int, position: int) -> tuple[bytes, bytes] | None:
        """Payload (118 bytes) and salt (16) of one entry, None where the batch has no such."""
        rows: list[Any] = self._database.rows(
            "SELECT payload, salt FROM entry WHERE channel = ? AND sequence = ? AND position = ?",
            channel,
            sequence,
            position,
        )
        return rows[0] if rows else None

    def runs(self, channel: bytes, sequence: int, count: int) -> Iterator[tuple[bytes, bytes]]:
        """Payloads and salts of a batch's entries in order, each back to back, ``count`` entries at a time."""
        first = 0
        while True:
            rows: list[Any] = self._database.rows(
                "SELECT payload, salt FROM entry WHERE channel = ? AND sequence = ? AND position >= ?"
                " ORDER BY position LIMIT ?",
                channel,
                sequence,
                first,
                count,
            )
            if rows:
                yield b"".join(row[0] for row in rows), b"".join(row[1] for row in rows)
            if len(rows) < count:
                return
            first += count
