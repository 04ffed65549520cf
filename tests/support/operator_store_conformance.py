"""The one suite of the ``OperatorStore`` port: what operator, keys, server and witness count on in any tables."""

from __future__ import annotations

import contextlib
import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from memory_tables import MEMORY_TABLES

from wattest.chain.transactions import SentTransaction
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.messages.header import BatchHeader
from wattest.messages.member_list import Member, MemberList, SignedMemberList
from wattest.messages.settlement_terms import SignedTerms
from wattest.store.back_ends import OPERATOR_STORES
from wattest.store.batch_state import NEXT_STATES, StoredState
from wattest.store.belonging import DataOfAnother, Owner
from wattest.store.enclave_key import Cause, EnclaveKey, KeyState
from wattest.store.operator_port import OperatorStore, OperatorView
from wattest.store.refusals import (
    BlockConflict,
    SecondHeader,
    SettledAlready,
    UnknownSettlement,
    UnknownStoredBatch,
    WrongBatchState,
    WrongKeyState,
    WrongSettlementState,
)
from wattest.store.settlement import NEXT_SETTLEMENT_STATES, SettledPayouts, Settlement, SettlementState
from wattest.twin.batch import BatchRecord

C, D, ZERO = b"\xc1" * 32, b"\xd1" * 32, bytes(32)
M, N, READER = b"m" * 32, b"n" * 32, b"r" * 32
PERIOD, NEXT_PERIOD = (0, 900), (900, 1800)
HEADER = BatchHeader(C, b"\x0a" * 20, 1, ZERO, *PERIOD, ZERO, 2, ZERO, ZERO, ZERO, ZERO, b"\x0c" * 32, ZERO, ZERO)
DIGEST = b"\x0d" * 32
RECORD = BatchRecord(DIGEST, 7, 1, 10**9)
_S, _K = StoredState, KeyState


@dataclass(frozen=True)
class TablesMaker:
    """One back end for the suite: opened for its writer, and for a reader beside it, at a folder."""

    make: Callable[[Path], OperatorStore]
    view: Callable[[Path], OperatorView]
    kind: str | None = None

    @contextmanager
    def opened(self, folder: Path) -> Iterator[OperatorStore]:
        store = self.make(folder)
        try:
            yield store
        finally:
            store.close()


def seal(store: OperatorStore, digest: bytes = DIGEST) -> None:
    store.mark_if_before_sealed(C, 1)
    store.save_sealed(
        HEADER, digest, bytes(65), entries=[b"e", b"f"], salts=[b"s", b"t"],
        wrapped_keys=[{READER: b"first"}, {READER: b"second", M: b"another's"}], roster=N + M,
    )  # fmt: skip


def collected(store: OperatorStore) -> None:
    store.add_block(C, M, PERIOD, b"1" * 32, b"of m")
    store.add_block(C, N, PERIOD, b"2" * 32, b"of n")
    store.collect(C, 1, PERIOD)


def keeps_one_block_a_meter_and_period(maker: TablesMaker, folder: Path) -> None:
    with maker.opened(folder) as store:
        assert store.add_block(C, M, PERIOD, b"1" * 32, b"one")
        assert not store.add_block(C, M, PERIOD, b"1" * 32, b"one")
        with pytest.raises(BlockConflict) as caught:
            store.add_block(C, M, PERIOD, b"2" * 32, b"two")
        assert (caught.value.fields["expected"], caught.value.fields["actual"]) == (b"1" * 32, b"2" * 32)
        assert store.add_block(C, M, NEXT_PERIOD, b"2" * 32, b"two")
        assert store.add_block(D, M, PERIOD, b"2" * 32, b"two")
        assert store.has_block(C, M, 0, b"1" * 32)
        assert not store.has_block(C, M, 0, b"2" * 32)
        assert [store.meters_with_block(C, start) for start in (0, 900, 1800)] == [1, 1, 0]


