"""The one suite of ``RefereePort`` and ``RegistryPort``: one story after the other, on the contracts and on the twin.

Every check tells what it saw as plain values, without hashes of blocks; the test compares what both back ends told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import pytest
from protocol_scenarios import DAY, FORGED_ENTRY, PARAMETERS, SIGNED_ENTRY, Batch, openings
from referee_worlds import ENCLAVE, OPERATOR, START_S, WATCHER, RefereeWorld, register

from wattest.chain.many_sent import outcomes
from wattest.chain.referee import CommittedHeader
from wattest.chain.referee_events import CommittedBatch, RefereeEvent
from wattest.errors import WattestError
from wattest.messages.header import sign_header
from wattest.twin.batch import EMPTY_RECORD, BatchRecord, EntryInclusion
from wattest.twin.challenge import ChallengeState
from wattest.twin.operator import OperatorState

Told = list[Any]


def story(event: RefereeEvent) -> dict[str, Any]:
    """An event without what differs from chain to chain: place, times, and digests that hold the chain's addresses."""
    kept = {name: value for name, value in asdict(event).items() if name not in {"place", "header_digest"}}
    return {"event": type(event).__name__, **{k: v for k, v in kept.items() if k not in {"committed_at", "deadline"}}}


def told(world: RefereeWorld) -> Told:
    """Everything that both back ends can be asked about the world, in plain values."""
    referee, channel = world.referee, world.channel.id
    head, own = referee.heads_of([channel], OPERATOR.address)[channel]
    assert (head, own) == (referee.channel_head(channel), referee.operator_head(channel, OPERATOR.address))
    events = referee.events(0, referee.client.block().number)
    assert events == referee.events(0, referee.client.block().number, channel)
    assert referee.events(0, referee.client.block().number, bytes(32)) == []
    return [asdict(head), asdict(own), referee.owed(WATCHER.address), [story(event) for event in events]]


def commit(world: RefereeWorld, batch: Batch, previous: BatchRecord, name: str) -> CommittedBatch:
    """Commit as the operator's loop does, and find it in the log."""
    header = batch.header
    world.advance_to(max(header.period_end + 60, world.referee.client.now() + 1))
    request = world.referee.commit_request(OPERATOR, header, batch.signature, previous, intent=name, gas=None)
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


def commits_and_finds_what_was_committed(world: RefereeWorld) -> Told:
    referee, channel = world.referee, world.channel.id
    assert referee.committed_batch(channel, OPERATOR.address, 1) is None
    assert referee.record_digest(channel, OPERATOR.address, 1) == bytes(32)
    one = world.make("one", 1)
    first = commit(world, one, EMPTY_RECORD, "commit:1")
    assert referee.committed_header(first) == CommittedHeader(one.header, one.signature)
    assert referee.current_record(first) == first.record
    two = world.make("two", 2, first.header_digest, day=1)
    second = commit(world, two, first.record, "commit:2")
    assert referee.record_digests([(channel, 1), (channel, 2), (channel, 3)], OPERATOR.address) == [
        first.record.digest, second.record.digest, bytes(32),
    ]  # fmt: skip
    assert referee.parameters_of(channel, first.parameters_version) == PARAMETERS
    return told(world)


def sends_an_intent_once(world: RefereeWorld) -> Told:
    one = world.make("one", 1)
    world.advance_to(one.header.period_end + 60)
    requests = [
        world.referee.commit_request(OPERATOR, one.header, one.signature, EMPTY_RECORD, intent="commit:1", gas=None)
        for _ in range(2)
    ]
    receipts = [next(world.referee.client.send_many([request])).unwrap() for request in requests]
    assert receipts[0].transaction_hash == receipts[1].transaction_hash
    return told(world)


def refuses_as_the_contract_does(world: RefereeWorld) -> Told:
    one = world.make("one", 1)

    def sent(header: Any, signature: bytes, previous: BatchRecord = EMPTY_RECORD) -> Callable[[], object]:
        request = world.referee.commit_request(OPERATOR, header, signature, previous, gas=None)
        return lambda: next(world.referee.client.send_many([request])).unwrap()

    early = refused(sent(one.header, one.signature))
    first = commit(world, one, EMPTY_RECORD, "commit:1")
    stranger = sign_header(ENCLAVE, replace(one.header, state=bytes(31) + b"\x01"), world.referee.domain)
    two = world.make("two", 2, first.header_digest, day=1)
    world.advance_to(two.header.period_end + 60)
    codes = [
        early,
        refused(sent(one.header, one.signature)),
        refused(sent(two.header, stranger, first.record)),
        refused(sent(two.header, two.signature, EMPTY_RECORD)),
        refused(sent(replace(two.header, entry_count=4), two.signature, first.record)),
        refused(lambda: world.referee.is_final(world.channel.id, OPERATOR.address, 1, EMPTY_RECORD)),
        refused(lambda: world.referee.withdraw_owed(WATCHER, WATCHER.address)),
        refused(lambda: world.referee.expire(WATCHER, first, 0)),
        refused(lambda: world.referee.refund(WATCHER, first, 0)),
        refused(lambda: world.referee.challenge(WATCHER, one.header, first.record, 5, PARAMETERS.bond_wei(1))),
        refused(lambda: world.referee.challenge(WATCHER, one.header, first.record, 0, PARAMETERS.bond_wei(1) - 1)),
    ]
    assert world.referee.operator_head(world.channel.id, OPERATOR.address).sequence == 1
    return [codes, told(world)]


