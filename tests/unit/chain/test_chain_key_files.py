"""Key files are whole or absent: no room, no folder, a name that is taken, a kill half-way."""

from __future__ import annotations

import errno
import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from wattest.apps.cli import run
from wattest.io import files
from wattest.io.files import (
    DiskFailed,
    KeyFileExists,
    KeyFileInvalid,
    KeyFileMissing,
    KeyFileUnwritable,
    read_key_file,
    write_atomically,
    write_key_file,
)

KEY = bytes(range(32))


def test_a_key_comes_back_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "key"
    write_key_file(path, KEY)
    assert read_key_file(path) == KEY
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_nlink == 1
    assert [one.name for one in path.parent.iterdir()] == ["key"]


def test_a_key_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_key_file(path, KEY)
    with pytest.raises(KeyFileExists, match="exists already"):
        write_key_file(path, bytes(32))
    assert read_key_file(path) == KEY
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(KeyFileExists):
        write_key_file(tmp_path / "link", KEY)
    assert not (tmp_path / "nowhere").exists()


def test_an_empty_left_over_is_called_so(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.touch(mode=0o600)
    with pytest.raises(KeyFileExists, match="empty") as taken:
        write_key_file(path, KEY)
    with pytest.raises(KeyFileInvalid, match="empty") as read:
        read_key_file(path)
    for error in (taken.value, read.value):
        assert f"rm {path}" in (error.hint or "")


def test_no_folder_and_no_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(KeyFileUnwritable):
        write_key_file(tmp_path / "file" / "key", KEY)
    with pytest.raises(KeyFileMissing):
        read_key_file(tmp_path / "key")


def test_a_file_system_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    write_key_file(tmp_path / "key", KEY)
    assert read_key_file(tmp_path / "key") == KEY
    with pytest.raises(KeyFileExists):
        write_key_file(tmp_path / "key", KEY)
    assert [one.name for one in tmp_path.iterdir()] == ["key"]


WRITE = """
import sys
from pathlib import Path
from wattest.apps.cli import run
sys.exit(run(["operator", "new-key", sys.argv[1]]))
"""


def no_bytes() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


@contextmanager
def full_file_system(folder: Path) -> Iterator[Path]:
    """A small memory file system with no room left where we may mount one, or else a folder of its own."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", folder], capture_output=True, check=False)
    is_mounted = done.returncode == 0
    try:
        if is_mounted:
            with (folder / "ballast").open("wb") as ballast, pytest.raises(OSError, match="No space"):
                ballast.write(bytes(1 << 20))
        yield folder
    finally:
        if is_mounted:
            subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("where", ["key", "new/key"])
def test_a_full_disk_leaves_nothing_and_the_next_try_works(where: str, tmp_path: Path) -> None:
    with full_file_system(tmp_path / "disk") as folder:
        before = sorted(folder.rglob("*"))
        ballast = folder / "ballast"
        done = subprocess.run(
            [sys.executable, "-c", WRITE, folder / where], capture_output=True, text=True, check=False,
            preexec_fn=None if ballast.exists() else no_bytes,
        )  # fmt: skip
        assert done.returncode == 6
        assert done.stdout == ""
        assert "could not be written" in done.stderr
        assert "make room" in done.stderr
        assert "Traceback" not in done.stderr
        assert sorted(folder.rglob("*")) == before
        ballast.unlink(missing_ok=True)
        assert run(["operator", "new-key", str(folder / where)]) == 0
        assert len(read_key_file(folder / where)) == 32


def test_a_file_size_limit_is_a_full_disk(tmp_path: Path) -> None:
    """The kernel refuses the write itself, wherever the tests run."""
    done = subprocess.run(
        [sys.executable, "-c", WRITE, tmp_path / "key"], capture_output=True, text=True, check=False,
        preexec_fn=no_bytes,
    )  # fmt: skip
    assert done.returncode == 6
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", ["fsync", "link", "fsync_folder"])
def test_a_failure_at_any_step_leaves_nothing(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(files if step == "fsync_folder" else os, step, fail)
        with pytest.raises(DiskFailed):
            write_key_file(tmp_path / "new" / "key", KEY)
    assert list(tmp_path.iterdir()) == []


def killed_at(call: str) -> Callable[[str], int]:
    code = f"""
import os, signal, sys
from pathlib import Path
from wattest.io.files import write_atomically, write_key_file
real = os.{call}
os.{call} = lambda *given: os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[1] == "key":
    write_key_file(Path("file"), bytes(range(32)))
else:
    write_atomically(Path("file"), b"new")
"""
    return lambda kind: subprocess.run([sys.executable, "-c", code, kind], check=False).returncode


@pytest.mark.parametrize("call", ["write", "fsync"])
@pytest.mark.parametrize("kind", ["key", "file"])
def test_a_kill_half_way_blocks_no_next_try(
    call: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if kind == "file":
        Path("file").write_bytes(b"old")
    assert killed_at(call)(kind) == -signal.SIGKILL
    if kind == "file":
        assert Path("file").read_bytes() == b"old"
        write_atomically(Path("file"), b"newer")
        assert Path("file").read_bytes() == b"newer"
    else:
        assert not Path("file").exists()
        write_key_file(Path("file"), KEY)
        assert read_key_file(Path("file")) == KEY
