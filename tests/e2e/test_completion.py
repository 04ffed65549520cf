"""Shells complete: what they are given, in their own protocol, and one real bash on a terminal of its own."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import HANG_S, until

WATTEST = Path(sys.executable).parent / "wattest"
SHELLS = ("bash", "zsh", "fish")


def ask(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [WATTEST], env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=HANG_S
    )


def complete(shell: str, words: list[str], incomplete: str) -> str:
    """What ``shell`` is told for a line of whole words and one that is being typed."""
    line = ["wattest", *words, *([incomplete] if incomplete and shell != "fish" else [])]
    number = incomplete if shell == "fish" else str(len(words) + 1)
    done = ask({"_WATTEST_COMPLETE": f"{shell}_complete", "COMP_WORDS": " ".join(line), "COMP_CWORD": number})
    assert done.returncode == 0
    assert not done.stderr
    return done.stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_gets_its_script(shell: str) -> None:
    done = ask({"_WATTEST_COMPLETE": f"{shell}_source"})
    assert done.returncode == 0
    assert f"_WATTEST_COMPLETE={shell}_complete" in done.stdout


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("words", "incomplete", "wanted", "unwanted"),
    [
        ([], "rec", "receipt", "demo"),
        (["operator"], "rot", "rotate-key", "status"),
        (["attest", "collateral"], "fe", "fetch", "serve"),
        (["demo"], "--che", "--cheat", "--days"),
        (["demo", "--cheat"], "for", "forge", "withhold"),
    ],
)
def test_names_are_completed(shell: str, words: list[str], incomplete: str, wanted: str, unwanted: str) -> None:
    told = complete(shell, words, incomplete)
    assert wanted in told
    assert unwanted not in told


@pytest.mark.parametrize("shell", SHELLS)
def test_a_file_is_left_to_the_shell(shell: str) -> None:
    """The program names the kind; the shell knows the folder."""
    assert re.split(r"[,\n]", complete(shell, ["receipt", "verify"], "hou"))[0] == "file"


def test_an_unknown_instruction_is_no_success() -> None:
    assert ask({"_WATTEST_COMPLETE": "csh_source"}).returncode != 0


@pytest.mark.e2e
@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_bash_completes_a_command_and_a_file(tmp_path: Path) -> None:
    (tmp_path / "household-01.json").touch()
    child, terminal = pty.fork()
    if child == 0:  # pragma: no cover - the other process
        os.chdir(tmp_path)
        os.environ |= {"PATH": f"{WATTEST.parent}:{os.environ['PATH']}", "PS1": "> ", "TERM": "dumb"}
        os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
    try:
        os.write(terminal, b'eval "$(_WATTEST_COMPLETE=bash_source wattest)"; echo rea""dy\n')
        read_until(terminal, b"\nready")
        os.write(terminal, b"wattest rec\tveri\thou\t--rp\tURL\x01echo told: \n")
        said = read_until(terminal, b"\ntold: ")
        assert b"told: wattest receipt verify household-01.json --rpc URL" in said
    finally:
        os.close(terminal)
        os.waitpid(child, 0)


def read_until(terminal: int, mark: bytes) -> bytes:
    """What the terminal shows until ``mark`` and the end of its line came."""
    said = bytearray()

    def came() -> bool:
        if select.select([terminal], [], [], 0)[0]:
            said.extend(os.read(terminal, 4096).replace(b"\r", b""))
        return mark in said and b"\n" in said.rpartition(mark)[2]

    until(came, f"{mark!r} on the terminal")
    return bytes(said)
