"""A node's SQLite file: opened by one writer, migrated step by step, durable at every commit.

Decided here: pragmas, versions, the writer's lock, transactions, and where sent transactions are remembered. Not
decided here: which tables a node has (``store``, ``watch_log``). Invariants: write-ahead log with full synchronisation,
so a finished transaction survives ``kill -9`` and a power cut; a file of a newer version is refused, never guessed at.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

from wattest.chain.client import SentTransaction
from wattest.errors import ConfigError, TransportError
from wattest.io.crash_points import CrashPoints
from wattest.versions import version_hint

BUSY_TIMEOUT_MS = 5_000
LATE_COLUMNS = (("enclave_key", "carried", "INTEGER NOT NULL DEFAULT 0"),)

JOURNAL_TABLE = """
CREATE TABLE sent_transaction (
    ordinal INTEGER PRIMARY KEY,
    intent TEXT NOT NULL, sender BLOB NOT NULL, nonce INTEGER NOT NULL,
    raw BLOB NOT NULL, hash BLOB NOT NULL UNIQUE, gas INTEGER NOT NULL, max_fee_wei TEXT NOT NULL
);
CREATE INDEX sent_by_intent ON sent_transaction (sender, intent);
CREATE INDEX sent_by_nonce ON sent_transaction (sender, nonce);
"""
CURSOR_TABLE = "CREATE TABLE cursor (name TEXT PRIMARY KEY, block_number INTEGER NOT NULL, block_hash BLOB NOT NULL);"


class DatabaseInUse(ConfigError):
    """Another process writes this database."""


class DatabaseUnknown(ConfigError):
    """A database of a newer version, or of another kind."""


class DatabaseFailed(TransportError):
    """SQLite could not read or write."""


@dataclass(frozen=True, slots=True)
class CommittedTable:
    """The table of batches on chain, and the first version whose rows have the stake that their records hold."""

    table: str
    stake_since: int


class Database:
    """One connection; ``read_only`` ones may be many and take no lock."""

    def __init__(
        self, path: Path, migrations: Sequence[str], *, committed: CommittedTable | None = None, read_only: bool = False
    ) -> None:
        """``committed`` says where batches on chain lie, so that those of an older referee are refused."""
        self.path = path
        self._committed = committed
        self._lock: IO[bytes] | None = None
        try:
            if read_only:
                self._connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._lock = self._acquire(path.with_suffix(".lock"))
                # Readings lie in it until they are sealed: the file, and SQLite's beside it, are the owner's alone.
                os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
                self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
            self._connection.execute("PRAGMA foreign_keys = ON")
            if not read_only:
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = FULL")
                self._connection.execute("PRAGMA secure_delete = ON")  # erased keys must not linger in free pages
            self._migrate(migrations, read_only=read_only)
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise DatabaseFailed(
                "the database cannot be opened", retryable=False, path=path, cause=str(error)
            ) from error
        except BaseException:
            self.close()
            raise

    def rows(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """Every row of a query."""
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise DatabaseFailed("a query failed", retryable=True, path=self.path, cause=str(error)) from error

    def run(self, statement: str, *values: object) -> int:
        """One change, durable when it returns unless inside ``transaction``; the number of rows changed."""
        try:
            return self._connection.execute(statement, values).rowcount
        except sqlite3.Error as error:
            raise DatabaseFailed("a change failed", retryable=True, path=self.path, cause=str(error)) from error

    def run_many(self, statement: str, rows: Iterator[Sequence[object]]) -> None:
        """The same change for many rows."""
        try:
            self._connection.executemany(statement, rows)
        except sqlite3.Error as error:
            raise DatabaseFailed("a change failed", retryable=True, path=self.path, cause=str(error)) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All changes inside, or none, also where one block lies in another; durable when the outermost one ends."""
        if self._connection.in_transaction:
            self.run("SAVEPOINT inner_block")
            try:
                yield
            except BaseException:
                if self._connection.in_transaction:  # SQLite gives a whole transaction up when the disk fails
                    self.run("ROLLBACK TO inner_block")
                    self.run("RELEASE inner_block")
                raise
            self.run("RELEASE inner_block")
            return
        self.run("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.rollback()
            raise
        self.run("COMMIT")

    def close(self) -> None:
        """Close the connection and give up the writer's lock; safe to call twice."""
        connection = getattr(self, "_connection", None)
        if connection is not None:
            connection.close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        """Use as a context manager."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _migrate(self, migrations: Sequence[str], *, read_only: bool) -> None:
        version = int(str(self._connection.execute("PRAGMA user_version").fetchone()[0]))
        if version > len(migrations) or (read_only and version < len(migrations)):
            raise DatabaseUnknown(
                "the database has another version than this program",
                path=self.path,
                expected=len(migrations),
                actual=version,
                hint=version_hint(len(migrations), version, older="start the node once, which migrates it"),
            )
        if version == 0 and self._connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table'").fetchone():
            raise DatabaseUnknown(
                "the database is another program's",
                path=self.path,
                expected=len(migrations),
                actual=version,
                hint="name another data folder, or move the file away",
            )
        if 0 < version < len(migrations):
            self._refuse_older_batches(version, len(migrations))
            self._add_late_columns()
        for number in range(version, len(migrations)):
            script = f"BEGIN IMMEDIATE; {migrations[number]} PRAGMA user_version = {number + 1}; COMMIT;"
            self._connection.executescript(script)

    def _refuse_older_batches(self, version: int, expected: int) -> None:
        """Before anything is changed, so that the older program can still answer for what it committed."""
        committed = self._committed
        if committed is None or version >= committed.stake_since:
            return
        if self._connection.execute(f"SELECT 1 FROM {committed.table} WHERE committed_at IS NOT NULL").fetchone():  # noqa: S608
            raise DatabaseUnknown(
                "the database holds batches of a referee from before the modules, which this program cannot speak to",
                path=self.path,
                expected=expected,
                actual=version,
                hint="keep the older wattest for it until its deposit is withdrawn, and begin with an empty folder",
            )

    def _add_late_columns(self) -> None:
        """Version 2 was given a column after the first databases of it were made."""
        for table, column, declaration in LATE_COLUMNS:
            known = {str(row[1]) for row in self._connection.execute(f"PRAGMA table_info({table})")}
            if known and column not in known:
                self._connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} {declaration}")

    @staticmethod
    def _acquire(path: Path) -> IO[bytes]:
        lock = path.open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise DatabaseInUse(
                "another process uses this node's data", path=path.parent, hint="stop it first"
            ) from error
        return lock


class SqliteJournal:
    """The transaction journal of ``chain.client`` in a node's own database."""

    def __init__(self, database: Database, faults: CrashPoints | None = None) -> None:
        self._database = database
        self._faults = faults or CrashPoints()

    def find(self, sender: bytes, intent: str) -> Sequence[SentTransaction]:
        """Every broadcast of this intent, oldest first."""
        return self._select("WHERE sender = ? AND intent = ? ORDER BY ordinal", sender, intent)

    def record(self, transactions: Iterable[SentTransaction]) -> None:
        """Remember transactions before they are broadcast: all of them, or none."""
        rows = [
            (one.intent, one.sender, one.nonce, one.raw, one.hash, one.gas, str(one.max_fee_wei))
            for one in transactions
        ]
        if not rows:
            return
        with self._database.transaction():
            self._database.run_many(
                "INSERT INTO sent_transaction (intent, sender, nonce, raw, hash, gas, max_fee_wei)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                iter(rows),
            )
        self._faults.reach("transaction.recorded")

    def forget(self, sender: bytes, intent: str) -> None:
        """Drop an intent whose nonce was spent without doing it."""
        self._database.run("DELETE FROM sent_transaction WHERE sender = ? AND intent = ?", sender, intent)

    def outstanding(self, sender: bytes, from_nonce: int) -> Sequence[SentTransaction]:
        """The newest broadcast per nonce at or above ``from_nonce``, ascending by nonce."""
        return self._select(
            "WHERE ordinal IN (SELECT MAX(ordinal) FROM sent_transaction WHERE sender = ? AND nonce >= ?"
            " GROUP BY nonce) ORDER BY nonce",
            sender,
            from_nonce,
        )

    def _select(self, condition: str, *values: object) -> list[SentTransaction]:
        rows: list[Any] = self._database.rows(
            f"SELECT intent, sender, nonce, raw, hash, gas, max_fee_wei FROM sent_transaction {condition}",  # noqa: S608
            *values,
        )
        return [SentTransaction(a, b, c, d, e, f, int(g)) for a, b, c, d, e, f, g in rows]


class SqliteCursors:
    """How far a node has read the chain: a block number and hash per name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> tuple[int, bytes] | None:
        """The last block that was read, None before the first."""
        rows: list[Any] = self._database.rows("SELECT block_number, block_hash FROM cursor WHERE name = ?", name)
        return (rows[0][0], rows[0][1]) if rows else None

    def set(self, name: str, block_number: int, block_hash: bytes) -> None:
        """Remember the last block that was read; put it in the transaction that stores what was read."""
        self._database.run(
            "INSERT INTO cursor VALUES (?, ?, ?) ON CONFLICT (name)"
            " DO UPDATE SET block_number = excluded.block_number, block_hash = excluded.block_hash",
            name,
            block_number,
            block_hash,
        )
