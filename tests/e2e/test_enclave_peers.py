"""Two enclave processes on two platforms: an ordinary TLS client meets one, and a hand-over survives any kill.

The processes run what is measured, behind the fence; bytes cross sockets as between two hosts.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from enclave_community import NONCE, Community
from enclave_peers import NOW, meet, peer_settings, permit
from gramine_folder import GramineFolder
from machines import shared_machine
from waiting import HANG_S

from wattest.attestation.formats.quote import EnclaveReport, parse_quote
from wattest.attestation.ra_tls import PeerRefused
from wattest.crypto.secp256k1 import recover_address
from wattest.enclave.host.jobs import ChainHead, PeerSettings, WitnessJob
from wattest.enclave.host.peer import PeerLost, ask_witness, give, hand_over, serve_witness, take
from wattest.enclave.host.process import EnclaveProcess
from wattest.enclave.measured.errors import HandOverRefused, PhaseRefused
from wattest.enclave.simulator.launch import DeviceService
from wattest.enclave.simulator.measurement import LaunchSettings, measure
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.merkle import MerkleTree
from wattest.messages.hand_over_permit import PermitKind, PermitRefused, SignedPermit
from wattest.messages.witness_verdict import recover_witness

pytestmark = pytest.mark.e2e

Platforms = tuple[SimulatedPlatform, SimulatedPlatform]
COMMUNITY = Community(3)


@pytest.fixture(scope="module")
def platforms(tmp_path_factory: pytest.TempPathFactory) -> Platforms:
    folder = tmp_path_factory.mktemp("platforms")
    return shared_machine(folder / "a", NOW), shared_machine(folder / "b", NOW, "b")


@pytest.fixture
def pair(platforms: Platforms, tmp_path: Path) -> Iterator[tuple[EnclaveProcess, EnclaveProcess]]:
    """A giver that sealed one day, and a taker that waits."""
    with (
        EnclaveProcess(platforms[0], tmp_path / "giver", request_timeout_s=HANG_S) as giver,
        EnclaveProcess(platforms[1], tmp_path / "taker", request_timeout_s=HANG_S) as taker,
    ):
        giver.client.create_identity(COMMUNITY.binding(), COMMUNITY.channel)
        giver.client.seal(COMMUNITY.seal_job(0))
        taker.client.prepare_successor(COMMUNITY.binding(), COMMUNITY.channel)
        yield giver, taker


def terms(
    platforms: Platforms, measurement: bytes, kind: PermitKind = PermitKind.HAND_OVER
) -> tuple[PeerSettings, PeerSettings, SignedPermit]:
    """What both hosts give their enclaves, and the manager's permit."""
    giver, taker = (peer_settings(COMMUNITY, each, platforms, measurements=(measurement,)) for each in platforms)
    signed = permit(COMMUNITY, platforms[1], kind, from_measurement=measurement, to_measurement=measurement)
    return giver, taker, signed


def test_openssl_completes_the_handshake(
    platforms: Platforms, pair: tuple[EnclaveProcess, EnclaveProcess], tmp_path: Path
) -> None:
    """``openssl s_client`` with a certificate of its own reaches the enclave through a host that only carries bytes."""
    giver = pair[0]
    subject = ["-subj", "/CN=somebody", "-days", "1", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    files = ["-keyout", tmp_path / "key.pem", "-out", tmp_path / "certificate.pem"]
    subprocess.run(["openssl", "req", "-x509", *subject, *files], check=True, capture_output=True)
    ours, _, signed = terms(platforms, giver.measurement.digest)
    refused: list[PeerRefused] = []

    def carry(listener: socket.socket) -> None:
        stream, _ = listener.accept()
        with stream, contextlib.suppress(OSError):
            giver.client.open_peer(ours, "give", signed)
            giver.client.start_peer(NONCE, platforms[1].collateral(NOW).to_json())
            while data := stream.recv(65_536):
                try:
                    stream.sendall(giver.client.relay_peer(data).data)
                except PeerRefused as error:
                    refused.append(error)
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        carrier = threading.Thread(target=carry, args=(listener,), daemon=True)
        carrier.start()
        port = listener.getsockname()[1]
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_3", "-showcerts", "-cert",
             tmp_path / "certificate.pem", "-key", tmp_path / "key.pem"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=HANG_S, check=False,
        )  # fmt: skip
        carrier.join(HANG_S)
    assert "New, TLSv1.3" in done.stdout
    assert "subject=CN = wattest enclave" in done.stdout
    read = subprocess.run(
        ["openssl", "x509", "-noout", "-text"], input=done.stdout, capture_output=True, text=True, check=True
    )
    assert "2.23.133.5.4.9" in read.stdout
    assert len(refused) == 1
    assert "carries no evidence" in refused[0].message


