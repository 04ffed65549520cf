"""However a command ends, nothing half-written, no temporary folder and no process is left.

Interrupts come at events (a process, a file), not at times: a busy machine reaches each of them too, only later. What
never comes ends with the test's own time limit.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are found through /proc"),
]
COMMAND = [sys.executable, "-m", "wattest.apps.cli"]
OUT = Path("results/out")
DEMO = ["demo", "--households", "2", "--days", "1", "--cheat", "rollback", "--out", str(OUT)]
LONG_DEMO = ["demo", "--households", "100", "--days", "14", "--out", str(OUT)]
"""Still at work when a busy machine lets the test look: it is ended long before its end."""
LOOK_AGAIN_S = 0.01


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A short one: an enclave whose socket would lie too deep lies elsewhere, where ``Run.relatives`` does not look."""
    with tempfile.TemporaryDirectory(prefix="w-") as folder:
        yield Path(folder)


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

    def children(self) -> set[tuple[str, str]]:
        """Process ids of the command's children, each with its start: an id alone may be another's by and by."""
        found = set()
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                with contextlib.suppress(OSError):
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                    if fields[1] == str(self.process.pid):
                        found.add((entry.name, fields[19]))
        return found

    def await_none(self) -> None:
        while self.relatives():
            time.sleep(LOOK_AGAIN_S)

    def await_event(self, event: Callable[[Run], bool]) -> None:
        """Until it is so, or the command is done."""
        while not event(self) and self.process.poll() is None:
            time.sleep(LOOK_AGAIN_S)

    @property
    def handles_interrupts(self) -> bool:
        """Whether the command's own handlers are in place: the interpreter has none for SIGTERM."""
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
                if line.startswith("SigCgt:"):
                    return bool(int(line.split()[1], 16) >> signal.SIGTERM - 1 & 1)
        return False

    def leaves_nothing(self) -> None:
        assert list(self.work.iterdir()) == []
        assert list(self.temporary.iterdir()) == []
        said = self.errors.read_text()
        assert "Traceback" not in said
        assert "Exception ignored" not in said


def partly(name: str) -> Callable[[Run], bool]:
    """A file of the results is there, which have no name yet."""
    return lambda run: any(run.work.glob(f"results/.out.*.partial/{name}"))


EVENTS: dict[str, Callable[[Run], bool]] = {
    "modules load": lambda run: True,
    "the folder is claimed": lambda run: (run.work / "results/.out.claim").exists(),
    "a chain": partly("chain/chain.json"),
    "enclaves": lambda run: len(run.children()) >= 3,
    "a watcher": partly("deployment.json"),
    "receipts": partly("receipts/*.json"),
}


def interrupt(arguments: list[str], folder: Path, number: signal.Signals, event: Callable[[Run], bool]) -> None:
    run = Run(arguments, folder)
    run.await_event(lambda run: run.handles_interrupts)
    run.await_event(event)
    ended = run.process.poll()
    run.process.send_signal(number)
    time.sleep(0.1)
    run.process.send_signal(number)  # people press twice
    code = run.process.wait()
    run.await_none()
    if ended == 0 or (code == 0 and (run.work / OUT / "report.html").exists()):
        return  # it was done before
    assert code == 130, run.errors.read_text()[-1_000:]
    run.leaves_nothing()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("event", EVENTS)
def test_an_interrupted_demo_leaves_nothing(number: signal.Signals, event: str, tmp_path: Path) -> None:
    interrupt(DEMO, tmp_path, number, EVENTS[event])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_first_light_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    interrupt(["first-light", "hello"], tmp_path, number, lambda run: len(run.relatives()) >= 2)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(40))
def test_a_demo_interrupted_at_any_moment_leaves_nothing(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    number, delay_s = chance.choice([signal.SIGINT, signal.SIGTERM]), chance.uniform(0, 12)

    def later(_: Run) -> bool:
        time.sleep(delay_s)
        return True

    interrupt(DEMO, tmp_path, number, later)


def test_killed_children_end_by_themselves(tmp_path: Path) -> None:
    """kill -9 of the demo, with chain, enclaves and watcher running: they see it and end."""
    run = Run(LONG_DEMO, tmp_path)
    run.await_event(lambda run: len(run.children()) >= 4)  # chain, two enclaves, watcher
    assert run.process.poll() is None, run.errors.read_text()[-1_000:]
    children = run.children()
    run.process.kill()
    assert run.process.wait() == -signal.SIGKILL
    run.await_none()
    while any(is_alive(*child) for child in children):
        time.sleep(LOOK_AGAIN_S)
    assert not (run.work / OUT).exists()
    (left,) = (run.work / OUT.parent).glob(".out.*.partial")
    again = subprocess.run(
        [*COMMAND, *DEMO, "--json"], cwd=run.work, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr
    assert f"removed {left.resolve()}" in again.stderr
    assert not left.exists()


def is_alive(process_id: str, start: str) -> bool:
    try:
        fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return fields[19] == start and fields[0] != "Z"


def test_a_second_demo_with_the_same_folder_is_refused_at_its_start(tmp_path: Path) -> None:
    """The first goes on; were the second only refused at its end, the first would be done by then."""
    run = Run(LONG_DEMO, tmp_path)
    run.await_event(EVENTS["the folder is claimed"])
    second = subprocess.run(
        [*COMMAND, *DEMO, "--json"], cwd=run.work, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert second.returncode == 7, second.stderr
    refused = json.loads(second.stderr)
    assert (refused["error"], refused["fields"]["path"]) == ("OutputFolderInUse", str(OUT))
    assert run.process.poll() is None
    run.process.send_signal(signal.SIGTERM)
    assert run.process.wait() == 130
    run.leaves_nothing()
