"""One harness for every attestation device: the simulator's socket, and Gramine's pseudo-files in a folder."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from enclave_community import MEASUREMENT, secret
from gramine_folder import GramineFolder

from wattest.attestation.formats.quote import parse_quote
from wattest.enclave.measured.device import AttestationDevice, GramineDevice, SimulatorDevice
from wattest.enclave.measured.errors import DeviceFailed
from wattest.enclave.measured.wire import encode_result, receive_frame, send_frame
from wattest.enclave.simulator.launch import DeviceService
from wattest.enclave.simulator.platform import SimulatedPlatform

DeviceMaker = Callable[[bytes], AttestationDevice]


@pytest.fixture(params=["simulator", "gramine"])
def make_device(
    request: pytest.FixtureRequest, enclave_platform: SimulatedPlatform, tmp_path: Path
) -> Iterator[DeviceMaker]:
    """Makes a device of an enclave with the given measurement; the same measurement gives the same enclave again."""
    with ExitStack() as stack:
        count = 0

        def make(measurement: bytes) -> AttestationDevice:
            nonlocal count
            count += 1
            service = DeviceService(enclave_platform, measurement, debug=False)
            if request.param == "simulator":
                inside, outside = socket.socketpair()
                service.start(outside)
                stack.callback(inside.close)
                return SimulatorDevice(inside)
            folder = GramineFolder(tmp_path / str(count), service)
            stack.callback(folder.close)
            return GramineDevice(folder.folder)

        yield make


def test_a_quote_holds_the_report_data_and_the_running_measurement(make_device: DeviceMaker) -> None:
    device = make_device(MEASUREMENT)
    for report_data in (secret("one") + bytes(32), secret("two") + bytes(32)):
        quote = parse_quote(device.quote(report_data))
        assert quote.report.report_data == report_data
        assert quote.report.mr_enclave == MEASUREMENT


def test_sealing_keys_depend_on_measurement_and_purpose_and_survive_a_restart(make_device: DeviceMaker) -> None:
    device = make_device(MEASUREMENT)
    key = device.sealing_key(b"state")
    assert len(key) == 32
    assert make_device(MEASUREMENT).sealing_key(b"state") == key
    assert device.sealing_key(b"storage") != key
    assert make_device(secret("other measurement")).sealing_key(b"state") != key


@pytest.mark.parametrize("size", [0, 63, 65])
def test_report_data_of_another_size_is_refused(make_device: DeviceMaker, size: int) -> None:
    with pytest.raises(DeviceFailed):
        make_device(MEASUREMENT).quote(bytes(size))


@pytest.mark.parametrize("purpose", [b"", b"x" * 65])
def test_a_purpose_of_another_size_is_refused(make_device: DeviceMaker, purpose: bytes) -> None:
    with pytest.raises(DeviceFailed):
        make_device(MEASUREMENT).sealing_key(purpose)


def test_a_platform_that_is_gone_or_answers_nonsense_is_a_typed_failure() -> None:
    inside, outside = socket.socketpair()
    with inside:
        device = SimulatorDevice(inside)
        outside.close()
        with pytest.raises(DeviceFailed):
            device.quote(bytes(64))
    inside, outside = socket.socketpair()
    with inside, outside:

        def answer_another() -> None:
            receive_frame(outside)
            send_frame(outside, encode_result(99, {"quote": b""}))

        thread = threading.Thread(target=answer_another)
        thread.start()
        with pytest.raises(DeviceFailed):
            SimulatorDevice(inside).quote(bytes(64))
        thread.join()


def test_gramine_without_files_or_with_a_bad_key_is_a_typed_failure(tmp_path: Path) -> None:
    with pytest.raises(DeviceFailed) as caught:
        GramineDevice(tmp_path).quote(bytes(64))
    assert "user_report_data" in str(caught.value.fields["path"])
    with pytest.raises(DeviceFailed):
        GramineDevice(tmp_path).sealing_key(b"state")
    (tmp_path / "keys").mkdir()
    for key in (bytes(16), b"\x01" * 15, b"\x01" * 33):
        (tmp_path / "keys/_sgx_mrenclave").write_bytes(key)
        with pytest.raises(DeviceFailed):
            GramineDevice(tmp_path).sealing_key(b"state")
    (tmp_path / "user_report_data").write_bytes(b"")
    (tmp_path / "quote").write_bytes(b"")
    with pytest.raises(DeviceFailed):
        GramineDevice(tmp_path).quote(bytes(64))
