"""Directed challenges: open, answer, expire, refund.

Twin of ``contracts/src/referee/DirectedChallenges.sol``; the checks stand in the contract's order.
"""

from __future__ import annotations

from dataclasses import replace

from wattest.messages.header import BatchHeader
from wattest.twin.batch import (
    ENTRY_BYTES,
    BatchRecord,
    BatchState,
    EntryInclusion,
    challenge_window_end,
    verify_entry_inclusion,
)
from wattest.twin.challenge import TRANSITIONS, ChallengeEvent, ChallengeState, DirectedChallenge
from wattest.twin.errors import (
    AnswerWindowClosed,
    AnswerWindowOpen,
    BatchAlreadySlashed,
    BatchNotSlashed,
    BondTooSmall,
    ChallengeExists,
    ChallengeNotOpen,
    ChallengeWindowClosed,
    EntryIndexOutOfRange,
    EntryLengthInvalid,
    UnknownChallenge,
)
from wattest.twin.referee.ledger import slash_batch
from wattest.twin.referee.state import (
    BatchKey,
    Call,
    RefereeState,
    burn,
    owe,
    put,
    require_header,
    require_record,
)


def bond_for(state: RefereeState, channel: bytes, operator: bytes, parameters_version: int) -> int:
    """The bond (wei) of the next challenge on the operator, for a batch under that version of the parameters."""
    ordinal = state.extra_of(channel, operator).open_challenges + 1
    return state.channels[channel].parameters_of(parameters_version).bond_wei(ordinal)


def apply_challenge(
    state: RefereeState, call: Call, header: BatchHeader, record: BatchRecord, entry_index: int
) -> RefereeState:
    """Demand one entry; the call's value is the bond, and what is more than it is owed back.

    Raises: UnknownBatch, HeaderMismatch, BatchAlreadySlashed, ChallengeWindowClosed, EntryIndexOutOfRange,
    ChallengeExists, BondTooSmall.
    """
    key = require_header(state, header, record)
    if record.state is BatchState.SLASHED:
        raise BatchAlreadySlashed(header.sequence)
    parameters = state.channels[header.channel].parameters_of(record.parameters_version)
    closes_at = challenge_window_end(record, parameters)
    if call.now >= closes_at:
        raise ChallengeWindowClosed(closes_at, call.now)
    if entry_index >= header.entry_count:
        raise EntryIndexOutOfRange(entry_index, header.entry_count)
    if (*key, entry_index) in state.challenges:
        raise ChallengeExists(header.sequence, entry_index)
    extra = state.extra_of(header.channel, header.operator)
    ordinal = extra.open_challenges + 1
    bond = parameters.bond_wei(ordinal)
    if call.value_wei < bond:
        raise BondTooSmall(bond, call.value_wei)
    deadline = call.now + parameters.answer_time_s(ordinal)
    opened = DirectedChallenge(call.caller, deadline, ordinal, ChallengeState.OPEN)
    state = replace(
        state,
        challenges=put(state.challenges, (*key, entry_index), opened),
        bonds=put(state.bonds, (*key, entry_index), bond),
        open_on_batch=put(state.open_on_batch, key, state.open_on_batch.get(key, 0) + 1),
        extras=put(state.extras, key[:2], replace(extra, open_challenges=ordinal)),
    )
    return owe(state, call.caller, call.value_wei - bond)


