"""The one suite of the ``EnclavePlatform`` port. Gramine without SGX: its launch file and arguments, over a folder that
plays ``/dev/attestation``; loading, quoting and sealing on hardware are not run here, nor anywhere in these tests."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from gramine_folder import GramineFolder
from machines import shared_machine
from waiting import until

from wattest.attestation.formats.collateral import parse_collateral
from wattest.attestation.platform_model import Tee
from wattest.attestation.roots import RootKind
from wattest.chain.anvil import free_port
from wattest.enclave.host.gramine_manifest import parse_manifest
from wattest.enclave.host.gramine_platform import QUOTE_FILE, GraminePlatform
from wattest.enclave.host.gramine_render import GramineFiles, launch_file, render_manifest
from wattest.enclave.host.platform import EnclavePlatform, RunningEnclave
from wattest.enclave.host.platforms import PLATFORMS
from wattest.enclave.host.process import EnclaveStartFailed
from wattest.enclave.host.simulator_platform import SimulatorPlatform
from wattest.enclave.simulator.launch import DeviceService
from wattest.enclave.simulator.measurement import LaunchSettings, measure
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.errors import WattestError
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.messages.report_data import KeyBinding

NOW = 1_790_000_000
ROOT = Path(__file__).resolve().parents[2]
CHANNEL = ChannelIdentity(b"\x0a" * 20, ChannelKind.SCHEDULED, b"\x01" * 32)
BINDING = KeyBinding(31_337, b"\x0b" * 20, CHANNEL.id, b"\x0c" * 20, b"\x0d" * 32)


@dataclass(frozen=True)
class PlatformMaker:
    """One back end for the suite: a platform in a folder with the state folder to ask for, and ones that cannot start.

    ``backend`` is what its enclaves say that they get quotes and keys from; ``process_id`` names an enclave's process.
    """

    kind: str
    backend: str
    make: Callable[[Path], Iterator[tuple[EnclavePlatform, Path]]]
    broken: Callable[[Path], Iterator[RunningEnclave]]
    process_id: Callable[[RunningEnclave], int]

    @contextmanager
    def opened(self, folder: Path) -> Iterator[tuple[EnclavePlatform, RunningEnclave]]:
        folder.mkdir(parents=True, exist_ok=True)
        with contextmanager(self.make)(folder) as (platform, state):
            enclave = platform.enclave(state)
            try:
                yield platform, enclave
            finally:
                enclave.stop()


def starts_and_says_what_it_is(maker: PlatformMaker, folder: Path) -> None:
    with maker.opened(folder) as (platform, enclave):
        assert not enclave.is_running
        with pytest.raises(EnclaveStartFailed):
            _ = enclave.client
        client = enclave.start()
        assert enclave.is_running
        assert enclave.start() is client is enclave.client  # a running one is left as it is
        described = client.describe()
        assert (described.backend, described.debug) == (maker.backend, False)
        assert platform.name == maker.kind


def keeps_its_state_over_a_stop(maker: PlatformMaker, folder: Path) -> None:
    with maker.opened(folder) as (_, enclave):
        before = enclave.start().create_identity(BINDING, CHANNEL)
        enclave.stop()
        assert not enclave.is_running
        enclave.stop()
        with pytest.raises(EnclaveStartFailed):
            _ = enclave.client
        after = enclave.start().create_identity(BINDING, CHANNEL)
        assert after.address == before.address


def comes_back_after_a_kill(maker: PlatformMaker, folder: Path) -> None:
    with maker.opened(folder) as (_, enclave):
        before = enclave.start().create_identity(BINDING, CHANNEL)
        os.kill(maker.process_id(enclave), signal.SIGKILL)
        until(lambda: not enclave.is_running, "the end of a killed enclave")
        assert enclave.start().create_identity(BINDING, CHANNEL).address == before.address


def leaves_nothing_when_it_cannot_start(maker: PlatformMaker, folder: Path) -> None:
    for enclave in maker.broken(folder):
        with pytest.raises(EnclaveStartFailed) as caught:
            enclave.start()
        assert caught.value.hint or caught.value.fields
        assert not enclave.is_running
        with pytest.raises(EnclaveStartFailed):
            _ = enclave.client
        enclave.stop()


def says_whom_to_trust(maker: PlatformMaker, folder: Path) -> None:
    """Only what verifies under Intel's root is for more than development."""
    with maker.opened(folder) as (platform, _):
        assert platform.is_for_development == (platform.root.kind is not RootKind.INTEL)
        assert platform.model().tee is Tee.SGX
        issued = platform.collateral(NOW)
        if issued is None:
            assert not platform.is_for_development  # nobody but the vendor issues it
        else:
            assert parse_collateral(issued)


