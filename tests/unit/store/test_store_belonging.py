"""A folder serves the account and the contracts it began with, and says so to any other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from wattest.chain.client import SentTransaction
from wattest.store.belonging import DataOfAnother, Owner
from wattest.store.operator_store import SqliteOperatorStore
from wattest.watcher.watch_log import WatchLog

OWNER = Owner(b"\x0a" * 20, b"\x0b" * 32, b"\x0c" * 20)
OTHERS = {"account": b"\x01" * 20, "genesis_hash": b"\x01" * 32, "referee": b"\x01" * 20}


@pytest.mark.parametrize("opened", [SqliteOperatorStore, WatchLog])
def test_whose_it_is_stays(tmp_path: Path, opened: type[SqliteOperatorStore] | type[WatchLog]) -> None:
    node = opened(tmp_path / "node.sqlite")
    node.belonging.require(OWNER)  # nothing is known of a new one
    node.belonging.claim(OWNER)
    node.belonging.claim(OWNER)
    node.close()
    node = opened(tmp_path / "node.sqlite")
    for name, value in OTHERS.items():
        other = replace(OWNER, **{name: value})
        for ask in (node.belonging.require, node.belonging.claim):
            with pytest.raises(DataOfAnother) as caught:
                ask(other)
            (difference,) = caught.value.fields["differences"]  # type: ignore[misc]
            assert (difference["what"], difference["here"]) == (name, "0x" + value.hex())  # type: ignore[index]
            assert caught.value.hint
    node.belonging.require(OWNER)
    node.close()


def test_older_data_is_asked_who_sent(tmp_path: Path) -> None:
    store = SqliteOperatorStore(tmp_path / "operator.sqlite")
    store.journal.record([SentTransaction("commit:1", OWNER.account, 0, b"raw", b"h" * 32, 1, 1)])
    with pytest.raises(DataOfAnother):
        store.belonging.claim(replace(OWNER, account=b"\x01" * 20))
    store.belonging.claim(OWNER)
    store.close()
