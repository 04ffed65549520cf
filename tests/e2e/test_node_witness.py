"""Two operators of one channel on two hosts: the enclave of one checks drawn entries of the other's batch again."""

from __future__ import annotations

import json
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
    ETHER,
    FIRST_PERIOD,
    GENESIS_S,
    Community,
    build_community,
    destroy,
    seed,
    write_operator_files,
)
from node_keys import UNTIL
from waiting import HANG_S

from wattest.appraiser.appraiser import Appraiser
from wattest.appraiser.appraiser_service import AppraiserServer
from wattest.attestation.roots import parse_root
from wattest.chain.local_signer import LocalSigner
from wattest.chain.registry import EnclaveRegistry
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.keys.key_standing import sealing_workload
from wattest.messages.peer_policy import PeerPolicy, sign_peer_policy
from wattest.messages.witness_verdict import WitnessVerdict, recover_witness
from wattest.store.remote_operator import OperatorRemote

pytestmark = pytest.mark.e2e
COMMAND = [sys.executable, "-m", "wattest.apps.cli", "operator"]
SEED = "0f" * 32


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as kept:
        yield kept


def configure(
    community: Community, folder: Path, other: SimulatedPlatform, appraiser: str, side: str, **more: object
) -> Path:
    path = write_operator_files(community, folder, platforms=[other], **more)  # type: ignore[arg-type]
    measurement = community.extra["verdict"].measurement
    manager = Secp256k1PrivateKey.from_seed(seed("manager"))
    policy = f'version = 1\n[[enclave]]\nname = "e"\nmr_enclave = "{measurement.hex()}"\n'.encode()
    (folder / "peer-policy.toml").write_bytes(policy)
    roots = (community.platform.root_certificate, other.root_certificate)
    agreed = PeerPolicy.over(community.channel.id, policy, roots, UNTIL)
    text = path.read_text().replace("collect_grace_s = 0", "collect_grace_s = 0\ninterval_s = 0.2")
    signature = sign_peer_policy(manager, agreed, community.referee().domain).hex()
    path.write_text(
        f'{text}\n[channel.witness]\n{side}\npolicy = "peer-policy.toml"\npolicy_until = {UNTIL}\n'
        f'policy_signature = "{signature}"\n[registration]\nappraisers = ["{appraiser}"]\n'
    )
    return path


def test_a_witness_of_another_host_signs_what_it_found(tmp_path: Path, stack: ExitStack) -> None:
    community = build_community(tmp_path)
    stack.callback(destroy, community)
    community.process.stop()
    other = shared_machine(tmp_path / "platform-b", GENESIS_S, "b")
    neighbour = LocalSigner(b"\x71" * 32)
    community.anvil.fund(neighbour.address, 1_000 * ETHER)
    client = community.client()
    registry = EnclaveRegistry(client, community.contracts.registry)
    community.referee(client).deposit(neighbour, community.channel.id, 20 * ETHER)
    appraiser = Appraiser(
        Secp256k1PrivateKey.from_seed(seed("appraiser")), community.extra["policy"].encode(),
        [parse_root(one.root_certificate) for one in (community.platform, other)], frozenset({sealing_workload()}),
    )  # fmt: skip
    url = stack.enter_context(AppraiserServer(appraiser, client, registry.domain, community.contracts.referee)).url
    ours = configure(community, tmp_path / "ours", other, url, "")
    theirs = configure(
        community, tmp_path / "theirs", other, url, 'listen = "127.0.0.1:0"', home="-b", operator_key=b"\x71" * 32
    )

    def start(config: Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*COMMAND, "run", "--config", str(config)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        stack.callback(process.wait)
        stack.callback(process.kill)
        return process

    serving = start(theirs)
    assert serving.stderr is not None
    assert serving.stdout is not None
    place = serving.stderr.readline().split()[-1]
    line = serving.stdout.readline()
    assert line, serving.stderr.read()
    assert json.loads(line)["event"] == "key active"

    operator = start(ours)
    assert operator.stderr is not None
    assert operator.stdout is not None
    remote = OperatorRemote(operator.stderr.readline().split()[-1])
    for home in community.households:
        remote.send_block(community.channel.id, home.block(FIRST_PERIOD))
    community.anvil.advance_to(FIRST_PERIOD + EPOCH_S)
    assert [json.loads(operator.stdout.readline())["event"] for _ in range(2)] == ["sealed", "committed"]
    operator.send_signal(signal.SIGINT)
    assert operator.wait(HANG_S) == 130

    def ask(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, "ask-witness", "--config", str(ours), "--seed", SEED, "--json", *options],
            capture_output=True, text=True, timeout=HANG_S, check=False,
        )  # fmt: skip

    with socket.create_connection(("127.0.0.1", int(place.rpartition(":")[2]))) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")  # costs the witness nothing
    done = ask("--at", place, "--sequence", "1", "--entry", "2", "--entry", "0")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["ok"], said["entries"], said["seed"]) == (True, [0, 2], SEED)
    verdict = WitnessVerdict(bytes.fromhex(said["header"]), bytes.fromhex(SEED), (0, 2), ok=True)
    witness = recover_witness(verdict, bytes.fromhex(said["signature"]), community.referee().domain)
    key, _ = registry.active_key(
        community.contracts.referee, community.channel.id, neighbour.address, sealing_workload()
    )
    assert witness == key
    lines = map(json.loads, serving.stdout)  # the witness seals its own day, too
    served = next(line for line in lines if line["event"] == "witnessed")
    assert served["signature"] == said["signature"]
    for options, words in (
        (("--at", place, "--sequence", "1", "--entry", "3"), "not in the batch"),
        (("--at", place, "--sequence", "2", "--entry", "0"), "not committed"),
    ):
        refused = ask(*options)
        assert (refused.returncode, words in refused.stderr) == (5, True), refused.stderr
