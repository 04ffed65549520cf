"""Directed challenges: open, answer, expire, refund.

A module of the core with the powers to convict and to hold: each call takes its state and the core's, and returns both.
Challenges are kept under the batch's header digest, which names channel, operator and sequence: that the header was
committed is shown once, when it is challenged. Invariant: what the contract would hold is the bonds of open challenges
and what is owed. Twin of ``contracts/src/DirectedChallenges.sol``; the checks stand in the contract's order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from wattest.messages.channel import ChannelKind
from wattest.messages.fields import ADDRESS_BYTES, require_bytes
from wattest.messages.header import BatchHeader
from wattest.twin.batch import BatchReference, BatchState, EntryInclusion
from wattest.twin.challenge import (
    EXPIRY_GRACE_S,
    NO_CHALLENGE,
    TRANSITIONS,
    ChallengeEvent,
    ChallengeState,
    ChallengeTerms,
    DirectedChallenge,
    challenge_terms_of,
    require_challenge_terms,
)
from wattest.twin.entry_proof import require_entry
from wattest.twin.errors import (
    AnswerWindowClosed,
    AnswerWindowOpen,
    BondTooSmall,
    ChallengeExists,
    ChallengeNotOpen,
    ChallengeStillDue,
    ChallengeWindowClosed,
    EntryIndexOutOfRange,
    UnknownChallenge,
)
from wattest.twin.parameters import ChannelParameters
from wattest.twin.purse import BURN_ADDRESS, Purse
from wattest.twin.referee.powers import apply_convict, apply_hold, apply_let_go
from wattest.twin.referee.state import Call, OperatorKey, RefereeState, put, require_header, state_of

ChallengeKey = tuple[bytes, int]  # header digest, entry index


@dataclass(frozen=True, slots=True)
class OnBatch:
    """Challenges open now on one batch, and until when they hold it (unix seconds)."""

    open: int = 0
    held_until: int = 0


@dataclass(frozen=True, slots=True)
class ChallengesState:
    """The module's storage; ``bonds`` are those of open challenges, wei."""

    address: bytes
    challenges: Mapping[ChallengeKey, DirectedChallenge] = field(default_factory=dict)
    bonds: Mapping[ChallengeKey, int] = field(default_factory=dict)
    on_batch: Mapping[bytes, OnBatch] = field(default_factory=dict)
    on_operator: Mapping[OperatorKey, int] = field(default_factory=dict)
    purse: Purse = field(default_factory=Purse)

    def __post_init__(self) -> None:
        require_bytes("address", self.address, ADDRESS_BYTES)

    @property
    def held_wei(self) -> int:
        """What the contract holds."""
        return sum(self.bonds.values()) + self.purse.total_wei

    def challenge_of(self, header_digest: bytes, entry_index: int) -> DirectedChallenge:
        """The challenge on an entry; state NONE when there is none."""
        return self.challenges.get((header_digest, entry_index), NO_CHALLENGE)

    def open_on(self, channel: bytes, operator: bytes) -> int:
        """Challenges open now on all batches of the operator in the channel."""
        return self.on_operator.get((channel, operator), 0)


def challenge_terms_rule(_kind: ChannelKind, parameters: ChannelParameters, terms: bytes) -> None:
    """What the module asks of its terms.

    Raises: TermOutOfRange.
    """
    require_challenge_terms(parameters, terms)


def challenge_terms(state: ChallengesState, referee: RefereeState, channel: bytes, version: int) -> ChallengeTerms:
    """The terms of one parameters version of a channel; all zero if there is none."""
    return challenge_terms_of(referee.terms_of(channel, version, state.address))


def bond_for(
    state: ChallengesState, referee: RefereeState, channel: bytes, operator: bytes, parameters_version: int
) -> int:
    """The bond (wei) of the next challenge on the operator, for a batch under that version of the parameters."""
    terms = challenge_terms(state, referee, channel, parameters_version)
    return terms.bond_wei(state.open_on(channel, operator) + 1)


def apply_challenge(
    state: ChallengesState,
    referee: RefereeState,
    call: Call,
    header: BatchHeader,
    batch: BatchReference,
    entry_index: int,
) -> tuple[ChallengesState, RefereeState]:
    """Demand one entry; the call's value is the bond, and what is more than it is owed back.

    Raises: HeaderMismatch, EntryIndexOutOfRange, ChallengeExists, BondTooSmall, those of the core's ``apply_hold``,
    ChallengeWindowClosed.
    """
    digest = require_header(referee, header, batch.record)
    if entry_index >= header.entry_count:
        raise EntryIndexOutOfRange(entry_index, header.entry_count)
    key = (digest, entry_index)
    if key in state.challenges:
        raise ChallengeExists(header.sequence, entry_index)
    version = batch.record.parameters_version
    terms = challenge_terms(state, referee, header.channel, version)
    ordinal = state.open_on(header.channel, header.operator) + 1
    bond = terms.bond_wei(ordinal)
    if call.value_wei < bond:
        raise BondTooSmall(bond, call.value_wei)
    due = call.now + terms.answer_time_s(ordinal)

    on = state.on_batch.get(digest, OnBatch())
    # A hold is never shortened: it is as long as that of the challenge that ends last.
    until = max(due + EXPIRY_GRACE_S, on.held_until)
    referee, held_until, closes_at = apply_hold(referee, call.by(state.address), batch, until)
    if call.now >= closes_at:
        raise ChallengeWindowClosed(closes_at, call.now)
    deadline = min(due, held_until - EXPIRY_GRACE_S)
    opened = DirectedChallenge(call.caller, deadline, ordinal, version, ChallengeState.OPEN)
    state = replace(
        state,
        challenges=put(state.challenges, key, opened),
        bonds=put(state.bonds, key, bond),
        on_batch=put(state.on_batch, digest, OnBatch(on.open + 1, held_until)),
        on_operator=put(state.on_operator, (header.channel, header.operator), ordinal),
        purse=state.purse.owing(call.caller, call.value_wei - bond),
    )
    return state, referee