def fixes_a_batch_s_blocks_when_the_enclave_is_asked(maker: TablesMaker, folder: Path) -> None:
    with maker.opened(folder) as store:
        store.add_block(C, N, PERIOD, b"2" * 32, b"of n")
        store.add_block(C, M, PERIOD, b"1" * 32, b"of m")
        store.add_block(C, M, NEXT_PERIOD, b"3" * 32, b"tomorrow")
        batch = store.collect(C, 1, PERIOD)
        assert (batch.state, batch.sequence, batch.header) == (_S.COLLECTED, 1, None)
        store.add_block(C, b"o" * 32, PERIOD, b"4" * 32, b"just in time")
        assert store.collect(C, 1, PERIOD) == batch
        assert list(store.blocks_of(C, 1)) == [b"of m", b"of n"]  # by meter
        store.mark_if_before_sealed(C, 1)
        store.add_block(C, b"p" * 32, PERIOD, b"5" * 32, b"late")
        store.mark_if_before_sealed(C, 1)
        assert list(store.blocks_of(C, 1)) == [b"of m", b"of n", b"just in time"]
        with pytest.raises(WrongBatchState):
            store.collect(C, 1, NEXT_PERIOD)
        store.refuse_block(C, 1, M, "the guest says no")
        assert list(store.blocks_of(C, 1)) == [b"of n", b"just in time"]
        seal(store)
        with pytest.raises(WrongBatchState):
            store.refuse_block(C, 1, N, "too late")
        assert list(store.blocks_of(C, 1)) == [b"of n", b"just in time"]


def makes_only_the_table_s_moves(maker: TablesMaker, folder: Path) -> None:
    ways = {_S.COLLECTED: [_S.COLLECTED]}
    while len(ways) < len(_S):
        for state, way in list(ways.items()):
            for after in NEXT_STATES[state]:
                ways.setdefault(after, [*way, after])
    with maker.opened(folder) as store:
        for sequence, (start, end) in enumerate(itertools.product(_S, _S), 1):
            store.collect(C, sequence, (900 * sequence, 900 * sequence + 900))
            for state in ways[start]:
                store.mark(C, sequence, state)
            if end is start or end in NEXT_STATES[start]:
                store.mark(C, sequence, end)
                assert store.batch(C, sequence).state is end
            else:
                with pytest.raises(WrongBatchState):
                    store.mark(C, sequence, end)
                assert store.batch(C, sequence).state is start


def refuses_a_second_header(maker: TablesMaker, folder: Path) -> None:
    with maker.opened(folder) as store:
        collected(store)
        seal(store)
        seal(store)  # the same again is nothing new
        with pytest.raises(SecondHeader):
            seal(store, b"\x0e" * 32)
        batch = store.batch(C, 1)
        assert (batch.header, batch.header_digest, batch.state) == (HEADER, DIGEST, _S.SEALED)
        assert store.entries(C, 1) == ([b"e", b"f"], [b"s", b"t"])
        assert store.entry_rows.one(C, 1, 1) == (b"f", b"t")
        assert store.entry_rows.one(C, 1, 2) is None
        assert list(store.entry_rows.runs(C, 1, 1)) == [(b"e", b"s"), (b"f", b"t")]
        assert store.wrapped_keys(C, 1, READER) == {0: b"first", 1: b"second"}
        assert store.wrapped_keys(C, 1, READER, first=1) == {1: b"second"}
        assert store.wrapped_keys(C, 1, READER, limit=1) == {0: b"first"}
        assert store.wrapped_keys(C, 1, N) == {}
        assert (store.roster(C, 1), store.roster(C, 2)) == (N + M, b"")


def finds_batches(maker: TablesMaker, folder: Path) -> None:
    with maker.opened(folder) as store:
        assert (store.last_batch(C), store.find_batch(C, 1), store.channels()) == (None, None, [])
        with pytest.raises(UnknownStoredBatch):
            store.batch(C, 1)
        for channel, sequence in ((D, 1), (C, 2), (C, 1), (C, 3)):
            store.collect(channel, sequence, (900 * sequence, 900 * sequence + 900))
        store.mark(C, 2, _S.SEALING)
        assert store.channels() == [C, D]
        assert [one.sequence for one in store.batches(C)] == [1, 2, 3]
        assert [one.sequence for one in store.batches(C, from_sequence=2, limit=1)] == [2]
        assert [one.sequence for one in store.batches(C, states=[_S.COLLECTED])] == [1, 3]
        last = store.last_batch(C)
        assert last is not None
        assert last.sequence == 3


def notes_where_a_batch_was_committed(maker: TablesMaker, folder: Path) -> None:
    with maker.opened(folder) as store:
        collected(store)
        seal(store)
        with pytest.raises(WrongBatchState):
            store.save_committed(C, 1, RECORD, (1, ZERO, ZERO), 5)
        assert store.batch(C, 1).record is None
        store.mark(C, 1, _S.STORED)
        store.mark(C, 1, _S.COMMITTING)
        store.save_committed(C, 1, RECORD, (1, b"\x01" * 32, b"\x02" * 32), 5)
        store.save_committed(C, 1, RECORD, (2, b"\x03" * 32, b"\x04" * 32), None)  # mined again elsewhere
        batch = store.batch(C, 1)
        assert (batch.record, batch.state, batch.gas_used) == (RECORD, _S.COMMITTED, 5)
        assert (batch.block_number, batch.block_hash, batch.transaction_hash) == (2, b"\x03" * 32, b"\x04" * 32)
        assert not batch.released
        store.mark_released(C, 1)
        assert store.batch(C, 1).released


