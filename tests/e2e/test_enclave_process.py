"""The enclave as a process: how it starts and ends, what it refuses, and that a crash makes no second header."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from enclave_community import Community, secret
from machines import shared_machine
from waiting import HANG_S, is_alive, until_gone

from wattest.attestation.formats.quote import parse_quote
from wattest.crypto.secp256k1 import recover_address
from wattest.enclave.host import process as process_room
from wattest.enclave.host.client import EnclaveClient, EnclaveUnreachable
from wattest.enclave.host.process import EnclaveProcess, EnclaveStartFailed
from wattest.enclave.measured import cbor, wire
from wattest.enclave.measured.errors import (
    DebugRefused,
    EnclaveBusy,
    FrameMalformed,
    FrameTooLarge,
    MethodUnknown,
    RequestInvalid,
    SealedStateInvalid,
    StateInUse,
)
from wattest.enclave.measured.identity import first_light_digest
from wattest.enclave.measured.stop_points import POINTS
from wattest.enclave.simulator.launch import launch_attributes, unsafe_open_sealed_state
from wattest.enclave.simulator.measurement import Measurement, measure
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.errors import WattestError
from wattest.messages.report_data import report_data

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> SimulatedPlatform:
    return shared_machine(tmp_path_factory.mktemp("machine"), 1_750_000_000)


@pytest.fixture(scope="module")
def community() -> Community:
    return Community(4)


@pytest.fixture
def process(machine: SimulatedPlatform, tmp_path: Path) -> Iterator[EnclaveProcess]:
    with EnclaveProcess(machine, tmp_path / "state", request_timeout_s=HANG_S) as running:
        yield running


def socket_of(process: EnclaveProcess) -> Path:
    return process.client._place


def test_identity_evidence_and_first_light(process: EnclaveProcess, community: Community) -> None:
    binding = community.binding()
    identity = process.client.create_identity(binding, community.channel)
    quote = parse_quote(identity.evidence)
    assert quote.report.report_data == report_data(binding, identity.address)
    assert quote.report.mr_enclave == process.measurement.digest
    assert quote.report.attributes == launch_attributes(debug=False)
    description = process.client.describe()
    assert description.measurement == process.measurement.digest
    assert (description.backend, description.debug) == ("simulator", False)
    light = process.client.first_light("hello")
    assert recover_address(first_light_digest(light.digest), light.signature) == identity.address


def test_a_restart_finds_the_identity_and_the_last_release(process: EnclaveProcess, community: Community) -> None:
    identity = process.client.create_identity(community.binding(), community.channel)
    batch = process.client.seal(community.seal_job(0))
    process.restart()
    assert process.client.describe().identities == (replace(identity, evidence=b""),)
    release = process.client.last_release(community.channel.id)
    assert release is not None
    assert (release.header, release.signature) == (batch.header, batch.signature)
    again = process.client.seal(community.seal_job(0))
    assert (again.header, list(again.blocks)) == (batch.header, list(batch.blocks))


def test_the_socket_and_the_state_are_the_users_alone(process: EnclaveProcess, community: Community) -> None:
    process.client.create_identity(community.binding(), community.channel)
    assert stat.S_IMODE(socket_of(process).stat().st_mode) == 0o600
    assert stat.S_IMODE(socket_of(process).parent.stat().st_mode) == 0o700
    sealed = list(process._state_dir.glob("*.sealed"))
    assert [stat.S_IMODE(path.stat().st_mode) for path in sealed] == [0o600]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(process: EnclaveProcess, number: signal.Signals) -> None:
    process_id, place = process.process_id, socket_of(process)
    assert process_id is not None
    os.kill(process_id, number)
    until_gone(process_id)
    assert not place.exists()
    assert process._process is not None
    assert process._process.wait(HANG_S) == 0
    assert not process.is_running


def test_stop_leaves_nothing_behind(process: EnclaveProcess) -> None:
    process_id, folder = process.process_id, socket_of(process).parent
    assert process_id is not None
    process.stop()
    until_gone(process_id)
    assert not folder.exists()
    with pytest.raises(EnclaveStartFailed):
        _ = process.client
    process.stop()


def test_it_dies_with_its_host_even_when_the_host_is_killed(machine: SimulatedPlatform, tmp_path: Path) -> None:
    folder = tmp_path / "machine"
    shared_machine(folder, 1_750_000_000)
    script = textwrap.dedent(
        f"""
        import signal
        from pathlib import Path
        from wattest.enclave.host.process import EnclaveProcess
        from wattest.enclave.simulator.platform import SimulatedPlatform
        enclave = EnclaveProcess(SimulatedPlatform.open(Path({str(folder)!r})), Path({str(tmp_path / "state")!r}))
        enclave.start()
        print(enclave.process_id, enclave.client._place.parent, flush=True)
        signal.pause()
        """
    )
    host = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert host.stdout is not None
    process_id, folder_name = host.stdout.readline().split()
    assert is_alive(int(process_id))
    host.kill()
    host.wait()
    host.stdout.close()
    until_gone(int(process_id))
    assert not (Path(folder_name) / "enclave.sock").exists()


def test_a_start_that_cannot_work_says_why(
    machine: SimulatedPlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnclaveStartFailed) as caught:
        EnclaveProcess(machine, tmp_path / "file" / "state").start()
    assert caught.value.fields["path"] == str(tmp_path / "file" / "state")
    monkeypatch.setattr(process_room, "interpreter_path", lambda: tmp_path / "no-python")
    with pytest.raises(EnclaveStartFailed):
        EnclaveProcess(machine, tmp_path / "state").start()
    monkeypatch.setattr(process_room, "interpreter_path", lambda: Path("/bin/false"))
    with pytest.raises(EnclaveStartFailed) as caught:
        EnclaveProcess(machine, tmp_path / "state").start()
    assert "ended before it was ready" in caught.value.message


def test_a_long_temporary_folder_does_not_matter(
    machine: SimulatedPlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with EnclaveProcess(machine, tmp_path / "state") as process:
        assert process.client.describe().identities == ()


def test_two_enclaves_never_share_a_state_folder(process: EnclaveProcess, machine: SimulatedPlatform) -> None:
    second = EnclaveProcess(machine, process._state_dir)
    with pytest.raises(StateInUse):
        second.start()
    assert not second.is_running
    assert process.client.describe().backend == "simulator"


def test_a_second_host_is_told_that_the_enclave_is_busy(process: EnclaveProcess) -> None:
    process.client.describe()
    second = EnclaveClient(socket_of(process), request_timeout_s=HANG_S)
    with pytest.raises(EnclaveBusy) as caught:
        second.describe()
    assert caught.value.retryable
    process.client.close()
    assert second.describe().backend == "simulator"
    second.close()


def raw(process: EnclaveProcess, data: bytes) -> WattestError | None:
    """Send raw bytes on a fresh connection; the error that comes back, None for a closed connection."""
    process.client.close()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
        stream.settimeout(HANG_S)
        stream.connect(str(socket_of(process)))
        stream.sendall(data)
        stream.shutdown(socket.SHUT_WR)
        reply = wire.receive_frame(stream)
        return None if reply is None else wire.parse_reply(reply).error


def framed(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def test_malformed_frames_get_a_typed_error_or_a_closed_connection(process: EnclaveProcess) -> None:
    request = wire.encode_request(1, "describe", {})
    cases: list[tuple[bytes, type[WattestError] | None]] = [
        (b"", None),
        (b"\x00", None),
        (b"\xff\xff\xff\xff", FrameTooLarge),
        (framed(request)[:-1], None),
        (framed(b""), FrameMalformed),
        (framed(b"\xff" * 100), FrameMalformed),
        (framed(b"\x81" * 1_000_000), FrameMalformed),
        (framed(request + b"\x00"), FrameMalformed),
        (framed(cbor.encode({"v": 9})), FrameMalformed),
        (framed(cbor.encode([1, 2])), RequestInvalid),
        (framed(wire.encode_request(1, "no.such", {})), MethodUnknown),
        (framed(wire.encode_request(1, "describe", {"more": 1})), RequestInvalid),
        (framed(wire.encode_request(1, "identity.create", {"manager": b"short"})), RequestInvalid),
        (framed(wire.encode_request(1, "debug.arm", {"point": POINTS[0]})), DebugRefused),
    ]
    for data, kind in cases:
        error = raw(process, data)
        assert (error is None) if kind is None else isinstance(error, kind), (data[:40], error)
    assert process.client.describe().backend == "simulator"


@pytest.mark.parametrize("point", POINTS)
def test_a_crash_at_any_point_never_makes_a_second_header(
    machine: SimulatedPlatform, community: Community, tmp_path: Path, point: str
) -> None:
    with EnclaveProcess(machine, tmp_path / "state", debug=True, request_timeout_s=HANG_S) as process:
        process.client.create_identity(community.binding(), community.channel)
        first = process.client.seal(community.seal_job(0))
        job = community.seal_job(1, community.head(first))
        process.client.unsafe_arm_fault(point)
        process_id = process.process_id
        assert process_id is not None
        if point == "after_page":
            process.client.seal(job)
        else:
            with pytest.raises(EnclaveUnreachable) as caught:
                process.client.seal(job)
            assert caught.value.retryable
        until_gone(process_id)
        process.restart()
        release = process.client.last_release(community.channel.id)
        assert release is not None
        sealed = point not in ("before_sign", "before_seal", "after_temporary_write")
        assert release.header.sequence == (2 if sealed else 1)
        again = process.client.seal(job)
        assert again.header.sequence == 2
        if sealed:
            assert (again.header, again.signature) == (release.header, release.signature)
        third = process.client.seal(community.seal_job(2, community.head(again)))
        assert third.header.previous == again.header.digest(community.domain)


def test_no_key_is_in_the_log(machine: SimulatedPlatform, community: Community, tmp_path: Path) -> None:
    log = tmp_path / "enclave.log"
    with EnclaveProcess(machine, tmp_path / "state", log_path=log) as process:
        process.client.create_identity(community.binding(), community.channel)
        raw(process, framed(b"\xff"))
        with pytest.raises(WattestError):
            process.client.seal(replace(community.seal_job(0), meter_keys=[secret("wrong")] * 4))
        path = next((tmp_path / "state").glob("*.sealed"))
        state = unsafe_open_sealed_state(machine, process.measurement.digest, path)
        text = log.read_text()
    assert text == ""
    assert state.secret not in path.read_bytes()


def test_debug_is_visible_in_quotes_and_seals_for_itself(
    machine: SimulatedPlatform, community: Community, tmp_path: Path
) -> None:
    with EnclaveProcess(machine, tmp_path / "state", debug=True) as process:
        identity = process.client.create_identity(community.binding(), community.channel)
        assert parse_quote(identity.evidence).report.attributes == launch_attributes(debug=True)
    with pytest.raises(SealedStateInvalid):
        EnclaveProcess(machine, tmp_path / "state").start()


Change = Callable[[Measurement, Path], Measurement]


def _unlisted(honest: Measurement, _: Path) -> Measurement:
    files = {name: digest for name, digest in honest.items.items() if name != "packages/wattest/metering/series.py"}
    return replace(honest, manifest={**honest.manifest, "files": files})


def _swapped(name: str) -> Change:
    def change(honest: Measurement, folder: Path) -> Measurement:
        changed = folder / "changed"
        data = Path(honest.paths[name]).read_bytes()
        changed.write_bytes(data + b"\n" if name.endswith(".py") else data[:-1] + bytes([data[-1] ^ 1]))
        files = tuple(replace(file, path=changed) if file.name == name else file for file in honest.files)
        return replace(honest, files=files)

    return change


@pytest.mark.parametrize(
    "change",
    [
        _unlisted,
        _swapped("packages/wattest/metering/series.py"),
        _swapped("stdlib/dataclasses.py"),
        _swapped("packages/wattest/crypto/_native.abi3.so"),
        _swapped("packages/wattest/workload/modules/vee.wasm"),
    ],
    ids=["module not listed", "program changed", "library changed", "native changed", "guest changed"],
)
def test_nothing_runs_that_was_not_measured(
    machine: SimulatedPlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    monkeypatch.setattr(process_room, "measure", lambda settings: change(measure(settings), tmp_path))
    with pytest.raises(WattestError):
        EnclaveProcess(machine, tmp_path / "state").start()
