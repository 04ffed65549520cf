"""An operator's tables in memory: the port's promises without a disk. What was kept is gone with the process.

SQLite itself, over one connection for each folder that all who open it share: who is in a transaction has it alone.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from wattest.io.crash_points import CrashPoints
from wattest.store.back_ends import Tables
from wattest.store.database import CommittedTable, Database, DatabaseInUse
from wattest.store.operator_store import SqliteOperatorStore


class _Shared:
    """What is open at one path."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.is_written = False
        self.connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self.connection.execute("PRAGMA foreign_keys = ON")


_OPEN: dict[Path, _Shared] = {}


class MemoryDatabase(Database):
    """The same calls as for a file; closed, it stays until the process ends, as a file would."""

    def __init__(
        self, path: Path, migrations: Sequence[str], *, committed: CommittedTable | None = None, read_only: bool = False
    ) -> None:
        self.path = path
        self._committed = committed
        self._lock = None
        self._shared = _OPEN.setdefault(path, _Shared())
        self._holds = not read_only
        with self._shared.lock:
            if not read_only and self._shared.is_written:
                raise DatabaseInUse("another process writes this node's data", path=path.parent, hint="stop it first")
            self._shared.is_written |= not read_only
            self._connection = self._shared.connection
            self._migrate(migrations, read_only=read_only)

    def rows(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        with self._shared.lock:
            return super().rows(statement, *values)

    def run(self, statement: str, *values: object) -> int:
        with self._shared.lock:
            return super().run(statement, *values)

    def run_many(self, statement: str, rows: Iterator[Sequence[object]]) -> None:
        with self._shared.lock:
            super().run_many(statement, rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._shared.lock, super().transaction():
            yield

    def close(self) -> None:
        if self._holds:
            self._shared.is_written = self._holds = False


def _opened(data: Path, *, read_only: bool, faults: CrashPoints | None = None) -> SqliteOperatorStore:
    return SqliteOperatorStore(data / "operator.memory", read_only=read_only, faults=faults, database=MemoryDatabase)


MEMORY_TABLES = Tables(
    lambda data, faults: _opened(data, read_only=False, faults=faults),
    lambda data: _opened(data, read_only=True),
    lambda data: data / "operator.memory" in _OPEN,
)
