"""Keys' states and renewal times, the key tables, and what is ordered: bounds, moves, one active key."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattest.errors import ConfigError, WattestError
from wattest.keys.key_life import KeySettings, Urgency, halvings, urgency_of
from wattest.keys.orders import OrderBox, OrderUnreadable
from wattest.messages.evidence_verdict import EvidenceVerdict
from wattest.messages.header import BatchHeader
from wattest.store.batch_state import StoredState
from wattest.store.database import DatabaseFailed
from wattest.store.enclave_key import NEXT_KEY_STATES, PREPARED, REGISTERED, VOID, Cause, EnclaveKey, KeyState
from wattest.store.operator_store import SqliteOperatorStore
from wattest.store.refusals import WrongKeyState

DAY = 86_400
C, ZERO = b"\xc1" * 32, bytes(32)
KEY = EnclaveKey(C, 0, b"\x01" * 20, KeyState.ACTIVE, Cause.FIRST, (0, ZERO), 100)
NEXT = EnclaveKey(C, 1, b"\x02" * 20, KeyState.CREATED, Cause.PLANNED, (1, b"\x0d" * 32), 200)
VERDICT = EvidenceVerdict(KEY.address, b"\x03" * 20, C, b"\x0a" * 20, ZERO, b"\x04" * 32, ZERO, 100, 200, 7,
                          b"\x05" * 32, ZERO, ZERO, ZERO)  # fmt: skip
HEADER = BatchHeader(C, b"\x0a" * 20, 1, ZERO, 0, 900, ZERO, 1, ZERO, ZERO, ZERO, ZERO, b"\x0c" * 32, ZERO, ZERO)


@pytest.fixture
def store(tmp_path: Path) -> SqliteOperatorStore:
    return SqliteOperatorStore(tmp_path / "operator.sqlite")


@given(length=st.integers(1, 90 * DAY), wish=st.integers(121, 120 * DAY), issued_at=st.integers(0, 2**40))
def test_a_renewal_starts_between_a_third_and_two_thirds_before_the_end(length: int, wish: int, issued_at: int) -> None:
    settings = KeySettings(renew_before_s=wish)
    margin = settings.renewal_margin_s(issued_at, issued_at + length)
    assert length // 3 <= margin <= max(length // 3, 2 * length // 3)
    assert margin >= min(wish, 2 * length // 3)
    due_at = issued_at + length - margin
    assert settings.is_renewal_due(issued_at, issued_at + length, due_at)
    assert not settings.is_renewal_due(issued_at, issued_at + length, due_at - 1)


def test_thirty_days_are_renewed_with_ten_left_and_one_day_with_sixteen_hours() -> None:
    assert KeySettings().renewal_margin_s(0, 30 * DAY) == 10 * DAY
    assert KeySettings().renewal_margin_s(0, DAY) == 16 * 3_600


def test_a_commit_needs_the_margin_whole() -> None:
    settings = KeySettings(inclusion_margin_s=120)
    assert settings.is_committable(1_000, 879)
    assert not settings.is_committable(1_000, 880)
    with pytest.raises(ConfigError):
        KeySettings(renew_before_s=120, inclusion_margin_s=120)


@given(margin=st.integers(1, 90 * DAY), times=st.lists(st.integers(0, 200 * DAY), min_size=2))
def test_warnings_only_grow(margin: int, times: list[int]) -> None:
    expires_at = 100 * DAY
    counts = [halvings(margin, expires_at, now) for now in sorted(times)]
    known = [count for count in counts if count is not None]
    assert known == sorted(known)
    assert counts[: len(counts) - len(known)] == [None] * (len(counts) - len(known))


def test_how_loud() -> None:
    left = {10: 0, 9: 0, 5: 1, 4: 1, 2: 2, 1: 3, 0: 32, -1: 32}
    assert {days: halvings(10 * DAY, 0, -days * DAY) for days in left} == left
    assert halvings(10 * DAY, 0, -10 * DAY - 1) is None
    assert [urgency_of(count) for count in (0, 1, 2, 3, 32)] == [
        Urgency.NOTICE, Urgency.WARNING, Urgency.WARNING, Urgency.URGENT, Urgency.URGENT,
    ]  # fmt: skip


def test_only_the_table_s_moves_of_a_key(store: SqliteOperatorStore) -> None:
    for start, end in itertools.product(KeyState, KeyState):
        store.database.run("DELETE FROM enclave_key")
        store.keys.add(replace(KEY, state=start))
        if end is start or end in NEXT_KEY_STATES[start]:
            store.keys.mark(KEY, end)
            assert store.keys.keys(C) == [replace(KEY, state=end)]
        else:
            with pytest.raises(WrongKeyState):
                store.keys.mark(KEY, end)
    with pytest.raises(WrongKeyState):
        store.keys.mark(NEXT, KeyState.ACTIVE)  # not a known key


def test_a_switch_is_one_change_and_one_key_is_active(store: SqliteOperatorStore) -> None:
    store.keys.add(KEY)
    store.keys.add(KEY)
    with pytest.raises(DatabaseFailed):
        store.keys.add(replace(NEXT, state=KeyState.ACTIVE))
    store.keys.add(NEXT)
    with pytest.raises(DatabaseFailed):
        store.keys.add(replace(NEXT, address=b"\x09" * 20))  # one successor at a time
    store.keys.order(C, Cause.PLANNED, 1)
    store.keys.switch(NEXT)
    assert [key.state for key in store.keys.keys(C)] == [KeyState.RETIRED, KeyState.ACTIVE]
    assert store.keys.retired(C) == [replace(KEY, state=KeyState.RETIRED)]
    assert store.keys.ordered(C) is None
    assert store.keys.channels() == [C]


def test_a_successor_that_never_registered_is_forgotten_with_what_was_prepared(store: SqliteOperatorStore) -> None:
    store.keys.add(NEXT)
    store.keys.prepare(NEXT, replace(VERDICT, enclave_key=NEXT.address), b"p", b"e", b"c")
    store.keys.forget(NEXT)
    assert store.keys.keys(C) == []
    assert store.keys.prepared(NEXT) is None
    store.keys.add(KEY)
    store.keys.forget(KEY)  # an active key is not forgotten
    assert store.keys.keys(C) == [KEY]


def test_registrations_are_numbered_and_concluded(store: SqliteOperatorStore) -> None:
    first = store.keys.prepare(KEY, VERDICT, b"proof", b"quote", b"{}")
    assert (first.ordinal, first.state, first.verdict, first.proof) == (1, PREPARED, VERDICT, b"proof")
    assert store.keys.prepared(KEY) == first
    store.keys.conclude(first, VOID)
    assert store.keys.prepared(KEY) is None
    second = store.keys.prepare(KEY, VERDICT, b"proof", b"quote", b"{}")
    assert second.intent != first.intent
    assert store.keys.registered(C) is None
    store.keys.conclude(second, REGISTERED)
    assert store.keys.registered(C) == replace(second, state=REGISTERED)


def sealed(store: SqliteOperatorStore) -> None:
    store.add_block(C, b"m" * 32, (0, 900), b"d" * 32, b"block")
    store.collect(C, 1, (0, 900))
    store.mark_if_before_sealed(C, 1)
    store.save_sealed(
        HEADER, b"\x0d" * 32, bytes(65), entries=[b"e"], salts=[b"s"], wrapped_keys=[{b"r" * 32: b"w"}], roster=b""
    )


@pytest.mark.parametrize("past_deadline", [True, False])
def test_an_abandoned_header_stays_on_record_and_frees_its_sequence(
    store: SqliteOperatorStore, *, past_deadline: bool
) -> None:
    sealed(store)
    assert store.keys.commit_intent(C, 1) == f"commit:{C.hex()}:1"
    store.keys.abandon(store.batch(C, 1), Cause.MISSED, past_deadline=past_deadline)
    assert store.find_batch(C, 1) is None
    assert store.wrapped_keys(C, 1, b"r" * 32) == {}
    (gone,) = store.keys.abandoned(C)
    assert (gone.sequence, gone.header_digest, gone.cause) == (1, b"\x0d" * 32, Cause.MISSED)
    assert store.keys.commit_intent(C, 1) == f"commit:{C.hex()}:1:1"  # the next header has a transaction of its own
    store.collect(C, 1, (0, 900))
    assert list(store.blocks_of(C, 1)) == ([] if past_deadline else [b"block"])


def test_a_batch_that_was_never_signed_is_left_out(store: SqliteOperatorStore) -> None:
    store.collect(C, 1, (0, 900))
    store.keys.leave_out(store.batch(C, 1))
    assert store.find_batch(C, 1) is None
    assert store.keys.abandoned(C) == []
    assert store.collect(C, 1, (900, 1_800)).state is StoredState.COLLECTED


def test_a_pressing_cause_replaces_a_planned_one(store: SqliteOperatorStore) -> None:
    store.keys.order(C, Cause.PLANNED, 1)
    store.keys.order(C, Cause.LOST, 2)
    assert store.keys.ordered(C) is Cause.LOST
    store.keys.order(C, Cause.PLANNED, 3)
    assert store.keys.ordered(C) is Cause.LOST


@pytest.mark.parametrize("first", [cause for cause in Cause if cause is not Cause.FIRST])
@pytest.mark.parametrize("then", [cause for cause in Cause if cause is not Cause.FIRST])
def test_a_cause_that_carries_gives_way_to_one_that_does_not(
    store: SqliteOperatorStore, first: Cause, then: Cause
) -> None:
    store.keys.order(C, first, 1)
    store.keys.order(C, then, 2)
    gives_way = first is Cause.PLANNED or (first.carries and not then.carries)
    assert store.keys.ordered(C) is (then if gives_way else first)


def test_a_registration_counts_from_its_sending_until_it_is_void(store: SqliteOperatorStore) -> None:
    store.keys.add(KEY)
    assert not store.keys.is_registering(KEY)
    first = store.keys.prepare(KEY, VERDICT, b"proof", b"quote", b"{}")
    assert store.keys.is_registering(KEY)
    store.keys.conclude(first, VOID)
    assert not store.keys.is_registering(KEY)
    store.keys.conclude(store.keys.prepare(KEY, VERDICT, b"proof", b"quote", b"{}"), REGISTERED)
    assert store.keys.is_registering(KEY)
    assert not store.keys.is_registering(replace(KEY, address=b"\x77" * 20))


def test_orders_are_taken_once(store: SqliteOperatorStore, tmp_path: Path) -> None:
    box = OrderBox(tmp_path / "orders")
    box.take(C, store.keys, 1)
    assert store.keys.ordered(C) is None
    box.leave(C, Cause.UPGRADE)
    assert box.waits(C)
    box.take(C, store.keys, 1)
    assert (box.waits(C), store.keys.ordered(C)) == (False, Cause.UPGRADE)


@given(data=st.binary(max_size=100))
def test_any_bytes_as_an_order(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("orders")
    store = SqliteOperatorStore(folder / "operator.sqlite")
    box = OrderBox(folder)
    box.leave(C, Cause.PLANNED).write_bytes(data)
    try:
        box.take(C, store.keys, 1)
    except OrderUnreadable:
        box.take(C, store.keys, 1)  # it is put aside: told once
    except WattestError:
        pytest.fail("another error")
    else:
        assert store.keys.ordered(C) is not None
    finally:
        store.close()


@pytest.mark.parametrize("cause", [Cause.FIRST, Cause.MISSED])
def test_what_nobody_orders(store: SqliteOperatorStore, tmp_path: Path, cause: Cause) -> None:
    box = OrderBox(tmp_path)
    box.leave(C, cause)
    with pytest.raises(OrderUnreadable):
        box.take(C, store.keys, 1)