def becomes_final_and_is_released(world: RefereeWorld) -> Told:
    referee, channel = world.referee, world.channel.id
    first = commit(world, world.make("one", 1), EMPTY_RECORD, "commit:1")
    request = referee.release_request(OPERATOR, channel, OPERATOR.address, [first.record], intent="release:1")
    assert refused(lambda: next(referee.client.send_many([request])).unwrap()) == "BatchNotFinal"
    ends = first.committed_at + PARAMETERS.challenge_window_s
    assert not referee.is_final(channel, OPERATOR.address, 1, first.record)
    world.advance_to(ends)
    assert referee.is_final(channel, OPERATOR.address, 1, first.record)
    next(referee.client.send_many([request])).unwrap()
    return told(world)


def follows_a_challenge_to_its_answer(world: RefereeWorld) -> Told:
    referee, channel = world.referee, world.channel.id
    one = world.make("one", 1)
    first = commit(world, one, EMPTY_RECORD, "commit:1")
    assert referee.challenge_of(channel, OPERATOR.address, 1, SIGNED_ENTRY).state is ChallengeState.NONE
    bond = referee.bond_for(channel, OPERATOR.address, first.parameters_version)
    receipt = referee.challenge(WATCHER, one.header, first.record, SIGNED_ENTRY, bond, intent="challenge:0")
    (opened,) = referee.events_of(receipt)
    stands = referee.challenge_of(channel, OPERATOR.address, 1, SIGNED_ENTRY)
    assert (stands.challenger, stands.state) == (WATCHER.address, ChallengeState.OPEN)
    assert stands.deadline == opened.deadline == referee.client.now() + PARAMETERS.answer_time_s(1)
    again = refused(lambda: referee.challenge(WATCHER, one.header, first.record, SIGNED_ENTRY, 2 * bond))
    wrong = referee.answer_request(OPERATOR, one.header, first.record, replace(inclusion(one, 0), salt=bytes(16)))
    assert refused(lambda: next(referee.client.send_many([wrong])).unwrap())
    request = referee.answer_request(OPERATOR, one.header, first.record, inclusion(one, SIGNED_ENTRY), intent="a:0")
    next(referee.client.send_many([request])).unwrap()
    assert referee.challenge_of(channel, OPERATOR.address, 1, SIGNED_ENTRY).state is ChallengeState.ANSWERED
    assert referee.current_record(first) == first.record
    return [again, bond, told(world)]


def slashes_what_is_not_answered(world: RefereeWorld) -> Told:
    referee = world.referee
    one = world.make("one", 1)
    first = commit(world, one, EMPTY_RECORD, "commit:1")
    for index in (0, 1):
        bond = referee.bond_for(world.channel.id, OPERATOR.address, first.parameters_version)
        referee.challenge(WATCHER, one.header, first.record, index, bond, intent=f"challenge:{index}")
    deadline = referee.challenge_of(world.channel.id, OPERATOR.address, 1, 1).deadline
    early = refused(lambda: referee.expire(WATCHER, first, 0))
    world.advance_to(deadline)
    referee.expire(WATCHER, first, 0, intent="expire:0")
    assert referee.current_record(first) == first.record.slashed()
    late = refused(lambda: referee.expire(WATCHER, first, 1))
    referee.refund(WATCHER, first, 1, intent="refund:1")
    before = told(world)
    referee.withdraw_owed(WATCHER, WATCHER.address)
    assert referee.owed(WATCHER.address) == 0
    return [early, late, before]


def convicts_for_two_headers(world: RefereeWorld) -> Told:
    referee, channel = world.referee, world.channel.id
    one, other = world.make("one", 1), world.make("another", 1)
    first = commit(world, one, EMPTY_RECORD, "commit:1")
    shown = [CommittedHeader(batch.header, batch.signature) for batch in (one, other)]
    same = refused(lambda: referee.prove_equivocation(WATCHER, shown[0], shown[0], first.record))
    assert not referee.is_convicted(channel, OPERATOR.address, 1)
    referee.prove_equivocation(WATCHER, *shown, first.record, intent="equivocation")
    assert referee.is_convicted(channel, OPERATOR.address, 1)
    assert referee.operator_head(channel, OPERATOR.address).state is OperatorState.BANNED
    again = refused(lambda: referee.prove_equivocation(WATCHER, *shown, first.record.slashed()))
    return [same, again, told(world)]


def slashes_for_a_forged_reading(world: RefereeWorld) -> Told:
    referee = world.referee
    one = world.make("one", 1)
    first = commit(world, one, EMPTY_RECORD, "commit:1")
    good = refused(
        lambda: referee.prove_invalid_evidence(
            WATCHER, one.header, first.record, inclusion(one, SIGNED_ENTRY), openings()[SIGNED_ENTRY]
        )
    )
    referee.prove_invalid_evidence(
        WATCHER, one.header, first.record, inclusion(one, FORGED_ENTRY), openings()[FORGED_ENTRY], intent="evidence"
    )
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
    request = world.referee.commit_request(OPERATOR, one.header, one.signature, EMPTY_RECORD, gas=None)
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
    refuses_as_the_contract_does,
    becomes_final_and_is_released,
    follows_a_challenge_to_its_answer,
    slashes_what_is_not_answered,
    convicts_for_two_headers,
    slashes_for_a_forged_reading,
    knows_the_enclave_s_key,
    has_blocks_in_order,
]
