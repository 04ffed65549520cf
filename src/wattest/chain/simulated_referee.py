"""Referee and modules of a simulated chain: the contracts' twins behind the port that the loops ask.

Decided here: which call is which function of the twin, and what it notes in the log. Not decided here: any rule
(``twin.referee``, ``twin.directed_challenges``, ``twin.fraud_proofs``), blocks and time (``simulated``). Proofs are
made while a transaction is carried out, so that none grows old. An answer is refunded no gas: there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from wattest.chain.abi import load_abi
from wattest.chain.client import Reorganised
from wattest.chain.referee import CommittedHeader, ReleasedRun, SignedCommit, standard_terms
from wattest.chain.referee_core import ChannelHead
from wattest.chain.referee_events import (
    ClosedChallenge,
    CommittedBatch,
    FinedOperator,
    OpenedChallenge,
    Place,
    RefereeEvent,
    SlashedBatch,
)
from wattest.chain.simulated import CHALLENGES, FRAUD_PROOFS, Mined, Noted, SimulatedChain, SimulatedRequest, World
from wattest.chain.transactions import Receipt, TransactionRequest
from wattest.crypto.signer import Signer
from wattest.errors import WattestError
from wattest.messages.channel import ChannelKind
from wattest.messages.eip712 import Domain
from wattest.messages.header import BatchHeader
from wattest.twin import directed_challenges as disputes
from wattest.twin import fraud_proofs
from wattest.twin import referee as rules
from wattest.twin.batch import NO_BATCH, BatchCitation, BatchState, EntryInclusion
from wattest.twin.cause import SlashCause
from wattest.twin.challenge import ChallengeState, ChallengeTerms, DirectedChallenge, EvidenceOpening
from wattest.twin.directed_challenges import ChallengesState
from wattest.twin.errors import InvalidSignature
from wattest.twin.fraud_proofs import equivocation_matter
from wattest.twin.modules import CHALLENGE_POWERS, FRAUD_PROOF_POWERS, ModuleGrant
from wattest.twin.operator import OperatorHead
from wattest.twin.parameters import ChannelParameters
from wattest.twin.referee.state import BatchKey, Call, RefereeState, known_state
from wattest.twin.signature_words import signature_words

_NO_CHANNEL = ChannelHead(ChannelKind(0), 0, 0, 0, 0, 0, 0, 0, 0)
_Effect = Callable[[World, Call], tuple[World, Noted]]


@dataclass(frozen=True, slots=True)
class _Carried:
    """What a commit carried, in the log beside its event."""

    transaction_hash: bytes
    header: CommittedHeader


class SimulatedReferee:
    """``chain.ports.RefereePort`` over the twin; also what a channel's manager and an operator set up."""

    deployed_at_block = 0

    def __init__(self, chain: SimulatedChain) -> None:
        self.client = chain
        self.address = chain.world.referee.referee
        self.challenges, self.fraud_proofs = CHALLENGES, FRAUD_PROOFS
        self.abi = load_abi("Referee")

    @property
    def domain(self) -> Domain:
        """The EIP-712 domain that headers are signed for."""
        return self._state.domain

    @property
    def standard_modules(self) -> tuple[ModuleGrant, ...]:
        """What a channel grants to the modules that come with the referee."""
        return ModuleGrant(CHALLENGES, CHALLENGE_POWERS), ModuleGrant(FRAUD_PROOFS, FRAUD_PROOF_POWERS)

    # what is set up

    def create_channel(
        self,
        signer: Signer,
        kind: ChannelKind,
        salt: bytes,
        parameters: ChannelParameters,
        modules: Sequence[ModuleGrant],
        terms: Sequence[bytes],
    ) -> Receipt:
        """Create the channel whose manager is the signer."""
        return self._send_core(
            signer, lambda s, call: rules.apply_create_channel(s, call, kind, salt, parameters, modules, terms)
        )

    def create_standard_channel(
        self, signer: Signer, kind: ChannelKind, salt: bytes, parameters: ChannelParameters, terms: ChallengeTerms
    ) -> Receipt:
        """Create a channel with the modules that come with the referee."""
        return self.create_channel(signer, kind, salt, parameters, self.standard_modules, standard_terms(terms))

    def set_roster_count(self, signer: Signer, channel: bytes, count: int, from_period_start: int) -> Receipt:
        """Set how many entries batches have from a period on."""
        return self._send_core(
            signer, lambda s, call: rules.apply_set_roster_count(s, call, channel, count, from_period_start)
        )

    def deposit(self, signer: Signer, channel: bytes, amount_wei: int) -> Receipt:
        """Add to the signer's deposit."""
        return self._send_core(signer, lambda s, call: rules.apply_deposit(s, call, channel), value_wei=amount_wei)

    # channels and operators

    def channel_head(self, channel: bytes) -> ChannelHead:
        """The channel's current values."""
        record = self._state.channels.get(channel)
        if record is None:
            return _NO_CHANNEL
        now = record.parameters
        return ChannelHead(
            record.kind, record.version, record.roster_count, record.next_roster_count, record.next_roster_from,
            now.epoch_s, now.commit_deadline_s, now.stake_gwei, now.margin_gwei,
        )  # fmt: skip

    def parameters_of(self, channel: bytes, version: int) -> ChannelParameters:
        """One version of a channel's parameters, from 1."""
        return self._state.channels[channel].parameters_of(version)

    def operator_head(self, channel: bytes, operator: bytes) -> OperatorHead:
        """State, last batch, exposure and deposit of an operator."""
        return self._state.head_of(channel, operator)

    def heads_of(self, channels: Sequence[bytes], operator: bytes) -> dict[bytes, tuple[ChannelHead, OperatorHead]]:
        """Both heads of many channels."""
        return {at: (self.channel_head(at), self.operator_head(at, operator)) for at in channels}

    def owed(self, account: bytes) -> int:
        """Wei that the account can withdraw, from the core and from the challenges."""
        world = self.client.world
        return world.referee.purse.of(account) + world.challenges.purse.of(account)

    def withdraw_owed(self, signer: Signer, to: bytes) -> list[Receipt]:
        """Take what is owed; nobody's balance is kept, so that ``to`` only has to be named."""
        del to

        def from_challenges(world: World, call: Call) -> tuple[World, Noted]:
            after = disputes.apply_challenges_withdraw_owed(world.challenges, call)
            return replace(world, challenges=after), []

        receipts = []
        if self.client.world.challenges.purse.of(signer.address):
            receipts.append(self._send(signer, from_challenges))
        if not receipts or self._state.purse.of(signer.address):
            receipts.append(self._send_core(signer, rules.apply_withdraw_owed))
        return receipts

    # batches

    def state_of(self, batch: BatchCitation) -> BatchState:
        """Where a batch stands now; NONE where the chain does not hold this record."""
        if not self.client.histories.holds(batch):
            return BatchState.NONE
        book = self._state.book_of(batch.channel, batch.operator)
        return known_state(self._state, book, batch.channel, batch.sequence, batch.record, self.client.now())

    def states_of(self, batches: Sequence[BatchCitation]) -> list[BatchState]:
        """``state_of`` many batches."""
        return [self.state_of(batch) for batch in batches]

    def commit_request(
        self, signer: Signer, header: BatchHeader, signature: bytes, *, intent: str | None = None,
        gas: int | None = None,
    ) -> TransactionRequest:  # fmt: skip
        """A commit, after the last batch of its operator; a refusal costs nothing with any gas limit."""
        del gas
        words = signature_words(signature)

        def effect(world: World, call: Call) -> tuple[World, Noted]:
            record = rules.committed_record(world.referee, call, header)
            history = self.client.histories.of(header.channel, header.operator)
            peaks = history.peaks(min(max(header.sequence - 1, 0), history.size))
            state = rules.apply_commit(world.referee, call, world.registry, header, *words, peaks)
            batch = BatchCitation(header.channel, header.operator, header.sequence, record)
            return world.committed(state, batch), [
                lambda mined, at: _committed(batch, _place(mined, at)),
                lambda mined, _: _Carried(mined.transaction_hash, CommittedHeader(header, signature)),
            ]

        return self._request(signer, effect, intent=intent)

    def commit_requests(
        self, signer: Signer, commits: Sequence[SignedCommit], *, gas: int | None = None
    ) -> list[TransactionRequest | WattestError]:
        """Commits of many channels; what keeps one of them alone stands in its place."""
        requests: list[TransactionRequest | WattestError] = []
        for one in commits:
            try:
                requests.append(self.commit_request(signer, one.header, one.signature, intent=one.intent, gas=gas))
            except InvalidSignature as error:
                requests.append(error)
        return requests

    def release_request(
        self, signer: Signer, batches: Sequence[BatchCitation], *, intent: str | None = None
    ) -> TransactionRequest:
        """Drop consecutive batches, final or slashed, from their operator's exposure."""
        self.client.histories.require(batches)

        def effect(world: World, call: Call) -> tuple[World, Noted]:
            (run,) = self.client.histories.runs(batches)
            return replace(world, referee=rules.apply_release(world.referee, call, run)), []

        return self._request(signer, effect, intent=intent)

    def release_requests(self, signer: Signer, runs: Sequence[ReleasedRun]) -> list[TransactionRequest | WattestError]:
        """The same for many channels; what keeps one of them alone stands in its place."""
        requests: list[TransactionRequest | WattestError] = []
        for run in runs:
            try:
                requests.append(self.release_request(signer, run.batches, intent=run.intent))
            except Reorganised as error:
                requests.append(error)
        return requests

    def committed_batch(self, channel: bytes, operator: bytes, sequence: int) -> CommittedBatch | None:
        """The commit of one sequence as the log tells it."""
        found = [
            event
            for event in self.events(0, self.client.block().number, channel)
            if isinstance(event, CommittedBatch) and (event.operator, event.sequence) == (operator, sequence)
        ]
        return found[-1] if found else None

    def committed_header(self, batch: CommittedBatch) -> CommittedHeader:
        """The header and signature that a commit carried."""
        for noted in self.client.log(0, self.client.block().number):
            if isinstance(noted, _Carried) and noted.transaction_hash == batch.place.transaction_hash:
                return noted.header
        raise Reorganised("the transaction of a commit is gone", retryable=True, sequence=batch.sequence)

    # challenges

    def bond_for(self, channel: bytes, operator: bytes, parameters_version: int) -> int:
        """The bond of the next challenge on an operator, wei."""
        return disputes.bond_for(self.client.world.challenges, self._state, channel, operator, parameters_version)

    def challenge_of(self, header_digest: bytes, entry_index: int) -> DirectedChallenge:
        """A challenge as stored; state NONE when there is none."""
        return self.client.world.challenges.challenge_of(header_digest, entry_index)

    def challenge(
        self, signer: Signer, header: BatchHeader, batch: BatchCitation, entry_index: int, bond_wei: int, *,
        intent: str | None = None,
    ) -> Receipt:  # fmt: skip
        """Demand one entry of a batch."""
        key = (batch.record.header_digest, entry_index)

        def effect(world: World, call: Call) -> tuple[World, Noted]:
            shown = self.client.histories.reference(batch)
            sued, referee = disputes.apply_challenge(world.challenges, world.referee, call, header, shown, entry_index)
            opened, bond = sued.challenges[key], sued.bonds[key]
            event = (*_key(batch), entry_index, opened.challenger, opened.ordinal, opened.deadline, bond)
            return replace(world, challenges=sued, referee=referee), [
                lambda mined, at: OpenedChallenge(*event, _place(mined, at))
            ]

        return self._send(signer, effect, value_wei=bond_wei, intent=intent)

    def answer_request(
        self, signer: Signer, header: BatchHeader, entry: EntryInclusion, *, intent: str | None = None
    ) -> TransactionRequest:
        """Show a demanded entry."""
        key = (header.channel, header.operator, header.sequence, entry.index)

        def effect(world: World, call: Call) -> tuple[World, Noted]:
            sued, referee = disputes.apply_answer(world.challenges, world.referee, call, header, entry, 0)
            closed = _closed(key, ChallengeState.ANSWERED, call.caller)
            return replace(world, challenges=sued, referee=referee), [closed]

        return self._request(signer, effect, intent=intent)

    def expire(self, signer: Signer, batch: BatchCitation, entry_index: int, *, intent: str | None = None) -> Receipt:
        """Slash a batch for a challenge that was not answered in time."""

        def effect(world: World, call: Call) -> tuple[World, Noted]:
            shown = self.client.histories.reference(batch)
            sued, referee = disputes.apply_expire(world.challenges, world.referee, call, shown, entry_index)
            challenger = _challenger(sued, batch, entry_index)
            return replace(world, challenges=sued, referee=referee), [
                _slashed(batch, CHALLENGES, SlashCause.EXPIRED_CHALLENGE, referee, challenger),
                _closed((*_key(batch), entry_index), ChallengeState.EXPIRED, challenger),
            ]

        return self._send(signer, effect, intent=intent)

    def refund(self, signer: Signer, batch: BatchCitation, entry_index: int, *, intent: str | None = None) -> Receipt:
        """Return the bond of a challenge whose batch was slashed for something else, or became final."""

        def effect(world: World, call: Call) -> tuple[World, Noted]:
            shown = self.client.histories.reference(batch)
            sued, referee = disputes.apply_refund(world.challenges, world.referee, call, shown, entry_index)
            challenger = _challenger(sued, batch, entry_index)
            closed = _closed((*_key(batch), entry_index), ChallengeState.REFUNDED, challenger)
            return replace(world, challenges=sued, referee=referee), [closed]

        return self._send(signer, effect, intent=intent)

    # fraud proofs

    def prove_equivocation(
        self, signer: Signer, first: CommittedHeader, second: CommittedHeader, batch: BatchCitation | None, *,
        intent: str | None = None,
    ) -> Receipt:  # fmt: skip
        """Show two headers of one key for one sequence."""

        def effect(world: World, call: Call) -> tuple[World, Noted]:
            shown = NO_BATCH if batch is None else self.client.histories.reference(batch)
            proved, referee = fraud_proofs.apply_equivocation(
                world.fraud_proofs, world.referee, call, world.registry, first.header, first.signature,
                second.header, second.signature, shown,
            )  # fmt: skip
            after = replace(world, fraud_proofs=proved, referee=referee)
            if batch is not None and _is_slashed(after, batch) and not _is_slashed(world, batch):
                return after, [_slashed(batch, FRAUD_PROOFS, SlashCause.EQUIVOCATION, referee, call.caller)]
            return after, [_fined(first.header, world.referee, referee, call.caller)]

        return self._send(signer, effect, intent=intent)

    def prove_invalid_evidence(
        self, signer: Signer, header: BatchHeader, batch: BatchCitation, entry: EntryInclusion,
        opening: EvidenceOpening, *, intent: str | None = None,
    ) -> Receipt:  # fmt: skip
        """Show that an entry's meter signature does not verify."""

        def effect(world: World, call: Call) -> tuple[World, Noted]:
            shown = self.client.histories.reference(batch)
            referee = fraud_proofs.apply_invalid_evidence(
                world.fraud_proofs, world.referee, call, header, shown, entry, opening
            )
            slashed = _slashed(batch, FRAUD_PROOFS, SlashCause.INVALID_EVIDENCE, referee, call.caller)
            return replace(world, referee=referee), [slashed]

        return self._send(signer, effect, intent=intent)

    def is_convicted(self, channel: bytes, operator: bytes, sequence: int) -> bool:
        """Whether equivocation at this sequence was proved."""
        return (channel, operator, sequence) in self.client.world.fraud_proofs.convicted

    # the log

    def events(self, from_block: int, to_block: int, channel: bytes | None = None) -> list[RefereeEvent]:
        """What happened to batches in a closed range of blocks, in order."""
        noted = self.client.log(from_block, to_block)
        events = [one for one in noted if isinstance(one, RefereeEvent)]
        return [event for event in events if channel in (None, event.channel)]

    def events_of(self, receipt: Receipt) -> list[RefereeEvent]:
        """What one transaction made happen to batches."""
        return self.events(receipt.block_number, receipt.block_number)  # one transaction a block

    @property
    def _state(self) -> RefereeState:
        return self.client.world.referee

    def _request(self, signer: Signer, effect: _Effect, **options: Any) -> SimulatedRequest:
        def change(world: World, call: Call, _: SimulatedChain) -> tuple[World, Noted]:
            return effect(world, call)

        return SimulatedRequest(signer, self.abi, self.address, b"", change=change, **options)

    def _send(self, signer: Signer, effect: _Effect, **options: Any) -> Receipt:
        return self.client.deliver(self._request(signer, effect, **options))

    def _send_core(
        self, signer: Signer, change: Callable[[RefereeState, Call], RefereeState], **options: Any
    ) -> Receipt:
        """A call that changes the core alone and notes nothing."""
        return self._send(
            signer, lambda world, call: (replace(world, referee=change(world.referee, call)), []), **options
        )


