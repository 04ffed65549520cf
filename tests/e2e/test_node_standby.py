"""Two hosts, two platforms, one operator: the standby is kept current, takes over, and the primary stays out."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from machines import shared_machine
from node_community import (
    EPOCH_S,
    FIRST_PERIOD,
    GENESIS_S,
    build_community,
    destroy,
    seed,
    write_operator_files,
)
from node_keys import UNTIL
from waiting import HANG_S, until

from wattest.appraiser.appraiser import Appraiser
from wattest.appraiser.appraiser_service import AppraiserServer
from wattest.attestation.roots import parse_root
from wattest.chain.local_signer import LocalSigner
from wattest.chain.registry import EnclaveRegistry
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.keys.key_standing import sealing_workload
from wattest.messages.hand_over_permit import HandOverPermit, PermitKind, sign_permit
from wattest.messages.peer_policy import PeerPolicy, sign_peer_policy
from wattest.operator.ingest import keep_block
from wattest.store.operator_store import SqliteOperatorStore
from wattest.store.remote_operator import OperatorRemote

pytestmark = pytest.mark.e2e
COMMAND = [sys.executable, "-m", "wattest.apps.cli", "operator"]


class Hosts:
    """Both hosts' configurations, and their commands as processes."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.stack = stack
        self.community = community = build_community(folder, deposit_ether=60)
        stack.callback(destroy, community)
        community.process.stop()
        self.other = shared_machine(folder / "platform-b", GENESIS_S, "b")
        roots = [parse_root(one.root_certificate) for one in (community.platform, self.other)]
        client = community.client()
        self.registry = EnclaveRegistry(client, community.contracts.registry)
        appraiser = Appraiser(
            Secp256k1PrivateKey.from_seed(seed("appraiser")), community.extra["policy"].encode(), roots,
            frozenset({sealing_workload()}),
        )  # fmt: skip
        server = AppraiserServer(appraiser, client, self.registry.domain, community.contracts.referee)
        url = stack.enter_context(server).url
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self.primary = self._write(folder / "primary", "", url, f'host = "127.0.0.1:{self.port}"')
        self.standby = self._write(folder / "standby", "-b", url, f'listen = "127.0.0.1:{self.port}"')

    def _write(self, folder: Path, home: str, appraiser: str, side: str) -> Path:
        community = self.community
        path = write_operator_files(community, folder, platforms=[self.other], home=home)
        measurement = community.extra["verdict"].measurement
        manager, domain = Secp256k1PrivateKey.from_seed(seed("manager")), community.referee().domain
        policy = f'version = 1\n[[enclave]]\nname = "e"\nmr_enclave = "{measurement.hex()}"\n'.encode()
        (folder / "peer-policy.toml").write_bytes(policy)
        roots = (community.platform.root_certificate, self.other.root_certificate)
        agreed = PeerPolicy.over(community.channel.id, policy, roots, UNTIL)
        permit = HandOverPermit(
            community.channel.id, self.operator, PermitKind.STANDBY, measurement, measurement,
            self.other.platform_id, UNTIL,
        )  # fmt: skip
        text = path.read_text().replace("collect_grace_s = 0", "collect_grace_s = 0\ninterval_s = 0.2")
        path.write_text(
            f"""{text}
[channel.standby]
{side}
policy = "peer-policy.toml"
policy_until = {UNTIL}
policy_signature = "{sign_peer_policy(manager, agreed, domain).hex()}"
operator = "{self.operator.hex()}"
from_measurement = "{measurement.hex()}"
to_measurement = "{measurement.hex()}"
to_platform = "{self.other.platform_id.hex()}"
permit_until = {UNTIL}
permit_signature = "{sign_permit(manager, permit, domain).signature.hex()}"

[registration]
appraisers = ["{appraiser}"]
"""
        )
        return path

    @property
    def operator(self) -> bytes:
        return LocalSigner(self.community.operator_key).address

    def head(self) -> int:
        return self.community.referee().operator_head(self.community.channel.id, self.operator).sequence

    def blocks_kept(self, config: Path) -> int:
        store = SqliteOperatorStore(config.parent / "data" / "operator.sqlite", read_only=True)
        try:
            return store.meters_with_block(self.community.channel.id, FIRST_PERIOD)
        finally:
            store.close()

    def active_key(self) -> bytes:
        contracts, channel = self.community.contracts, self.community.channel.id
        return self.registry.active_key(contracts.referee, channel, self.operator, sealing_workload())[0]

    def start(self, verb: str, config: Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*COMMAND, verb, "--config", str(config)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.stack.callback(process.wait)
        self.stack.callback(process.kill)
        return process

    def run(self, verb: str, config: Path, *options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, verb, "--config", str(config), *options],
            capture_output=True, text=True, timeout=HANG_S, check=False,
        )  # fmt: skip

    def day(self, config: Path, number: int, *, backwards: int = 0) -> subprocess.CompletedProcess[str]:
        """A day's blocks lie at a host that does not run, the day ends, and the host takes one step."""
        start = FIRST_PERIOD + number * EPOCH_S
        store = SqliteOperatorStore(config.parent / "data" / "operator.sqlite")
        for at, home in enumerate(self.community.households):
            block = home.block(start, watt_hours=1 if at < backwards else 100)
            keep_block(store, self.community.duty, block)
        store.close()
        self.community.anvil.advance_to(max(start + EPOCH_S, self.registry.client.now() + 1))
        return self.run("run", config, "--once")


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    with ExitStack() as stack:
        yield Hosts(tmp_path, stack)


