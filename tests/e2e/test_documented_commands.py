"""Every command in the README and in docs/ is run, page by page, each page in an empty folder.

A command stands in a ``console`` block behind ``$ ``. ``# exit N`` at its end names an exit code other than 0. A
trailing ``&`` runs it in the background until the page ends; the next command waits for the port to answer that it, or
its configuration, names. What was started last is ended first.
``make`` targets set the checkout up, so they are only resolved, not run again.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import HANG_S, until

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXIT = re.compile(r"\s# exit (\d+)$")


def commands(page: Path) -> list[tuple[str, int]]:
    found = []
    for block in BLOCK.findall(page.read_text(encoding="utf-8")):
        for line in block.splitlines():
            if line.startswith("$ "):
                command = line[2:].rstrip()
                wanted = EXIT.search(command)
                found.append((EXIT.sub("", command), int(wanted.group(1)) if wanted else 0))
    return found


DOCUMENTED = [page for page in PAGES if commands(page)]


def test_the_readme_documents_the_two_commands() -> None:
    lines = [command for command, _ in commands(ROOT / "README.md")]
    assert lines[:2] == ["make demo", "make test"]


@pytest.mark.e2e
@pytest.mark.parametrize("page", DOCUMENTED, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_of_a_page_run_as_written(page: Path, tmp_path: Path) -> None:
    binaries = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{binaries}:{os.environ['PATH']}", "WATTEST_CHECKOUT": str(ROOT)}
    background: list[subprocess.Popen[bytes]] = []
    try:
        for command, wanted in commands(page):
            if command.startswith("make "):
                subprocess.run(["make", "--dry-run", *command.split()[1:]], cwd=ROOT, check=True, capture_output=True)
                continue
            if command.endswith("&"):
                served = subprocess.Popen(
                    ["bash", "-c", "exec " + command.rstrip("& ")],
                    cwd=tmp_path,
                    env=environment,
                    start_new_session=True,
                )
                background.append(served)
                _wait_for_port(command, served, tmp_path)
                continue
            done = subprocess.run(
                ["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == wanted, f"{command}\n{done.stdout}\n{done.stderr}"
            assert "Traceback" not in done.stderr, f"{command}\n{done.stderr}"
    finally:
        for process in reversed(background):
            os.killpg(process.pid, signal.SIGINT)
            process.wait(timeout=HANG_S)


def _wait_for_port(command: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    port = re.search(r"--port (\d+)", command)
    if config := re.search(r"--config (\S+)", command):
        port = re.search(r'^listen = "[^"]*:(\d+)"$', (folder / config.group(1)).read_text("utf-8"), re.MULTILINE)
    assert port, f"a background command must name its --port, or a --config that does: {command}"
    place = "127.0.0.1", int(port.group(1))

    def answers() -> bool:
        assert process.poll() is None, f"ended at once with {process.returncode}: {command}"
        with socket.socket() as probe:
            return probe.connect_ex(place) == 0

    until(answers, f"an answer on port {place[1]}: {command}")