def erases_after_finality_and_for_good(maker: TablesMaker, folder: Path) -> None:
    with maker.opened(folder) as store:
        collected(store)
        seal(store)
        for state in (_S.STORED, _S.COMMITTING):
            with pytest.raises(WrongBatchState):
                store.erase(C, 1, 1)
            store.mark(C, 1, state)
        store.save_committed(C, 1, RECORD, (1, ZERO, ZERO), 5)
        store.mark(C, 1, _S.FINAL)
        assert store.erase(C, 1, 1) == 2  # two readers had the key; the second entry is meter m's
        assert store.erase(C, 1, 1) == 0
        assert store.wrapped_keys(C, 1, READER) == {0: b"first"}
        assert list(store.blocks_of(C, 1)) == [b"", b"of n"]
        assert not store.add_block(C, M, PERIOD, b"1" * 32, b"of m")  # its digest is known, and stays empty
        assert list(store.blocks_of(C, 1)) == [b"", b"of n"]


def changes_all_or_nothing(maker: TablesMaker, folder: Path) -> None:
    with maker.opened(folder) as store:
        with contextlib.suppress(KeyError), store.transaction():
            store.put_document(C, "x", b"1")
            store.collect(C, 1, PERIOD)
            raise KeyError
        assert (store.document(C, "x"), store.find_batch(C, 1)) == (None, None)
        with store.transaction():
            store.put_document(C, "outer", b"1")
            with contextlib.suppress(KeyError), store.transaction():
                store.put_document(C, "inner", b"1")
                raise KeyError
            store.put_document(C, "after", b"1")
        assert [store.document(C, name) for name in ("outer", "inner", "after")] == [b"1", None, b"1"]


def keeps_challenges_documents_and_cursors(maker: TablesMaker, folder: Path) -> None:
    with maker.opened(folder) as store:
        for position, deadline in ((0, 30), (1, 20), (2, 10)):
            store.save_challenge(C, 1, position, deadline, "open")
        store.save_challenge(C, 1, 0, 0, "open")  # told again: a deadline never goes back
        assert store.challenges(C, "open") == [(1, 2, 10), (1, 1, 20), (1, 0, 30)]
        store.save_challenge(C, 1, 1, 0, "answered")
        assert (store.challenges(C, "open"), store.challenges(C, "answered")) == (
            [(1, 2, 10), (1, 0, 30)], [(1, 1, 20)],
        )  # fmt: skip
        assert store.challenges(D, "open") == []
        store.put_document(C, "members", b"one")
        store.put_document(C, "members", b"two")
        assert (store.document(C, "members"), store.document(D, "members")) == (b"two", None)
        assert store.cursors.get("referee") is None
        store.cursors.set("referee", 7, b"\x01" * 32)
        store.cursors.set("referee", 5, b"\x02" * 32)
        assert store.cursors.get("referee") == (5, b"\x02" * 32)


def remembers_what_was_sent(maker: TablesMaker, folder: Path) -> None:
    def sent(intent: str, nonce: int, mark: int) -> SentTransaction:
        return SentTransaction(intent, b"s" * 20, nonce, b"raw", bytes([mark]) * 32, 21_000, 10**30)

    with maker.opened(folder) as store:
        for one in (sent("a", 0, 1), sent("b", 1, 2), sent("b", 1, 3), sent("c", 2, 4)):
            store.journal.record([one])
        assert store.journal.find(b"s" * 20, "b") == [sent("b", 1, 2), sent("b", 1, 3)]
        assert store.journal.outstanding(b"s" * 20, 1) == [sent("b", 1, 3), sent("c", 2, 4)]
        store.journal.forget(b"s" * 20, "b")
        assert store.journal.outstanding(b"s" * 20, 0) == [sent("a", 0, 1), sent("c", 2, 4)]
        assert list(store.journal.find(b"t" * 20, "a")) == []


def belongs_to_one_account(maker: TablesMaker, folder: Path) -> None:
    owner = Owner(b"\x0a" * 20, b"\x01" * 32, b"\x0b" * 20)
    with maker.opened(folder) as store:
        store.belonging.claim(owner)
        store.belonging.claim(owner)
        store.belonging.require(owner)
        for field in ("account", "genesis_hash", "referee"):
            other = replace(owner, **{field: bytes(len(getattr(owner, field)))})
            for refuse in (store.belonging.require, store.belonging.claim):
                with pytest.raises(DataOfAnother):
                    refuse(other)
        store.belonging.require(owner)


