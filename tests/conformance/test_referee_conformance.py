"""Contracts on a chain and their twin in memory pass one suite, and tell the same about the same story."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from referee_conformance import CHECKS, Told
from referee_worlds import ENCLAVE, OPERATOR, REFEREES, RefereeWorld, on_the_twin

from wattest.chain.simulated import RequestOfAnotherChain
from wattest.chain.transactions import TransactionRequest


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


def test_a_request_for_a_node_is_refused(tmp_path: Path) -> None:
    with on_the_twin(tmp_path) as world:
        mine = world.referee.release_request(OPERATOR, world.channel.id, bytes(20), [])
        foreign = TransactionRequest(mine.signer, mine.abi, mine.to, b"\x00")
        with pytest.raises(RequestOfAnotherChain):
            world.referee.client.deliver(foreign)
