"""One operator with many channels: the chain is waited for once for all of them, and none holds back another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from node_channels import Fleet, add_channels, add_open_channel
from node_community import EPOCH_S, ETHER, FIRST_PERIOD, Community, build_community, destroy, seed

from wattest.chain.local_signer import LocalSigner
from wattest.chain.referee import SignedCommit
from wattest.chain.referee_events import ClosedChallenge
from wattest.enclave.host.client import ImportItem, ImportJob
from wattest.errors import TransportError
from wattest.operator.operator import LONGEST_PREPARATION_S
from wattest.store.batch_state import StoredState
from wattest.store.duty import Duty

pytestmark = pytest.mark.e2e
CHANNELS = 10


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Community, list[Duty], Duty]]:
    """A community, its funded channels, and one more whose deposit is next to nothing."""
    community = build_community(tmp_path_factory.mktemp("fleet"))
    (poor,) = add_channels(community, 1, deposit_wei=10**9)
    yield community, [community.duty, *add_channels(community, CHANNELS - 1)], poor
    destroy(community)


@pytest.fixture(scope="module")
def fleet(world: tuple[Community, list[Duty], Duty], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """The operator whose days the tests go through in order."""
    community, duties, poor = world
    with ExitStack() as stack:
        yield Fleet(community, [*duties[:5], poor, *duties[5:]], tmp_path_factory.mktemp("node"), stack)


def test_ten_channels_wait_for_one_block_and_a_refused_one_for_itself(fleet: Fleet) -> None:
    community, poor = fleet.community, fleet.channels[5]
    fleet.hand_in(0)
    fleet.end_day(0)
    client = community.client()
    before, spent = client.block().number, nonce(fleet)
    with fleet.slow_chain() as blocks:
        report = fleet.operator.step()
    assert [error.code for error in report.errors] == ["InsufficientDeposit"]
    assert blocks == [CHANNELS]
    assert client.block().number == before + 1
    assert {commit.place.block_number for commit in fleet.commits()} == {before + 1}
    assert len(report.committed) == CHANNELS
    assert report.sealed == [1] * (CHANNELS + 1)
    assert nonce(fleet) == spent + CHANNELS  # what is refused is tried, never paid for
    expected = [StoredState.COMMITTED] * (CHANNELS + 1)
    expected[5] = StoredState.COMMITTING
    assert fleet.states(1) == expected

    with fleet.slow_chain() as blocks:
        assert [error.code for error in fleet.operator.step().errors] == ["InsufficientDeposit"]
    assert blocks == []
    community.referee().deposit(LocalSigner(community.operator_key), poor, 20 * ETHER)
    fleet.operator.step().raise_first()
    assert fleet.states(1) == [StoredState.COMMITTED] * (CHANNELS + 1)
    assert sorted(commit.channel for commit in fleet.commits()) == sorted(fleet.channels)


def test_answers_go_together_and_before_commits(fleet: Fleet) -> None:
    community, referee = fleet.community, fleet.community.referee()
    challenger = LocalSigner(b"\x05" * 32)
    community.anvil.fund(challenger.address, 10 * ETHER)
    fleet.hand_in(1)
    fleet.end_day(1)
    for channel in fleet.channels[:4]:
        batch = fleet.store.batch(channel, 1)
        assert batch.header is not None
        assert batch.record is not None
        bond = referee.bond_for(channel, fleet.operator.address, 1)
        referee.challenge(challenger, batch.header, batch.citation(fleet.operator.address), 2, bond)
    with fleet.slow_chain() as blocks:
        report = fleet.operator.step()
    report.raise_first()
    assert (len(report.answered), len(report.committed)) == (4, CHANNELS + 1)
    assert blocks == [4, CHANNELS + 1]
    events = referee.events(0, referee.client.block().number)
    answered = [event.channel for event in events if isinstance(event, ClosedChallenge)]
    assert sorted(answered) == sorted(fleet.channels[:4])


def test_what_one_channel_meets_holds_back_no_other(fleet: Fleet) -> None:
    """Nothing can be sealed in one channel, and another one's commit cannot be made."""
    operator, (first, second, *_) = fleet.operator, fleet.channels
    enclave, request = operator._enclave_of, operator.referee.commit_requests

    def enclave_of(channel: bytes) -> object:
        if channel == first:
            raise TransportError("no enclave", retryable=True)
        return enclave(channel)

    def commit_requests(signer: object, commits: Sequence[SignedCommit], **options: Any) -> list[Any]:
        made: list[Any] = request(signer, commits, **options)
        failed = TransportError("no history", retryable=True)
        return [failed if one.header.channel == second else had for one, had in zip(commits, made, strict=True)]

    fleet.hand_in(2)
    fleet.end_day(2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operator, "_enclave_of", enclave_of)
        patch.setattr(operator.referee, "commit_requests", commit_requests)
        report = operator.step()
    assert sorted(error.message for error in report.errors) == ["no enclave", "no history"]
    assert fleet.states(3) == [StoredState.SEALING, StoredState.COMMITTING] + [StoredState.COMMITTED] * (CHANNELS - 1)
    operator.step().raise_first()
    assert fleet.states(3) == [StoredState.COMMITTED] * (CHANNELS + 1)


