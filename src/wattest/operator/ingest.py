"""Taking device blocks in: checked, kept once, whatever the way they came.

Decided here: which blocks an operator accepts for a channel, and how they move from the inbox into the store. Not
decided here: where blocks wait (``store.inbox``), the batch that takes them (``operator``). Invariants: the store's one
writer moves a block from the inbox; blocks are verified in columns, on all cores, and what does not hold there goes the
plain way, which says why (ADR 18).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from wattest.crypto.hashing import sha256
from wattest.errors import InputError, VerificationError, WattestError
from wattest.io.crash_points import CrashPoints
from wattest.metering.device_block import DeviceBlock, parse_device_block, verify_device_block
from wattest.metering.meter import meter_key_id
from wattest.sealing.series_columns import open_device_blocks
from wattest.store.batch_state import StoredState
from wattest.store.duty import Duty, ForeignMeter
from wattest.store.operator_port import OperatorStore, OperatorView
from wattest.store.ports import MAX_BLOCK_BYTES, BlockInbox, BlockTooLarge

BLOCKS_PER_TRANSACTION = 512
BYTES_AT_ONCE = 32 * 1024 * 1024
"""Of blocks in memory together, before the last of them."""


class PeriodMismatch(VerificationError):
    """A block that lies in no one period of the channel, or in one that is collected already."""


def keep_block(store: OperatorStore, duty: Duty, body: bytes) -> bool:
    """Check a device block and keep it, the plain way; False when it is kept already.

    Raises what parsing and verification raise, ``ForeignMeter``, ``PeriodMismatch``, ``BlockConflict``.
    """
    if len(body) > MAX_BLOCK_BYTES:
        raise BlockTooLarge("a device block is too large", expected=MAX_BLOCK_BYTES, actual=len(body))
    block = parse_device_block(body)
    period = _period_of(duty, block)
    collected = _fixed_until(store, duty.channel.id)
    digest = sha256(body)
    meter = meter_key_id(block.public_key)
    if collected is not None and period[0] <= collected:
        if store.has_block(duty.channel.id, meter, period[0], digest):
            return False
        raise PeriodMismatch(
            "the period is collected already",
            period_start=period[0],
            hint="late readings belong into an open channel",
        )
    if not duty.has_member(block.public_key, period[0]):
        raise ForeignMeter("the meter is no member of the channel", meter=meter)
    verify_device_block(block)
    return store.add_block(duty.channel.id, meter, period, digest, body)


def keep_blocks(store: OperatorStore, duty: Duty, bodies: Iterable[bytes]) -> list[bool | WattestError]:
    """The same for many blocks, in their order and in one transaction: what ``keep_block`` gives, or would raise.

    All signatures are verified at once. A block that is kept here holds, is a member's and lies in a period that is not
    collected; every other one goes through ``keep_block``.
    """
    outcomes: list[bool | WattestError] = []
    with store.transaction():
        collected = _fixed_until(store, duty.channel.id)
        free_from = 0 if collected is None else collected + 1
        for run in _runs(bodies):
            rows = open_device_blocks(run).rows
            columns = (rows[name].tolist() for name in ("verdict", "public_key", "meter", "period_start", "period_end"))
            for body, verdict, key, meter, start, end in zip(run, *columns, strict=True):
                period = duty.period_of(start)
                try:
                    if not verdict and end <= period[1] and period[0] >= free_from and duty.has_member(key, period[0]):
                        outcomes.append(store.add_block(duty.channel.id, meter, period, sha256(body), body))
                    else:
                        outcomes.append(keep_block(store, duty, body))
                except (InputError, VerificationError) as error:
                    outcomes.append(error)
    return outcomes


@dataclass(frozen=True, slots=True)
class MemberBlock:
    """Of a block that holds: the member's public key, 64 bytes, and the channel's period that it lies in."""

    public_key: bytes
    period: tuple[int, int]


def verify_member_block(duty: Duty, body: bytes) -> MemberBlock:
    """Check that a device block is a member's and holds, as whoever leaves it in the inbox for somebody must.

    Most of it without the interpreter's lock, so that many requests are checked on all cores. Raises what parsing and
    verification raise, ``ForeignMeter``, ``PeriodMismatch``.
    """
    (row,) = open_device_blocks([body], threads=1).rows.tolist()
    verdict, key, _, start, end, *_ = row
    period = duty.period_of(start)
    if not verdict and end <= period[1] and duty.has_member(key, period[0]):
        return MemberBlock(key, period)
    block = parse_device_block(body)  # the plain way says why
    period = _period_of(duty, block)
    if not duty.has_member(block.public_key, period[0]):
        raise ForeignMeter("the meter is no member of the channel")
    verify_device_block(block)
    return MemberBlock(block.public_key, period)


def collected_until(store: OperatorView, channel: bytes) -> int | None:
    """The start of the newest period that is collected, None before the first.

    A batch that was given up collected none. A block left in the inbox while its period is not collected here is in its
    batch: what waits is taken in again between collecting and sealing.
    """
    last = store.last_batch(channel)
    if last is not None and last.state is StoredState.GIVEN_UP:
        last = store.find_batch(channel, last.sequence - 1)
    return None if last is None else last.period_start


def _fixed_until(store: OperatorStore, channel: bytes) -> int | None:
    """The start of the newest period whose blocks are fixed: nothing more is taken in for it."""
    last = store.last_batch(channel)
    if last is not None and last.state in {StoredState.GIVEN_UP, StoredState.COLLECTED}:
        last = store.find_batch(channel, last.sequence - 1)
    return None if last is None else last.period_start


def _period_of(duty: Duty, block: DeviceBlock) -> tuple[int, int]:
    period = duty.period_of(block.period_start)
    if block.period_end > period[1]:
        raise PeriodMismatch(
            "a block lies in one period", expected=period[1], actual=block.period_end, period_start=block.period_start
        )
    return period


def _runs(bodies: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Blocks as many as may lie in memory together."""
    run: list[bytes] = []
    size = 0
    for body in bodies:
        run.append(body)
        size += len(body)
        if size >= BYTES_AT_ONCE or len(run) == BLOCKS_PER_TRANSACTION:
            yield run
            run, size = [], 0
    if run:
        yield run


def take_in(inbox: BlockInbox, store: OperatorStore, duty: Duty, faults: CrashPoints) -> tuple[int, list[WattestError]]:
    """Move every waiting block of a channel into the store; how many were new, and why others were refused."""
    channel = duty.channel.id
    names = inbox.waiting(channel)
    kept = 0
    refusals: list[WattestError] = []
    for first in range(0, len(names), BLOCKS_PER_TRANSACTION):
        group = names[first : first + BLOCKS_PER_TRANSACTION]
        outcomes = keep_blocks(store, duty, (inbox.body(channel, name) for name in group))
        faults.reach("block.kept")
        for name, outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, WattestError):
                inbox.set_aside(channel, name, outcome.as_dict())
                refusals.append(outcome)
            else:
                inbox.taken(channel, name)
                kept += outcome
    return kept, refusals
