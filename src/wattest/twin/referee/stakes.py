"""Deposits, in and out, bans, and what the core owes.

Twin of ``contracts/src/referee/StakeBook.sol``; the checks stand in the contract's order.
"""

from __future__ import annotations

from dataclasses import replace

from wattest.twin.errors import (
    BatchesUnreleased,
    DepositTooLarge,
    ExitDelayRunning,
    NothingOwed,
    NotWholeGwei,
    WrongOperatorState,
    ZeroValue,
)
from wattest.twin.gwei import WEI_PER_GWEI, is_whole_gwei
from wattest.twin.operator import MAX_AMOUNT_GWEI, TRANSITIONS, OperatorEvent, OperatorState
from wattest.twin.purse import BURN_ADDRESS
from wattest.twin.referee.state import Call, OperatorBook, RefereeState, require_channel


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

    Raises: UnknownChannel, ZeroValue, NotWholeGwei, WrongOperatorState, DepositTooLarge.
    """
    require_channel(state, channel)
    if call.value_wei == 0:
        raise ZeroValue
    if not is_whole_gwei(call.value_wei):
        raise NotWholeGwei(call.value_wei)
    head = state.head_of(channel, call.caller)
    after = step(head.state, OperatorEvent.DEPOSIT)
    total = head.deposit_gwei + call.value_wei // WEI_PER_GWEI
    if total > MAX_AMOUNT_GWEI:
        raise DepositTooLarge
    return state.with_head((channel, call.caller), replace(head, state=after, deposit_gwei=total))


def apply_request_exit(state: RefereeState, call: Call, channel: bytes) -> RefereeState:
    """End committing; the deposit stays slashable until it is withdrawn.

    Raises: WrongOperatorState.
    """
    book = state.book_of(channel, call.caller)
    head = replace(book.head, state=step(book.head.state, OperatorEvent.REQUEST_EXIT))
    leaves_at = _exit_time(state, call, channel)
    return state.with_book((channel, call.caller), replace(book, head=head, withdrawable_at=leaves_at))


def apply_withdraw(state: RefereeState, call: Call, channel: bytes) -> RefereeState:
    """Pay the whole deposit of an exiting or banned caller.

    Raises: WrongOperatorState, ExitDelayRunning, BatchesUnreleased, NothingOwed.
    """
    book = state.book_of(channel, call.caller)
    head = book.head
    after = step(head.state, OperatorEvent.WITHDRAW)
    if call.now < book.withdrawable_at:
        raise ExitDelayRunning(book.withdrawable_at, call.now)
    if head.open_batches != 0:
        raise BatchesUnreleased(head.first_unreleased, head.sequence)
    if head.deposit_gwei == 0:
        raise NothingOwed(call.caller)
    return state.with_head((channel, call.caller), replace(head, state=after, deposit_gwei=0))


def apply_withdraw_owed(state: RefereeState, call: Call) -> RefereeState:
    """Pay all that the caller is owed.

    Raises: NothingOwed.
    """
    return replace(state, purse=state.purse.paid(call.caller))


def apply_withdraw_burned(state: RefereeState, _call: Call) -> RefereeState:
    """Send what was burned to the address that nobody holds a key of.

    Raises: NothingOwed.
    """
    return replace(state, purse=state.purse.paid(BURN_ADDRESS))


def banned(state: RefereeState, call: Call, channel: bytes, book: OperatorBook) -> OperatorBook:
    """The book of an operator that commits no more; what remains can be withdrawn like an exiting one's."""
    if book.head.state is OperatorState.BANNED:
        return book
    head = replace(book.head, state=step(book.head.state, OperatorEvent.BAN))
    return replace(book, head=head, withdrawable_at=max(book.withdrawable_at, _exit_time(state, call, channel)))


def _exit_time(state: RefereeState, call: Call, channel: bytes) -> int:
    return call.now + state.channels[channel].parameters.exit_delay_s
