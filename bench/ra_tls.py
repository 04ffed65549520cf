"""Attested TLS between two enclaves: the handshake with both appraisals, and a whole hand-over over it.

python bench/ra_tls.py [--scale full|quick|tiny] [--json FILE]
"""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from measure import Figure, Report, Scale, Table, run_alone, scaled

from wattest.attestation.appraisal_policy import parse_policy
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.enclave.host.client import EnclaveClient
from wattest.enclave.host.jobs import PeerSettings
from wattest.enclave.host.process import EnclaveProcess
from wattest.enclave.measured.errors import TlsFailed
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.messages.eip712 import Domain
from wattest.messages.hand_over_permit import HandOverPermit, PermitKind, SignedPermit, sign_permit
from wattest.messages.peer_policy import PeerPolicy, sign_peer_policy
from wattest.messages.report_data import KeyBinding

TITLE = "Enclave to enclave"
ABOUT = (
    "Two enclave processes on two simulated platforms. Handshake: from the first byte to the moment when both sides "
    "have appraised each other: two keys, two quotes, two certificates, TLS 1.3, two appraisals, and the calls over "
    "both sockets; wall time on one machine, without a network between the hosts. Replication: the same, and a "
    "channel's state sealed at a standby."
)
NOW = 1_750_000_000
UNTIL = NOW + 86_400
OPERATOR = b"\x04" * 20
MANAGER = Secp256k1PrivateKey.from_seed(b"\x01" * 32)
DOMAIN = Domain(31337, b"\x03" * 20)
CHANNEL = ChannelIdentity(MANAGER.address, ChannelKind.SCHEDULED, b"\x02" * 32)
BINDING = KeyBinding(31337, DOMAIN.verifying_contract, CHANNEL.id, OPERATOR, b"\x05" * 32)


def measure(scale: Scale) -> Report:
    """Repeated replications of one channel to one standby; each is a session of its own with evidence of its own."""
    runs = scale.pick(40, 12, 2)
    with tempfile.TemporaryDirectory(prefix="wattest-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        platforms = [SimulatedPlatform.create(folder / f"platform-{index}", NOW) for index in range(2)]
        processes = [
            stack.enter_context(EnclaveProcess(platform, folder / f"state-{index}"))
            for index, platform in enumerate(platforms)
        ]
        giver, taker = (process.client for process in processes)
        measurement = processes[0].measurement.digest
        giver.create_identity(BINDING, CHANNEL)
        taker.prepare_successor(BINDING, CHANNEL)
        settings = [_settings(platform, platforms, measurement) for platform in platforms]
        permit = HandOverPermit(
            CHANNEL.id, OPERATOR, PermitKind.STANDBY, measurement, measurement, platforms[1].platform_id, UNTIL
        )
        signed = sign_permit(MANAGER, permit, DOMAIN)
        _run(giver, taker, settings, signed)  # the first one loads libraries
        if not _is_refused(giver, taker, settings, signed):
            raise RuntimeError("a changed handshake was not refused")
        samples = [_run(giver, taker, settings, signed) for _ in range(runs)]
        sizes = samples[0][2:]
    figures = (
        Figure("handshake with mutual appraisal", "ms", scaled(1_000, tuple(sample[0] for sample in samples))),
        Figure("a replication, handshake included", "ms", scaled(1_000, tuple(sample[1] for sample in samples))),
    )
    table = Table("Bytes on the wire", ("way", "bytes"), (("to the giver", sizes[0]), ("to the taker", sizes[1])))
    return Report(TITLE, ABOUT, figures, (table,))


def _settings(platform: SimulatedPlatform, roots: list[SimulatedPlatform], measurement: bytes) -> PeerSettings:
    policy = f'version = 1\n[[enclave]]\nname = "bench"\nmr_enclave = "{measurement.hex()}"\n'.encode()
    parse_policy(policy)
    ders = tuple(root.root_certificate for root in roots)
    signature = sign_peer_policy(MANAGER, PeerPolicy.over(CHANNEL.id, policy, ders, UNTIL), DOMAIN)
    return PeerSettings(CHANNEL.id, policy, ders, UNTIL, signature, platform.collateral(NOW).to_json(), NOW)


def _run(
    giver: EnclaveClient, taker: EnclaveClient, settings: list[PeerSettings], permit: SignedPermit
) -> tuple[float, float, int, int]:
    """Seconds to the end of the handshake and of all, and bytes each way."""
    giver_nonce = giver.open_peer(settings[0], "give", permit)
    taker_nonce = taker.open_peer(settings[1], "take", permit)
    begun = time.perf_counter()
    giver.start_peer(taker_nonce, settings[1].endorsements)
    client_hello = taker.start_peer(giver_nonce, settings[0].endorsements).data
    server_flight = giver.relay_peer(client_hello).data
    request = taker.relay_peer(server_flight).data  # the taker has appraised, finished and asked
    answer = giver.relay_peer(request).data  # the giver has appraised, and answered
    shaken = time.perf_counter()
    taken = taker.relay_peer(answer)
    if giver.relay_peer(taken.data).result is None or taken.result is None:
        raise RuntimeError("the replication did not end")
    done = time.perf_counter()
    to_giver = len(client_hello) + len(request) + len(taken.data)
    return shaken - begun, done - begun, to_giver, len(server_flight) + len(answer)


def _is_refused(giver: EnclaveClient, taker: EnclaveClient, settings: list[PeerSettings], permit: SignedPermit) -> bool:
    """Whether one bit changed on the way ends the handshake."""
    giver_nonce = giver.open_peer(settings[0], "give", permit)
    taker_nonce = taker.open_peer(settings[1], "take", permit)
    giver.start_peer(taker_nonce, settings[1].endorsements)
    flight = bytearray(giver.relay_peer(taker.start_peer(giver_nonce, settings[0].endorsements).data).data)
    flight[len(flight) // 2] ^= 1
    try:
        taker.relay_peer(bytes(flight))
    except TlsFailed:
        return True
    return False


if __name__ == "__main__":
    run_alone(measure, __doc__)
