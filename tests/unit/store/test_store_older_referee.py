"""Databases with batches of a referee without modules are refused as they are; those without any are migrated."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from wattest.store.database import DatabaseUnknown
from wattest.store.operator_store import COMMITTED, MIGRATIONS, SqliteOperatorStore
from wattest.watcher import watch_log
from wattest.watcher.watch_log import WatchLog

SEEN = (
    "INSERT INTO seen_commit (channel, operator, sequence, header_digest, committed_at, parameters_version,"
    " block_number, block_hash, transaction_hash, log_index, state) VALUES (x'01', x'02', 1, x'03', 7, 1, 1, x'04',"
    " x'05', 0, 'judged')"
)
STORED = (
    "INSERT INTO batch (channel, sequence, period_start, period_end, state, committed_at, parameters_version)"
    " VALUES (x'01', 1, 0, 1, 'committed', 7, 1)"
)


def older(path: Path, migrations: tuple[str, ...], since: int, row: str | None) -> None:
    """A database as the version before the stake was kept left it."""
    with sqlite3.connect(path) as connection:
        for script in migrations[: since - 1]:
            connection.executescript(script)
        connection.execute(f"PRAGMA user_version = {since - 1}")
        if row is not None:
            connection.execute(row)


def version(path: Path) -> int:
    with sqlite3.connect(path) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def test_an_operator_s_batches_of_an_older_referee(tmp_path: Path) -> None:
    path = tmp_path / "operator.sqlite"
    older(path, MIGRATIONS, COMMITTED.stake_since, STORED)
    for _ in range(2):
        with pytest.raises(DatabaseUnknown, match="before the modules") as caught:
            SqliteOperatorStore(path)
    assert (caught.value.fields["expected"], caught.value.fields["actual"]) == (len(MIGRATIONS), len(MIGRATIONS) - 1)
    assert version(path) == COMMITTED.stake_since - 1  # the older program still opens it


def test_an_operator_s_folder_without_batches_is_migrated(tmp_path: Path) -> None:
    path = tmp_path / "operator.sqlite"
    older(path, MIGRATIONS, COMMITTED.stake_since, None)
    SqliteOperatorStore(path).close()
    assert version(path) == len(MIGRATIONS)


def test_a_watcher_s_commits_of_an_older_referee(tmp_path: Path) -> None:
    path, since = tmp_path / "watcher.sqlite", watch_log.COMMITTED.stake_since
    older(path, watch_log.MIGRATIONS, since, SEEN)
    with pytest.raises(DatabaseUnknown, match="before the modules"):
        WatchLog(path)
    assert version(path) == since - 1


def test_a_watcher_s_empty_folder_is_migrated(tmp_path: Path) -> None:
    path, since = tmp_path / "watcher.sqlite", watch_log.COMMITTED.stake_since
    older(path, watch_log.MIGRATIONS, since, None)
    WatchLog(path).close()
    assert version(path) == len(watch_log.MIGRATIONS)
