"""Contracts on a chain and their twin in memory pass one suite, and tell the same about the same story."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from referee_conformance import CHECKS, Told, commit
from referee_worlds import ENCLAVE, OPERATOR, REFEREES, RefereeWorld, on_the_twin

from wattest.chain.errors import Reorganised
from wattest.chain.simulated import RequestOfAnotherChain
from wattest.chain.transactions import TransactionRequest
from wattest.twin.batch import BatchState


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_twin(check: Callable[[RefereeWorld], Told], tmp_path: Path) -> None:
    with on_the_twin(tmp_path) as world:
        check(world)


@pytest.mark.e2e
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_contracts_and_the_twin_tell_the_same(check: Callable[[RefereeWorld], Told], tmp_path: Path) -> None:
    told: dict[str, Told] = {}
    for name, opened in REFEREES.items():
        with opened(tmp_path / name) as world:
            told[name] = check(world)
    assert told["chain"] == told["twin"]


def test_what_a_dropped_block_did_is_undone(tmp_path: Path) -> None:
    with on_the_twin(tmp_path) as world:
        chain = world.referee.client
        is_known, mark = world.registry.was_registered, chain.block()
        assert is_known(world.referee.address, world.channel.id, OPERATOR.address, ENCLAVE.address)
        chain.drop_blocks(1)
        assert not is_known(world.referee.address, world.channel.id, OPERATOR.address, ENCLAVE.address)
        assert not chain.is_canonical(mark.number, mark.hash)
        chain.advance_to(mark.timestamp_s)
        assert chain.block().number == mark.number
        assert chain.block().hash != mark.hash


def test_a_dropped_commit_leaves_the_history(tmp_path: Path) -> None:
    with on_the_twin(tmp_path) as world:
        first = commit(world, world.make("one", 1), "commit:1").citation
        second = commit(world, world.make("two", 2, first.record.header_digest, day=1), "commit:2").citation
        world.referee.client.drop_blocks(1)
        assert world.referee.states_of([first, second]) == [BatchState.COMMITTED, BatchState.NONE]
        other = commit(world, world.make("other", 2, first.record.header_digest, day=1), "commit:other").citation
        assert world.referee.states_of([first, other]) == [BatchState.COMMITTED, BatchState.COMMITTED]
        with pytest.raises(Reorganised):
            world.referee.release_request(OPERATOR, [first, second])


def test_a_request_for_a_node_is_refused(tmp_path: Path) -> None:
    with on_the_twin(tmp_path) as world:
        one = world.make("one", 1)
        mine = world.referee.commit_request(OPERATOR, one.header, one.signature)
        foreign = TransactionRequest(mine.signer, mine.abi, mine.to, b"\x00")
        with pytest.raises(RequestOfAnotherChain):
            world.referee.client.deliver(foreign)
