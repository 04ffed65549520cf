"""Referee and registry of a simulated chain: the contracts' twins behind the ports that the loops ask.

Decided here: which call is which function of the twin, and what it notes in the log. Not decided here: any rule
(``twin.referee``, ``twin.registry``), blocks and time (``simulated``). An answer is refunded no gas: there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from wattest.chain.abi import load_abi
from wattest.chain.client import Reorganised
from wattest.chain.referee import CommittedHeader
from wattest.chain.referee_core import ChannelHead
from wattest.chain.referee_events import (
    ClosedChallenge,
    CommittedBatch,
    OpenedChallenge,
    Place,
    RefereeEvent,
    SlashedBatch,
)
from wattest.chain.registry import UNKNOWN_KEY, RegisteredVerdict, Registration
from wattest.chain.simulated import Mined, Noted, SimulatedChain, SimulatedRequest, World
from wattest.chain.transactions import Block, Receipt
from wattest.crypto.signer import Signer
from wattest.messages.channel import ChannelKind
from wattest.messages.eip712 import Domain
from wattest.messages.evidence_verdict import EvidenceVerdict, Revocation
from wattest.messages.header import BatchHeader
from wattest.twin import referee as rules
from wattest.twin import registry as keys
from wattest.twin.batch import BatchRecord, BatchState, EntryInclusion
from wattest.twin.challenge import ChallengeState, DirectedChallenge, EvidenceOpening, SlashCause
from wattest.twin.operator import OperatorHead
from wattest.twin.parameters import ChannelParameters
from wattest.twin.referee.batches import committed_record
from wattest.twin.referee.state import Call, RefereeState
from wattest.twin.registry import Binding

_NO_CHALLENGE = DirectedChallenge(bytes(20), 0, 0, ChallengeState.NONE)
_NO_CHANNEL = ChannelHead(ChannelKind(0), 0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class _Carried:
    """What a commit carried, in the log beside its event."""

    transaction_hash: bytes
    header: CommittedHeader


@dataclass(frozen=True, slots=True)
class _KeyEvent:
    """A registration or, without a verdict, a revocation."""

    binding: Binding
    enclave_key: bytes
    at_s: int
    registered: RegisteredVerdict | None


class SimulatedReferee:
    """``chain.ports.RefereePort`` over the twin; also what a channel's manager and an operator set up."""

    deployed_at_block = 0

    def __init__(self, chain: SimulatedChain) -> None:
        self.client = chain
        self.address = chain.world.referee.referee
        self.abi = load_abi("Referee")

    @property
    def domain(self) -> Domain:
        """The EIP-712 domain that headers are signed for."""
        return self._state.domain

    # what is set up

    def create_channel(self, signer: Signer, kind: ChannelKind, salt: bytes, parameters: ChannelParameters) -> Receipt:
        """Create the channel whose manager is the signer."""
        return self._send(signer, lambda s, call: (rules.apply_create_channel(s, call, kind, salt, parameters), []))

    def set_roster_count(self, signer: Signer, channel: bytes, count: int, from_period_start: int) -> Receipt:
        """Set how many entries batches have from a period on."""
        return self._send(
            signer, lambda s, call: (rules.apply_set_roster_count(s, call, channel, count, from_period_start), [])
        )

    def deposit(self, signer: Signer, channel: bytes, amount_wei: int) -> Receipt:
        """Add to the signer's deposit."""
        return self._send(signer, lambda s, call: (rules.apply_deposit(s, call, channel), []), value_wei=amount_wei)

    # channels and operators

    def channel_head(self, channel: bytes) -> ChannelHead:
        """The channel's current values."""
        record = self._state.channels.get(channel)
        if record is None:
            return _NO_CHANNEL
        now = record.parameters
        return ChannelHead(
            record.kind, record.version, record.roster_count, record.next_roster_count, record.next_roster_from,
            now.epoch_s, now.commit_deadline_s, now.exposure_wei,
        )  # fmt: skip

    def parameters_of(self, channel: bytes, version: int) -> ChannelParameters:
        """One version of a channel's parameters, from 1."""
        return self._state.channels[channel].parameters_of(version)

    def operator_head(self, channel: bytes, operator: bytes) -> OperatorHead:
        """State, last sequence, exposure and deposit of an operator."""
        return self._state.head_of(channel, operator)

    def heads_of(self, channels: Sequence[bytes], operator: bytes) -> dict[bytes, tuple[ChannelHead, OperatorHead]]:
        """Both heads of many channels."""
        return {at: (self.channel_head(at), self.operator_head(at, operator)) for at in channels}

    def owed(self, account: bytes) -> int:
        """Wei that the account can withdraw."""
        return self._state.owed.get(account, 0)

    def withdraw_owed(self, signer: Signer, to: bytes) -> Receipt:
        """Take what is owed; nobody's balance is kept, so that ``to`` only has to be named."""
        del to
        return self._send(signer, lambda s, call: (rules.apply_withdraw_owed(s, call), []))

    # batches

    def record_digest(self, channel: bytes, operator: bytes, sequence: int) -> bytes:
        """The batch's storage slot, zero when there is none."""
        return self._state.batches.get((channel, operator, sequence), bytes(32))

    def record_digests(self, batches: Sequence[tuple[bytes, int]], operator: bytes) -> list[bytes]:
        """``record_digest`` of many batches."""
        return [self.record_digest(channel, operator, sequence) for channel, sequence in batches]

    def is_final(self, channel: bytes, operator: bytes, sequence: int, record: BatchRecord) -> bool:
        """Whether the batch is final now."""
        return rules.batch_is_final(self._state, channel, operator, sequence, record, self.client.now())

    def commit_request(
        self, signer: Signer, header: BatchHeader, signature: bytes, previous: BatchRecord, *,
        intent: str | None = None, gas: int | None = None,
    ) -> SimulatedRequest:  # fmt: skip
        """A commit; a refusal costs nothing with any gas limit."""
        del gas

        def change(world: World, call: Call, _: SimulatedChain) -> tuple[World, Noted]:
            record = committed_record(world.referee, call, header)
            state = rules.apply_commit(world.referee, call, world.registry, header, signature, previous)
            batch = (header.channel, header.operator, header.sequence)
            stamp = record.header_digest, record.committed_at, record.parameters_version
            return replace(world, referee=state), [
                lambda mined, at: CommittedBatch(*batch, *stamp, _place(mined, at)),
                lambda mined, _: _Carried(mined.transaction_hash, CommittedHeader(header, signature)),
            ]

        return SimulatedRequest(signer, self.abi, self.address, b"", intent=intent, change=change)

    def release_request(
        self, signer: Signer, channel: bytes, operator: bytes, records: Sequence[BatchRecord], *,
        intent: str | None = None,
    ) -> SimulatedRequest:  # fmt: skip
        """Drop final or slashed batches from the operator's exposure."""
        shown = list(records)
        return self._request(
            signer, lambda s, call: (rules.apply_release(s, call, channel, operator, shown), []), intent=intent
        )

    def committed_batch(self, channel: bytes, operator: bytes, sequence: int) -> CommittedBatch | None:
        """The commit of one sequence as the log tells it."""
        found = [
            event
            for event in self.events(0, self.client.block().number, channel)
            if isinstance(event, CommittedBatch) and (event.operator, event.sequence) == (operator, sequence)
        ]
        return found[-1] if found else None

    def current_record(self, batch: CommittedBatch) -> BatchRecord:
        """The batch's record as it stands now."""
        stored = self.record_digest(batch.channel, batch.operator, batch.sequence)
        for record in (batch.record, batch.record.slashed()):
            if record.digest == stored:
                return record
        raise Reorganised(
            "the chain no longer holds this batch", retryable=True, channel=batch.channel, sequence=batch.sequence
        )

    def committed_header(self, batch: CommittedBatch) -> CommittedHeader:
        """The header and signature that a commit carried."""
        for noted in self.client.log(0, self.client.block().number):
            if isinstance(noted, _Carried) and noted.transaction_hash == batch.place.transaction_hash:
                return noted.header
        raise Reorganised("the transaction of a commit is gone", retryable=True, sequence=batch.sequence)

    # challenges and fraud proofs

    def bond_for(self, channel: bytes, operator: bytes, parameters_version: int) -> int:
        """The bond of the next challenge on an operator, wei."""
        return rules.bond_for(self._state, channel, operator, parameters_version)

    def challenge_of(self, channel: bytes, operator: bytes, sequence: int, entry_index: int) -> DirectedChallenge:
        """A challenge as stored; state NONE when there is none."""
        return self._state.challenges.get((channel, operator, sequence, entry_index), _NO_CHALLENGE)

    def challenge(
        self, signer: Signer, header: BatchHeader, record: BatchRecord, entry_index: int, bond_wei: int, *,
        intent: str | None = None,
    ) -> Receipt:  # fmt: skip
        """Demand one entry of a batch."""
        key = (header.channel, header.operator, header.sequence)

        def change(state: RefereeState, call: Call) -> tuple[RefereeState, Noted]:
            after = rules.apply_challenge(state, call, header, record, entry_index)
            opened, bond = after.challenges[*key, entry_index], after.bonds[*key, entry_index]

            def note(mined: Mined, at: int) -> OpenedChallenge:
                place = _place(mined, at)
                return OpenedChallenge(
                    *key, entry_index, opened.challenger, opened.ordinal, opened.deadline, bond, place
                )

            return after, [note]

        return self._send(signer, change, value_wei=bond_wei, intent=intent)

    def answer_request(
        self, signer: Signer, header: BatchHeader, record: BatchRecord, entry: EntryInclusion, *,
        intent: str | None = None,
    ) -> SimulatedRequest:  # fmt: skip
        """Show a demanded entry."""
        key = (header.channel, header.operator, header.sequence, entry.index)

        def change(state: RefereeState, call: Call) -> tuple[RefereeState, Noted]:
            after = rules.apply_answer(state, call, header, record, entry, 0)
            return after, [_closed(key, ChallengeState.ANSWERED, call.caller)]

        return self._request(signer, change, intent=intent)

    def expire(self, signer: Signer, batch: CommittedBatch, entry_index: int, *, intent: str | None = None) -> Receipt:
        """Slash a batch for a challenge that was not answered in time."""
        key, record = (batch.channel, batch.operator, batch.sequence), batch.record

        def change(state: RefereeState, call: Call) -> tuple[RefereeState, Noted]:
            after = rules.apply_expire(state, call, *key, record, entry_index)
            challenger = after.challenges[*key, entry_index].challenger
            terms = state.channels[batch.channel].parameters_of(record.parameters_version)
            sums = terms.stake_wei, terms.catcher_reward_wei
            return after, [
                _closed((*key, entry_index), ChallengeState.EXPIRED, challenger),
                lambda mined, at: SlashedBatch(
                    *key, SlashCause.EXPIRED_CHALLENGE, challenger, *sums, _place(mined, at)
                ),
            ]

        return self._send(signer, change, intent=intent)

    def refund(self, signer: Signer, batch: CommittedBatch, entry_index: int, *, intent: str | None = None) -> Receipt:
        """Return the bond of a challenge whose batch was slashed for something else."""
        key = (batch.channel, batch.operator, batch.sequence)

        def change(state: RefereeState, call: Call) -> tuple[RefereeState, Noted]:
            after = rules.apply_refund(state, call, *key, batch.record.slashed(), entry_index)
            challenger = after.challenges[*key, entry_index].challenger
            return after, [_closed((*key, entry_index), ChallengeState.REFUNDED, challenger)]

        return self._send(signer, change, intent=intent)

    def prove_equivocation(
        self, signer: Signer, first: CommittedHeader, second: CommittedHeader, record: BatchRecord, *,
        intent: str | None = None,
    ) -> Receipt:  # fmt: skip
        """Show two headers of one key for one sequence."""
        key = (first.header.channel, first.header.operator, first.header.sequence)

        def change(world: World, call: Call, _: SimulatedChain) -> tuple[World, Noted]:
            after = rules.apply_equivocation(
                world.referee, call, world.registry, first.header, first.signature, second.header, second.signature,
                record,
            )  # fmt: skip
            stood = world.referee.batches.get(key)
            is_slashed_before = stood is not None and record.state is BatchState.SLASHED
            slashed = _slashed(key, SlashCause.EQUIVOCATION, world.referee, after, call.caller)
            noted: Noted = [] if is_slashed_before else [slashed]
            return replace(world, referee=after), noted

        return self.client.deliver(SimulatedRequest(signer, self.abi, self.address, b"", intent=intent, change=change))

    def prove_invalid_evidence(
        self, signer: Signer, header: BatchHeader, record: BatchRecord, entry: EntryInclusion,
        opening: EvidenceOpening, *, intent: str | None = None,
    ) -> Receipt:  # fmt: skip
        """Show that an entry's meter signature does not verify."""
        key = (header.channel, header.operator, header.sequence)

        def change(state: RefereeState, call: Call) -> tuple[RefereeState, Noted]:
            after = rules.apply_invalid_evidence(state, call, header, record, entry, opening)
            return after, [_slashed(key, SlashCause.INVALID_EVIDENCE, state, after, call.caller)]

        return self._send(signer, change, intent=intent)

    def is_convicted(self, channel: bytes, operator: bytes, sequence: int) -> bool:
        """Whether equivocation at this sequence was proved."""
        return (channel, operator, sequence) in self._state.convicted

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

    def _request(
        self, signer: Signer, change: Callable[[RefereeState, Call], tuple[RefereeState, Noted]], **options: Any
    ) -> SimulatedRequest:
        def on_world(world: World, call: Call, _: SimulatedChain) -> tuple[World, Noted]:
            state, noted = change(world.referee, call)
            return replace(world, referee=state), noted

        return SimulatedRequest(signer, self.abi, self.address, b"", change=on_world, **options)

    def _send(
        self, signer: Signer, change: Callable[[RefereeState, Call], tuple[RefereeState, Noted]], **options: Any
    ) -> Receipt:
        return self.client.deliver(self._request(signer, change, **options))


