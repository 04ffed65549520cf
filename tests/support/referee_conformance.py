"""The one suite of ``RefereePort`` and ``RegistryPort``: one story after the other, on the contracts and on the twin.

Every check tells what it saw as plain values, without hashes of blocks; the test compares what both back ends told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import pytest
from protocol_scenarios import DAY, FORGED_ENTRY, PARAMETERS, SIGNED_ENTRY, TERMS, Batch, openings
from referee_worlds import ENCLAVE, OPERATOR, START_S, WATCHER, RefereeWorld, register

from wattest.chain.many_sent import outcomes
from wattest.chain.referee import CommittedHeader, ReleasedRun, SignedCommit
from wattest.chain.referee_events import CommittedBatch, RefereeEvent
from wattest.chain.transactions import TransactionRequest
from wattest.errors import WattestError
from wattest.messages.header import sign_header
from wattest.twin.batch import BatchCitation, BatchState, EntryInclusion
from wattest.twin.challenge import ChallengeState
from wattest.twin.operator import OperatorState

Told = list[Any]


def story(event: RefereeEvent) -> dict[str, Any]:
    """An event without what differs from chain to chain: place, times, and what holds the chain's addresses."""
    kept = {name: value for name, value in asdict(event).items() if name not in {"place", "header_digest", "module"}}
    return {"event": type(event).__name__, **{k: v for k, v in kept.items() if k not in {"committed_at", "deadline"}}}


def told(world: RefereeWorld) -> Told:
    """Everything that both back ends can be asked about the world, in plain values."""
    referee, channel = world.referee, world.channel.id
    head, own = referee.heads_of([channel], OPERATOR.address)[channel]
    assert (head, own) == (referee.channel_head(channel), referee.operator_head(channel, OPERATOR.address))
    events = referee.events(0, referee.client.block().number)
    assert events == referee.events(0, referee.client.block().number, channel)
    assert referee.events(0, referee.client.block().number, bytes(32)) == []
    own_told = {name: value for name, value in asdict(own).items() if name != "committed_at"}
    return [asdict(head), own_told, referee.owed(WATCHER.address), [story(event) for event in events]]


def commit(world: RefereeWorld, batch: Batch, name: str) -> CommittedBatch:
    """Commit as the operator's loop does, and find it in the log."""
    header = batch.header
    world.advance_to(max(header.period_end + 60, world.referee.client.now() + 1))
    request = world.referee.commit_request(OPERATOR, header, batch.signature, intent=name, gas=None)
    ((_, outcome),) = outcomes(world.referee.client, {name: request})
    if isinstance(outcome, WattestError):
        raise outcome
    (event,) = world.referee.events_of(outcome)
    assert isinstance(event, CommittedBatch)
    assert event == world.referee.committed_batch(header.channel, header.operator, header.sequence)
    assert event.header_digest == header.digest(world.referee.domain)
    return event


def refused(work: Callable[[], object]) -> str:
    with pytest.raises(WattestError) as caught:
        work()
    return caught.value.code


def inclusion(batch: Batch, index: int) -> EntryInclusion:
    return EntryInclusion(index, batch.salts[index], batch.payloads[index], batch.tree.prove(index).path)


def sent(world: RefereeWorld, request: TransactionRequest | WattestError) -> Callable[[], object]:
    """Send this; what failed before it could be sent is raised."""

    def work() -> object:
        if isinstance(request, WattestError):
            raise request
        return next(world.referee.client.send_many([request])).unwrap()

    return work


def commits_and_finds_what_was_committed(world: RefereeWorld) -> Told:
    referee, channel = world.referee, world.channel.id
    assert referee.committed_batch(channel, OPERATOR.address, 1) is None
    one = world.make("one", 1)
    first = commit(world, one, "commit:1")
    assert referee.committed_header(first) == CommittedHeader(one.header, one.signature)
    assert referee.state_of(first.citation) is BatchState.COMMITTED
    two = world.make("two", 2, first.header_digest, day=1)
    second = commit(world, two, "commit:2")
    another = replace(second.citation, record=replace(second.record, committed_at=second.committed_at + 1))
    to_come, nowhere = replace(second.citation, sequence=3), replace(first.citation, channel=bytes(32))
    assert referee.states_of([first.citation, second.citation, another, to_come, nowhere]) == [
        BatchState.COMMITTED, BatchState.COMMITTED, BatchState.NONE, BatchState.NONE, BatchState.NONE,
    ]  # fmt: skip
    assert referee.states_of([]) == []
    assert referee.parameters_of(channel, first.parameters_version) == PARAMETERS
    assert first.stake_gwei == PARAMETERS.stake_gwei
    return told(world)