def switches_keys_at_once(maker: TablesMaker, folder: Path) -> None:
    def key(slot: int, state: KeyState = _K.CREATED) -> EnclaveKey:
        return EnclaveKey(C, slot, bytes([slot + 1]) * 20, state, Cause.PLANNED, (slot, ZERO), 5)

    with maker.opened(folder) as store:
        keys = store.keys
        assert (keys.channels(), keys.key_in(C, _K.ACTIVE), keys.ordered(C)) == ([], None, None)
        keys.add(key(0))
        keys.add(key(0))
        keys.switch(key(0))
        keys.order(C, Cause.PLANNED, 9)
        keys.order(C, Cause.LOST, 9)  # more pressing
        keys.order(C, Cause.PLANNED, 9)
        assert keys.ordered(C) is Cause.LOST
        keys.add(key(1))
        keys.switch(key(1))
        assert (keys.channels(), keys.ordered(C)) == ([C], None)
        assert keys.key_in(C, _K.ACTIVE) == key(1, _K.ACTIVE)
        assert keys.retired(C) == [key(0, _K.RETIRED)]
        with pytest.raises(WrongKeyState):
            keys.mark(key(0), _K.ACTIVE)
        keys.mark(key(0), _K.REVOKED)
        keys.add(key(2))
        keys.forget(key(2))
        assert keys.keys(C) == [key(0, _K.REVOKED), key(1, _K.ACTIVE)]


def frees_the_sequence_of_an_abandoned_batch(maker: TablesMaker, folder: Path) -> None:
    with maker.opened(folder) as store:
        collected(store)
        seal(store)
        before = store.keys.commit_intent(C, 1)
        store.keys.abandon(store.batch(C, 1), Cause.LOST, past_deadline=False)
        (gone,) = store.keys.abandoned(C)
        assert (gone.sequence, gone.header_digest, gone.cause) == (1, DIGEST, Cause.LOST)
        assert store.keys.commit_intent(C, 1) != before
        assert (store.find_batch(C, 1), store.wrapped_keys(C, 1, READER)) == (None, {})
        store.collect(C, 1, PERIOD)
        assert list(store.blocks_of(C, 1)) == [b"of m", b"of n"]  # collected again
        store.keys.leave_out(store.batch(C, 1))
        store.collect(C, 1, PERIOD)
        assert list(store.blocks_of(C, 1)) == []  # past its deadline, they are left out


def shows_readers_what_is_kept(maker: TablesMaker, folder: Path) -> None:
    with maker.opened(folder) as store:
        view = maker.view(folder)
        try:
            collected(store)
            seal(store)
            assert view.batch(C, 1) == store.batch(C, 1)
            assert view.wrapped_keys(C, 1, READER) == {0: b"first", 1: b"second"}
            assert view.channels() == [C]
        finally:
            view.close()
            view.close()


def settlement(sequence: int = 1, *, days: tuple[int, int] = (0, 2), tariff: bytes = b"t" * 50) -> Settlement:
    """One of a statement channel; everything of it but its parameters is what its neighbours have."""
    identity = ChannelIdentity(b"\x0b" * 20, ChannelKind.SCHEDULED, b"s" * 32)
    members = MemberList(identity.id, 0, (Member(b"k" * 64, b"c" * 32, b"r" * 32),))
    return Settlement(
        D, sequence, DIGEST, C, days[0] * 900, days[1] * 900, (days[0] + 1, days[1]), "Europe/Vienna", b"d" * 32,
        SignedMemberList(members, identity, bytes(65)), (b"p" * 20,), tariff, b"a", SignedTerms(0, 9, bytes(65)), b"",
    )  # fmt: skip