def apply_answer(
    state: RefereeState,
    call: Call,
    header: BatchHeader,
    record: BatchRecord,
    entry: EntryInclusion,
    gas_cost_wei: int,
) -> RefereeState:
    """Show the entry before the deadline; ``gas_cost_wei`` is what the call measured of its own gas, at its price.

    Raises: UnknownBatch, HeaderMismatch, BatchAlreadySlashed, UnknownChallenge, ChallengeNotOpen, AnswerWindowClosed,
    and those of ``require_entry``.
    """
    key = require_header(state, header, record)
    if record.state is BatchState.SLASHED:
        raise BatchAlreadySlashed(header.sequence)
    found = _require_open(state, key, entry.index)
    if call.now >= found.deadline:
        raise AnswerWindowClosed(found.deadline, call.now)
    require_entry(header, entry)
    parameters = state.channels[header.channel].parameters_of(record.parameters_version)
    bond = state.bonds[*key, entry.index]
    reimbursed = min(gas_cost_wei, parameters.answer_gas_cap_wei)
    state = _close(state, key, entry.index, ChallengeEvent.ANSWER)
    return burn(owe(state, call.caller, reimbursed), bond - reimbursed)


def apply_expire(
    state: RefereeState,
    call: Call,
    channel: bytes,
    operator: bytes,
    sequence: int,
    record: BatchRecord,
    entry_index: int,
) -> RefereeState:
    """After the deadline of an unanswered challenge: slash the batch; the challenger is owed bond and reward.

    Raises: UnknownBatch, BatchAlreadySlashed, UnknownChallenge, ChallengeNotOpen, AnswerWindowOpen.
    """
    key = (channel, operator, sequence)
    require_record(state, channel, operator, sequence, record)
    if record.state is BatchState.SLASHED:
        raise BatchAlreadySlashed(sequence)
    found = _require_open(state, key, entry_index)
    if call.now < found.deadline:
        raise AnswerWindowOpen(found.deadline, call.now)
    bond = state.bonds[*key, entry_index]
    state = _close(state, key, entry_index, ChallengeEvent.EXPIRE)
    state = owe(state, found.challenger, bond)
    return slash_batch(state, key, record, found.challenger)


def apply_refund(
    state: RefereeState,
    _call: Call,
    channel: bytes,
    operator: bytes,
    sequence: int,
    record: BatchRecord,
    entry_index: int,
) -> RefereeState:
    """Return the bond of a challenge that was open when its batch was slashed for something else.

    Raises: UnknownBatch, BatchNotSlashed, UnknownChallenge, ChallengeNotOpen.
    """
    key = (channel, operator, sequence)
    require_record(state, channel, operator, sequence, record)
    if record.state is not BatchState.SLASHED:
        raise BatchNotSlashed(sequence)
    found = _require_open(state, key, entry_index)
    bond = state.bonds[*key, entry_index]
    state = _close(state, key, entry_index, ChallengeEvent.REFUND)
    return owe(state, found.challenger, bond)


def require_entry(header: BatchHeader, entry: EntryInclusion) -> None:
    """Check an entry's length and that it lies at its index under the header's root.

    Raises: EntryLengthInvalid, EntryIndexOutOfRange, or the merkle room's PathLengthWrong, RootMismatch.
    """
    if len(entry.payload) != ENTRY_BYTES:
        raise EntryLengthInvalid(len(entry.payload))
    if entry.index >= header.entry_count:
        raise EntryIndexOutOfRange(entry.index, header.entry_count)
    verify_entry_inclusion(header.root, header.entry_count, entry)


def _require_open(state: RefereeState, key: BatchKey, entry_index: int) -> DirectedChallenge:
    found = state.challenges.get((*key, entry_index))
    if found is None:
        raise UnknownChallenge(key[2], entry_index)
    if found.state is not ChallengeState.OPEN:
        raise ChallengeNotOpen(key[2], entry_index)
    return found


def _close(state: RefereeState, key: BatchKey, entry_index: int, event: ChallengeEvent) -> RefereeState:
    found = state.challenges[*key, entry_index]
    extra = state.extra_of(key[0], key[1])
    return replace(
        state,
        challenges=put(state.challenges, (*key, entry_index), replace(found, state=TRANSITIONS[found.state, event])),
        open_on_batch=put(state.open_on_batch, key, state.open_on_batch[key] - 1),
        extras=put(state.extras, key[:2], replace(extra, open_challenges=extra.open_challenges - 1)),
    )
