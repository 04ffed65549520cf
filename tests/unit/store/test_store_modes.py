"""Readings that wait to be sealed lie in files that only their owner may read, whatever the umask."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from wattest.store.inbox import InboxFolder
from wattest.store.operator_store import SqliteOperatorStore
from wattest.watcher.watch_log import WatchLog


@pytest.fixture(autouse=True)
def _open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("kind", [SqliteOperatorStore, WatchLog])
def test_databases_are_their_owner_s(tmp_path: Path, kind: type[SqliteOperatorStore] | type[WatchLog]) -> None:
    opened = kind(tmp_path / "node.sqlite")
    try:
        found = modes(tmp_path)
    finally:
        opened.close()
    assert "node.sqlite-wal" in found
    assert all(mode == 0o600 for name, mode in found.items() if not name.endswith(".lock")), found


def test_waiting_and_refused_blocks_are_their_owner_s(tmp_path: Path) -> None:
    inbox = InboxFolder(tmp_path)
    path = inbox.path(b"\x01" * 32, inbox.put(b"\x01" * 32, b"a block"))
    assert modes(path.parent) == {path.name: 0o600}
