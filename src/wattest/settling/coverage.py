"""Which of an operator's batches a billing period is settled over.

Decided here: that batches are cited whole, ascending and without a gap, each of them committed; what is said where a
period cannot be settled so. A statement of today's format takes whole batches: a period whose edges lie inside of one
is refused, or, where that is asked for, taken as the batches that have most of their time in it; then every batch is in
exactly one month, and each bill says the times that it is over. Not decided here: whether the enclave can open them
(``statement``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from wattest.errors import ProtocolError
from wattest.settling.billing_period import BillingPeriod, local_date, local_moment
from wattest.store.batch_state import StoredBatch, StoredState
from wattest.twin.payouts import MAX_CITATIONS
from wattest.units import QUARTER_HOUR_S, SECONDS_PER_DAY
from wattest.workload.settle import MAX_CELLS

_S = StoredState
_ON_CHAIN = frozenset({_S.COMMITTED, _S.FINAL})


class PeriodNotWhole(ProtocolError):
    """A period whose edges lie inside of batches: today's statements cite whole batches only."""


class PeriodNotOver(ProtocolError):
    """A period that is not over, or whose last batches are not on chain yet."""


class PeriodNotFinal(ProtocolError):
    """A period with batches that can still be challenged: a statement over one that falls is void for ever."""


class PeriodHasGap(ProtocolError):
    """A period for a part of which the operator has committed no batch."""


class PeriodVoid(ProtocolError):
    """A period with a batch that was slashed: nothing can be paid over it."""