class SimulatedRegistry:
    """``chain.ports.RegistryPort`` over the twin, whose verifier is a quorum of appraisers."""

    def __init__(self, chain: SimulatedChain) -> None:
        self.client = chain
        self.domain = chain.world.registry.domain
        self.address = self.domain.verifying_contract
        self.abi = load_abi("EnclaveRegistry")

    def recent_nonce(self) -> Block:
        """The block before the latest."""
        return self.client.block(max(0, self.client.block().number - 1))

    def register(
        self, signer: Signer, verdict: EvidenceVerdict, signatures: Sequence[bytes], *, intent: str | None = None
    ) -> Receipt:
        """Register a key by the appraisers' signatures, ascending by signer."""
        evidence = b"".join(signatures)
        binding = (verdict.referee, verdict.channel, verdict.operator)

        def change(world: World, call: Call, chain: SimulatedChain) -> tuple[World, Noted]:
            after = keys.apply_register(world.registry, call.caller, call.now, chain.recent_blocks(), verdict, evidence)

            def note(mined: Mined, _: int) -> _KeyEvent:
                kept = RegisteredVerdict(verdict, evidence, mined.block.number, mined.transaction_hash)
                return _KeyEvent(binding, verdict.enclave_key, mined.block.timestamp_s, kept)

            return replace(world, registry=after), [note]

        return self._send(signer, change, intent)

    def revoke(self, signer: Signer, binding: Binding, enclave_key: bytes, *, intent: str | None = None) -> Receipt:
        """Revoke a key at once, as its operator or its channel's manager."""

        def change(world: World, call: Call, _: SimulatedChain) -> tuple[World, Noted]:
            channel = world.referee.channels.get(binding[1])
            manager = bytes(20) if channel is None else channel.manager
            after = keys.apply_revoke(world.registry, call.caller, Revocation(enclave_key, *binding), manager)
            return replace(world, registry=after), [
                lambda mined, _: _KeyEvent(binding, enclave_key, mined.block.timestamp_s, None)
            ]

        return self._send(signer, change, intent)

    def active_key(self, referee: bytes, channel: bytes, operator: bytes, workload: bytes) -> tuple[bytes, int]:
        """The active key of a binding and when it expires; zeros when there is none."""
        return keys.active_key(self.client.world.registry, referee, channel, operator, workload)

    def active_keys(
        self, referee: bytes, operator: bytes, wanted: Sequence[tuple[bytes, bytes]]
    ) -> list[tuple[bytes, int]]:
        """``active_key`` of many (channel, workload) of an operator."""
        return [self.active_key(referee, channel, operator, workload) for channel, workload in wanted]

    def was_registered(self, referee: bytes, channel: bytes, operator: bytes, enclave_key: bytes) -> bool:
        """Whether the key was ever registered for the binding."""
        return keys.was_registered(self.client.world.registry, referee, channel, operator, enclave_key)

    def registration_of(self, binding: Binding, enclave_key: bytes) -> Registration:
        """What is known of a key in its binding; a quorum knows no evidence again, so that the tag is zero."""
        events = self._events(binding, enclave_key)
        registered = [event for event in events if event.registered is not None]
        if not registered or registered[-1].registered is None:
            return UNKNOWN_KEY
        verdict = registered[-1].registered.verdict
        revoked = [event.at_s for event in events if event.registered is None]
        return Registration(
            verdict.digest(self.domain), registered[-1].at_s, verdict.expires_at, revoked[-1] if revoked else 0,
            verdict.issued_at,
        )  # fmt: skip

    def registered_verdicts(self, binding: Binding, enclave_key: bytes) -> list[RegisteredVerdict]:
        """Every registration of a key in its binding, oldest first."""
        return [one.registered for one in self._events(binding, enclave_key) if one.registered is not None]

    def _events(self, binding: Binding, enclave_key: bytes) -> list[_KeyEvent]:
        noted = self.client.log(0, self.client.block().number)
        wanted = (binding, enclave_key)
        return [one for one in noted if isinstance(one, _KeyEvent) and (one.binding, one.enclave_key) == wanted]

    def _send(self, signer: Signer, change: Any, intent: str | None) -> Receipt:
        return self.client.deliver(SimulatedRequest(signer, self.abi, self.address, b"", intent=intent, change=change))


def _place(mined: Mined, at: int) -> Place:
    return Place(mined.block.number, mined.block.hash, mined.transaction_hash, at)


def _closed(
    key: tuple[bytes, bytes, int, int], state: ChallengeState, account: bytes
) -> Callable[[Mined, int], object]:
    return lambda mined, at: ClosedChallenge(*key, state, account, _place(mined, at))


def _slashed(
    key: tuple[bytes, bytes, int], cause: SlashCause, before: RefereeState, after: RefereeState, catcher: bytes
) -> Callable[[Mined, int], object]:
    """What a conviction took: the catcher is the caller, who had nothing else to gain by the call."""
    burned = after.burned_wei - before.burned_wei
    reward = after.owed.get(catcher, 0) - before.owed.get(catcher, 0)
    return lambda mined, at: SlashedBatch(*key, cause, catcher, burned, reward, _place(mined, at))