def keeps_settlements_step_by_step(maker: TablesMaker, folder: Path) -> None:
    payouts = SettledPayouts(1, b"\x01" * 32, 2**100, b"l" * 52, b"s" * 16)
    with maker.opened(folder) as store:
        kept = store.settlements
        assert kept.add(settlement()) == settlement()
        assert kept.add(settlement(7)) == settlement()  # the very same work, whatever its place would be
        for other in (settlement(2, days=(1, 3)), settlement(2, tariff=b"u" * 50), settlement(1, days=(2, 3))):
            with pytest.raises(SettledAlready):
                kept.add(other)
        assert kept.all() == kept.all(D) == [settlement()]
        assert kept.all(C) == []
        kept.save_sealed(settlement(), (0, -1), (b"b" * 353,), payouts)
        sealed = replace(
            settlement(), state=SettlementState.SEALED, member_of=(0, -1), bills=(b"b" * 353,), payouts=payouts
        )
        assert kept.one(D, 1) == sealed
        kept.save_sealed(settlement(), (), (), replace(payouts, total=1))  # again, it changes nothing
        assert kept.one(D, 1) == sealed
        with pytest.raises(WrongSettlementState):
            kept.drop(sealed)
        with pytest.raises(WrongSettlementState):
            kept.mark(sealed, SettlementState.ACTIVATED)
        kept.mark(sealed, SettlementState.COMMITTED)
        kept.mark(sealed, SettlementState.COMMITTED)
        kept.add(settlement(2, days=(2, 3)))
        assert [one.sequence for one in kept.all(D)] == [1, 2]
        kept.drop(settlement(2, days=(2, 3)))
        with pytest.raises(UnknownSettlement):
            kept.one(D, 2)
    with maker.opened(folder) as store:
        assert store.settlements.all() == [replace(sealed, state=SettlementState.COMMITTED)]


def makes_only_a_settlement_s_moves(maker: TablesMaker, folder: Path) -> None:
    payouts = SettledPayouts(0, ZERO, 0, b"", b"")
    for number, (before, after) in enumerate(itertools.product(SettlementState, SettlementState)):
        with maker.opened(folder / str(number)) as store:
            kept, one = store.settlements, store.settlements.add(settlement())
            for step in _way_to(before):
                if step is SettlementState.SEALED:
                    kept.save_sealed(one, (), (), payouts)
                else:
                    kept.mark(one, step)
            allowed = after in NEXT_SETTLEMENT_STATES[before] or after is before
            with contextlib.nullcontext() if allowed else pytest.raises(WrongSettlementState):
                kept.mark(one, after)
            assert kept.one(D, 1).state is (after if allowed else before)
            is_over = not NEXT_SETTLEMENT_STATES[kept.one(D, 1).state]
            assert kept.unfinished() == ([] if is_over else [kept.one(D, 1)])


def _way_to(state: SettlementState) -> list[SettlementState]:
    """The shortest way from the first state."""
    ways: dict[SettlementState, list[SettlementState]] = {SettlementState.PLANNED: []}
    while state not in ways:
        for before, way in list(ways.items()):
            for after in NEXT_SETTLEMENT_STATES[before]:
                ways.setdefault(after, [*way, after])
    return ways[state]


def outlives_a_kill(maker: TablesMaker, folder: Path) -> None:
    """What was kept is there after a kill, and nothing of a transaction that was open."""
    if maker.kind is None:
        return
    program = (
        "import os, sys; from pathlib import Path; from wattest.store.back_ends import OPERATOR_STORES\n"
        "store = OPERATOR_STORES[sys.argv[1]].write(Path(sys.argv[2]), None)\n"
        "channel = b'\\xc1' * 32; store.put_document(channel, 'kept', b'1')\n"
        "with store.transaction():\n"
        "    store.put_document(channel, 'open', b'1'); store.collect(channel, 1, (0, 900)); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", program, maker.kind, str(folder)], check=False)
    assert done.returncode == -9
    with maker.opened(folder) as store:
        assert (store.document(C, "kept"), store.document(C, "open"), store.find_batch(C, 1)) == (b"1", None, None)


CHECKS: list[Callable[[TablesMaker, Path], None]] = [
    keeps_one_block_a_meter_and_period,
    fixes_a_batch_s_blocks_when_the_enclave_is_asked,
    makes_only_the_table_s_moves,
    refuses_a_second_header,
    finds_batches,
    notes_where_a_batch_was_committed,
    erases_after_finality_and_for_good,
    changes_all_or_nothing,
    keeps_challenges_documents_and_cursors,
    remembers_what_was_sent,
    belongs_to_one_account,
    switches_keys_at_once,
    frees_the_sequence_of_an_abandoned_batch,
    shows_readers_what_is_kept,
    keeps_settlements_step_by_step,
    makes_only_a_settlement_s_moves,
    outlives_a_kill,
]
TABLES_MAKERS = {
    name: TablesMaker(lambda folder, of=tables: of.write(folder, None), tables.view, name)
    for name, tables in OPERATOR_STORES.items()
} | {"memory": TablesMaker(lambda folder: MEMORY_TABLES.write(folder, None), MEMORY_TABLES.view)}