def refuses_a_folder_that_holds_none(maker: PlatformMaker, folder: Path) -> None:
    (folder / "file").write_text("no platform")
    for place in (folder / "nowhere", folder, folder / "file"):
        with pytest.raises(WattestError):
            PLATFORMS[maker.kind](place)


CHECKS: list[Callable[[PlatformMaker, Path], None]] = [
    starts_and_says_what_it_is,
    keeps_its_state_over_a_stop,
    comes_back_after_a_kill,
    leaves_nothing_when_it_cannot_start,
    says_whom_to_trust,
    refuses_a_folder_that_holds_none,
]


def _simulator(folder: Path) -> Iterator[tuple[EnclavePlatform, Path]]:
    shared_machine(folder / "platform", NOW)
    yield PLATFORMS["simulator"](folder / "platform"), folder / "state"


def _simulator_broken(folder: Path) -> Iterator[RunningEnclave]:
    (folder / "a-file").write_text("no folder")
    platform = SimulatorPlatform(shared_machine(folder / "platform", NOW))
    yield platform.enclave(folder / "a-file" / "state")


def _rendered(folder: Path, simulated: SimulatedPlatform, device: Path) -> GraminePlatform:
    """A folder as it is rendered, whose program is started as the manifest says, but not by Gramine."""
    measured = measure(LaunchSettings(device="gramine"))
    for name in ("state", "sgx"):
        (folder / name).mkdir(mode=0o700)
    (folder / "libsysdb.so").write_bytes(b"library OS")
    launch = launch_file(measured, device_root=str(device), state=str(folder / "state"), port=free_port())
    files = GramineFiles(folder / "libsysdb.so", (), folder / "sgx" / "launch.json", folder / "state")
    files.launch.write_bytes(launch)
    template = (ROOT / "deploy" / "gramine" / "wattest.manifest.template").read_text()
    manifest = parse_manifest(render_manifest(template, measured, files, launch).encode())
    zeros = bytes(32)
    quote = simulated.quote(measurement=zeros, signer=zeros, product=0, svn=0, report_data=bytes(64))
    (folder / "sgx" / QUOTE_FILE).write_bytes(quote)
    command = [manifest["libos"]["entrypoint"], *manifest["loader"]["argv"][1:]]
    return GraminePlatform(folder / "sgx", command=command, environment=manifest["loader"]["env"])


def _gramine(folder: Path) -> Iterator[tuple[EnclavePlatform, Path]]:
    measured = measure(LaunchSettings(device="gramine"))
    simulated = SimulatedPlatform.create(folder / "platform", NOW)
    device = GramineFolder(folder / "attestation", DeviceService(simulated, measured.digest, debug=False))
    try:
        yield _rendered(folder, simulated, device.folder), folder / "state"
    finally:
        device.close()


def _gramine_broken(folder: Path) -> Iterator[RunningEnclave]:
    _rendered(folder, SimulatedPlatform.create(folder / "platform", NOW), folder / "attestation")
    for command in (
        ["/nowhere/gramine-sgx"],
        ["true"],
        ["echo", "no reply"],
        [sys.executable, "-c", "exit(1)"],
    ):
        yield GraminePlatform(folder / "sgx", command=command).enclave(folder / "state")


def _id_of_process(enclave: RunningEnclave) -> int:
    return int(enclave._process.pid)  # type: ignore[attr-defined]


PLATFORM_MAKERS = {
    "simulator": PlatformMaker("simulator", "simulator", _simulator, _simulator_broken, _id_of_process),
    "gramine": PlatformMaker("gramine", "gramine", _gramine, _gramine_broken, _id_of_process),
}
