"""The operator's store: one writer, one header per sequence, allowed moves only, durable and versioned."""

from __future__ import annotations

import itertools
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from wattest.chain.client import SentTransaction
from wattest.io.crash_points import CrashPoints, UnknownCrashPoint
from wattest.messages.header import BatchHeader
from wattest.operator.due import NextStep, decide
from wattest.store.batch_state import NEXT_STATES, StoredBatch, StoredState
from wattest.store.database import Database, DatabaseFailed, DatabaseInUse, DatabaseUnknown, SqliteJournal
from wattest.store.operator_store import MIGRATIONS, SqliteOperatorStore
from wattest.store.refusals import BlockConflict, SecondHeader, UnknownStoredBatch, WrongBatchState
from wattest.twin.batch import BatchRecord

C, ZERO = b"\xc1" * 32, bytes(32)
HEADER = BatchHeader(C, b"\x0a" * 20, 1, ZERO, 0, 900, ZERO, 1, ZERO, ZERO, ZERO, ZERO, b"\x0c" * 32, ZERO, ZERO)
DIGEST = b"\x0d" * 32


@pytest.fixture
def store(tmp_path: Path) -> SqliteOperatorStore:
    return SqliteOperatorStore(tmp_path / "operator.sqlite")


def sealed(store: SqliteOperatorStore, digest: bytes = DIGEST) -> None:
    store.collect(C, 1, (0, 900))
    store.mark_if_before_sealed(C, 1)
    store.save_sealed(
        replace(HEADER), digest, bytes(65), entries=[b"e"], salts=[b"s"], wrapped_keys=[{b"r" * 32: b"w"}], roster=b""
    )


def test_a_second_header_is_refused(store: SqliteOperatorStore) -> None:
    sealed(store)
    sealed(store)  # the same again is nothing new
    with pytest.raises(SecondHeader):
        sealed(store, b"\x0e" * 32)
    assert store.batch(C, 1).header_digest == DIGEST


def test_only_the_table_s_moves(store: SqliteOperatorStore) -> None:
    for start, end in itertools.product(StoredState, StoredState):
        store.database.run("DELETE FROM batch")
        store.collect(C, 1, (0, 900))
        store.database.run("UPDATE batch SET state = ?", start.value)
        if end is start or end in NEXT_STATES[start]:
            store.mark(C, 1, end)
            assert store.batch(C, 1).state is end
        else:
            with pytest.raises(WrongBatchState):
                store.mark(C, 1, end)
            assert store.batch(C, 1).state is start


def test_blocks_are_kept_once_and_fixed_by_collection(store: SqliteOperatorStore) -> None:
    assert store.add_block(C, b"m" * 32, (0, 900), b"1" * 32, b"one")
    assert not store.add_block(C, b"m" * 32, (0, 900), b"1" * 32, b"one")
    with pytest.raises(BlockConflict):
        store.add_block(C, b"m" * 32, (0, 900), b"2" * 32, b"two")
    store.collect(C, 1, (0, 900))
    store.add_block(C, b"n" * 32, (0, 900), b"3" * 32, b"late")
    store.collect(C, 1, (0, 900))
    assert list(store.blocks_of(C, 1)) == [b"one"]
    store.refuse_block(C, 1, b"m" * 32, "the guest says no")
    assert list(store.blocks_of(C, 1)) == []
    with pytest.raises(WrongBatchState):
        store.collect(C, 1, (900, 1800))


def test_keys_and_readings_are_erased_after_finality_only_and_for_good(
    store: SqliteOperatorStore, tmp_path: Path
) -> None:
    readings = {
        name: b"readings of meter %b that must not linger on disk, anywhere at all. " % name * 9
        for name in (b"m", b"n")
    }
    for name, body in readings.items():
        store.add_block(C, name * 32, (0, 900), name * 32, body)
    store.collect(C, 1, (0, 900))
    store.mark(C, 1, StoredState.SEALING)
    secret = b"wrapped key that must not linger on disk, really not at all, anywhere at all."
    store.save_sealed(
        HEADER,
        DIGEST,
        bytes(65),
        entries=[b"e", b"f"],
        salts=[b"s", b"t"],
        wrapped_keys=[{b"r" * 32: b"another's"}, {b"r" * 32: secret}],
        roster=b"n" * 32 + b"m" * 32,
    )
    with pytest.raises(WrongBatchState):
        store.erase(C, 1, 1)
    store.mark(C, 1, StoredState.STORED)
    store.mark(C, 1, StoredState.COMMITTING)
    store.save_committed(C, 1, BatchRecord(DIGEST, 7, 1, 10**9), (1, ZERO, ZERO), 5)
    store.mark(C, 1, StoredState.FINAL)
    assert store.erase(C, 1, 1) == 1
    assert store.wrapped_keys(C, 1, b"r" * 32) == {0: b"another's"}
    assert list(store.blocks_of(C, 1)) == [b"", readings[b"n"]]
    assert not store.add_block(C, b"m" * 32, (0, 900), b"m" * 32, b"the digest is known")
    store.close()
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert secret not in kept
    assert readings[b"m"][:60] not in kept
    assert readings[b"n"][:60] in kept


