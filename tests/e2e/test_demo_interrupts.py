"""However a command ends, nothing half-written, no temporary folder and no process is left."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are found through /proc"),
]
COMMAND = [sys.executable, "-m", "wattest.apps.cli"]
DEMO = ["demo", "--households", "2", "--days", "1", "--cheat", "rollback", "--out", "results/out"]
LONGEST_END_S = 25.0


class Run:
    """A command in a folder of its own, with temporary files in another."""

    def __init__(self, arguments: list[str], folder: Path) -> None:
        self.work, self.temporary, self.errors = folder / "work", folder / "tmp", folder / "errors"
        self.work.mkdir()
        self.temporary.mkdir()
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [*COMMAND, *arguments],
                cwd=self.work,
                env={**os.environ, "TMPDIR": str(self.temporary)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )

    def relatives(self) -> list[str]:
        """Command lines of the processes that the command started, found by the folders that they know."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                with contextlib.suppress(OSError):
                    about = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
                    about += os.fsencode((entry / "cwd").readlink())
                    if os.fsencode(self.work.parent) in about and int(entry.name) != os.getpid():
                        found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:200])
        return found

    def await_none(self, within_s: float) -> None:
        deadline = time.monotonic() + within_s
        while self.relatives() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert self.relatives() == []

    def await_processes(self, count: int) -> None:
        deadline = time.monotonic() + 60
        while len(self.relatives()) < count:
            assert time.monotonic() < deadline, "the command started no such number of processes"
            assert self.process.poll() is None, self.errors.read_text()[-1_000:]
            time.sleep(0.02)

    def leaves_nothing(self) -> None:
        assert list(self.work.iterdir()) == []
        assert list(self.temporary.iterdir()) == []
        said = self.errors.read_text()
        assert "Traceback" not in said
        assert "Exception ignored" not in said


def interrupt(arguments: list[str], folder: Path, number: signal.Signals, after_s: float) -> None:
    run = Run(arguments, folder)
    time.sleep(after_s)
    ended = run.process.poll()
    run.process.send_signal(number)
    time.sleep(0.1)
    run.process.send_signal(number)  # people press twice
    code = run.process.wait(LONGEST_END_S)
    run.await_none(5)
    if ended == 0 or (code == 0 and (run.work / "results/out/report.html").exists()):
        return  # it was done before
    assert code == 130, run.errors.read_text()[-1_000:]
    run.leaves_nothing()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", [0.5, 2.0, 4.0])
def test_an_interrupted_demo_leaves_nothing(number: signal.Signals, moment: float, tmp_path: Path) -> None:
    interrupt(DEMO, tmp_path, number, moment)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_first_light_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    interrupt(["first-light", "hello"], tmp_path, number, 1.0)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(40))
def test_a_demo_interrupted_at_any_moment_leaves_nothing(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    interrupt(DEMO, tmp_path, chance.choice([signal.SIGINT, signal.SIGTERM]), chance.uniform(0.2, 12))


def test_killed_children_end_by_themselves(tmp_path: Path) -> None:
    """kill -9 of the demo, with chain, enclaves and watcher running: they see it and end."""
    run = Run(DEMO, tmp_path)
    run.await_processes(5)  # itself, chain, two enclaves, watcher
    run.process.kill()
    assert run.process.wait(10) == -signal.SIGKILL
    run.await_none(10)
    assert not (run.work / "results/out").exists()