def test_a_hand_over_between_two_hosts(platforms: Platforms, pair: tuple[EnclaveProcess, EnclaveProcess]) -> None:
    giver, taker = pair
    ours, theirs, signed = terms(platforms, giver.measurement.digest)
    released = giver.client.last_release(COMMUNITY.channel.id)
    assert released is not None
    with socket.create_server(("127.0.0.1", 0)) as listener:
        given: list[int] = []

        def serve() -> None:
            stream, _ = listener.accept()
            with stream:
                given.append(give(giver.client, ours, stream, signed).sequence)

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        with socket.create_connection(listener.getsockname()) as stream:
            assert take(taker.client, theirs, stream, signed).sequence == 1
        server.join(HANG_S)
    assert given == [1]
    identity = taker.client.create_identity(COMMUNITY.binding(), COMMUNITY.channel)
    old = giver.client.describe().identities[0]
    assert (old.phase, identity.phase) == ("handed_over", "active")
    assert identity.storage_key == old.storage_key
    assert identity.address != old.address
    head = released.header.digest(COMMUNITY.domain)
    job = COMMUNITY.seal_job(1)
    job = type(job)(type(job.head)(1, head), job.period_start, job.period_end, job.members, job.meter_keys, job.blocks)
    with pytest.raises(PhaseRefused):
        giver.client.seal(job)
    sealed = taker.client.seal(job)
    assert sealed.header.sequence == 2
    assert recover_address(sealed.header.digest(COMMUNITY.domain), sealed.signature) == identity.address
    giver.restart()
    with pytest.raises(PhaseRefused):
        giver.client.seal(job)
    assert giver.client.last_release(COMMUNITY.channel.id) == released


class Killed(Exception):
    """The test killed an enclave."""


def test_a_hand_over_goes_on_after_a_kill_at_any_step(
    platforms: Platforms, pair: tuple[EnclaveProcess, EnclaveProcess]
) -> None:
    """Before the giver seals, after it has, after the taker has: either is killed there, and never do both sign."""
    giver, taker = pair
    ours, theirs, signed = terms(platforms, giver.measurement.digest)

    def run(at: int, victim: EnclaveProcess) -> tuple[str, str]:
        def kill(now: int) -> None:
            if now == at:
                assert victim.process_id is not None
                os.kill(victim.process_id, signal.SIGKILL)
                raise Killed

        with pytest.raises(Killed):
            meet(taker.client, theirs, "take", giver.client, ours, "give", signed=signed, after_step=kill)
        victim.restart()
        return giver.client.describe().identities[0].phase, taker.client.describe().identities[0].phase

    for victim in (giver, taker):
        assert run(4, victim) == ("active", "awaiting")
    for victim in (giver, taker):
        assert run(5, victim) == ("handed_over", "awaiting")
    assert run(6, taker) == ("handed_over", "active")
    with pytest.raises(HandOverRefused):  # it has what there is
        hand_over(giver.client, ours, taker.client, theirs, signed)


def test_a_standby_takes_over_from_a_dead_primary(
    platforms: Platforms, pair: tuple[EnclaveProcess, EnclaveProcess]
) -> None:
    primary, standby = pair
    ours, theirs, signed = terms(platforms, primary.measurement.digest, PermitKind.STANDBY)
    first = primary.client.last_release(COMMUNITY.channel.id)
    assert first is not None
    assert hand_over(primary.client, ours, standby.client, theirs, signed).sequence == 1
    assert {each.client.describe().identities[0].phase for each in pair} == {"active", "standby"}
    primary.stop()
    head = ChainHead(1, first.header.digest(COMMUNITY.domain))
    standby.restart()
    assert standby.client.activate_standby(COMMUNITY.channel.id, head).phase == "active"
    standby.client.create_identity(COMMUNITY.binding(), COMMUNITY.channel)
    assert standby.client.seal(COMMUNITY.seal_job(1, head)).header.sequence == 2