def _key(batch: BatchCitation) -> BatchKey:
    return batch.channel, batch.operator, batch.sequence


def _place(mined: Mined, at: int) -> Place:
    return Place(mined.block.number, mined.block.hash, mined.transaction_hash, at)


def _committed(batch: BatchCitation, place: Place) -> CommittedBatch:
    record = batch.record
    return CommittedBatch(
        *_key(batch), record.header_digest, record.committed_at, record.parameters_version, record.stake_gwei, place
    )


def _closed(
    key: tuple[bytes, bytes, int, int], state: ChallengeState, account: bytes
) -> Callable[[Mined, int], object]:
    return lambda mined, at: ClosedChallenge(*key, state, account, _place(mined, at))


def _challenger(state: ChallengesState, batch: BatchCitation, entry_index: int) -> bytes:
    return state.challenge_of(batch.record.header_digest, entry_index).challenger


def _is_slashed(world: World, batch: BatchCitation) -> bool:
    return world.referee.mark_of(*_key(batch)).is_slashed


def _slashed(
    batch: BatchCitation, module: bytes, cause: SlashCause, referee: RefereeState, catcher: bytes
) -> Callable[[Mined, int], object]:
    parameters = referee.channels[batch.channel].parameters_of(batch.record.parameters_version)
    taken = batch.record.stake_wei, parameters.catcher_reward_wei
    return lambda mined, at: SlashedBatch(*_key(batch), module, str(cause), catcher, *taken, _place(mined, at))


def _fined(
    header: BatchHeader, before: RefereeState, after: RefereeState, catcher: bytes
) -> Callable[[Mined, int], object]:
    """What a fine took: the catcher is the caller, who had nothing else to gain by the call."""
    burned = after.purse.burned_wei - before.purse.burned_wei
    reward = after.purse.of(catcher) - before.purse.of(catcher)
    matter, cause = equivocation_matter(header.sequence), str(SlashCause.EQUIVOCATION)
    return lambda mined, at: FinedOperator(
        header.channel, header.operator, matter, FRAUD_PROOFS, cause, catcher, burned, reward, _place(mined, at)
    )
