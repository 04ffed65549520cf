"""``kill -9`` at every step boundary of an operator process: nothing lost, nothing doubled, never a second header."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from node_channels import add_channels, name_channels
from node_community import (
    EPOCH_S,
    ETHER,
    FIRST_PERIOD,
    Community,
    build_community,
    destroy,
    write_operator_files,
)
from waiting import HANG_S

from wattest.chain.local_signer import LocalSigner
from wattest.chain.referee_events import ClosedChallenge, CommittedBatch, OpenedChallenge
from wattest.io.crash_points import FAULT_VARIABLE, OPERATOR_CRASH_POINTS
from wattest.store.batch_state import StoredState
from wattest.store.bundle_store import BundleFolder
from wattest.store.duty import Duty
from wattest.store.inbox import InboxFolder
from wattest.store.operator_store import SqliteOperatorStore

pytestmark = pytest.mark.e2e
SEALING_POINTS = OPERATOR_CRASH_POINTS[: OPERATOR_CRASH_POINTS.index("challenge.noted")]
LATER_POINTS = OPERATOR_CRASH_POINTS[len(SEALING_POINTS) :]
AMONG_CHANNELS = (
    "block.kept:2",
    "batch.collected",
    "batch.sealing",
    "enclave.released:2",
    "bundle.written:2",
    "bundles.synced",
    "bundle.named:2",
    "batch.stored",
    "batch.committing",
    "transaction.recorded",
    "commit.mined:2",
    "batch.committed",
)


class Node:
    """An operator process that is started, killed and started again over one data folder."""

    def __init__(self, community: Community, folder: Path, more: Sequence[Duty] = ()) -> None:
        self.community = community
        self.folder = folder
        self.config = write_operator_files(community, folder)
        name_channels(self.config, more)
        self.channels = [community.channel.id, *(duty.channel.id for duty in more)]
        self.headers: dict[tuple[bytes, int], bytes] = {}

    def run(self, fault: str | None = None) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if name != FAULT_VARIABLE}
        if fault is not None:
            environment[FAULT_VARIABLE] = fault
        arguments = ["operator", "run", "--config", str(self.config), "--once", "--unsafe-development-faults"]
        return subprocess.run(
            [sys.executable, "-m", "wattest.apps.cli", *arguments],
            env=environment, capture_output=True, text=True, timeout=HANG_S, check=False,
        )  # fmt: skip

    def killed_then_restarted(self, fault: str) -> None:
        killed = self.run(fault)
        assert killed.returncode == -signal.SIGKILL, (fault, killed.stderr)
        self.require_one_header_each()
        again = self.run()
        assert again.returncode == 0, (fault, again.stderr)
        self.require_one_header_each()

    def hand_in(self, day: int) -> None:
        """A day is over and its blocks wait in the inbox."""
        period = FIRST_PERIOD + day * EPOCH_S
        for home in self.community.households:
            for channel in self.channels:
                InboxFolder(self.folder / "data" / "inbox").put(channel, home.block(period))
        self.community.anvil.advance_to(period + EPOCH_S)

    def require_whole_batch(self, day: int) -> None:
        """The day's batch is on chain once in every channel, with every household in it and its bundle."""
        sequence = day + 1
        store, bundles = self.store(), BundleFolder(self.folder / "data" / "bundles")
        for channel in self.channels:
            own = [commit.sequence for commit in self.commits() if commit.channel == channel]
            assert own == list(range(1, sequence + 1))
            batch = store.batch(channel, sequence)
            assert (batch.state, batch.period_start) == (StoredState.COMMITTED, FIRST_PERIOD + day * EPOCH_S)
            payloads, _ = store.entries(channel, sequence)
            assert [payload[1] for payload in payloads] == [1, 1, 1]  # every block is in: nobody became absent
            reader = self.community.watcher_reader.public_key
            assert len(store.wrapped_keys(channel, sequence, reader)) == 3
            with bundles.open(batch.content_id or b"") as bundle:
                assert bundle.block_count == len(list(bundle.blocks())) == 3
        store.close()
        assert not list((self.folder / "data" / "inbox").glob("*/*.block"))
        assert not list(bundles.folder.glob(".*"))

    def store(self) -> SqliteOperatorStore:
        return SqliteOperatorStore(self.folder / "data" / "operator.sqlite", read_only=True)

    def commits(self) -> list[CommittedBatch]:
        referee = self.community.referee()
        events = referee.events(0, referee.client.block().number)
        return [event for event in events if isinstance(event, CommittedBatch)]

    def require_one_header_each(self) -> None:
        """A header that was ever stored or committed for a sequence is the only one, everywhere, for ever."""
        commits = self.commits()
        places = [(commit.channel, commit.sequence) for commit in commits]
        assert len(set(places)) == len(places)
        for commit, place in zip(commits, places, strict=True):
            assert self.headers.setdefault(place, commit.header_digest) == commit.header_digest
        for channel in self.channels:
            sequences = [sequence for at, sequence in places if at == channel]
            assert sequences == sorted(sequences)
        store = self.store()
        try:
            for channel in self.channels:
                for batch in store.batches(channel):
                    if batch.header_digest is not None:
                        known = self.headers.setdefault((channel, batch.sequence), batch.header_digest)
                        assert known == batch.header_digest
        finally:
            store.close()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    community = build_community(tmp_path_factory.mktemp("crash"), deposit_ether=60)
    community.process.stop()  # the operator process starts its own over the same sealed state
    yield Node(community, tmp_path_factory.mktemp("node"))
    destroy(community)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """An operator with three channels."""
    community = build_community(tmp_path_factory.mktemp("crash"), deposit_ether=60)
    more = add_channels(community, 2, deposit_wei=60 * ETHER)
    community.process.stop()
    yield Node(community, tmp_path_factory.mktemp("node"), more)
    destroy(community)


