"""Batches are cited whole and without a gap, or the reason is said with what can be settled instead."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from wattest.settling.billing_period import BillingPeriod, days_from, month_of
from wattest.settling.coverage import (
    Coverage,
    PeriodHasGap,
    PeriodNotFinal,
    PeriodNotOver,
    PeriodNotWhole,
    PeriodTooLarge,
    PeriodVoid,
    cover,
)
from wattest.store.batch_state import StoredBatch, StoredState
from wattest.twin.batch import BatchRecord

DAY = 86_400
MARCH = month_of("2026-03", "UTC")
CHANNEL = b"c" * 32
LATER = MARCH.end + 100 * DAY


def batch(sequence: int, start: int, state: StoredState = StoredState.FINAL, length: int = DAY) -> StoredBatch:
    record = BatchRecord(bytes(32), start + length + 60, 1, 10**9)
    return StoredBatch(
        CHANNEL, sequence, start, start + length, state, None, None, None, None,
        record if state in {StoredState.COMMITTED, StoredState.FINAL} else None, None, None, None, None, released=False,
    )  # fmt: skip


def days(start: int, count: int, first: int = 1) -> list[StoredBatch]:
    return [batch(first + at, start + at * DAY) for at in range(count)]


WHOLE = days(MARCH.start - 3 * DAY, 40)


def covered(batches: list[StoredBatch], period: BillingPeriod = MARCH, **options: object) -> Coverage:
    chosen: dict[str, object] = {"households": 20, "now": LATER} | options
    return cover(batches, period, DAY, **chosen)  # type: ignore[arg-type]


def test_a_month_of_days() -> None:
    found = covered(WHOLE)
    assert (found.cited, found.start, found.end) == ((4, 34), MARCH.start, MARCH.end)
    assert [one.sequence for one in found.batches] == list(range(4, 35))


def test_a_month_of_shorter_batches() -> None:
    hours = [batch(at + 1, MARCH.start + at * 3 * 3600, length=3 * 3600) for at in range(248)]
    found = cover(hours, MARCH, 3 * 3600, households=20, now=LATER)
    assert found.cited == (1, 248)


def test_a_month_whose_edges_lie_inside_of_batches_is_refused_by_name() -> None:
    vienna = month_of("2026-03", "Europe/Vienna")
    with pytest.raises(PeriodNotWhole) as caught:
        covered(WHOLE, vienna)
    assert "2026-03-01 01:00 (CET) to 2026-04-01 02:00 (CEST): --whole-batches" in (caught.value.hint or "")
    found = covered(WHOLE, vienna, is_rounded=True)
    assert (found.start, found.end) == (MARCH.start, MARCH.end)
    fine = [batch(at + 1, MARCH.start - DAY + at * 3600, length=3600) for at in range(34 * 24)]
    exact = cover(fine[:400], days_from("2026-03-01", 14, "Europe/Vienna"), 3600, households=20, now=LATER)
    assert (exact.start, exact.end) == (MARCH.start - 3600, MARCH.start - 3600 + 14 * DAY)


def test_rounded_months_share_no_batch_and_leave_none_out() -> None:
    for zone in ("Europe/Vienna", "Pacific/Kiritimati", "Pacific/Niue", "Asia/Kathmandu", "America/New_York"):
        year = days(MARCH.start - 70 * DAY, 400)
        cited = [
            covered(year, month_of(f"2026-{month:02d}", zone), is_rounded=True, now=2**40).cited
            for month in range(1, 12)
        ]
        assert all(before[1] + 1 == after[0] for before, after in itertools.pairwise(cited)), zone


def test_a_middle_of_a_batch_belongs_to_one_side() -> None:
    noon = days_from("2026-03-02", 1, "Etc/GMT+12")  # its days begin at noon UTC
    following = days_from("2026-03-03", 1, "Etc/GMT+12")
    assert covered(WHOLE, noon, is_rounded=True).end == covered(WHOLE, following, is_rounded=True).start


def test_a_period_that_is_not_over() -> None:
    with pytest.raises(PeriodNotOver, match="is not over") as caught:
        covered(WHOLE, now=MARCH.end - 1)
    assert "2026-04-01 00:00" in (caught.value.hint or "")
    covered(WHOLE, now=MARCH.end)
    on_the_way = [*WHOLE[:33], batch(34, WHOLE[33].period_start, StoredState.STORED)]
    with pytest.raises(PeriodNotOver, match="not on chain") as late:
        covered(on_the_way)
    assert (late.value.fields["sequence"], late.value.fields["state"]) == (34, "stored")


@pytest.mark.parametrize("state", [StoredState.MISSED, StoredState.GIVEN_UP, None])
def test_a_gap_is_named_with_what_can_be_settled(state: StoredState | None) -> None:
    missing = WHOLE[10]
    rest = [one for one in WHOLE if one is not missing]
    if state is not None:
        rest.insert(10, batch(11, missing.period_start, state))
    with pytest.raises(PeriodHasGap) as caught:
        covered(rest)
    assert caught.value.fields["gaps"] == [[missing.period_start, missing.period_end]]
    assert caught.value.fields["missing_batches"] == 1
    hint = caught.value.hint or ""
    assert "--from 2026-03-01 --days 7; --from 2026-03-09 --days 23" in hint
    for part in hint.partition(": ")[2].split("; "):
        _, first, _, count = part.split()
        covered(rest, days_from(first, int(count), "UTC"))


def test_a_channel_that_begins_within_the_month() -> None:
    with pytest.raises(PeriodHasGap) as caught:
        covered(days(MARCH.start + 16 * DAY, 30))
    assert caught.value.hint is not None
    assert caught.value.hint.endswith("--from 2026-03-17 --days 15")
    with pytest.raises(PeriodHasGap, match="no batch") as nothing:
        covered([])
    assert nothing.value.hint == "nothing of the period can be settled"


def test_a_period_that_can_still_be_challenged() -> None:
    open_one = replace(WHOLE[20], state=StoredState.COMMITTED)
    batches = [*WHOLE[:20], open_one, *WHOLE[21:]]
    with pytest.raises(PeriodNotFinal) as caught:
        covered(batches, is_final=lambda one: one.state is StoredState.FINAL, challenge_window_s=7 * DAY)
    assert open_one.record is not None
    assert (caught.value.fields["sequence"], caught.value.fields["batches"]) == (21, 1)
    assert caught.value.fields["final_at"] == open_one.record.committed_at + 7 * DAY
    covered(batches)
    covered(batches, is_final=lambda _: True, challenge_window_s=7 * DAY)


def test_a_slashed_batch_makes_the_period_void() -> None:
    batches = [*WHOLE[:20], batch(21, WHOLE[20].period_start, StoredState.SLASHED), *WHOLE[21:]]
    with pytest.raises(PeriodVoid) as caught:
        covered(batches)
    assert caught.value.fields["sequence"] == 21
    covered(batches, days_from("2026-03-01", 10, "UTC"))


def test_more_than_a_statement_takes() -> None:
    with pytest.raises(PeriodTooLarge) as caught:
        covered(WHOLE, households=1_000)
    assert "--days 21" in (caught.value.hint or "")
    covered(WHOLE, days_from("2026-03-01", 21, "UTC"), households=1_000)
    hours = [batch(at + 1, MARCH.start + at * 3600, length=3600) for at in range(744)]
    with pytest.raises(PeriodTooLarge) as many:
        cover(hours, MARCH, 3600, households=2, now=LATER)
    assert "--days 16" in (many.value.hint or "")