def line_of(stream: object) -> str:
    assert hasattr(stream, "readline")
    return str(stream.readline())


def replica(waiting: subprocess.Popen[str], sequence: int, channel: bytes) -> bool:
    """Whether the standby's next line is of a replica of this batch."""
    return json.loads(line_of(waiting.stdout)) == {"event": "replica", "channel": channel.hex(), "sequence": sequence}


def test_a_standby_takes_over_and_the_primary_stays_out(hosts: Hosts) -> None:
    community = hosts.community
    waiting = hosts.start("standby", hosts.standby)
    assert line_of(waiting.stderr).startswith("waits for replicas")
    primary = hosts.start("run", hosts.primary)
    remote = OperatorRemote(line_of(primary.stderr).split()[-1])
    for home in community.households:
        remote.send_block(community.channel.id, home.block(FIRST_PERIOD))
    until(lambda: hosts.blocks_kept(hosts.primary) == len(community.households), "every block taken in")
    community.anvil.advance_to(FIRST_PERIOD + EPOCH_S)
    assert replica(waiting, 1, hosts.community.channel.id)
    first = hosts.active_key()

    def is_told() -> bool:
        status = json.loads(hosts.run("status", hosts.primary, "--json").stdout)
        assert (status["production"], status["unsafe"][0]["place"]) == (False, "enclave.kind")
        (shown,) = status["channels"]
        return (shown["standby"]["sequence"], shown["behind"], shown["head_sequence"]) == (1, 0, 1)

    until(is_told, "the standby's answer, noted by the primary")

    (shown,) = json.loads(hosts.run("status", hosts.standby, "--json").stdout)["channels"]
    assert (shown["standby"]["sequence"], shown["behind"]) == (1, 0)
    assert shown["warnings"] == ["no enclave key is active on this host: a standby that waits has none"]

    primary.kill()  # -9, in the middle of whatever it does
    primary.wait()
    refused = hosts.run("take-over", hosts.standby)
    assert (refused.returncode, "another process uses" in refused.stderr) == (7, True)  # the standby waits there
    waiting.send_signal(signal.SIGINT)
    assert waiting.wait(HANG_S) == 130
    refused = hosts.run("run", hosts.standby, "--once")
    assert (refused.returncode, "has not taken over" in refused.stderr) == (5, True), refused.stderr
    refused = hosts.run("take-over", hosts.standby)
    assert (refused.returncode, "missed nothing yet" in refused.stderr) == (5, True), refused.stderr
    taken = hosts.run("take-over", hosts.standby, "--primary-is-dead")
    assert taken.returncode == 0, taken.stderr
    assert "from batch 1 on" in taken.stdout

    done = hosts.day(hosts.standby, 1, backwards=1)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert [(line["event"], line.get("cause")) for line in events][-1] == ("key active", "take_over")
    assert hosts.head() == 2
    second = hosts.active_key()
    assert second != first
    store = SqliteOperatorStore(hosts.standby.parent / "data" / "operator.sqlite", read_only=True)
    payloads, _ = store.entries(community.channel.id, 2)
    store.close()
    assert sorted(payload[1] for payload in payloads) == [1, 1, 4]  # it knows the registers of the first day

    done = hosts.run("run", hosts.standby, "--once")
    assert [json.loads(line)["event"] for line in done.stdout.splitlines()] == ["key revoked"]
    binding = (community.contracts.referee, community.channel.id, hosts.operator)
    assert hosts.registry.registration_of(binding, first).revoked_at
    back = hosts.day(hosts.primary, 2)
    assert (back.returncode, "OperatorStopped" in back.stderr, hosts.head()) == (5, True, 2), back.stderr
    assert hosts.day(hosts.standby, 2).returncode == 0
    assert (hosts.head(), hosts.active_key()) == (3, second)


