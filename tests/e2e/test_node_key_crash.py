"""``kill -9`` between the steps of a key's life, in an operator process with an appraiser's server: one key signs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from node_community import EPOCH_S, FIRST_PERIOD, Community, build_community, destroy, write_operator_files
from node_keys import hand_over_table
from waiting import HANG_S

from wattest.appraiser.appraiser import Appraiser
from wattest.appraiser.appraiser_service import AppraiserServer
from wattest.attestation.roots import parse_root
from wattest.chain.local_signer import LocalSigner
from wattest.chain.referee_events import CommittedBatch
from wattest.chain.registry import EnclaveRegistry
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.io.crash_points import FAULT_VARIABLE, KEY_CRASH_POINTS
from wattest.store.enclave_key import KeyState
from wattest.store.inbox import InboxFolder
from wattest.store.operator_store import SqliteOperatorStore

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).resolve().parents[2]
_SENT = KEY_CRASH_POINTS.index("registration.mined")
ROTATION_POINTS = (*KEY_CRASH_POINTS[:_SENT], "transaction.recorded", *KEY_CRASH_POINTS[_SENT:])
"""With the hand-over that the channel's manager allowed, so that every point is reached."""
RENEWAL_POINTS = ("registration.proven", "registration.prepared", "transaction.recorded", "registration.mined")


