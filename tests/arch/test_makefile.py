"""The Makefile's targets resolve, and what a bare machine lacks is named all at once, with a hint, before set-up."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import HANG_S

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = [
    ROOT / ".ci/run",
    ROOT / "tools/prerequisites.sh",
    ROOT / "tools/lock.sh",
    ROOT / "tools/forge",
    ROOT / "tools/intel_qvl.sh",
    ROOT / "tools/gocar.sh",
    ROOT / "tools/sanitize.sh",
]
PLAIN_TOOLS = ("bash", "env", "awk", "sort", "head", "uname")


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_S,
    )


def test_help_names_every_target_that_people_make() -> None:
    done = make("help")
    assert done.returncode == 0
    shown = set(re.findall(r"^  make ([a-z0-9-]+) ", done.stdout, re.MULTILINE))
    (phony,) = re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert shown == set(phony.split())
    assert {"demo", "test", "test-deep", "lint"} <= shown


@pytest.mark.parametrize(
    "target",
    [
        "demo",
        "test",
        "test-deep",
        "lint",
        "bench",
        "bench-quick",
        "vectors",
        "guests",
        "contracts",
        "aarch64",
        "gocar",
        "sanitize",
    ],
)
def test_a_target_resolves(target: str) -> None:
    done = make("--dry-run", target)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_a_target_that_is_none_would_be_seen() -> None:
    assert make("--dry-run", "no-such-target").returncode != 0


def test_demo_neither_compiles_contracts_nor_guests() -> None:
    steps = make("--dry-run", "--always-make", "demo").stdout
    assert "wattest demo" in steps
    assert "--require-hashes -r requirements/run.lock" in steps
    for word in ("forge", "solc", "build_guests", "dev.lock"):
        assert word not in steps


def bare_path(folder: Path, *tools: str) -> Path:
    """A folder for PATH that holds these tools of the machine and nothing else."""
    folder.mkdir()
    for tool in (*PLAIN_TOOLS, *tools):
        if tool == "python3":  # the one that runs this test: what PATH names may be a version manager's script
            (folder / tool).write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
            (folder / tool).chmod(0o755)
            continue
        found = shutil.which(tool)
        if found is not None:
            (folder / tool).symlink_to(found)
    return folder


def fake(folder: Path, name: str, says: str) -> None:
    script = folder / name
    script.write_text(f"#!/bin/sh\nprintf '%s\\n' '{says}'\n")
    script.chmod(0o755)


def prerequisites(path: Path, python: str = "python3") -> subprocess.CompletedProcess[str]:
    bash = shutil.which("bash")
    assert bash
    return subprocess.run(
        [bash, ROOT / "tools/prerequisites.sh", python],
        env={"PATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_S,
    )


def test_this_machine_has_what_it_must_have() -> None:
    tools = ("python3", "cargo", "rustc", "cc", "node", "npm")
    done = subprocess.run(
        ["tools/prerequisites.sh"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=HANG_S
    )
    assert done.returncode == 0, (tools, done.stderr)
    assert done.stderr == ""


def test_everything_missing_is_named_at_once(tmp_path: Path) -> None:
    done = prerequisites(bare_path(tmp_path / "bin"))
    assert done.returncode == 7
    missing = re.findall(r"^missing: (.+)\n  what to do: (.+)$", done.stderr, re.MULTILINE)
    assert [what.split()[0] for what, _ in missing] == ["Python", "Rust", "a", "Node"]
    assert all(len(hint) > 10 for _, hint in missing)
    assert done.stderr.endswith("Run the same command again once these are there.\n")


def test_only_what_is_missing_is_named(tmp_path: Path) -> None:
    done = prerequisites(bare_path(tmp_path / "bin", "python3", "cc"))
    assert done.returncode == 7
    assert "missing: Rust (cargo and rustc" in done.stderr
    assert "missing: Node 20 or newer, with npm" in done.stderr
    assert "Python" not in done.stderr
    assert "linker" not in done.stderr


def test_old_tools_are_named_with_their_version(tmp_path: Path) -> None:
    path = bare_path(tmp_path / "bin", "python3", "cc")
    for name, says in (("cargo", ""), ("rustc", "rustc 1.63.0 (x)"), ("node", "18"), ("npm", "9")):
        fake(path, name, says)
    done = prerequisites(path)
    assert done.returncode == 7
    assert "missing: Rust 1.88 or newer (rustc is 1.63.0)" in done.stderr
    assert "missing: Node 20 or newer (node is 18)" in done.stderr


def test_new_tools_pass(tmp_path: Path) -> None:
    path = bare_path(tmp_path / "bin", "python3", "cc")
    for name, says in (("cargo", ""), ("rustc", "rustc 1.101.0 (x)"), ("node", "24"), ("npm", "11")):
        fake(path, name, says)
    done = prerequisites(path)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_python_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = prerequisites(bare_path(tmp_path / "bin"), "python9.9")
    assert "missing: Python 3.11 or newer (python9.9)" in done.stderr


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_well_formed(script: Path) -> None:
    assert script.stat().st_mode & 0o111
    assert script.read_text("utf-8").startswith("#!/usr/bin/env bash\n")
    assert subprocess.run(["bash", "-n", script], capture_output=True, check=False).returncode == 0


def test_a_check_that_is_none_is_named() -> None:
    run = subprocess.run(
        [ROOT / "tools/sanitize.sh", "adress"], capture_output=True, text=True, check=False, timeout=HANG_S
    )
    assert run.returncode == 7
    assert run.stderr == "missing: a check named adress; what to do: name address or valgrind\n"


def test_a_malformed_script_would_be_seen(tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("if true; then\n")
    assert subprocess.run(["bash", "-n", tmp_path / "bad"], capture_output=True, check=False).returncode != 0


def test_the_gate_runs_the_readme_s_command() -> None:
    lines = (ROOT / ".ci/run").read_text("utf-8").splitlines()
    assert lines[-1] == "make test"
    assert "set -euo pipefail" in lines
