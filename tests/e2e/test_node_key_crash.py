"""``kill -9`` between the steps of a key's life, in an operator process with an appraiser's server: one key signs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from node_community import EPOCH_S, FIRST_PERIOD, Community, build_community, destroy, write_operator_files

from wattest.attestation.roots import parse_root
from wattest.chain.referee import CommittedBatch
from wattest.chain.registry import EnclaveRegistry
from wattest.chain.signer import LocalSigner
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.node.appraiser import Appraiser
from wattest.node.appraiser_service import AppraiserServer
from wattest.node.faults import FAULT_VARIABLE, KEY_FAULT_POINTS
from wattest.node.ingest import Inbox
from wattest.node.key_life import KeyState
from wattest.node.store import OperatorStore

pytestmark = pytest.mark.e2e
_SENT = KEY_FAULT_POINTS.index("registration.mined")
ROTATION_POINTS = (*KEY_FAULT_POINTS[:_SENT], "transaction.recorded", *KEY_FAULT_POINTS[_SENT:])
RENEWAL_POINTS = ("registration.proven", "registration.prepared", "transaction.recorded", "registration.mined")


class Node:
    """An operator's process and its commands over one folder."""

    def __init__(self, community: Community, folder: Path, appraiser: AppraiserServer) -> None:
        self.community, self.folder = community, folder
        self.config = write_operator_files(community, folder)
        with self.config.open("a") as file:
            file.write(f'\n[registration]\nappraisers = ["{appraiser.url}"]\n')
        client = community.client()
        self.registry = EnclaveRegistry(client, community.contracts.registry)
        self.operator = LocalSigner(community.operator_key).address
        self.day = 0

    def command(self, *arguments: str, fault: str | None = None) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if name != FAULT_VARIABLE}
        if fault is not None:
            environment[FAULT_VARIABLE] = fault
        return subprocess.run(
            [sys.executable, "-m", "wattest.apps.cli", "operator", *arguments, "--config", str(self.config)],
            env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def step(self, fault: str | None = None) -> subprocess.CompletedProcess[str]:
        return self.command("run", "--once", "--unsafe-development-faults", fault=fault)

    def killed(self, fault: str) -> None:
        done = self.step(fault)
        assert done.returncode == -signal.SIGKILL, (fault, done.stderr)

    def stepped(self) -> list[dict[str, Any]]:
        done = self.step()
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def hand_in(self) -> None:
        """A day is over and its blocks wait in the inbox."""
        now = self.registry.client.now()
        period = max(FIRST_PERIOD, now - now % EPOCH_S)
        for home in self.community.households:
            Inbox(self.folder / "data" / "inbox").put(self.community.channel.id, home.block(period))
        self.community.anvil.advance_to(period + EPOCH_S)

    def status(self) -> dict[str, Any]:
        done = self.command("status", "--json")
        assert done.returncode == 0, done.stderr
        (channel,) = json.loads(done.stdout)["channels"]
        return dict(channel)

    def active(self) -> bytes:
        return bytes.fromhex(self.status()["key"]["address"])

    def on_chain(self) -> bytes:
        workload = self.community.extra["verdict"].workload
        referee = self.community.contracts.referee
        return self.registry.active_key(referee, self.community.channel.id, self.operator, workload)[0]

    def expires_at(self) -> int:
        workload = self.community.extra["verdict"].workload
        referee = self.community.contracts.referee
        return self.registry.active_key(referee, self.community.channel.id, self.operator, workload)[1]

    def commits(self) -> int:
        referee = self.community.referee()
        events = referee.events(0, referee.client.block().number)
        return sum(isinstance(event, CommittedBatch) for event in events)

    def registrations(self, key: bytes) -> int:
        return len(self.registry.registered_verdicts(key))


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    community = build_community(tmp_path_factory.mktemp("keys"), deposit_ether=60)
    community.process.stop()
    appraiser = Appraiser(
        Secp256k1PrivateKey.from_seed(community.extra["appraiser_seed"]),
        community.extra["policy"].encode(),
        [parse_root(community.platform.root_certificate)],
        frozenset({community.extra["verdict"].workload}),
    )
    client = community.client()
    domain = EnclaveRegistry(client, community.contracts.registry).domain
    with AppraiserServer(appraiser, client, domain, community.contracts.referee) as server:
        yield Node(community, tmp_path_factory.mktemp("node"), server)
    destroy(community)


def test_killed_at_every_step_of_a_rotation(node: Node) -> None:
    """Each start gets one boundary further; one old key is revoked, one new one signs, whatever was made between."""
    node.hand_in()
    assert {"committed", "sealed"} <= {line["event"] for line in node.stepped()}
    old = node.active()
    assert node.command("rotate-key").returncode == 0
    assert node.status()["ordered"] == "waiting"
    for point in ROTATION_POINTS:
        node.killed(point)
    node.stepped()
    new = node.active()
    assert node.on_chain() == new != old
    assert node.registrations(new) == 1
    assert node.registry.registration_of(old).revoked_at
    with_store = OperatorStore(node.folder / "data" / "operator.sqlite", read_only=True)
    keys = with_store.keys.keys(node.community.channel.id)
    with_store.close()
    assert [(key.address, key.state) for key in keys] == [(old, KeyState.REVOKED), (new, KeyState.ACTIVE)]
    node.hand_in()
    node.stepped()
    assert node.commits() == 2


def test_killed_at_every_step_of_a_renewal(node: Node) -> None:
    key = node.active()
    before = node.expires_at()
    node.community.anvil.advance_to(before - 3 * 86_400)
    for point in RENEWAL_POINTS:
        node.killed(point)
    assert node.stepped()
    after = node.expires_at()
    assert after > before + 20 * 86_400
    assert node.registrations(key) == 2
    assert node.active() == node.on_chain() == key
    assert node.status()["key"]["expires_at"] == after


def test_revoked_by_hand_and_followed(node: Node) -> None:
    """The command needs no enclave and no database; the operator stops until a new key is asked for."""
    key = node.active()
    done = node.command("revoke-key", "--json")
    assert (done.returncode, json.loads(done.stdout)["key"]) == (0, "0x" + key.hex()), done.stderr
    assert not any(node.on_chain())
    again = node.command("revoke-key", "--key", "0x" + key.hex())
    assert (again.returncode, "KeyRevoked" in again.stderr or "revoked" in again.stderr) == (5, True)
    stopped = node.step()
    assert (stopped.returncode, "OperatorStopped" in stopped.stderr) == (5, True)
    assert any("no enclave key is active" in warning for warning in node.status()["warnings"])
    assert node.command("rotate-key").returncode == 0
    node.hand_in()
    before = node.commits()
    node.stepped()
    assert node.commits() == before + 1
    assert node.on_chain() == node.active() != key


def test_an_upgrade_is_planned_first(node: Node) -> None:
    done = node.command("upgrade", "--dry-run", "--json")
    assert (done.returncode, "NothingToUpgrade" in done.stderr or "registered one" in done.stderr) == (7, True)
    plan = json.loads(done.stdout)
    assert plan["old_measurement"] == plan["new_measurement"]
    assert plan["in_flight"] == []
    assert not (node.folder / "data" / "orders").glob("*.order") or node.status()["ordered"] is None
