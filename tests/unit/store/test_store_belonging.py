"""A folder serves the account and the contracts it began with, and says so to any other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from wattest.chain.client import SentTransaction
from wattest.messages.header import BatchHeader
from wattest.store.belonging import DataOfAnother, Owner
from wattest.store.operator_store import SqliteOperatorStore
from wattest.watcher.watch_log import WatchLog

OWNER = Owner(b"\x0a" * 20, b"\x0b" * 32, b"\x0c" * 20)
C, ZERO = b"\xc1" * 32, bytes(32)
MINE, THEIRS = b"\x0a" * 20, b"\x0b" * 20
HEADER = BatchHeader(C, MINE, 1, ZERO, 0, 900, ZERO, 1, ZERO, ZERO, ZERO, ZERO, b"\x0c" * 32, ZERO, ZERO)
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


@pytest.fixture
def store(tmp_path: Path) -> SqliteOperatorStore:
    return SqliteOperatorStore(tmp_path / "operator.sqlite")


def seal(store: SqliteOperatorStore, sequence: int) -> None:
    period = (900 * (sequence - 1), 900 * sequence)
    header = replace(HEADER, sequence=sequence, period_start=period[0], period_end=period[1])
    store.collect(C, sequence, period)
    store.mark_if_before_sealed(C, sequence)
    store.save_sealed(
        header, sequence.to_bytes(32), bytes(65), entries=[b"e"], salts=[b"s"], wrapped_keys=[{b"r" * 32: b"w"}],
        roster=b"",
    )  # fmt: skip


def test_a_folder_that_sealed_nothing_is_anybody_s(store: SqliteOperatorStore) -> None:
    for account in (MINE, THEIRS):
        store.belonging.require(replace(OWNER, account=account))
    store.collect(C, 1, (0, 900))
    store.belonging.require(replace(OWNER, account=THEIRS))


@pytest.mark.parametrize("collects_more", [False, True])
def test_another_operator_s_key_is_refused(store: SqliteOperatorStore, collects_more: bool) -> None:
    seal(store, 1)
    if collects_more:  # the newest batch has no header yet
        store.collect(C, 2, (900, 1800))
    store.belonging.require(replace(OWNER, account=MINE))
    with pytest.raises(DataOfAnother) as caught:
        store.belonging.require(replace(OWNER, account=THEIRS))
    error = caught.value
    assert error.exit_code == 7
    (difference,) = error.fields["differences"]  # type: ignore[misc]
    assert difference["what"] == "account"  # type: ignore[index]
    assert (difference["data"], difference["here"]) == ("0x" + MINE.hex(), "0x" + THEIRS.hex())  # type: ignore[index]
    assert "key file that this folder was made with" in (error.hint or "")
    store.belonging.claim(replace(OWNER, account=MINE))  # noted, it is compared with what is noted
    store.belonging.require(replace(OWNER, account=MINE))
    with pytest.raises(DataOfAnother):
        store.belonging.require(replace(OWNER, account=THEIRS))