def sends_an_intent_once(world: RefereeWorld) -> Told:
    one = world.make("one", 1)
    world.advance_to(one.header.period_end + 60)
    request = world.referee.commit_request(OPERATOR, one.header, one.signature, intent="commit:1", gas=None)
    receipts = [next(world.referee.client.send_many([request])).unwrap() for _ in range(2)]
    assert receipts[0].transaction_hash == receipts[1].transaction_hash
    return told(world)


def commits_many_and_tells_which_cannot_be(world: RefereeWorld) -> Told:
    one, two = world.make("one", 1), world.make("two", 2)
    world.advance_to(one.header.period_end + 60)
    malformed = SignedCommit(two.header, two.signature[:64])
    good, bad = world.referee.commit_requests(OPERATOR, [SignedCommit(one.header, one.signature, "one"), malformed])
    sent(world, good)()
    return [refused(sent(world, bad)), told(world)]


def refuses_as_the_contract_does(world: RefereeWorld) -> Told:
    one = world.make("one", 1)

    def tried(header: Any, signature: bytes) -> str:
        return refused(sent(world, world.referee.commit_request(OPERATOR, header, signature, gas=None)))

    early = tried(one.header, one.signature)
    first = commit(world, one, "commit:1")
    stranger = sign_header(ENCLAVE, replace(one.header, state=bytes(31) + b"\x01"), world.referee.domain)
    two = world.make("two", 2, first.header_digest, day=1)
    astray = world.make("two", 2, bytes(32), day=1)
    world.advance_to(two.header.period_end + 60)
    batch, bond = first.citation, TERMS.bond_wei(1)
    codes = [
        early,
        tried(one.header, one.signature),
        tried(two.header, stranger),
        tried(astray.header, astray.signature),
        tried(replace(two.header, entry_count=4), two.signature),
        refused(lambda: world.referee.withdraw_owed(WATCHER, WATCHER.address)),
        refused(lambda: world.referee.expire(WATCHER, batch, 0)),
        refused(lambda: world.referee.refund(WATCHER, batch, 0)),
        refused(lambda: world.referee.challenge(WATCHER, one.header, batch, 5, bond)),
        refused(lambda: world.referee.challenge(WATCHER, one.header, batch, 0, bond - 1)),
        refused(lambda: world.referee.challenge(WATCHER, two.header, batch, 0, bond)),
    ]
    assert world.referee.operator_head(world.channel.id, OPERATOR.address).sequence == 1
    return [codes, told(world)]


def refuses_a_batch_that_the_chain_does_not_hold(world: RefereeWorld) -> Told:
    one = world.make("one", 1)
    first = commit(world, one, "commit:1")
    lost = replace(first.citation, record=replace(first.record, stake_gwei=first.stake_gwei + 1))
    ahead = BatchCitation(lost.channel, lost.operator, 2, first.record)
    return [
        refused(lambda: world.referee.challenge(WATCHER, one.header, lost, 0, TERMS.bond_wei(1))),
        refused(lambda: world.referee.expire(WATCHER, ahead, 0)),
        refused(lambda: world.referee.release_request(OPERATOR, [lost])),
        *[refused(sent(world, one)) for one in world.referee.release_requests(OPERATOR, [ReleasedRun((ahead,))])],
        told(world),
    ]


def becomes_final_and_is_released(world: RefereeWorld) -> Told:
    referee = world.referee
    first = commit(world, world.make("one", 1), "commit:1")
    second = commit(world, world.make("two", 2, first.header_digest, day=1), "commit:2")
    both = [first.citation, second.citation]
    early = refused(sent(world, referee.release_request(OPERATOR, both, intent="release:1")))
    world.advance_to(first.committed_at + PARAMETERS.challenge_window_s)
    assert referee.states_of(both) == [BatchState.FINAL, BatchState.COMMITTED]
    astray = refused(sent(world, referee.release_request(OPERATOR, both[1:])))
    sent(world, referee.release_request(OPERATOR, both[:1], intent="release:1"))()
    world.advance_to(second.committed_at + PARAMETERS.challenge_window_s)
    (request,) = referee.release_requests(OPERATOR, [ReleasedRun((both[1],), "release:2")])
    sent(world, request)()
    assert referee.operator_head(world.channel.id, OPERATOR.address).open_batches == 0
    return [early, astray, told(world)]


