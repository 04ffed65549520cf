"""Who runs forge ends all of it: forge starts node for solc, which goes on for minutes when forge alone is killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from waiting import is_alive, until, until_gone
from whole_group import run_whole_group

ROOT = Path(__file__).resolve().parents[2]
STARTS = re.compile(r"subprocess\.(run|Popen|check_call|check_output|call)\(")
RUNS_FORGE = re.compile(r"\[(str\()?FORGE\b|\[ROOT / \"tools/forge\"")
PROGRAM = """
import subprocess, sys
from pathlib import Path
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
note = Path(sys.argv[1])
note.with_suffix(".part").write_text(str(child.pid))
note.with_suffix(".part").rename(note)
child.wait()
"""


def starts_forge_alone(source: str) -> bool:
    return bool(RUNS_FORGE.search(source) and STARTS.search(source))


def test_forge_is_run_as_a_group() -> None:
    files = [path for folder in ("tests", "tools", "bench", "vectors") for path in (ROOT / folder).rglob("*.py")]
    texts = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in files}
    assert "tools/build_contracts.py" in [name for name, text in texts.items() if RUNS_FORGE.search(text)]
    own = Path(__file__).relative_to(ROOT).as_posix()
    assert [name for name, text in texts.items() if starts_forge_alone(text) and name != own] == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('FORGE = 1\nsubprocess.run([FORGE, "test"])', True),
        ('subprocess.Popen([ROOT / "tools/forge"])', True),
        ("finished([FORGE])", False),
        ("subprocess.run(['git'])", False),
    ],
)
def test_who_starts_forge_alone_would_be_seen(source: str, found: bool) -> None:
    assert starts_forge_alone(source) is found


def test_output_and_status_come_as_they_are() -> None:
    done = run_whole_group([sys.executable, "-c", "import sys; print(1); print(2, file=sys.stderr); sys.exit(3)"])
    assert (done.returncode, done.stdout, done.stderr) == (3, "1\n", "2\n")


@pytest.mark.parametrize("is_whole", [True, False])
def test_a_grandchild_ends_with_its_group(is_whole: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is up once the grandchild is there; killed as ``subprocess.run`` kills, it goes on."""
    note = tmp_path / "grandchild"

    def time_is_up(process: subprocess.Popen[str], *_: object, **__: object) -> None:
        until(note.exists, "a grandchild")
        raise subprocess.TimeoutExpired(process.args, 0)

    command = [sys.executable, "-c", PROGRAM, str(note)]
    monkeypatch.setattr(subprocess.Popen, "communicate", time_is_up)
    run = run_whole_group if is_whole else partial(subprocess.run, check=False, stdout=subprocess.PIPE, timeout=1)
    with pytest.raises(subprocess.TimeoutExpired):
        run(command)
    grandchild = int(note.read_text())
    if is_whole:
        until_gone(grandchild)
    else:
        assert is_alive(grandchild)
        os.kill(grandchild, signal.SIGKILL)
