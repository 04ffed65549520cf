"""The arguments and the launch file that a rendered manifest fixes start the program, here without Gramine."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest
from gramine_folder import GramineFolder
from waiting import HANG_S

from wattest.enclave.host.client import EnclaveClient
from wattest.enclave.host.gramine_manifest import parse_manifest
from wattest.enclave.host.gramine_render import GramineFiles, launch_file, render_manifest
from wattest.enclave.measured.errors import EnclaveBusy
from wattest.enclave.measured.wire import parse_reply
from wattest.enclave.simulator.launch import DeviceService
from wattest.enclave.simulator.measurement import LaunchSettings, measure
from wattest.enclave.simulator.platform import SimulatedPlatform

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    """A port of the loopback interface that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("on_port", [False, True], ids=["Unix socket", "loopback port"])
def test_the_fixed_arguments_start_the_measured_program(tmp_path: Path, on_port: bool) -> None:
    measured = measure(LaunchSettings(device="gramine"))
    platform = SimulatedPlatform.create(tmp_path / "platform", 1_790_000_000)
    device = GramineFolder(tmp_path / "attestation", DeviceService(platform, measured.digest, debug=False))
    for name in ("state", "run"):
        (tmp_path / name).mkdir(mode=0o700)
    (tmp_path / "libsysdb.so").write_bytes(b"library OS")
    place, port = tmp_path / "run" / "enclave.sock", free_port() if on_port else 0
    state = str(tmp_path / "state")
    launch = launch_file(measured, device_root=str(device.folder), state=state, socket=str(place), port=port)
    files = GramineFiles(tmp_path / "libsysdb.so", (), tmp_path / "launch.json", tmp_path / "state")
    files.launch.write_bytes(launch)
    template = (ROOT / "deploy" / "gramine" / "wattest.manifest.template").read_text()
    manifest = parse_manifest(render_manifest(template, measured, files, launch).encode())
    process = subprocess.Popen(
        manifest["loader"]["argv"],
        executable=manifest["libos"]["entrypoint"],
        env=manifest["loader"]["env"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert process.stdin is not None
        assert parse_reply(process.stdout.read()).result == {"ready": True}
        client = EnclaveClient(port or place)
        described = client.describe()
        assert (described.backend, described.debug, described.measurement) == ("gramine", False, measured.digest)
        with pytest.raises(EnclaveBusy):
            EnclaveClient(port or place).describe()
        client.close()
        process.stdin.close()  # the host is gone
        assert process.wait(HANG_S) == 0
    finally:
        process.kill()
        process.wait()
        device.close()