def test_killed_at_every_step_of_one_batch(node: Node) -> None:
    """Each start gets one boundary further and is killed there; the last one finishes."""
    node.hand_in(0)
    for point in SEALING_POINTS:
        killed = node.run(point)
        assert killed.returncode == -signal.SIGKILL, (point, killed.stderr)
        node.require_one_header_each()
    assert node.run().returncode == 0
    node.require_one_header_each()
    node.require_whole_batch(0)


def test_killed_between_the_channels_of_one_step(fleet: Node) -> None:
    """Killed in the middle of what a step does for all its channels together, each start a little further."""
    fleet.hand_in(0)
    for point in AMONG_CHANNELS:
        killed = fleet.run(point)
        assert killed.returncode == -signal.SIGKILL, (point, killed.stderr)
        fleet.require_one_header_each()
    assert fleet.run().returncode == 0
    fleet.require_one_header_each()
    fleet.require_whole_batch(0)


def test_killed_between_answers(fleet: Node) -> None:
    """Two answers are mined and one of them is noted: the third is sent, the second not again."""
    challenge(fleet, [(commit, 0) for commit in fleet.commits()[-3:]])
    fleet.killed_then_restarted("answer.mined:2")
    opened, closed = challenges(fleet)
    assert sorted(opened) == sorted(closed)
    assert len(closed) == 3


@pytest.mark.deep
@pytest.mark.parametrize("point", AMONG_CHANNELS)
def test_killed_between_channels_then_all_at_once(fleet: Node, point: str) -> None:
    day = len(fleet.commits()) // 3
    fleet.hand_in(day)
    fleet.killed_then_restarted(point)
    fleet.require_whole_batch(day)


@pytest.mark.deep
@pytest.mark.parametrize("point", SEALING_POINTS)
def test_killed_on_the_way_to_the_chain(node: Node, point: str) -> None:
    day = len(node.commits())
    node.hand_in(day)
    node.killed_then_restarted(point)
    node.require_whole_batch(day)


def test_killed_while_answering_and_at_the_end(node: Node) -> None:
    channel, referee = node.community.channel.id, node.community.referee()
    for position, point in enumerate(LATER_POINTS[:-1]):
        challenge(node, [(node.commits()[-1], position)])
        node.killed_then_restarted(point)
    opened, closed = challenges(node)
    assert [position for _, position in opened] == [position for _, position in closed] == [0, 1]
    before = len(node.commits())
    node.community.anvil.advance_to(referee.client.now() + 8 * 86_400)
    node.killed_then_restarted(LATER_POINTS[-1])
    store = node.store()
    states = [batch.state for batch in store.batches(channel)]
    assert states[:before] == [StoredState.FINAL] * before
    assert states[before:] == [StoredState.COMMITTED]  # the day before: everybody is absent, and it counts
    store.close()


def challenge(node: Node, entries: Sequence[tuple[CommittedBatch, int]]) -> None:
    """Somebody demands entries."""
    referee, challenger = node.community.referee(), LocalSigner(b"\x05" * 32)
    node.community.anvil.fund(challenger.address, ETHER)
    for commit, position in entries:
        header = referee.committed_header(commit).header
        bond = referee.bond_for(commit.channel, commit.operator, commit.parameters_version)
        referee.challenge(challenger, header, commit.citation, position, bond)


def challenges(node: Node) -> tuple[list[tuple[bytes, int]], list[tuple[bytes, int]]]:
    """(channel, position) of every challenge that was opened and of every one that was closed."""
    referee = node.community.referee()
    events = referee.events(0, referee.client.block().number)
    opened = [(event.channel, event.entry_index) for event in events if isinstance(event, OpenedChallenge)]
    return opened, [(event.channel, event.entry_index) for event in events if isinstance(event, ClosedChallenge)]


def test_a_fault_needs_the_switch(node: Node) -> None:
    environment = {**os.environ, FAULT_VARIABLE: "batch.final"}
    arguments = ["operator", "run", "--config", str(node.config), "--once"]
    done = subprocess.run(
        [sys.executable, "-m", "wattest.apps.cli", *arguments],
        env=environment, capture_output=True, text=True, timeout=HANG_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