def follows_a_challenge_to_its_answer(world: RefereeWorld) -> Told:
    referee, channel = world.referee, world.channel.id
    one = world.make("one", 1)
    first = commit(world, one, "commit:1")
    digest, batch = first.header_digest, first.citation
    assert referee.challenge_of(digest, SIGNED_ENTRY).state is ChallengeState.NONE
    bond = referee.bond_for(channel, OPERATOR.address, first.parameters_version)
    receipt = referee.challenge(WATCHER, one.header, batch, SIGNED_ENTRY, bond, intent="challenge:0")
    (opened,) = referee.events_of(receipt)
    stands = referee.challenge_of(digest, SIGNED_ENTRY)
    assert (stands.challenger, stands.state) == (WATCHER.address, ChallengeState.OPEN)
    assert stands.parameters_version == first.parameters_version
    assert stands.deadline == opened.deadline == referee.client.now() + TERMS.answer_time_s(1)
    again = refused(lambda: referee.challenge(WATCHER, one.header, batch, SIGNED_ENTRY, 2 * bond))
    wrong = referee.answer_request(OPERATOR, one.header, replace(inclusion(one, 0), salt=bytes(16)))
    assert refused(
        sent(world, wrong)
    )  # trees' errors are no protocol errors: a chain's revert keeps the name as a field
    sent(world, referee.answer_request(OPERATOR, one.header, inclusion(one, SIGNED_ENTRY), intent="a:0"))()
    assert referee.challenge_of(digest, SIGNED_ENTRY).state is ChallengeState.ANSWERED
    assert referee.state_of(batch) is BatchState.COMMITTED
    return [again, bond, told(world)]


def slashes_what_is_not_answered(world: RefereeWorld) -> Told:
    referee = world.referee
    one = world.make("one", 1)
    first = commit(world, one, "commit:1")
    batch = first.citation
    for index in (0, 1):
        bond = referee.bond_for(world.channel.id, OPERATOR.address, first.parameters_version)
        referee.challenge(WATCHER, one.header, batch, index, bond, intent=f"challenge:{index}")
    deadline = referee.challenge_of(first.header_digest, 1).deadline
    early = refused(lambda: referee.expire(WATCHER, batch, 0))
    due = refused(lambda: referee.refund(WATCHER, batch, 0))
    world.advance_to(deadline)
    referee.expire(WATCHER, batch, 0, intent="expire:0")
    assert referee.state_of(batch) is BatchState.SLASHED
    late = refused(lambda: referee.expire(WATCHER, batch, 1))
    referee.refund(WATCHER, batch, 1, intent="refund:1")
    before = told(world)
    receipts = referee.withdraw_owed(WATCHER, WATCHER.address)
    assert len(receipts) == 2  # bonds from the challenges, the reward from the core
    assert referee.owed(WATCHER.address) == 0
    return [early, due, late, before]


def gives_the_bond_back_when_nobody_expired(world: RefereeWorld) -> Told:
    referee = world.referee
    one = world.make("one", 1)
    first = commit(world, one, "commit:1")
    referee.challenge(WATCHER, one.header, first.citation, 0, TERMS.bond_wei(1))
    world.advance_to(referee.client.now() + 15 * DAY)
    assert referee.state_of(first.citation) is BatchState.FINAL
    late = refused(lambda: referee.expire(WATCHER, first.citation, 0))
    referee.refund(WATCHER, first.citation, 0)
    return [late, told(world)]


def convicts_for_two_headers(world: RefereeWorld) -> Told:
    referee, channel = world.referee, world.channel.id
    one, other = world.make("one", 1), world.make("another", 1)
    batch = commit(world, one, "commit:1").citation
    shown = [CommittedHeader(batch.header, batch.signature) for batch in (one, other)]
    same = refused(lambda: referee.prove_equivocation(WATCHER, shown[0], shown[0], batch))
    unnamed = refused(lambda: referee.prove_equivocation(WATCHER, *shown, None))
    assert not referee.is_convicted(channel, OPERATOR.address, 1)
    referee.prove_equivocation(WATCHER, *shown, batch, intent="equivocation")
    assert referee.is_convicted(channel, OPERATOR.address, 1)
    assert referee.state_of(batch) is BatchState.SLASHED
    assert referee.operator_head(channel, OPERATOR.address).state is OperatorState.BANNED
    again = refused(lambda: referee.prove_equivocation(WATCHER, *shown, batch))
    return [same, unnamed, again, told(world)]


