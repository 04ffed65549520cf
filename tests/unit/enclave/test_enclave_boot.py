"""The fence: what is not in the manifest is not found, not opened, not loaded; nothing connects, nothing is started."""

from __future__ import annotations

import hashlib
import os
from importlib.metadata import DistributionFinder
from pathlib import Path

import pytest

from wattest.enclave.measured.boot import Fence, OutsideMeasurement


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """A small manifest's files."""
    found = {
        "packages/room/__init__.py": b"WHERE = 'room'\n",
        "packages/room/inner.py": b"VALUE = 42\n",
        "packages/lib.so": b"\x7fELF",
        "packages/room-1.2.dist-info/METADATA": b"Metadata-Version: 2.1\nName: room\nVersion: 1.2\n",
    }
    paths = {}
    for number, (name, data) in enumerate(found.items()):
        path = tmp_path / f"{number}" / Path(name).name
        path.parent.mkdir()
        path.write_bytes(data)
        paths[name] = path
    return paths


@pytest.fixture
def fence(files: dict[str, Path], tmp_path: Path) -> Fence:
    made = Fence(
        {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()},
        {name: str(path) for name, path in files.items()},
    )
    (tmp_path / "state").mkdir()
    made.allow(str(tmp_path / "state"), "")
    return made


def test_measured_modules_are_found_and_compiled_from_checked_bytes(fence: Fence) -> None:
    spec = fence.find_spec("room.inner", None)
    assert spec is not None
    code = spec.loader.get_code("room.inner")  # type: ignore[union-attr]
    names: dict[str, object] = {}
    exec(code, names)
    assert names["VALUE"] == 42
    package = fence.find_spec("room", None)
    assert package is not None
    assert package.submodule_search_locations


@pytest.mark.parametrize("name", ["os.path.nothing", "room.other", "wattest.apps", "lib.deeper"])
def test_other_modules_are_not_found(fence: Fence, name: str) -> None:
    assert fence.find_spec(name, None) is None


def test_a_module_that_changed_since_it_was_measured_does_not_load(fence: Fence, files: dict[str, Path]) -> None:
    files["packages/room/inner.py"].write_bytes(b"VALUE = 43\n")
    spec = fence.find_spec("room.inner", None)
    assert spec is not None
    with pytest.raises(OutsideMeasurement):
        spec.loader.get_code("room.inner")  # type: ignore[union-attr]


def test_a_compiled_cache_beside_the_source_is_never_read(fence: Fence, files: dict[str, Path]) -> None:
    cache = files["packages/room/inner.py"].parent / "__pycache__"
    cache.mkdir()
    (cache / "inner.cpython-311.pyc").write_bytes(b"not code")
    spec = fence.find_spec("room.inner", None)
    assert spec is not None
    assert spec.loader.get_code("room.inner").co_consts  # type: ignore[union-attr]


def test_the_version_of_a_measured_distribution_is_known(fence: Fence) -> None:
    found = list(fence.find_distributions(DistributionFinder.Context(name="Room")))
    assert [each.version for each in found] == ["1.2"]
    assert list(fence.find_distributions(DistributionFinder.Context(name="other"))) == []


def test_measured_files_and_the_own_folders_may_be_opened(fence: Fence, files: dict[str, Path], tmp_path: Path) -> None:
    fence.audit("open", (str(files["packages/lib.so"]), "rb", os.O_RDONLY))
    fence.audit("open", (str(tmp_path / "state/x.sealed"), "wb", os.O_WRONLY | os.O_CREAT))
    fence.audit("open", ("/dev/urandom", "rb", 0))
    fence.audit("open", (3, "rb", 0))
    fence.audit("ctypes.dlopen", (str(files["packages/lib.so"]),))
    fence.audit("ctypes.dlopen", (None,))
    fence.audit("socket.bind", (object(), str(tmp_path / "state/enclave.sock")))
    fence.audit("compile", ("source", "name"))


def test_one_port_of_the_loopback_interface_may_be_allowed(fence: Fence, tmp_path: Path) -> None:
    fence.allow(str(tmp_path / "state"), port=47_471)
    fence.audit("socket.bind", (object(), ("127.0.0.1", 47_471)))
    fence.audit("socket.bind", (object(), str(tmp_path / "state/enclave.sock")))
    for address in (("127.0.0.1", 47_472), ("0.0.0.0", 47_471), ("", 47_471), ("::1", 47_471, 0, 0), ("127.0.0.1", 0)):
        with pytest.raises(OutsideMeasurement):
            fence.audit("socket.bind", (object(), address))


def test_everything_else_is_refused(fence: Fence, files: dict[str, Path], tmp_path: Path) -> None:
    link = tmp_path / "state" / "link"
    link.symlink_to("/etc/passwd")
    refused: list[tuple[str, tuple[object, ...]]] = [
        ("open", ("/etc/passwd", "r", 0)),
        ("open", (b"/etc/passwd", "r", 0)),
        ("open", (str(tmp_path / "state/../outside"), "w", os.O_WRONLY)),
        ("open", (str(tmp_path / "statement"), "w", os.O_WRONLY)),
        ("open", (str(link), "r", 0)),
        ("open", (str(files["packages/lib.so"]), "wb", os.O_WRONLY)),
        ("open", (str(files["packages/lib.so"]), "r+b", os.O_RDWR)),
        ("ctypes.dlopen", ("libc.so.6",)),
        ("ctypes.dlopen", (str(tmp_path / "state/evil.so"),)),
        ("socket.bind", (object(), ("127.0.0.1", 80))),
        ("socket.bind", (object(), ("0.0.0.0", 47_471))),
        ("socket.bind", (object(), "/tmp/elsewhere.sock")),
        ("socket.connect", (object(), "/tmp/elsewhere.sock")),
        ("socket.getaddrinfo", ("example.org", 80, 0, 0, 0)),
        ("subprocess.Popen", ("sh", ["sh"], None, None)),
        ("os.system", (b"true",)),
        ("os.exec", ("sh", [], None)),
        ("os.fork", ()),
        ("os.posix_spawn", ("sh", [], None)),
    ]
    for event, arguments in refused:
        with pytest.raises(OutsideMeasurement):
            fence.audit(event, arguments)


def test_a_library_or_guest_that_changed_since_it_was_measured_is_refused(fence: Fence, files: dict[str, Path]) -> None:
    path = files["packages/lib.so"]
    path.write_bytes(b"\x7fELF other")
    for event, arguments in (("ctypes.dlopen", (str(path),)), ("open", (str(path), "rb", os.O_RDONLY))):
        with pytest.raises(OutsideMeasurement):
            fence.audit(event, arguments)


def test_without_folders_of_its_own_nothing_may_be_written(files: dict[str, Path]) -> None:
    bare = Fence({}, {})
    with pytest.raises(OutsideMeasurement):
        bare.audit("open", ("/tmp/x", "w", os.O_WRONLY))
