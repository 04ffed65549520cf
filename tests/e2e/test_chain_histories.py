"""Histories on a running chain: proofs that commits make old, what a fresh process knows, and batches of long ago."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from protocol_scenarios import Batch
from referee_worlds import OPERATOR, WATCHER, RefereeWorld, on_a_chain

from wattest.chain.client import ChainClient
from wattest.chain.histories import PROOF_ATTEMPTS
from wattest.chain.referee import Referee
from wattest.config import ChainConfig
from wattest.twin import errors as refusals
from wattest.twin.batch import BatchCitation, BatchRecord, BatchState
from wattest.twin.challenge import ChallengeState
from wattest.twin.history_proof import RING

pytestmark = pytest.mark.e2e


@pytest.fixture
def world(tmp_path: Path) -> Iterator[RefereeWorld]:
    with on_a_chain(tmp_path) as opened:
        yield opened


def face(world: RefereeWorld) -> Referee:
    assert isinstance(world.referee, Referee)
    return world.referee


def again(referee: Referee, client: ChainClient | None = None) -> Referee:
    """The same contracts for a process that knows nothing yet."""
    return Referee(
        client or referee.client,
        referee.address,
        referee.challenges.address,
        referee.fraud_proofs.address,
        deployed_at_block=0,
    )


def commit_days(world: RefereeWorld, first: int, count: int, previous: bytes = bytes(32)) -> list[tuple[Batch, bytes]]:
    """Commit one batch a day, from sequence ``first`` on; each with its header's digest."""
    made = []
    for sequence in range(first, first + count):
        batch = world.make(f"day {sequence}", sequence, previous, day=sequence - 1)
        world.advance_to(batch.header.period_end + 60)
        world.referee.client.deliver(
            world.referee.commit_request(OPERATOR, batch.header, batch.signature, intent=f"commit:{sequence}", gas=None)
        )
        previous = batch.header.digest(world.referee.domain)
        made.append((batch, previous))
    return made


def cited(world: RefereeWorld, sequence: int) -> BatchCitation:
    committed = world.referee.committed_batch(world.channel.id, OPERATOR.address, sequence)
    assert committed is not None
    return committed.citation


def test_a_process_that_knows_nothing_commits_next(world: RefereeWorld) -> None:
    made = commit_days(world, 1, 3)
    fresh = again(face(world))
    two = world.make("day 4", 4, made[-1][1], day=3)
    world.advance_to(two.header.period_end + 60)
    fresh.commit(OPERATOR, two.header, two.signature)
    assert face(world).histories.of(world.channel.id, OPERATOR.address).size == 4
    assert fresh.states_of([cited(world, at) for at in (1, 2, 3, 4)]) == [BatchState.COMMITTED] * 4


@pytest.mark.parametrize(("between", "sends"), [(1, 1), (RING, 2)])
def test_a_challenge_that_commits_overtake(
    world: RefereeWorld, monkeypatch: pytest.MonkeyPatch, between: int, sends: int
) -> None:
    """A few commits do not make a proof old; eight do, and then it is made again."""
    (only,) = commit_days(world, 1, 1)
    referee, batch = face(world), cited(world, 1)
    send, proofs = referee.challenges.challenge, []

    def overtaken(signer: Any, header: Any, proved: Any, *arguments: Any, **options: Any) -> Any:
        if not proofs:
            commit_days(world, 2, between, only[1])
        proofs.append(proved.history.size)
        return send(signer, header, proved, *arguments, **options)

    monkeypatch.setattr(referee.challenges, "challenge", overtaken)
    bond = referee.bond_for(world.channel.id, OPERATOR.address, 1)
    # within the window of seven days: days are committed at their ends, so the ninth is too late
    if between == RING:
        with pytest.raises((refusals.BatchAlreadyFinal, refusals.ChallengeWindowClosed)):
            referee.challenge(WATCHER, only[0].header, batch, 0, bond, intent="challenge")
        assert proofs == [1, 1 + between]
    else:
        referee.challenge(WATCHER, only[0].header, batch, 0, bond, intent="challenge")
        assert referee.challenge_of(only[1], 0).state is ChallengeState.OPEN
        assert proofs == [1]
    assert len(proofs) == sends <= PROOF_ATTEMPTS


def test_what_a_proof_cannot_be_made_for_is_told(world: RefereeWorld) -> None:
    commit_days(world, 1, 1)
    batch = cited(world, 1)
    other = BatchCitation(
        batch.channel, batch.operator, 1, BatchRecord(bytes(32), batch.record.committed_at, 1, batch.record.stake_gwei)
    )
    assert world.referee.state_of(other) is BatchState.NONE
    with pytest.raises(Exception, match="no longer holds"):
        world.referee.expire(WATCHER, other, 0)


def test_batches_of_long_ago_need_no_state_of_long_ago(world: RefereeWorld) -> None:
    """More than eight commits later the first batch is told final from the logs and one word of the newest state."""
    commit_days(world, 1, RING + 2)
    referee = again(face(world))
    abi = referee.abi
    calls: list[Any] = []
    ask = referee.client.call_many

    def noted(*arguments: Any) -> Any:
        calls.extend(name for name, _ in arguments[2])
        return ask(*arguments)

    referee.client.call_many = noted  # type: ignore[method-assign]
    try:
        assert referee.state_of(cited(world, 1)) is BatchState.FINAL
        assert referee.state_of(cited(world, RING + 2)) is BatchState.COMMITTED
    finally:
        del referee.client.call_many  # type: ignore[method-assign]
    assert {"historyOf", "markOf"} <= set(calls)
    word = referee.client.call(abi, referee.address, "historyOf", world.channel.id, OPERATOR.address, 1)[0]
    assert word == bytes(32)  # long overwritten
    on_chain = referee.histories.of(world.channel.id, OPERATOR.address).reference(cited(world, 1))
    assert referee.client.call(abi, referee.address, "stateOf", on_chain)[0] == BatchState.FINAL


def test_a_reorganisation_takes_batches_back(world: RefereeWorld) -> None:
    """The same sequence again with another header: what was known of the old one is forgotten, by the word alone."""
    made = commit_days(world, 1, 2)
    referee = face(world)
    rpc = referee.client.rpc
    before = rpc.request("evm_snapshot")
    two = world.make("one world", 3, made[-1][1], day=2)
    world.advance_to(two.header.period_end + 60)
    # with a client of its own: this one's journal would send what the chain dropped again
    elsewhere = ChainClient.connect(rpc.shown_url, config=ChainConfig(confirmations=0))
    again(referee, elsewhere).commit(OPERATOR, two.header, two.signature)
    gone = cited(world, 3)
    assert referee.state_of(gone) is BatchState.COMMITTED
    assert rpc.request("evm_revert", before)
    assert referee.state_of(gone) is BatchState.NONE
    other = world.make("another world", 3, made[-1][1], day=2)
    world.advance_to(other.header.period_end + 60)
    referee.commit(OPERATOR, other.header, other.signature)
    assert referee.states_of([gone, cited(world, 3), cited(world, 1)]) == [
        BatchState.NONE, BatchState.COMMITTED, BatchState.COMMITTED,
    ]  # fmt: skip