def fines_for_two_headers_that_nobody_committed(world: RefereeWorld) -> Told:
    referee = world.referee
    shown = [CommittedHeader(one.header, one.signature) for one in (world.make("one", 1), world.make("another", 1))]
    receipt = referee.prove_equivocation(WATCHER, shown[0], shown[1], None, intent="equivocation")
    return [[story(event) for event in referee.events_of(receipt)], told(world)]


def slashes_for_a_forged_reading(world: RefereeWorld) -> Told:
    referee = world.referee
    one = world.make("one", 1)
    batch = commit(world, one, "commit:1").citation

    def prove(index: int, **named: str) -> object:
        return referee.prove_invalid_evidence(
            WATCHER, one.header, batch, inclusion(one, index), openings()[index], **named
        )

    good = refused(lambda: prove(SIGNED_ENTRY))
    prove(FORGED_ENTRY, intent="evidence")
    return [good, told(world)]


def knows_the_enclave_s_key(world: RefereeWorld) -> Told:
    registry, referee, channel = world.registry, world.referee.address, world.channel.id
    binding = referee, channel, OPERATOR.address
    workload = world.make("one", 1).header.workload
    assert registry.was_registered(*binding, ENCLAVE.address)
    assert not registry.was_registered(*binding, WATCHER.address)
    assert not registry.registration_of(binding, WATCHER.address).is_known
    world.advance_to(registry.client.now() + DAY // 2)
    register(world)  # renewed: the newer verdict counts, both are kept
    verdicts = registry.registered_verdicts(binding, ENCLAVE.address)
    assert len(verdicts) == 2
    known = registry.registration_of(binding, ENCLAVE.address)
    assert known.verdict_digest == verdicts[-1].verdict.digest(registry.domain)
    assert (known.issued_at, known.revoked_at) == (verdicts[-1].verdict.issued_at, 0)
    expected = (ENCLAVE.address, verdicts[-1].verdict.expires_at)
    assert registry.active_key(*binding, workload) == expected
    assert registry.active_keys(referee, OPERATOR.address, [(channel, workload), (channel, bytes(31) + b"\x01")]) == [
        expected, (bytes(20), 0),
    ]  # fmt: skip
    stranger = refused(lambda: registry.revoke(WATCHER, binding, ENCLAVE.address))
    registry.revoke(OPERATOR, binding, ENCLAVE.address, intent="revoke")
    assert registry.registration_of(binding, ENCLAVE.address).revoked_at == registry.client.now()
    assert registry.active_key(*binding, workload) == (bytes(20), 0)
    assert registry.was_registered(*binding, ENCLAVE.address)
    one = world.make("one", 1)
    world.advance_to(START_S + DAY + 60)
    request = world.referee.commit_request(OPERATOR, one.header, one.signature, gas=None)
    return [stranger, refused(lambda: next(world.referee.client.send_many([request])).unwrap()), told(world)]


def has_blocks_in_order(world: RefereeWorld) -> Told:
    chain = world.referee.client
    before = chain.block()
    world.advance_to(before.timestamp_s + DAY)
    after = chain.block()
    assert after.number > before.number
    assert chain.now() == after.timestamp_s >= before.timestamp_s + DAY
    assert chain.is_canonical(before.number, before.hash)
    assert not chain.is_canonical(before.number, bytes(32))
    assert not chain.is_canonical(after.number + 1, after.hash)
    assert chain.block(after.number) == after
    assert refused(lambda: chain.block(after.number + 1)) == "Reorganised"
    return []


CHECKS: list[Callable[[RefereeWorld], Told]] = [
    commits_and_finds_what_was_committed,
    sends_an_intent_once,
    commits_many_and_tells_which_cannot_be,
    refuses_as_the_contract_does,
    refuses_a_batch_that_the_chain_does_not_hold,
    becomes_final_and_is_released,
    follows_a_challenge_to_its_answer,
    slashes_what_is_not_answered,
    gives_the_bond_back_when_nobody_expired,
    convicts_for_two_headers,
    fines_for_two_headers_that_nobody_committed,
    slashes_for_a_forged_reading,
    knows_the_enclave_s_key,
    has_blocks_in_order,
]