class Node:
    """An operator's process and its commands over one folder."""

    def __init__(self, community: Community, folder: Path, appraiser: AppraiserServer) -> None:
        self.community, self.folder = community, folder
        self.config = write_operator_files(community, folder)
        self.plain = self.config.read_text() + f'\n[registration]\nappraisers = ["{appraiser.url}"]\n'
        self.allow(hand_over_table(community, folder))
        client = community.client()
        self.registry = EnclaveRegistry(client, community.contracts.registry)
        self.operator = LocalSigner(community.operator_key).address
        self.day = 0

    def command(
        self, *arguments: str, fault: str | None = None, program: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if name != FAULT_VARIABLE}
        if fault is not None:
            environment[FAULT_VARIABLE] = fault
        if program is not None:
            environment["PYTHONPATH"] = str(program)
        return subprocess.run(
            [sys.executable, "-m", "wattest.apps.cli", "operator", *arguments, "--config", str(self.config)],
            env=environment, capture_output=True, text=True, timeout=HANG_S, check=False,
        )  # fmt: skip

    def allow(self, hand_over: str) -> None:
        """Write the configuration with what the manager signed for a hand-over."""
        self.config.write_text(self.plain.replace("\n[registration]", f"{hand_over}\n[registration]"))

    @contextmanager
    def giving(self, to_measurement: bytes) -> Iterator[subprocess.Popen[str]]:
        """The old program gives its state, and the configuration says where."""
        self.allow(hand_over_table(self.community, self.folder, to_measurement=to_measurement))
        command = ["operator", "give-state", "--config", str(self.config), "--listen", "127.0.0.1:0"]
        giver = subprocess.Popen(
            [sys.executable, "-m", "wattest.apps.cli", *command],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert giver.stderr is not None
            address = giver.stderr.readline().rpartition(" ")[2].strip()
            self.allow(hand_over_table(self.community, self.folder, to_measurement=to_measurement, giver=address))
            yield giver
        finally:
            giver.terminate()
            giver.communicate(timeout=HANG_S)

    def kinds(self) -> list[int]:
        """The kinds of the last batch's entries, ascending."""
        store = SqliteOperatorStore(self.folder / "data" / "operator.sqlite", read_only=True)
        try:
            last = store.last_batch(self.community.channel.id)
            assert last is not None
            return sorted(payload[1] for payload in store.entries(last.channel, last.sequence)[0])
        finally:
            store.close()

    def step(self, fault: str | None = None) -> subprocess.CompletedProcess[str]:
        return self.command("run", "--once", "--unsafe-development-faults", fault=fault)

    def killed(self, fault: str) -> None:
        done = self.step(fault)
        assert done.returncode == -signal.SIGKILL, (fault, done.stderr)

    def stepped(self, program: Path | None = None) -> list[dict[str, Any]]:
        done = self.command("run", "--once", program=program)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def hand_in(self, *, backwards: int = 0) -> None:
        """A day is over and its blocks wait in the inbox."""
        now = self.registry.client.now()
        period = max(FIRST_PERIOD, now - now % EPOCH_S)
        for at, home in enumerate(self.community.households):
            block = home.block(period, watt_hours=1 if at < backwards else 100)
            InboxFolder(self.folder / "data" / "inbox").put(self.community.channel.id, block)
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
        return len(self.registry.registered_verdicts(self.binding, key))

    @property
    def binding(self) -> tuple[bytes, bytes, bytes]:
        return self.community.contracts.referee, self.community.channel.id, self.operator


@pytest.fixture(scope="module")
def next_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The next version of the program, elsewhere: one measured file differs by a comment."""
    folder = tmp_path_factory.mktemp("next")
    shutil.copytree(ROOT / "src" / "wattest", folder / "wattest", ignore=shutil.ignore_patterns("__pycache__"))
    with (folder / "wattest" / "enclave" / "measured" / "launch.py").open("a") as file:
        file.write("# the next version\n")
    return folder


def measurement_of(program: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "wattest.apps.cli", "enclave", "measure", "--json"],
        env={**os.environ, "PYTHONPATH": str(program)}, capture_output=True, text=True, timeout=HANG_S, check=True,
    )  # fmt: skip
    return str(json.loads(done.stdout)["measurement"])


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, next_program: Path) -> Iterator[Node]:
    community = build_community(tmp_path_factory.mktemp("keys"), deposit_ether=60)
    community.process.stop()
    policy = f'{community.extra["policy"]}\n[[enclave]]\nname = "next"\nmr_enclave = "{measurement_of(next_program)}"\n'
    appraiser = Appraiser(
        Secp256k1PrivateKey.from_seed(community.extra["appraiser_seed"]),
        policy.encode(),
        [parse_root(community.platform.root_certificate)],
        frozenset({community.extra["verdict"].workload}),
    )
    client = community.client()
    domain = EnclaveRegistry(client, community.contracts.registry).domain
    with AppraiserServer(appraiser, client, domain, community.contracts.referee) as server:
        built = Node(community, tmp_path_factory.mktemp("node"), server)
        (built.folder / "policy.toml").write_text(policy)
        (built.folder / "old-policy.toml").write_text(community.extra["policy"])
        yield built
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
    assert node.registry.registration_of(node.binding, old).revoked_at
    with_store = SqliteOperatorStore(node.folder / "data" / "operator.sqlite", read_only=True)
    keys = with_store.keys.keys(node.community.channel.id)
    with_store.close()
    assert [(key.address, key.state) for key in keys] == [(old, KeyState.REVOKED), (new, KeyState.ACTIVE)]
    node.hand_in()
    node.stepped()
    assert node.commits() == 2


@pytest.mark.deep  # the points are those of the rotation; only the key stays
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


def test_an_upgrade_to_the_next_program(node: Node, next_program: Path) -> None:
    """Planned, then done by the next program itself; the one before it can seal nothing any more."""
    nothing = node.command("upgrade", "--dry-run")
    assert (nothing.returncode, "the installed program is the registered one" in nothing.stderr) == (7, True)
    unwanted = node.command("upgrade", "--policy", str(node.folder / "old-policy.toml"), program=next_program)
    assert (unwanted.returncode, "does not want" in unwanted.stderr) == (4, True)
    policy = ("--policy", str(node.folder / "policy.toml"))
    planned = node.command("upgrade", "--dry-run", "--json", *policy, program=next_program)
    assert planned.returncode == 0, planned.stderr
    plan = json.loads(planned.stdout)
    assert "measuring the installed program" in planned.stderr.splitlines()
    new = measurement_of(next_program)
    assert (plan["new_measurement"], plan["old_measurement"]) == (new, node.status()["key"]["measurement"])
    assert (plan["policy_wants_new"], plan["in_flight"]) == (True, [])
    assert node.status()["ordered"] is None  # a dry run orders nothing
    key, before = node.active(), node.commits()
    node.allow(hand_over_table(node.community, node.folder, to_measurement=bytes.fromhex(new), giver="127.0.0.1:9"))
    assert node.command("upgrade", *policy, program=next_program).returncode == 0
    waits = node.step()
    assert (waits.returncode, "UpgradeNotInstalled" in waits.stderr) == (5, True), waits.stderr
    assert (node.active(), node.commits()) == (key, before)
    assert any("the old program runs still" in warning for warning in node.status()["warnings"])
    alone = node.command("run", "--once", program=next_program)
    assert (alone.returncode, "GiverNotReachable" in alone.stderr) == (6, True), alone.stderr
    with node.giving(bytes.fromhex(new)) as giver:
        lines = node.stepped(next_program)
        assert (giver.wait(HANG_S), giver.stdout is not None) == (0, True)
    node.hand_in(backwards=1)
    lines += node.stepped(next_program)
    channel = node.community.channel.id.hex()
    assert {
        "event": "key active", "channel": channel, "key": f"0x{node.active().hex()}", "cause": "upgrade",
    } in lines  # fmt: skip
    status = node.status()
    assert (status["key"]["measurement"], status["head_sequence"]) == (new, before + 1)
    assert node.commits() == before + 1
    assert node.active() != key
    assert node.kinds() == [1, 1, 4]  # the registers went along: one that runs backwards is refused
    node.hand_in()
    old = node.step()
    assert (old.returncode, "SealedStateInvalid" in old.stderr) == (4, True), old.stderr
    assert node.commits() == before + 1
    node.stepped(next_program)
    assert node.commits() == before + 2
