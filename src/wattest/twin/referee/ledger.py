"""Every movement of value: deposits, exits, slashes, fines, bans, pulled payments.

Twin of ``contracts/src/referee/Ledger.sol``.
"""

from __future__ import annotations

from dataclasses import replace

from wattest.twin.batch import BatchRecord
from wattest.twin.errors import (
    BatchesUnreleased,
    DepositTooLarge,
    ExitDelayRunning,
    NothingOwed,
    WrongOperatorState,
    ZeroValue,
)
from wattest.twin.operator import TRANSITIONS, OperatorEvent, OperatorState
from wattest.twin.referee.channels import require_channel
from wattest.twin.referee.state import BatchKey, Call, RefereeState, burn, owe, put

_MAX_DEPOSIT_WEI = 2**96 - 1


def step(state: OperatorState, event: OperatorEvent) -> OperatorState:
    """The operator's next state by the transition table.

    Raises: WrongOperatorState.
    """
    after = TRANSITIONS.get((state, event))
    if after is None:
        raise WrongOperatorState(int(state))
    return after


def apply_deposit(state: RefereeState, call: Call, channel: bytes) -> RefereeState:
    """Add the call's value to the caller's deposit.

    Raises: UnknownChannel, ZeroValue, WrongOperatorState, DepositTooLarge.
    """
    require_channel(state, channel)
    if call.value_wei == 0:
        raise ZeroValue
    head = state.head_of(channel, call.caller)
    after = step(head.state, OperatorEvent.DEPOSIT)
    total = head.deposit_wei + call.value_wei
    if total > _MAX_DEPOSIT_WEI:
        raise DepositTooLarge
    first = 1 if head.state is OperatorState.NONE else head.first_unreleased
    changed = replace(head, state=after, first_unreleased=first, deposit_wei=total)
    return replace(state, heads=put(state.heads, (channel, call.caller), changed))


def apply_request_exit(state: RefereeState, call: Call, channel: bytes) -> RefereeState:
    """End committing; the deposit stays slashable until it is withdrawn.

    Raises: WrongOperatorState.
    """
    head = state.head_of(channel, call.caller)
    changed = replace(head, state=step(head.state, OperatorEvent.REQUEST_EXIT))
    extra = replace(state.extra_of(channel, call.caller), withdrawable_at=_exit_time(state, call, channel))
    key = (channel, call.caller)
    return replace(state, heads=put(state.heads, key, changed), extras=put(state.extras, key, extra))


def apply_withdraw(state: RefereeState, call: Call, channel: bytes) -> RefereeState:
    """Pay the whole deposit of an exiting or banned caller.

    Raises: WrongOperatorState, ExitDelayRunning, BatchesUnreleased, NothingOwed.
    """
    head = state.head_of(channel, call.caller)
    after = step(head.state, OperatorEvent.WITHDRAW)
    withdrawable_at = state.extra_of(channel, call.caller).withdrawable_at
    if call.now < withdrawable_at:
        raise ExitDelayRunning(withdrawable_at, call.now)
    if head.first_unreleased <= head.sequence:
        raise BatchesUnreleased(head.first_unreleased, head.sequence)
    if head.deposit_wei == 0:
        raise NothingOwed(call.caller)
    changed = replace(head, state=after, deposit_wei=0)
    return replace(state, heads=put(state.heads, (channel, call.caller), changed))


def apply_withdraw_owed(state: RefereeState, call: Call) -> RefereeState:
    """Pay all that the caller is owed.

    Raises: NothingOwed.
    """
    if state.owed.get(call.caller, 0) == 0:
        raise NothingOwed(call.caller)
    return replace(state, owed=put(state.owed, call.caller, 0))


def slash_batch(state: RefereeState, key: BatchKey, record: BatchRecord, catcher: bytes) -> RefereeState:
    """Slash a committed batch: S burned, R_catch owed to the catcher, exposure freed, record Slashed.

    The deposit covers it: a commit requires deposit >= exposure, and a slash takes no more than its batch's share.
    """
    channel, operator, _ = key
    parameters = state.channels[channel].parameters_of(record.parameters_version)
    head = state.head_of(channel, operator)
    changed = replace(
        head,
        deposit_wei=head.deposit_wei - parameters.stake_wei - parameters.catcher_reward_wei,
        open_exposure_wei=head.open_exposure_wei - parameters.exposure_wei,
    )
    state = replace(
        state,
        heads=put(state.heads, (channel, operator), changed),
        batches=put(state.batches, key, record.slashed().digest),
    )
    return burn(owe(state, catcher, parameters.catcher_reward_wei), parameters.stake_wei)


def fine(state: RefereeState, channel: bytes, operator: bytes, catcher: bytes) -> RefereeState:
    """Fine where no batch can be slashed: the same sums, but only from what no open batch binds."""
    parameters = state.channels[channel].parameters
    head = state.head_of(channel, operator)
    full = parameters.stake_wei + parameters.catcher_reward_wei
    taken = min(head.deposit_wei - head.open_exposure_wei, full)
    reward = taken * parameters.catcher_reward_wei // full
    changed = replace(head, deposit_wei=head.deposit_wei - taken)
    state = replace(state, heads=put(state.heads, (channel, operator), changed))
    return burn(owe(state, catcher, reward), taken - reward)


def ban(state: RefereeState, call: Call, channel: bytes, operator: bytes) -> RefereeState:
    """Ban the operator: it commits no more, and what remains can be withdrawn like an exiting one's."""
    head = state.head_of(channel, operator)
    if head.state is OperatorState.BANNED:
        return state
    extra = state.extra_of(channel, operator)
    withdrawable_at = max(extra.withdrawable_at, _exit_time(state, call, channel))
    key = (channel, operator)
    return replace(
        state,
        heads=put(state.heads, key, replace(head, state=step(head.state, OperatorEvent.CONVICT))),
        extras=put(state.extras, key, replace(extra, withdrawable_at=withdrawable_at)),
    )


def _exit_time(state: RefereeState, call: Call, channel: bytes) -> int:
    return call.now + state.channels[channel].parameters.exit_delay_s