def test_a_silent_primary_is_followed_without_being_asked(hosts: Hosts) -> None:
    """A hung standby delays no commit; one that is current takes over once the primary is late."""
    hung = socket.create_server(("127.0.0.1", hosts.port))  # accepts by backlog, and never says a word
    primary = hosts.start("run", hosts.primary)
    assert "serves at" in line_of(primary.stderr)
    assert line_of(primary.stderr).startswith("not for production: simulated platform")
    hosts.community.anvil.advance_to(FIRST_PERIOD + EPOCH_S)
    assert [json.loads(line_of(primary.stdout))["event"] for _ in range(2)] == ["sealed", "committed"]
    stream, _ = hung.accept()  # the replication is under way
    hosts.community.anvil.advance_to(FIRST_PERIOD + 2 * EPOCH_S)
    assert [json.loads(line_of(primary.stdout))["event"] for _ in range(2)] == ["sealed", "committed"]
    hung.close()
    stream.close()
    lag = next(json.loads(line) for line in primary.stderr or () if line.startswith("{"))
    assert (lag["warning"], lag["behind"], "PeerLost" in lag["because"]) == ("standby is behind", 2, True)

    text = hosts.standby.read_text()
    hosts.standby.write_text(text.replace("[channel.standby]", "[channel.standby]\ntake_over_after_s = 600"))
    waiting = hosts.start("standby", hosts.standby)
    assert line_of(waiting.stderr).startswith("waits for replicas")
    assert replica(waiting, 2, hosts.community.channel.id)
    os.kill(primary.pid, signal.SIGKILL)
    primary.wait()
    hosts.community.anvil.advance_to(FIRST_PERIOD + 3 * EPOCH_S + 600)
    assert json.loads(line_of(waiting.stdout))["event"] == "taken over"
    assert waiting.wait(HANG_S) == 0
    done = hosts.run("run", hosts.standby, "--once")
    assert (done.returncode, hosts.head()) == (0, 3), done.stderr


def test_a_primary_that_lives_keeps_its_turn(hosts: Hosts) -> None:
    """Somebody was wrong about its death: the standby's key is never registered, and the way on is a fresh one."""
    waiting = hosts.start("standby", hosts.standby)
    line_of(waiting.stderr)
    primary = hosts.start("run", hosts.primary)
    line_of(primary.stderr)
    hosts.community.anvil.advance_to(FIRST_PERIOD + EPOCH_S)
    assert replica(waiting, 1, hosts.community.channel.id)
    first = hosts.active_key()
    waiting.send_signal(signal.SIGINT)
    assert waiting.wait(HANG_S) == 130
    assert hosts.run("take-over", hosts.standby, "--primary-is-dead").returncode == 0
    hosts.community.anvil.advance_to(FIRST_PERIOD + 2 * EPOCH_S)
    assert [json.loads(line_of(primary.stdout))["event"] for _ in range(4)][-1] == "committed"
    refused = hosts.run("run", hosts.standby, "--once")
    assert (refused.returncode, "StandbyOvertaken" in refused.stderr) == (5, True), refused.stderr
    assert (hosts.head(), hosts.active_key()) == (2, first)
    primary.kill()
    primary.wait()
    assert hosts.run("rotate-key", hosts.standby, "--lost").returncode == 0
    done = hosts.run("run", hosts.standby, "--once")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, events[0].get("cause")) == (0, "lost"), done.stderr
    assert hosts.active_key() != first
