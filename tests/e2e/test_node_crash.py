"""``kill -9`` at every step boundary of an operator process: nothing lost, nothing doubled, never a second header."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from node_community import (
    EPOCH_S,
    ETHER,
    FIRST_PERIOD,
    Community,
    build_community,
    destroy,
    write_operator_files,
)

from wattest.chain.referee import ClosedChallenge, CommittedBatch, OpenedChallenge
from wattest.chain.signer import LocalSigner
from wattest.node.faults import FAULT_VARIABLE, OPERATOR_FAULT_POINTS
from wattest.node.ingest import Inbox
from wattest.node.store import OperatorStore, StoredState

pytestmark = pytest.mark.e2e
SEALING_POINTS = OPERATOR_FAULT_POINTS[: OPERATOR_FAULT_POINTS.index("challenge.noted")]
LATER_POINTS = OPERATOR_FAULT_POINTS[len(SEALING_POINTS) :]


class Node:
    """An operator process that is started, killed and started again over one data folder."""

    def __init__(self, community: Community, folder: Path) -> None:
        self.community = community
        self.folder = folder
        self.config = write_operator_files(community, folder)
        self.headers: dict[int, bytes] = {}

    def run(self, fault: str | None = None) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if name != FAULT_VARIABLE}
        if fault is not None:
            environment[FAULT_VARIABLE] = fault
        arguments = ["operator", "run", "--config", str(self.config), "--once", "--unsafe-development-faults"]
        return subprocess.run(
            [sys.executable, "-m", "wattest.apps.cli", *arguments],
            env=environment, capture_output=True, text=True, timeout=120, check=False,
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
            Inbox(self.folder / "data" / "inbox").put(self.community.channel.id, home.block(period))
        self.community.anvil.advance_to(period + EPOCH_S)

    def require_whole_batch(self, day: int) -> None:
        """The day's batch is on chain once, with every household in it."""
        channel, sequence = self.community.channel.id, day + 1
        assert [commit.sequence for commit in self.commits()] == list(range(1, sequence + 1))
        store = self.store()
        batch = store.batch(channel, sequence)
        assert (batch.state, batch.period_start) == (StoredState.COMMITTED, FIRST_PERIOD + day * EPOCH_S)
        payloads, _ = store.entries(channel, sequence)
        assert [payload[1] for payload in payloads] == [1, 1, 1]  # every block is in: nobody became absent
        reader = self.community.watcher_reader.public_key
        assert len(store.wrapped_keys(channel, sequence, reader)) == 3
        store.close()
        assert not list((self.folder / "data" / "inbox").glob("*/*.block"))

    def store(self) -> OperatorStore:
        return OperatorStore(self.folder / "data" / "operator.sqlite", read_only=True)

    def commits(self) -> list[CommittedBatch]:
        referee = self.community.referee()
        events = referee.events(0, referee.client.block().number)
        return [event for event in events if isinstance(event, CommittedBatch)]

    def require_one_header_each(self) -> None:
        """A header that was ever stored or committed for a sequence is the only one, everywhere, for ever."""
        commits = self.commits()
        sequences = [commit.sequence for commit in commits]
        assert sequences == sorted(set(sequences))
        for commit in commits:
            assert self.headers.setdefault(commit.sequence, commit.header_digest) == commit.header_digest
        store = self.store()
        try:
            for batch in store.batches(self.community.channel.id):
                if batch.header_digest is not None:
                    known = self.headers.setdefault(batch.sequence, batch.header_digest)
                    assert known == batch.header_digest
        finally:
            store.close()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    community = build_community(tmp_path_factory.mktemp("crash"), deposit_ether=60)
    community.process.stop()  # the operator process starts its own over the same sealed state
    yield Node(community, tmp_path_factory.mktemp("node"))
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


@pytest.mark.deep
@pytest.mark.parametrize("point", SEALING_POINTS)
def test_killed_on_the_way_to_the_chain(node: Node, point: str) -> None:
    day = len(node.commits())
    node.hand_in(day)
    node.killed_then_restarted(point)
    node.require_whole_batch(day)


def test_killed_while_answering_and_at_the_end(node: Node) -> None:
    channel = node.community.channel.id
    referee = node.community.referee()
    challenger = LocalSigner(b"\x05" * 32)
    node.community.anvil.fund(challenger.address, ETHER)
    for position, point in enumerate(LATER_POINTS[:-1]):
        commit = node.commits()[-1]
        header = referee.committed_header(commit).header
        bond = referee.bond_for(channel, commit.operator, commit.parameters_version)
        referee.challenge(challenger, header, commit.record, position, bond)
        node.killed_then_restarted(point)
    events = referee.events(0, referee.client.block().number)
    opened = [event.entry_index for event in events if isinstance(event, OpenedChallenge)]
    closed = [event.entry_index for event in events if isinstance(event, ClosedChallenge)]
    assert opened == closed == [0, 1]
    before = len(node.commits())
    node.community.anvil.advance_to(referee.client.now() + 8 * 86_400)
    node.killed_then_restarted(LATER_POINTS[-1])
    store = node.store()
    states = [batch.state for batch in store.batches(channel)]
    assert states[:before] == [StoredState.FINAL] * before
    assert states[before:] == [StoredState.COMMITTED]  # the day before: everybody is absent, and it counts
    store.close()


def test_a_fault_needs_the_switch(node: Node) -> None:
    environment = {**os.environ, FAULT_VARIABLE: "batch.final"}
    arguments = ["operator", "run", "--config", str(node.config), "--once"]
    done = subprocess.run(
        [sys.executable, "-m", "wattest.apps.cli", *arguments],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
