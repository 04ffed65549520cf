"""The journal of commands that run once: what the port promises, over processes, chains and damage."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from wattest.apps.key_use import KeyInUse, use_key
from wattest.chain.file_journal import FileJournal, JournalUnreadable
from wattest.chain.transactions import MemoryJournal, SentTransaction, TransactionJournal
from wattest.io.files import write_key_file

GENESIS, OTHER = b"\x01" * 32, b"\x02" * 32
A, B = b"\x0a" * 20, b"\x0b" * 20


def sent(intent: str, nonce: int, mark: int = 0, sender: bytes = A) -> SentTransaction:
    return SentTransaction(
        intent, sender, nonce, b"\x02" + bytes([nonce, mark]), bytes([nonce, mark]) * 16, 21_000, 2**70
    )


@pytest.fixture(params=["file", "memory"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> TransactionJournal:
    return MemoryJournal() if request.param == "memory" else FileJournal(tmp_path / "key.sent", GENESIS)


def test_a_journal_keeps_what_the_port_promises(journal: TransactionJournal) -> None:
    journal.record([sent("one", 0), sent("two", 1)])
    journal.record([sent("one", 0, mark=1), sent("one", 7, sender=B)])
    assert list(journal.find(A, "one")) == [sent("one", 0), sent("one", 0, mark=1)]
    assert list(journal.find(B, "two")) == []
    assert list(journal.outstanding(A, 0)) == [sent("one", 0, mark=1), sent("two", 1)]
    assert list(journal.outstanding(A, 1)) == [sent("two", 1)]
    journal.forget(A, "one")
    assert list(journal.find(A, "one")) == []
    assert list(journal.find(B, "one")) == [sent("one", 7, sender=B)]


def test_another_process_finds_it_and_another_chain_does_not(tmp_path: Path) -> None:
    path = tmp_path / "key.sent"
    FileJournal(path, GENESIS).record([sent("one", 3)])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    other = FileJournal(path, OTHER)
    assert other.outstanding(A, 0) == []
    other.record([sent("one", 0)])
    again = FileJournal(path, GENESIS)
    assert again.outstanding(A, 0) == [sent("one", 3)]
    assert again.intents(A) == ["one"]
    again.forget(A, "one")
    assert FileJournal(path, OTHER).outstanding(A, 0) == [sent("one", 0)]


def test_a_journal_that_holds_nothing_has_no_file(tmp_path: Path) -> None:
    path = tmp_path / "key.sent"
    journal = FileJournal(path, GENESIS)
    journal.record([])
    assert not path.exists()
    journal.record([sent("one", 0)])
    journal.forget(A, "another")
    assert path.exists()
    journal.forget(A, "one")
    assert not path.exists()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"nonce": 3', '"nonce": -3'),
        ("wattest/sent/1", "wattest/sent/2"),
        ('"gas"', '"gaz"'),
        ("}", ""),
        ('"raw": "', '"raw": "0x'),
    ],
)
def test_damage_is_refused_with_its_place(before: str, after: str, tmp_path: Path) -> None:
    path = tmp_path / "key.sent"
    FileJournal(path, GENESIS).record([sent("one", 3)])
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))
    with pytest.raises(JournalUnreadable, match=r"key\.sent"):
        FileJournal(path, GENESIS)


def test_one_command_at_a_time_uses_a_key(tmp_path: Path) -> None:
    write_key_file(tmp_path / "own.key", b"\x07" * 32)
    with use_key(tmp_path / "own.key", GENESIS) as key:
        key.journal.record([replace(sent("one", 0), sender=key.signer.address)])
        with pytest.raises(KeyInUse), use_key(tmp_path / "own.key", GENESIS):
            pass
        key.done("one")
    assert [path.name for path in tmp_path.iterdir()] == ["own.key"]
