"""The four powers. Modules decide when; what is taken, from whom, and whether the batch can still be taken, is here.

Twin of ``contracts/src/referee/ModulePowers.sol``; the checks stand in the contract's order. A call's caller is the
module.
"""

from __future__ import annotations

from dataclasses import replace

from wattest.twin.batch import NO_MARK, BatchReference, BatchState, challenge_window_end
from wattest.twin.errors import (
    BatchAlreadyFinal,
    BatchAlreadySlashed,
    HoldOver,
    MatterFined,
    PowerNotGranted,
    StakeOutOfRange,
)
from wattest.twin.gwei import WEI_PER_GWEI, is_whole_gwei
from wattest.twin.modules import Power
from wattest.twin.operator import MAX_STAKE_TIMES
from wattest.twin.referee.stakes import banned
from wattest.twin.referee.state import (
    Call,
    ChannelRecord,
    OperatorBook,
    OperatorKey,
    RefereeState,
    known_state,
    put,
    require_batch,
)
from wattest.units import SECONDS_PER_DAY

MAX_HOLD_S = 180 * SECONDS_PER_DAY
"""Longest time that a batch is held after its challenge window."""


def apply_convict(
    state: RefereeState, call: Call, batch: BatchReference, catcher: bytes, *, bans: bool = False
) -> RefereeState:
    """Slash a batch that is neither final nor slashed: its stake burned, its version's reward owed to the catcher.

    The deposit covers it: a commit requires deposit >= exposure, and a conviction takes no more than its batch's share.

    Raises: PowerNotGranted, those of ``require_batch``, BatchAlreadySlashed, BatchAlreadyFinal.
    """
    channel = _require_power(state, call, batch.channel, Power.CONVICT)
    book = _require_open(state, call, batch)
    record = batch.record
    parameters = channel.parameters_of(record.parameters_version)
    mark = replace(book.marks.get(batch.sequence, NO_MARK), is_slashed=True)
    freed = replace(book.head, exposure_gwei=book.head.exposure_gwei - record.stake_gwei - parameters.margin_gwei)
    book = replace(book, head=freed, marks=put(book.marks, batch.sequence, mark))
    if bans:
        book = banned(state, call, batch.channel, book)
    key = (batch.channel, batch.operator)
    return _taken(state, key, book, record.stake_gwei, parameters.catcher_reward_gwei, catcher)


def apply_fine(
    state: RefereeState,
    call: Call,
    channel: bytes,
    operator: bytes,
    matter: bytes,
    amount_wei: int,
    catcher: bytes,
    *,
    bans: bool = False,
) -> RefereeState:
    """Take an amount, but at most a conviction's under the current parameters, and only of what no open batch binds.

    The catcher gets the share that a conviction gives; once per matter (32 bytes); zero only bans.

    Raises: PowerNotGranted, MatterFined.
    """
    record = _require_power(state, call, channel, Power.FINE)
    book = state.book_of(channel, operator)
    if matter in book.fined:
        raise MatterFined(matter)
    reward_gwei = record.parameters.catcher_reward_gwei
    full = book.head.next_stake_gwei(record.parameters.stake_gwei) + reward_gwei
    taken = min(amount_wei // WEI_PER_GWEI, full, book.head.deposit_gwei - book.head.exposure_gwei)
    reward = taken * reward_gwei // full
    book = replace(book, fined=book.fined | {matter})
    if bans:
        book = banned(state, call, channel, book)
    return _taken(state, (channel, operator), book, taken - reward, reward, catcher)


def apply_hold(state: RefereeState, call: Call, batch: BatchReference, until: int) -> tuple[RefereeState, int, int]:
    """Keep a batch from being final before ``until`` (unix seconds), as far as the module is concerned.

    Returns, beside the state, until when it holds, bounded by ``MAX_HOLD_S`` after the window, and the window's end.

    Raises: PowerNotGranted, those of ``require_batch``, BatchAlreadySlashed, BatchAlreadyFinal, HoldOver.
    """
    channel = _require_power(state, call, batch.channel, Power.HOLD)
    book = _require_open(state, call, batch)
    closes_at = challenge_window_end(batch.record, channel.parameters_of(batch.record.parameters_version))
    held_until = min(until, closes_at + MAX_HOLD_S)
    if held_until <= call.now:
        raise HoldOver(held_until, call.now)
    mark = book.marks.get(batch.sequence, NO_MARK).with_hold(channel.hold_place(call.caller), held_until)
    changed = replace(book, marks=put(book.marks, batch.sequence, mark))
    return state.with_book((batch.channel, batch.operator), changed), held_until, closes_at


def apply_let_go(state: RefereeState, call: Call, channel: bytes, operator: bytes, sequence: int) -> RefereeState:
    """End the module's hold on a batch, now; nothing happens where none runs.

    Raises: PowerNotGranted.
    """
    place = _require_power(state, call, channel, Power.HOLD).hold_place(call.caller)
    book = state.book_of(channel, operator)
    mark = book.marks.get(sequence, NO_MARK)
    if mark.held_until[place] <= call.now:
        return state
    marks = put(book.marks, sequence, mark.with_hold(place, call.now))
    return state.with_book((channel, operator), replace(book, marks=marks))


def apply_set_stake(state: RefereeState, call: Call, channel: bytes, operator: bytes, stake_wei: int) -> RefereeState:
    """Set what the operator's later batches stake.

    Raises: PowerNotGranted, StakeOutOfRange.
    """
    least = _require_power(state, call, channel, Power.SET_STAKE).parameters.stake_wei
    if not least <= stake_wei <= MAX_STAKE_TIMES * least or not is_whole_gwei(stake_wei):
        raise StakeOutOfRange(least, MAX_STAKE_TIMES * least, stake_wei)
    head = replace(state.head_of(channel, operator), stake_gwei=stake_wei // WEI_PER_GWEI)
    return state.with_head((channel, operator), head)


def _require_power(state: RefereeState, call: Call, channel: bytes, power: Power) -> ChannelRecord:
    record = state.channels.get(channel)
    if record is None or not record.powers_of(call.caller) & power:
        raise PowerNotGranted(channel, call.caller, int(power))
    return record


def _require_open(state: RefereeState, call: Call, batch: BatchReference) -> OperatorBook:
    """The operator's book, once the batch is known to be neither slashed nor final."""
    book = require_batch(state, batch)
    stands = known_state(state, book, batch.channel, batch.sequence, batch.record, call.now)
    if stands is BatchState.SLASHED:
        raise BatchAlreadySlashed(batch.sequence)
    if stands is BatchState.FINAL:
        raise BatchAlreadyFinal(batch.sequence)
    return book


def _taken(
    state: RefereeState, key: OperatorKey, book: OperatorBook, burned_gwei: int, reward_gwei: int, catcher: bytes
) -> RefereeState:
    """Burned and owed to the catcher, out of the deposit."""
    head = replace(book.head, deposit_gwei=book.head.deposit_gwei - burned_gwei - reward_gwei)
    purse = state.purse.owing(catcher, reward_gwei * WEI_PER_GWEI).burning(burned_gwei * WEI_PER_GWEI)
    return replace(state.with_book(key, replace(book, head=head)), purse=purse)