class PeriodTooLarge(ProtocolError):
    """More quarter hours of households, or more batches, than one statement takes."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """The batches of a period, ascending and without a gap."""

    batches: tuple[StoredBatch, ...]

    @property
    def start(self) -> int:
        """Unix seconds."""
        return self.batches[0].period_start

    @property
    def end(self) -> int:
        """Unix seconds."""
        return self.batches[-1].period_end

    @property
    def cited(self) -> tuple[int, int]:
        """The first and the last sequence."""
        return self.batches[0].sequence, self.batches[-1].sequence


def cover(
    batches: Sequence[StoredBatch],
    period: BillingPeriod,
    epoch_s: int,
    *,
    households: int,
    now: int,
    is_final: Callable[[StoredBatch], bool] | None = None,
    challenge_window_s: int = 0,
    is_rounded: bool = False,
) -> Coverage:
    """The batches of a metering channel (all of them, ascending) that the period is settled over.

    ``now`` is the chain's time. ``is_final`` None: batches need not be final; ``challenge_window_s`` says when they
    would be. ``is_rounded``: each batch belongs to the period that has its middle. Raises: PeriodNotWhole,
    PeriodNotOver, PeriodNotFinal, PeriodHasGap, PeriodVoid, PeriodTooLarge.
    """
    start, end = _edges(period, epoch_s, is_rounded=is_rounded)
    if now < end:
        raise PeriodNotOver(
            "the period is not over",
            period=str(period),
            ends_at=end,
            now_s=now,
            hint=f"it ends at {local_moment(end, period.zone)}",
        )
    inside = [batch for batch in batches if start <= batch.period_start and batch.period_end <= end]
    for batch in inside:
        if batch.state is _S.SLASHED:
            raise PeriodVoid(
                "a batch of the period was slashed: a statement over it pays nothing, ever",
                sequence=batch.sequence,
                batch_period_start=batch.period_start,
                hint=_stretches([one for one in inside if one.state in _ON_CHAIN], period.zone),
            )
    there = [batch for batch in inside if batch.state in _ON_CHAIN]
    _require_whole(there, inside, (start, end), period, epoch_s)
    cells = households * ((end - start) // QUARTER_HOUR_S)
    if cells > MAX_CELLS or len(there) > MAX_CITATIONS:
        longest = min(MAX_CELLS * QUARTER_HOUR_S // max(households, 1), MAX_CITATIONS * epoch_s) // SECONDS_PER_DAY
        raise PeriodTooLarge(
            "the period is too large for one statement",
            expected=f"{MAX_CELLS} quarter hours of households, {MAX_CITATIONS} batches",
            actual=f"{cells} quarter hours of households, {len(there)} batches",
            hint=f"settle at most {longest} days at once: --from DATE --days {longest}",
        )
    if is_final is not None:
        open_ones = [batch for batch in there if not is_final(batch)]
        _require_final(open_ones, challenge_window_s, now, period.zone)
    return Coverage(tuple(there))


def _edges(period: BillingPeriod, epoch_s: int, *, is_rounded: bool) -> tuple[int, int]:
    start, end = period.start, period.end
    rounded = _rounded(start, epoch_s), _rounded(end, epoch_s)
    if (start, end) == rounded:
        return rounded
    if not is_rounded:
        raise PeriodNotWhole(
            "the period begins or ends inside of a batch, and today's statements cite whole batches only",
            period=str(period),
            period_start=start,
            period_end=end,
            batch_s=epoch_s,
            hint=f"settle the batches that lie in it for the most part, {local_moment(rounded[0], period.zone)} to"
            f" {local_moment(rounded[1], period.zone)}: --whole-batches; or name the period in UTC: --zone UTC",
        )
    if rounded[0] >= rounded[1]:
        raise PeriodNotWhole(
            "no batch lies in the period for the most part", period=str(period), batch_s=epoch_s, hint="take more days"
        )
    return rounded


def _rounded(moment: int, epoch_s: int) -> int:
    """The batch's edge that is nearest; of two the later one, so that a middle belongs to one period alone."""
    return (moment + epoch_s // 2) // epoch_s * epoch_s


def _require_whole(
    there: Sequence[StoredBatch],
    inside: Sequence[StoredBatch],
    span: tuple[int, int],
    period: BillingPeriod,
    epoch_s: int,
) -> None:
    moments = [span[0], *(batch.period_end for batch in there)]
    gaps = [
        (before, batch.period_start)
        for before, batch in zip(moments, there, strict=False)
        if before != batch.period_start
    ]
    if moments[-1] != span[1]:
        gaps.append((moments[-1], span[1]))
    if not gaps:
        return
    on_the_way = [batch for batch in inside if batch.state not in _ON_CHAIN | {_S.MISSED, _S.GIVEN_UP}]
    if len(gaps) == 1 and gaps[0][1] == span[1] and on_the_way and on_the_way[0].period_start == gaps[0][0]:
        raise PeriodNotOver(
            "the period's last batches are not on chain yet",
            period=str(period),
            sequence=on_the_way[0].sequence,
            state=on_the_way[0].state.value,
            hint="let the operator commit them: wattest operator run",
        )
    missing = sum((until - since) // epoch_s for since, until in gaps)
    raise PeriodHasGap(
        "no batch was committed for a part of the period",
        period=str(period),
        missing_batches=missing,
        gaps=[[since, until] for since, until in gaps[:16]],
        hint=_stretches(there, period.zone),
    )


def _require_final(open_ones: Sequence[StoredBatch], challenge_window_s: int, now: int, zone: str) -> None:
    if not open_ones:
        return
    last = max(batch.record.committed_at for batch in open_ones if batch.record is not None) + challenge_window_s
    raise PeriodNotFinal(
        "batches of the period can still be challenged",
        sequence=open_ones[0].sequence,
        batches=len(open_ones),
        final_at=last,
        now_s=now,
        hint=f"wait until {local_moment(last, zone)}, or until the challenges are over; or settle now, for nothing if"
        " one of them falls: --before-final",
    )


def _stretches(there: Sequence[StoredBatch], zone: str) -> str:
    """How the parts that can be settled are asked for, in words."""
    if not there:
        return "nothing of the period can be settled"
    runs: list[list[StoredBatch]] = [[there[0]]]
    for before, batch in pairwise(there):
        if before.period_end == batch.period_start:
            runs[-1].append(batch)
        else:
            runs.append([batch])
    parts = [
        f"--from {local_date(run[0].period_start, zone)}"
        f" --days {max(1, (run[-1].period_end - run[0].period_start) // SECONDS_PER_DAY)}"
        for run in runs[:8]
    ]
    return f"settle what there is by itself: {'; '.join(parts)}"