def test_a_reorganised_day_comes_back_in_one_block(fleet: Fleet) -> None:
    community = fleet.community
    fleet.hand_in(3)
    fleet.end_day(3)
    before, snapshot = fleet.commits(), community.anvil.rpc.request("evm_snapshot")
    fleet.operator.step().raise_first()
    stood = digests(fleet)
    community.anvil.rpc.request("evm_revert", snapshot)
    assert fleet.commits() == before
    with fleet.slow_chain() as blocks:
        report = fleet.operator.step()
    report.raise_first()
    assert blocks == [CHANNELS + 1]
    assert report.sealed == []
    assert digests(fleet) == stood
    assert len(stood) == 4 * (CHANNELS + 1)


def test_batches_of_one_channel_follow_one_another(fleet: Fleet) -> None:
    """Two imports of an open channel were dropped; the second needs the history that the first ends, with its new time.

    Its old bytes go out behind the first one's, as everything does that was dropped, and are refused: they are in one
    block now. The next step sends it anew.
    """
    community, operator = fleet.community, fleet.operator
    channel = add_open_channel(community).id
    snapshot = community.anvil.rpc.request("evm_snapshot")
    start = community.client().now() // 900 * 900 - EPOCH_S
    first = datetime.fromtimestamp(start, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    csv = f"start,import_kwh,export_kwh\n{first},0.25,0\n".encode()
    home = community.households[0]
    for number in range(2):
        item = ImportItem(csv, seed(f"import {number}"), home.reader.public_key, None)
        job = ImportJob(channel, operator.chain_head(channel), start, start + EPOCH_S, [item])
        community.anvil.advance_to(community.client().now() + 1)  # blocks of one second take one commit of a channel
        operator.seal(job)
    community.anvil.rpc.request("evm_revert", snapshot)
    community.anvil.advance_to(community.client().now() + 3)
    assert community.referee().operator_head(channel, operator.address).sequence == 0
    with fleet.slow_chain() as blocks:
        report = operator.step()
    assert blocks == [2]
    assert [error.code for error in report.errors] == ["CommitTooSoon"]
    assert len(report.committed) == 1
    operator.step().raise_first()
    batches = fleet.store.batches(channel)
    assert [batch.state for batch in batches] == [StoredState.COMMITTED] * 2
    assert community.referee().operator_head(channel, operator.address).sequence == 2
    assert operator.step().is_idle


def test_never_more_in_flight_than_allowed(fleet: Fleet, tmp_path: Path) -> None:
    with ExitStack() as stack:
        small, blocks = one_day(fleet.community, 5, tmp_path, stack, in_flight=2)
        assert blocks == [2, 2, 1]
        assert small.states(1) == [StoredState.COMMITTED] * 5


def test_what_is_sealed_does_not_wait_for_hours_of_sealing(fleet: Fleet, tmp_path: Path) -> None:
    """A clock on which every look takes half of what may pass between commits: two or three channels a round."""
    with ExitStack() as stack:
        half = LONGEST_PREPARATION_S / 2
        slow, blocks = one_day(fleet.community, 5, tmp_path, stack, clock=count(0.0, half).__next__)
        assert blocks == [3, 2]
        assert slow.states(1) == [StoredState.COMMITTED] * 5


def one_day(
    community: Community, channels: int, folder: Path, stack: ExitStack, **options: Any
) -> tuple[Fleet, list[int]]:
    """One step of an operator with channels of its own, of which a day is due, and what each block found waiting."""
    day = (community.client().now() - FIRST_PERIOD) // EPOCH_S
    duties = add_channels(community, channels, first_period=FIRST_PERIOD + day * EPOCH_S)
    fleet = Fleet(community, duties, folder, stack, **options)
    fleet.hand_in(day)
    fleet.end_day(day)
    with fleet.slow_chain() as blocks:
        report = fleet.operator.step()
    report.raise_first()
    return fleet, blocks


def digests(fleet: Fleet) -> dict[tuple[bytes, int], bytes]:
    """The header digest of every commit on chain."""
    return {(commit.channel, commit.sequence): commit.header_digest for commit in fleet.commits()}


def nonce(fleet: Fleet) -> int:
    """Transactions of the operator that are mined."""
    address = "0x" + fleet.operator.address.hex()
    return int(fleet.community.anvil.rpc.request("eth_getTransactionCount", address, "latest"), 16)
