"""A sealed batch that can never be committed is told of, given up, and followed; its blocks find their period."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from node_community import EPOCH_S, FIRST_PERIOD, Community, build_community, destroy, write_operator_files
from waiting import HANG_S

from wattest.apps.actions import operator_run
from wattest.apps.cli import run
from wattest.chain.referee_events import CommittedBatch
from wattest.errors import TransportError
from wattest.io.crash_points import ABANDON_CRASH_POINTS, FAULT_VARIABLE, KEY_CRASH_POINTS
from wattest.operator.commit_round import CommitRound
from wattest.operator.operator import Operator
from wattest.receipt.deployment import parse_deployment
from wattest.store.batch_state import StoredState
from wattest.store.enclave_key import Cause
from wattest.store.inbox import InboxFolder
from wattest.store.operator_store import SqliteOperatorStore

pytestmark = pytest.mark.e2e


@pytest.fixture
def community(tmp_path: Path) -> Iterator[Community]:
    built = build_community(tmp_path / "site", by_quote=True)
    built.process.stop()
    yield built
    destroy(built)


class Node:
    """An operator's folder, and what its commands say."""

    def __init__(self, config: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.config, self.capfd = config, capfd

    def ask(self, *words: str, code: int) -> tuple[str, list[dict[str, Any]]]:
        """Standard output, and the JSON objects on standard error."""
        self.capfd.readouterr()
        assert run(["operator", words[0], "--config", str(self.config), *words[1:]]) == code
        out, err = self.capfd.readouterr()
        assert "Traceback" not in err
        return out, [json.loads(line) for line in err.splitlines() if line.startswith("{")]

    def store(self) -> SqliteOperatorStore:
        return SqliteOperatorStore(self.config.parent / "data" / "operator.sqlite", read_only=True)


def seal_for_no_period(community: Community, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch with a typo's period is sealed; the blocks lie in no such period and are set aside."""
    config, channel = node.config, community.channel.id
    right = config.read_text()
    config.write_text(right.replace(f"epoch_s = {EPOCH_S}", f"epoch_s = {EPOCH_S // 2}"))
    inbox = InboxFolder(config.parent / "data" / "inbox")
    for home in community.households:
        inbox.put(channel, home.block(FIRST_PERIOD))
    community.anvil.advance_to(FIRST_PERIOD + EPOCH_S // 2)
    with monkeypatch.context() as before:  # what an earlier version did
        before.setattr(operator_run, "require_operator_agreement", lambda *_: [])
        before.setattr(Operator, "_agreed", lambda self, _: self.duties)
        node.ask("run", "--once", code=4)
        assert inbox.waiting(channel) == []
    config.write_text(right)


def test_from_a_typo_to_the_next_commit(
    community: Community, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    config = write_operator_files(community, tmp_path / "operator")
    node, channel = Node(config, capfd), community.channel.id
    inbox = InboxFolder(config.parent / "data" / "inbox")
    seal_for_no_period(community, node, monkeypatch)
    _, errors = node.ask("run", "--once", code=5)
    assert [error["error"] for error in errors] == ["PeriodInvalid"]
    assert "operator abandon" in errors[0]["hint"]
    for words in (["rotate-key", "--lost"], ["rotate-key"]):
        _, _ = node.ask(*words, code=5)
    assert not list((config.parent / "data").glob("orders/*.order"))
    shown, _ = node.ask("status", "--json", code=0)
    (status,) = json.loads(shown)["channels"]
    assert any("never be committed" in one and "wattest operator abandon" in one for one in status["warnings"])

    node.ask("abandon", code=7)  # nobody said yes
    store = node.store()
    assert store.batch(channel, 1).state is StoredState.COMMITTING
    header = store.batch(channel, 1).header_digest
    store.close()
    shown, _ = node.ask("abandon", "--yes", "--json", code=0)
    done = json.loads(shown)
    assert (done["sequence"], done["returned"], done["kept_back"]) == (1, 3, {})
    assert "43200 s" in done["reason"]
    assert len(inbox.waiting(channel)) == 3
    shown, _ = node.ask("abandon", "--yes", "--json", code=0)  # as after a crash in the middle
    assert json.loads(shown)["returned"] == 0

    assert len(inbox.waiting(channel)) == 3
    node.ask("run", "--once", code=0)
    store = node.store()
    (abandoned,) = store.keys.abandoned(channel)
    assert (abandoned.sequence, abandoned.header_digest, abandoned.cause.value) == (1, header, "given up")
    assert store.meters_with_block(channel, FIRST_PERIOD) == 3
    assert store.find_batch(channel, 1) is None
    store.close()
    community.anvil.advance_to(FIRST_PERIOD + EPOCH_S)
    out, _ = node.ask("run", "--once", code=0)
    events = [json.loads(line)["event"] for line in out.splitlines()]
    assert {"sealed", "committed"} <= set(events)
    store = node.store()
    payloads, _ = store.entries(channel, 1)
    assert [payload[1] for payload in payloads] == [1, 1, 1]  # every household's day is in it
    assert store.batch(channel, 1).header_digest != header
    store.close()
    node.ask("abandon", "--yes", code=5)  # on chain by now
    node.ask("abandon", "--yes", "--sequence", "9", code=5)


FAULTS = "--unsafe-development-faults"


def killed(config: Path, point: str, *words: str) -> None:
    """A command of its own process, killed at a point."""
    done = subprocess.run(
        [sys.executable, "-m", "wattest.apps.cli", "operator", *words, "--config", str(config), FAULTS],
        env={**os.environ, FAULT_VARIABLE: point}, capture_output=True, text=True, timeout=HANG_S, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, (point, done.stdout, done.stderr)


def test_killed_at_every_step_of_giving_up_and_of_what_follows(
    community: Community, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Given up once, all of it or none; every block is back once; one header of the sequence is committed."""
    config = write_operator_files(community, tmp_path / "operator")
    node, channel = Node(config, capfd), community.channel.id
    inbox = InboxFolder(config.parent / "data" / "inbox")
    seal_for_no_period(community, node, monkeypatch)
    node.ask("run", "--once", code=5)
    store = node.store()
    header = store.batch(channel, 1).header_digest
    store.close()
    left = []
    for point in ABANDON_CRASH_POINTS:
        killed(config, point, "abandon", "--yes")
        store = node.store()
        left.append((store.batch(channel, 1).state, store.keys.ordered(channel), len(inbox.waiting(channel))))
        assert store.batch(channel, 1).header_digest == header
        store.close()
    given_up = (StoredState.GIVEN_UP, Cause.GIVEN_UP)
    assert left == [(StoredState.COMMITTING, None, 0), (*given_up, 0), (*given_up, 3)]
    shown, _ = node.ask("abandon", "--yes", "--json", code=0)
    assert json.loads(shown)["returned"] == 0
    for point in KEY_CRASH_POINTS:
        if point != "key.carried":  # no hand-over is allowed here
            killed(config, point, "run", "--once")
    node.ask("run", "--once", code=0)
    community.anvil.advance_to(FIRST_PERIOD + EPOCH_S)
    node.ask("run", "--once", code=0)
    store = node.store()
    (abandoned,) = store.keys.abandoned(channel)
    assert (abandoned.header_digest, abandoned.cause) == (header, Cause.GIVEN_UP)
    batch = store.batch(channel, 1)
    payloads, _ = store.entries(channel, 1)
    store.close()
    assert (batch.state, [payload[1] for payload in payloads]) == (StoredState.COMMITTED, [1, 1, 1])
    referee = community.referee()
    events = referee.events(0, referee.client.block().number)
    (commit,) = [event for event in events if isinstance(event, CommittedBatch)]
    assert commit.header_digest == batch.header_digest != header


def test_a_rotation_that_nobody_can_judge_is_refused(
    community: Community, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of a deployment with appraisers, where the configuration names none; nothing is ordered."""
    config = write_operator_files(community, tmp_path / "operator")
    book = config.parent / "deployment.json"
    deployment = parse_deployment(book.read_bytes())
    by_appraisers = replace(deployment, collateral=bytes(20), appraisers=(b"\x01" * 20,), threshold=1)
    book.write_bytes(by_appraisers.to_bytes())
    for words in (["rotate-key"], ["rotate-key", "--lost"]):
        _, _ = Node(config, capfd).ask(*words, code=7)
    assert not list((config.parent / "data").glob("orders/*.order"))
    book.write_bytes(deployment.to_bytes())
    Node(config, capfd).ask("rotate-key", code=0)
    assert len(list((config.parent / "data").glob("orders/*.order"))) == 1


def test_what_may_yet_be_committed_is_kept(
    community: Community, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    config = write_operator_files(community, tmp_path / "operator")
    node, channel = Node(config, capfd), community.channel.id
    inbox = InboxFolder(config.parent / "data" / "inbox")
    for home in community.households:
        inbox.put(channel, home.block(FIRST_PERIOD))
    community.anvil.advance_to(FIRST_PERIOD + EPOCH_S)
    with monkeypatch.context() as patched:
        down = TransportError("down", retryable=True)
        patched.setattr(CommitRound, "run", lambda _, batches, __: {batch.channel: down for batch in batches})
        node.ask("run", "--once", code=6)
    node.ask("abandon", "--yes", code=5)
    store = node.store()
    assert store.batch(channel, 1).state is StoredState.STORED
    assert store.keys.ordered(channel) is None
    store.close()
    node.ask("run", "--once", code=0)
    store = node.store()
    assert store.batch(channel, 1).state is StoredState.COMMITTED
    store.close()


def test_an_order_of_no_operator_is_refused(
    community: Community, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = write_operator_files(community, tmp_path / "operator", operator_key=b"\x77" * 32)
    Node(config, capfd).ask("rotate-key", code=5)  # no operator of the channel
    assert not list((config.parent / "data").glob("orders/*.order"))