def test_a_witness_of_another_operator_signs(platforms: Platforms, tmp_path: Path) -> None:
    community = Community(3, name="neighbours")
    with (
        EnclaveProcess(platforms[0], tmp_path / "asker", request_timeout_s=HANG_S) as asker,
        EnclaveProcess(platforms[1], tmp_path / "witness", request_timeout_s=HANG_S) as witness,
    ):
        identity = asker.client.create_identity(community.binding(), community.channel)
        other = witness.client.create_identity(community.binding(operator=b"\x0e" * 20), community.channel)
        batch = asker.client.seal(community.seal_job(0))
        tree = MerkleTree.build(b"".join(batch.entries), 118, b"".join(batch.entry_salts))
        job = WitnessJob(
            batch.header, batch.signature, b"\x0f" * 32, (0, 2), tree.prove_many([0, 2]).nodes,
            [batch.entries[index] for index in (0, 2)], [batch.blocks[index] for index in (0, 2)],
            [batch.wrapped_keys[index][identity.storage_key] for index in (0, 2)],
        )  # fmt: skip
        ours, theirs = (
            peer_settings(community, each, platforms, measurements=(asker.measurement.digest,)) for each in platforms
        )
        here, there = socket.socketpair()
        served = []
        server = threading.Thread(target=lambda: served.append(serve_witness(witness.client, theirs, there)))
        server.start()
        outcome = ask_witness(asker.client, ours, here, job)
        server.join(HANG_S)
        here.close()
        there.close()
    assert served == [outcome]
    assert outcome.verdict.ok
    assert recover_witness(outcome.verdict, outcome.signature, community.domain) == other.address == outcome.witness


def test_an_upgrade_to_another_measurement(platforms: Platforms, tmp_path: Path) -> None:
    """From a program that asks the simulator's device to one that reads Gramine's files, here in a folder."""
    after = measure(LaunchSettings(device="gramine")).digest
    device = GramineFolder(tmp_path / "attestation", DeviceService(platforms[1], after, debug=False))
    with (
        EnclaveProcess(platforms[0], tmp_path / "giver", request_timeout_s=HANG_S) as giver,
        EnclaveProcess(platforms[1], tmp_path / "taker", request_timeout_s=HANG_S, device_root=device.folder) as taker,
    ):
        before = giver.measurement.digest
        assert before != after == taker.measurement.digest
        giver.client.create_identity(COMMUNITY.binding(), COMMUNITY.channel)
        first = giver.client.seal(COMMUNITY.seal_job(0))
        taker.client.prepare_successor(COMMUNITY.binding(), COMMUNITY.channel)
        ours, theirs = (peer_settings(COMMUNITY, each, platforms, measurements=(before, after)) for each in platforms)
        back = permit(COMMUNITY, platforms[1], from_measurement=after, to_measurement=before)
        with pytest.raises(PermitRefused):
            hand_over(giver.client, ours, taker.client, theirs, back)
        signed = permit(COMMUNITY, platforms[1], from_measurement=before, to_measurement=after)
        assert hand_over(giver.client, ours, taker.client, theirs, signed).sequence == 1
        evidence = taker.client.create_identity(COMMUNITY.binding(), COMMUNITY.channel).evidence
        report = parse_quote(evidence).report
        assert isinstance(report, EnclaveReport)
        assert report.mr_enclave == after
        assert taker.client.seal(COMMUNITY.seal_job(1, COMMUNITY.head(first))).header.sequence == 2
    device.close()


def test_a_host_that_goes_away(platforms: Platforms, pair: tuple[EnclaveProcess, EnclaveProcess]) -> None:
    taker = pair[1]
    _, theirs, signed = terms(platforms, taker.measurement.digest)
    here, there = socket.socketpair()
    there.close()
    with here, pytest.raises(PeerLost):
        take(taker.client, theirs, here, signed)