def apply_answer(
    state: ChallengesState,
    referee: RefereeState,
    call: Call,
    header: BatchHeader,
    entry: EntryInclusion,
    gas_cost_wei: int,
) -> tuple[ChallengesState, RefereeState]:
    """Show the entry before the deadline.

    ``gas_cost_wei`` is what the call counted of its gas, at its price but at most the terms': only a chain can say.

    Raises: UnknownChallenge, ChallengeNotOpen, AnswerWindowClosed, and those of ``require_entry``.
    """
    digest = header.digest(referee.domain)
    found = _require_open(state, digest, header.sequence, entry.index)
    if call.now >= found.deadline:
        raise AnswerWindowClosed(found.deadline, call.now)
    require_entry(header, entry)
    place = (header.channel, header.operator, header.sequence)
    terms = challenge_terms(state, referee, header.channel, found.parameters_version)
    state, referee, bond = _closed(state, referee, call, place, digest, entry.index, ChallengeEvent.ANSWER)
    reimbursed = min(gas_cost_wei, terms.answer_gas_cap_wei)
    purse = state.purse.owing(call.caller, reimbursed).burning(bond - reimbursed)
    return replace(state, purse=purse), referee


def apply_expire(
    state: ChallengesState, referee: RefereeState, call: Call, batch: BatchReference, entry_index: int
) -> tuple[ChallengesState, RefereeState]:
    """After the deadline of an unanswered challenge: convict; the challenger is owed the reward there, the bond here.

    Raises: UnknownChallenge, ChallengeNotOpen, AnswerWindowOpen, those of the core's ``apply_convict``.
    """
    found = _require_open(state, batch.record.header_digest, batch.sequence, entry_index)
    if call.now < found.deadline:
        raise AnswerWindowOpen(found.deadline, call.now)
    # First, because it alone knows that the record is this batch's: until then the names in ``batch`` are anybody's.
    referee = apply_convict(referee, call.by(state.address), batch, found.challenger)
    return _finished(state, referee, call, batch, entry_index, ChallengeEvent.EXPIRE)


def apply_refund(
    state: ChallengesState, referee: RefereeState, call: Call, batch: BatchReference, entry_index: int
) -> tuple[ChallengesState, RefereeState]:
    """Return the bond of a challenge whose batch was slashed for something else, or that nobody expired in time.

    Raises: UnknownChallenge, ChallengeNotOpen, those of ``state_of``, ChallengeStillDue.
    """
    _require_open(state, batch.record.header_digest, batch.sequence, entry_index)
    if state_of(referee, batch, call.now) is BatchState.COMMITTED:
        raise ChallengeStillDue(batch.sequence, entry_index)
    return _finished(state, referee, call, batch, entry_index, ChallengeEvent.REFUND)


def apply_challenges_withdraw_owed(state: ChallengesState, call: Call) -> ChallengesState:
    """Pay all that the caller is owed here.

    Raises: NothingOwed.
    """
    return replace(state, purse=state.purse.paid(call.caller))


def apply_challenges_withdraw_burned(state: ChallengesState, _call: Call) -> ChallengesState:
    """Send what was burned here to the address that nobody holds a key of.

    Raises: NothingOwed.
    """
    return replace(state, purse=state.purse.paid(BURN_ADDRESS))


def _require_open(state: ChallengesState, digest: bytes, sequence: int, entry_index: int) -> DirectedChallenge:
    found = state.challenge_of(digest, entry_index)
    if found.state is ChallengeState.NONE:
        raise UnknownChallenge(sequence, entry_index)
    if found.state is not ChallengeState.OPEN:
        raise ChallengeNotOpen(sequence, entry_index)
    return found


def _finished(
    state: ChallengesState,
    referee: RefereeState,
    call: Call,
    batch: BatchReference,
    entry_index: int,
    event: ChallengeEvent,
) -> tuple[ChallengesState, RefereeState]:
    """The end of a challenge that was not answered: its bond goes back."""
    digest, place = batch.record.header_digest, (batch.channel, batch.operator, batch.sequence)
    state, referee, bond = _closed(state, referee, call, place, digest, entry_index, event)
    challenger = state.challenge_of(digest, entry_index).challenger
    return replace(state, purse=state.purse.owing(challenger, bond)), referee


def _closed(
    state: ChallengesState,
    referee: RefereeState,
    call: Call,
    place: tuple[bytes, bytes, int],
    digest: bytes,
    entry_index: int,
    event: ChallengeEvent,
) -> tuple[ChallengesState, RefereeState, int]:
    """Both states without the challenge among those open, and its bond; the last of a batch lets it go."""
    key = (digest, entry_index)
    found, on = state.challenges[key], state.on_batch[digest]
    operator = place[:2]
    state = replace(
        state,
        challenges=put(state.challenges, key, replace(found, state=TRANSITIONS[found.state, event])),
        bonds={other: bond for other, bond in state.bonds.items() if other != key},
        on_batch=put(state.on_batch, digest, replace(on, open=on.open - 1)),
        on_operator=put(state.on_operator, operator, state.on_operator[operator] - 1),
    )
    if on.open == 1:
        referee = apply_let_go(referee, call.by(state.address), *place)
    bond = challenge_terms(state, referee, place[0], found.parameters_version).bond_wei(found.ordinal)
    return state, referee, bond
