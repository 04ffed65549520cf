"""Sealed code in a real enclave: the next start takes it, and takes nothing that another hand made or touched."""

from __future__ import annotations

import hmac
import marshal
from collections.abc import Callable
from pathlib import Path

import pytest

from wattest.enclave.host.process import EnclaveProcess, EnclaveStartFailed
from wattest.enclave.measured.sealed_code import MAGIC, TAG_BYTES
from wattest.enclave.simulator.launch import sealing_key
from wattest.enclave.simulator.measurement import LaunchSettings, measure
from wattest.enclave.simulator.platform import SimulatedPlatform

pytestmark = pytest.mark.e2e
NOW_S = 1_750_000_000
PROGRAM = "packages/wattest/enclave/measured/program.py"
HEAD = len(MAGIC) + TAG_BYTES


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A machine on which one enclave ran."""
    folder = tmp_path_factory.mktemp("first")
    started(SimulatedPlatform.create(folder / "machine", NOW_S), folder / "state")
    return folder / "machine"


@pytest.fixture
def machine(first: Path, tmp_path: Path) -> SimulatedPlatform:
    """The same machine again, in a folder of its own."""
    folder = tmp_path / "machine"
    (folder / "code").mkdir(parents=True)
    for path in (first / "platform.json", *(first / "code").iterdir()):
        (folder / path.relative_to(first)).write_bytes(path.read_bytes())
    return SimulatedPlatform.open(folder)


def started(platform: SimulatedPlatform, state: Path, *, debug: bool = False) -> None:
    """Start an enclave, hear that it answers, and stop it."""
    with EnclaveProcess(platform, state, debug=debug) as process:
        assert process.client.describe().measurement == process.measurement.digest


def files(platform: SimulatedPlatform) -> dict[str, bytes]:
    assert platform.folder is not None
    return {path.name: path.read_bytes() for path in (platform.folder / "code").iterdir()}


def sealed_file(platform: SimulatedPlatform) -> Path:
    assert platform.folder is not None
    (path,) = (platform.folder / "code").iterdir()
    return path


def key_of(platform: SimulatedPlatform) -> bytes:
    """The key as only the simulator's host can know it."""
    return sealing_key(platform, measure(LaunchSettings()).digest, b"code", debug=False)


def with_a_program_that_ends(honest: bytes) -> bytes:
    """The file's body with another program in it."""
    code: dict[str, bytes] = marshal.loads(honest[HEAD:])
    code[PROGRAM] = marshal.dumps(compile("raise SystemExit(7)", "program.py", "exec"))
    return marshal.dumps(code)


def test_the_next_start_takes_what_the_first_sealed(machine: SimulatedPlatform, tmp_path: Path) -> None:
    before = sealed_file(machine).stat()
    assert PROGRAM in marshal.loads(sealed_file(machine).read_bytes()[HEAD:])
    started(machine, tmp_path / "state")
    after = sealed_file(machine).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_what_stands_under_the_key_is_what_runs(machine: SimulatedPlatform, tmp_path: Path) -> None:
    """The counterpart of the next test: the simulator's host, which knows the key, has the same change believed."""
    place = sealed_file(machine)
    body = with_a_program_that_ends(place.read_bytes())
    place.write_bytes(MAGIC + hmac.digest(key_of(machine), MAGIC + body, "sha256") + body)
    with pytest.raises(EnclaveStartFailed):
        started(machine, tmp_path / "state")


def _flipped(honest: bytes) -> bytes:
    return honest[:-1] + bytes([honest[-1] ^ 1])


def _cut(honest: bytes) -> bytes:
    return honest[: len(honest) // 2]


def _by_a_host_without_the_key(honest: bytes) -> bytes:
    body = with_a_program_that_ends(honest)
    return MAGIC + hmac.digest(bytes(32), MAGIC + body, "sha256") + body


def _under_the_honest_tag(honest: bytes) -> bytes:
    return honest[:HEAD] + with_a_program_that_ends(honest)


@pytest.mark.parametrize("change", [_flipped, _cut, _by_a_host_without_the_key, _under_the_honest_tag])
def test_a_file_that_is_not_this_measurement_s_own_is_compiled_afresh(
    machine: SimulatedPlatform, tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    place = sealed_file(machine)
    changed = change(place.read_bytes())
    place.write_bytes(changed)
    started(machine, tmp_path / "state")
    again = sealed_file(machine).read_bytes()
    assert again != changed
    assert again[len(MAGIC) : HEAD] == hmac.digest(key_of(machine), MAGIC + again[HEAD:], "sha256")


def test_another_platform_and_another_measurement_have_files_of_their_own(
    machine: SimulatedPlatform, tmp_path: Path
) -> None:
    honest = files(machine)
    (name,) = honest
    started(machine, tmp_path / "debug", debug=True)
    assert files(machine)[name] == honest[name]
    assert len(files(machine)) == 2
    other = SimulatedPlatform.create(tmp_path / "other", NOW_S)
    started(other, tmp_path / "state")
    assert not set(files(other)) & set(files(machine))