def test_one_writer_and_known_versions(store: SqliteOperatorStore, tmp_path: Path) -> None:
    with pytest.raises(DatabaseInUse):
        SqliteOperatorStore(tmp_path / "operator.sqlite")
    reader = SqliteOperatorStore(tmp_path / "operator.sqlite", read_only=True)
    with pytest.raises(DatabaseFailed):
        reader.put_document(C, "x", b"")
    with pytest.raises(UnknownStoredBatch):
        reader.batch(C, 9)
    reader.close()
    store.close()
    with sqlite3.connect(tmp_path / "operator.sqlite") as raw:
        raw.execute("PRAGMA user_version = 99")
    with pytest.raises(DatabaseUnknown):
        SqliteOperatorStore(tmp_path / "operator.sqlite")
    (tmp_path / "text.sqlite").write_bytes(b"this is no database" * 100)
    with pytest.raises(DatabaseFailed):
        SqliteOperatorStore(tmp_path / "text.sqlite")
    with pytest.raises(DatabaseFailed):
        SqliteOperatorStore(tmp_path / "absent.sqlite", read_only=True)


def test_a_failed_transaction_leaves_nothing(store: SqliteOperatorStore) -> None:
    def fail() -> None:
        with store.database.transaction():
            store.put_document(C, "x", b"1")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert store.document(C, "x") is None


def test_the_journal_survives_and_keeps_nonces(tmp_path: Path) -> None:
    def sent(intent: str, nonce: int, mark: int) -> SentTransaction:
        return SentTransaction(intent, b"s" * 20, nonce, b"raw", bytes([mark]) * 32, 21_000, 10**30)

    database = Database(tmp_path / "j.sqlite", MIGRATIONS)
    journal = SqliteJournal(database)
    for transaction in (sent("a", 0, 1), sent("b", 1, 2), sent("b", 1, 3), sent("c", 2, 4)):
        journal.record([transaction])
    database.close()
    journal = SqliteJournal(Database(tmp_path / "j.sqlite", MIGRATIONS))
    assert journal.find(b"s" * 20, "b") == [sent("b", 1, 2), sent("b", 1, 3)]
    assert journal.outstanding(b"s" * 20, 1) == [sent("b", 1, 3), sent("c", 2, 4)]
    journal.forget(b"s" * 20, "b")
    assert journal.outstanding(b"s" * 20, 0) == [sent("a", 0, 1), sent("c", 2, 4)]
    assert journal.find(b"t" * 20, "a") == []


def test_decisions_follow_from_state_and_chain_time(store: SqliteOperatorStore) -> None:
    store.collect(C, 1, (0, 900))
    expected = {
        StoredState.COLLECTED: NextStep.SEAL,
        StoredState.SEALING: NextStep.SEAL,
        StoredState.SEALED: NextStep.STORE,
        StoredState.STORED: NextStep.COMMIT,
        StoredState.COMMITTING: NextStep.COMMIT,
    }
    for state in StoredState:
        last = replace(store.batch(C, 1), state=state)
        step = expected.get(state, NextStep.COLLECT)
        assert decide(last, (900, 1800), 1800, complete=True, collect_grace_s=60) is step
    for now, complete, step in (
        (1799, True, NextStep.WAIT),
        (1800, False, NextStep.WAIT),
        (1800, True, NextStep.COLLECT),
        (1859, False, NextStep.WAIT),
        (1860, False, NextStep.COLLECT),
    ):
        assert decide(None, (900, 1800), now, complete=complete, collect_grace_s=60) is step


def test_fault_points_are_known() -> None:
    with pytest.raises(UnknownCrashPoint):
        CrashPoints("nowhere")
    with pytest.raises(UnknownCrashPoint):
        CrashPoints.unsafe_from_environment({"WATTEST_UNSAFE_FAULT": "batch.final:x"})
    CrashPoints.unsafe_from_environment({}).reach("batch.final")
    CrashPoints("batch.final", 2).reach("batch.final")


def test_a_transaction_inside_another_is_all_or_nothing(store: SqliteOperatorStore) -> None:
    def refused() -> None:
        with store.database.transaction():
            store.add_block(C, b"b" * 32, (0, 900), b"2" * 32, b"two")
            with store.database.transaction():
                store.add_block(C, b"c" * 32, (0, 900), b"3" * 32, b"three")
            store.add_block(C, b"a" * 32, (0, 900), b"4" * 32, b"another")

    with store.database.transaction():
        store.add_block(C, b"a" * 32, (0, 900), b"1" * 32, b"one")
        with pytest.raises(BlockConflict):
            refused()
        with store.database.transaction():
            store.add_block(C, b"d" * 32, (0, 900), b"5" * 32, b"four")
    meters = store.database.rows("SELECT meter FROM device_block ORDER BY meter")
    assert meters == [(b"a" * 32,), (b"d" * 32,)]


def test_a_roster_of_an_earlier_version_has_no_rows(store: SqliteOperatorStore) -> None:
    header = replace(HEADER, entry_count=2)
    kept = {"entries": [b"e", b"f"], "salts": [b"s", b"t"], "wrapped_keys": [{}, {}]}
    for sequence, roster in ((1, b"n" * 32 + b"m" * 32), (2, b"n" * 32 + b"m" * 32 + bytes(range(40)))):
        store.collect(C, sequence, (900 * sequence - 900, 900 * sequence))
        store.mark(C, sequence, StoredState.SEALING)
        store.save_sealed(replace(header, sequence=sequence), DIGEST, bytes(65), roster=roster, **kept)  # type: ignore[arg-type]
        assert store.roster(C, sequence) == b"n" * 32 + b"m" * 32
        assert store.roster_rows(C, sequence) == roster[64:]
    assert (store.roster(C, 3), store.roster_rows(C, 3)) == (b"", b"")


def test_only_a_sealed_batch_has_what_was_signed() -> None:
    nothing = (None,) * 9
    open_batch = StoredBatch(b"\x01" * 32, 1, 0, 86_400, StoredState.COLLECTED, *nothing, released=False)
    with pytest.raises(RuntimeError, match="batch 1 is not sealed"):
        _ = open_batch.signed
