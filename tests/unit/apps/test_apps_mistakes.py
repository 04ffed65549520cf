"""Mistakes that people made, one row each: what is said, where, what to do, which exit code, and nothing left behind.

Each is made twice, in text and with ``--json``: the same message, hint and code. A row says what must be found in what
is said; no mistake ends in a traceback, prints to standard output, or changes a file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from wattest.apps.cli import run


@dataclass(frozen=True)
class Mistake:
    """``words``: the command; ``says``: parts of the message, its fields and its hint."""

    words: str
    error: str
    code: int
    says: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()


USAGE = [
    Mistake("recipt", "usage", 2, ("no such command 'recipt'", "wattest receipt", "wattest --help")),
    Mistake("recipt verify x", "usage", 2, ("no such command 'recipt'", "wattest receipt")),
    Mistake("verify x", "usage", 2, ("wattest receipt verify", "wattest attest verify")),
    Mistake("receipt verfy x", "usage", 2, ("'verfy'", "wattest receipt verify", "wattest receipt --help")),
    Mistake("operator rotatekey", "usage", 2, ("wattest operator rotate-key",)),
    Mistake("attest colateral show x", "usage", 2, ("wattest attest collateral",)),
    Mistake("attest collateral shw x", "usage", 2, ("wattest attest collateral show",)),
    Mistake("chain policy widraw", "usage", 2, ("wattest chain policy withdraw",)),
    Mistake("operator receipt", "usage", 2, ("no such command 'receipt'", "wattest receipt")),
    Mistake("frobnicate", "usage", 2, ("no such command 'frobnicate'", "wattest --help")),
    Mistake("receipt verify x --deploymnt y", "usage", 2, ("'--deploymnt'", "--deployment", "receipt verify --help")),
    Mistake("demo --house 3", "usage", 2, ("no such option '--house'", "wattest demo --help")),
    Mistake("demo --cheat stel", "usage", 2, ("'stel'", "withhold")),
    Mistake("demo --cheat frge", "usage", 2, ("did you mean: forge",)),
    Mistake("demo --households many", "usage", 2, ("'many'", "--households")),
    Mistake("demo --households 0", "usage", 2, ("--households", "1<=x<=997")),
    Mistake("receipt verify", "usage", 2, ("missing argument 'FILE'",)),
    Mistake("receipt verify x", "usage", 2, ("missing option '--deployment'", "wattest receipt verify --help")),
    Mistake("operator run --config", "usage", 2, ("'--config'", "argument")),
    Mistake("--verbose receipt", "usage", 2, ("no such option '--verbose'", "options follow the command")),
    Mistake("bench merkel", "usage", 2, ("'merkel'", "did you mean: merkle")),
    Mistake("demo --keys keys.json", "usage", 2, ("--keys goes with --data",)),
    Mistake("attest collateral fetch --out x", "usage", 2, ("name the platform", "--quote")),
]
ENVIRONMENT = [
    Mistake(
        "receipt verify x --deployment y", "EnvironmentInvalid", 7, ("WATTEST_THREADS", "1 to 256", "unset it"),
        (("WATTEST_THREADS", "many"),),
    ),
    Mistake(
        "operator new-key file", "EnvironmentInvalid", 7, ("WATTEST_SIMD", "avx2", "sse"), (("WATTEST_SIMD", "sse"),)
    ),
    Mistake(
        "demo", "EnvironmentInvalid", 7, ("WATTEST_ANVIL_PATH", "did you mean WATTEST_ANVIL"),
        (("WATTEST_ANVIL_PATH", "/x"),),
    ),
]  # fmt: skip
MISTAKES = [*USAGE, *ENVIRONMENT]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(capfd: pytest.CaptureFixture[str]) -> str:
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "Traceback" not in shown.err
    return shown.err


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.words.replace("/", "|"))
def test_a_mistake_is_explained(
    mistake: Mistake, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, value in mistake.environment:
        monkeypatch.setenv(name, value)
    before = contents(folder)
    assert run(mistake.words.split()) == mistake.code
    text = told(capfd)
    assert text.startswith("error: ")
    assert not [part for part in mistake.says if part not in text], text
    assert contents(folder) == before

    run_json(mistake, capfd)
    assert contents(folder) == before


def run_json(mistake: Mistake, capfd: pytest.CaptureFixture[str]) -> None:
    """The same with ``--json``, where the command has it: one object, which says the same."""
    if "--config" in mistake.words.split()[-1]:
        return  # the option would take it as its value
    code = run([*mistake.words.split(), "--json"])
    value = json.loads(told(capfd))
    assert set(value) == {"error", "message", "hint", "fields"}
    if value["message"].startswith("no such option '--json'"):
        assert code == 2  # a command without a result in JSON
        return
    assert (value["error"], code) == (mistake.error, mistake.code)
    everything = json.dumps([f"{name.replace('_', ' ')}: {field}" for name, field in value["fields"].items()])
    said = f"{value['message']} {value['hint']} {everything}".replace("['", "").replace("']", "")
    assert not [part for part in mistake.says if part not in said], said
