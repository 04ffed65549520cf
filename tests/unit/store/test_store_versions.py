"""Databases of every version before this one are migrated with what they hold; others are refused by name."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from wattest.store.belonging import DataOfAnother, Owner
from wattest.store.database import DatabaseUnknown
from wattest.store.enclave_key import Cause, EnclaveKey, KeyState
from wattest.store.operator_store import MIGRATIONS, SqliteOperatorStore
from wattest.watcher import watch_log
from wattest.watcher.watch_log import WatchLog

C, OPERATOR = b"\xc1" * 32, b"\x0a" * 20
FIRST = """
CREATE TABLE sent_transaction (
    ordinal INTEGER PRIMARY KEY,
    intent TEXT NOT NULL, sender BLOB NOT NULL, nonce INTEGER NOT NULL,
    raw BLOB NOT NULL, hash BLOB NOT NULL UNIQUE, gas INTEGER NOT NULL, max_fee_wei TEXT NOT NULL
);
CREATE INDEX sent_by_intent ON sent_transaction (sender, intent);
CREATE INDEX sent_by_nonce ON sent_transaction (sender, nonce);
CREATE TABLE cursor (name TEXT PRIMARY KEY, block_number INTEGER NOT NULL, block_hash BLOB NOT NULL);
CREATE TABLE device_block (
    channel BLOB NOT NULL, meter BLOB NOT NULL, period_start INTEGER NOT NULL, period_end INTEGER NOT NULL,
    digest BLOB NOT NULL, body BLOB NOT NULL, sequence INTEGER, refused TEXT,
    PRIMARY KEY (channel, meter, period_start)
);
CREATE INDEX device_block_by_period ON device_block (channel, period_start);
CREATE TABLE batch (
    channel BLOB NOT NULL, sequence INTEGER NOT NULL, period_start INTEGER NOT NULL, period_end INTEGER NOT NULL,
    state TEXT NOT NULL, header BLOB, header_digest BLOB, signature BLOB, content_id BLOB, roster BLOB,
    committed_at INTEGER, parameters_version INTEGER, block_number INTEGER, block_hash BLOB, transaction_hash BLOB,
    gas_used INTEGER, released INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (channel, sequence)
);
CREATE INDEX batch_by_content ON batch (content_id);
CREATE TABLE entry (
    channel BLOB NOT NULL, sequence INTEGER NOT NULL, position INTEGER NOT NULL, payload BLOB NOT NULL,
    salt BLOB NOT NULL, PRIMARY KEY (channel, sequence, position),
    FOREIGN KEY (channel, sequence) REFERENCES batch
) WITHOUT ROWID;
CREATE TABLE wrapped_key (
    channel BLOB NOT NULL, sequence INTEGER NOT NULL, position INTEGER NOT NULL, reader BLOB NOT NULL,
    wrapped BLOB NOT NULL, PRIMARY KEY (channel, sequence, reader, position),
    FOREIGN KEY (channel, sequence) REFERENCES batch
) WITHOUT ROWID;
CREATE TABLE challenge (
    channel BLOB NOT NULL, sequence INTEGER NOT NULL, position INTEGER NOT NULL, deadline INTEGER NOT NULL,
    state TEXT NOT NULL, PRIMARY KEY (channel, sequence, position)
);
CREATE TABLE document (channel BLOB NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (channel, name));
"""
"""The schema of version 1, as the first program with a database wrote it; it stays as it is."""
HELD = f"""
INSERT INTO sent_transaction VALUES (1, 'commit', x'{OPERATOR.hex()}', 0, x'01', x'{"02" * 32}', 1, '1');
INSERT INTO device_block VALUES (x'{C.hex()}', x'{"03" * 32}', 0, 900, x'{"04" * 32}', x'05', NULL, NULL);
INSERT INTO batch (channel, sequence, period_start, period_end, state) VALUES (x'{C.hex()}', 1, 0, 900, 'collected');
"""


def write(path: Path, script: str, version: int) -> bytes:
    connection = sqlite3.connect(path)
    connection.executescript(f"{script} PRAGMA user_version = {version};")
    connection.close()
    return path.read_bytes()


def schema(path: Path) -> set[str]:
    """Tables with their columns and order, whatever the blanks."""
    connection = sqlite3.connect(path)
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    shown = {
        f"{table}({','.join(f'{row[1]} {row[2]}' for row in connection.execute(f'PRAGMA table_info({table})'))})"
        for table in tables
    }
    connection.close()
    return shown


def require_whole(path: Path, fresh: Path) -> None:
    store = SqliteOperatorStore(path)
    assert store.batch(C, 1).period_end == 900
    assert store.meters_with_block(C, 0) == 1
    key = EnclaveKey(C, 0, b"\x0b" * 20, KeyState.ACTIVE, Cause.FIRST, (0, bytes(32)), 7, carried=True)
    store.keys.add(key)
    assert store.keys.key_in(C, KeyState.ACTIVE) == key
    with pytest.raises(DataOfAnother):
        store.belonging.claim(Owner(b"\x0c" * 20, bytes(32), bytes(20)))
    store.belonging.claim(Owner(OPERATOR, bytes(32), bytes(20)))
    store.close()
    SqliteOperatorStore(fresh).close()
    assert schema(path) == schema(fresh)
    SqliteOperatorStore(path, read_only=True).close()


def test_from_the_first_version(tmp_path: Path) -> None:
    write(tmp_path / "operator.sqlite", FIRST + HELD, 1)
    with pytest.raises(DatabaseUnknown) as caught:  # who only reads does not migrate
        SqliteOperatorStore(tmp_path / "operator.sqlite", read_only=True)
    assert (caught.value.fields["actual"], caught.value.fields["expected"]) == (1, len(MIGRATIONS))
    assert "start the node once" in (caught.value.hint or "")
    require_whole(tmp_path / "operator.sqlite", tmp_path / "fresh.sqlite")


@pytest.mark.parametrize("is_late", [False, True])
def test_from_the_second_version_in_both_of_its_forms(tmp_path: Path, is_late: bool) -> None:
    keys = MIGRATIONS[1]
    if not is_late:
        keys, count = re.subn(r" carried INTEGER NOT NULL,", "", keys)
        assert count == 1
    write(tmp_path / "operator.sqlite", FIRST + keys + HELD, 2)
    require_whole(tmp_path / "operator.sqlite", tmp_path / "fresh.sqlite")


def test_a_watcher_s_from_the_first_version(tmp_path: Path) -> None:
    write(tmp_path / "watcher.sqlite", watch_log.MIGRATIONS[0], 1)
    log = WatchLog(tmp_path / "watcher.sqlite")
    log.note_members(C, 0, b"list")
    assert log.members(C, 0) == b"list"
    log.belonging.claim(Owner(OPERATOR, bytes(32), bytes(20)))
    log.close()
    WatchLog(tmp_path / "fresh.sqlite").close()
    assert schema(tmp_path / "watcher.sqlite") == schema(tmp_path / "fresh.sqlite")


@pytest.mark.parametrize("opened", [SqliteOperatorStore, WatchLog])
def test_others_are_refused_and_left_alone(tmp_path: Path, opened: type[SqliteOperatorStore] | type[WatchLog]) -> None:
    path = tmp_path / "node.sqlite"
    before = write(path, "CREATE TABLE notes (text TEXT);", 0)
    with pytest.raises(DatabaseUnknown, match="another program's"):
        opened(path)
    path.unlink()
    write(path, "CREATE TABLE notes (text TEXT);", 99)
    with pytest.raises(DatabaseUnknown) as caught:
        opened(path)
    assert (caught.value.fields["actual"], caught.value.exit_code) == (99, 7)
    assert "newer wattest" in (caught.value.hint or "")
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall() == [("notes",)]
    assert before
    connection.close()
