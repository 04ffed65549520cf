"""The command line as a stranger meets it: helps, refusals, exit codes, and odd places for its output to go."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from waiting import HANG_S

from wattest.apps.cli import run
from wattest.apps.cli.commands import COMMANDS

COMMAND = [sys.executable, "-m", "wattest.apps.cli"]
NESTED = b"x=" + b"[" * 50_000


def wattest(arguments: Sequence[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=folder, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=HANG_S,
    )  # fmt: skip


def test_every_command_is_listed_and_teaches(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    listed = capfd.readouterr().out
    for name in COMMANDS:
        assert name in listed
        assert run([name, "--help"]) == 0
        assert len(capfd.readouterr().out.splitlines()) > 5


def test_the_help_imports_no_command() -> None:
    code = (
        "import sys; from wattest.apps.cli import run; run(['--help']);"
        "print(sorted({'numpy', 'rich', 'wasmtime', 'aiohttp', 'eth_abi', 'cryptography'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 2),
        (["frob"], 2),
        (["receipt", "frob"], 2),
        (["demo", "--households", "0"], 2),
        (["demo", "--households", "1001"], 2),
        (["demo", "--days", "15"], 2),
        (["demo", "--cheat", "steal"], 2),
        (["demo", "stray-file"], 2),
        (["demo", "--keys", "keys.json"], 2),
        (["demo", "--out", "."], 7),
        (["demo", "--out", "taken"], 7),
        (["demo", "--out", "taken/below", "--data", "OCMF"], 7),
        (["demo", "--data", "missing"], 3),
        (["demo", "--data", "."], 3),
        (["demo", "--data", "binary"], 3),
        (["demo", "--data", "OCMF", "missing"], 3),
        (["demo", "--data", "OCMF", "--keys", "nested"], 3),
        (["demo", "--data", "OCMF", "--keys", "binary"], 3),
        (["first-light"], 2),
        (["first-light", "x" * 70_000], 3),
        (["first-light", "\udcff"], 3),
        (["chain", "serve", "missing"], 3),
        (["chain", "serve", "."], 3),
        (["chain", "serve", ".", "--port", "70000"], 2),
        (["receipt", "verify", "taken"], 3),
        (["receipt", "verify", "taken", "--deployment", "nested"], 3),
        (["operator", "run"], 2),
        (["operator", "run", "--config", "missing"], 3),
        (["operator", "run", "--config", "binary"], 7),
        (["operator", "run", "--config", "nested"], 7),
        (["operator", "run", "--config", "empty"], 7),
        (["operator", "new-key", "taken"], 7),
        (["watcher", "run", "--config", "missing"], 3),
        (["watcher", "run", "--config", "."], 3),
        (["watcher", "run", "--config", "binary"], 7),
        (["watcher", "run", "--config", "empty"], 7),
        (["watcher", "new-reader-key", "taken"], 7),
        (["watcher", "new-key", "taken/below"], 7),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_a_mistake_has_its_exit_code_and_leaves_nothing(
    arguments: list[str],
    code: int,
    as_json: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    repository: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_text("x")
    (tmp_path / "empty").touch()
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    (tmp_path / "nested").write_bytes(NESTED)
    before = sorted(tmp_path.rglob("*"))
    given = [str(repository / "examples/charging.ocmf") if one == "OCMF" else one for one in arguments]
    if as_json and given and given[0] in ("demo", "first-light", "receipt") and code != 2:
        given.append("--json")
    assert run(given) == code
    assert sorted(tmp_path.rglob("*")) == before
    shown = capfd.readouterr()
    assert shown.err
    if "--json" in given:
        value = json.loads(shown.err)
        assert set(value) == {"error", "message", "hint", "fields"}


def test_what_a_peer_says_cannot_command_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["chain", "serve", str(tmp_path / "\x1b[2J")]) == 3
    assert "\x1b" not in capfd.readouterr().err


def test_a_missing_anvil_is_said_before_anything_starts(tmp_path: Path) -> None:
    for arguments in (["demo", "--out", "out"], ["first-light", "hello"]):
        done = wattest(arguments, tmp_path, WATTEST_ANVIL="/nonexistent")
        assert done.returncode == 7
        assert "what to do" in done.stderr
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "environment", [{"NO_COLOR": "1"}, {"LANG": "C", "LC_ALL": "C"}, {"COLUMNS": "40"}, {"TERM": "dumb"}]
)
def test_any_terminal_will_do(environment: dict[str, str], tmp_path: Path, repository: Path) -> None:
    done = wattest(["meter", "import", str(repository / "examples/charging.ocmf")], tmp_path, **environment)
    assert done.returncode == 0
    assert "ocmf" in done.stdout
    assert "\x1b" not in done.stdout  # no terminal is there


def test_a_reader_who_leaves_ends_nothing_in_a_traceback(tmp_path: Path) -> None:
    for arguments in (["--help"], ["demo", "--help"]):
        reader, writer = os.pipe()
        os.close(reader)
        try:
            done = subprocess.run(
                [*COMMAND, *arguments], cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE, text=True, check=False
            )
        finally:
            os.close(writer)
        assert done.returncode == 6
        assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_said(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, "--help"], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 6
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("value", ["-5.0", "0", "nan", "inf", "1e9", "true", '"5"'])
def test_a_span_of_time_out_of_range_is_refused(value: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "w.toml").write_text(
        f'[chain]\nrpc_url = "http://127.0.0.1:1"\nrequest_timeout_s = {value}\n[watcher]\n'
    )
    assert run(["watcher", "run", "--config", str(tmp_path / "w.toml")]) == 7
    assert "chain.request_timeout_s" in capfd.readouterr().err
