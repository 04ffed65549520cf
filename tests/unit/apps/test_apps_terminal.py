"""Any terminal: no colour where none is wanted, no value cut however narrow it is, progress for people and for logs."""

from __future__ import annotations

import io
import os
import re
import select
import subprocess
import sys
from pathlib import Path

import pytest

from wattest.apps.cli import run
from wattest.apps.terminal import Progress, console, is_plain, table_lines, width_of

ROOT = Path(__file__).resolve().parents[3]
WIDTHS = (20, 40, 60, 80)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "plain"),
    [
        ({"TERM": "xterm"}, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True),
        ({"TERM": "dumb"}, True),
        ({"TERM": "Dumb"}, True),
        ({"TERM": "unknown"}, True),
    ],
)
def test_when_nothing_is_coloured(environment: dict[str, str], plain: bool) -> None:
    assert is_plain(Terminal(), environment) is plain
    assert is_plain(io.StringIO(), environment)


def test_a_width_is_told_or_asked_for() -> None:
    assert width_of(io.StringIO(), {"COLUMNS": "33"}) == 33
    assert [width_of(io.StringIO(), {"COLUMNS": odd}) for odd in ("", "0", "-1", "wide", "²")] == [None] * 5
    assert width_of(Terminal(), {}) is None  # it does not say


TITLES = ("OBIS", "value", "unit")
ROWS = [["1-0:1.8.0", "123456789012.345", "kWh"], ["1-0:2.8.0", "0.001", "kWh"], ["電力", "7", ""]]


@pytest.mark.parametrize("width", [*WIDTHS, 1, None])
def test_every_cell_stands_whole_on_a_line(width: int | None) -> None:
    lines = table_lines(TITLES, ROWS, width, right=(1,))
    for row in ROWS:
        for cell in row:
            assert any(cell in line for line in lines)
    if width in (40, 60, 80, None):
        assert lines[0].split() == list(TITLES)
        assert len(lines) == len(ROWS) + 1
        assert all(len(line) <= 40 for line in lines)
    else:
        assert "  value 123456789012.345" in lines


def test_an_empty_table_is_its_titles() -> None:
    assert table_lines(TITLES, [], 80) == ["OBIS  value  unit"]
    assert table_lines(("", ""), [("a", "b")], 80) == ["a  b"]
    assert table_lines(("", ""), [("a", "b")], 2) == ["a", "  b"]


CSV = "Time,kWh\n" + "".join(f"2026-01-01T{hour:02}:00:00Z,1234567.{hour:03}\n" for hour in range(24))


@pytest.mark.parametrize("width", WIDTHS)
def test_no_reading_is_cut(
    width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    (tmp_path / "load.csv").write_text(CSV)
    columns = ["--columns", "start=Time,import=kWh", "--interval", "3600"]
    assert run(["meter", "import", str(tmp_path / "load.csv"), str(ROOT / "examples/household.p1"), *columns]) == 0
    text = capfd.readouterr().out
    assert "…" not in text
    assert str(tmp_path / "load.csv") in text
    for hour in range(24):
        value = f"1234567.{hour:03}".rstrip("0").rstrip(".")
        assert re.search(rf"{re.escape(value)}0*(?![0-9])", text), value
        assert f"2026-01-01 {hour:02}:00:00" in text


def on_a_terminal(arguments: list[str], **environment: str) -> str:
    """What a command writes to a terminal of its own."""
    terminal, end = os.openpty()
    surroundings = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
    process = subprocess.Popen(
        [sys.executable, "-m", "wattest.apps.cli", *arguments], cwd=ROOT, stdout=end, stderr=end,
        env=surroundings | {"TERM": "xterm"} | environment,
    )  # fmt: skip
    os.close(end)
    said = b""
    while process.poll() is None or select.select([terminal], [], [], 0)[0]:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                said += os.read(terminal, 65_536)
            except OSError:  # the other end is closed
                break
    process.wait()
    os.close(terminal)
    return said.decode()


COMMANDS = [
    ["meter", "import", "examples/charging.ocmf"],
    ["receipt", "verify", "vectors/receipt/owed.json", "--deployment", "vectors/receipt/deployment.json"],
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: arguments[0])
def test_colours_are_for_terminals_that_want_them(arguments: list[str]) -> None:
    assert "\x1b[" in on_a_terminal(arguments)
    for setting in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        said = on_a_terminal(arguments, **setting)
        assert said
        assert "\x1b" not in said


def test_progress_is_lines_where_nothing_moves() -> None:
    stream = io.StringIO()
    with Progress(stream) as progress:
        progress.say("starting a chain")
        progress.say("starting a chain")
        for done in range(101):
            progress.tell("readings", done, 100)
        progress.tell("nothing to do", 0, 0)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "starting a chain"
    assert lines[1:12] == [f"readings: {done} of 100" for done in range(0, 101, 10)]
    assert len(lines) == 13


def test_progress_is_bars_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    with Progress(stream) as progress:
        progress.say("starting")
        progress.tell("readings", 3, 3)
    assert "\x1b[" in stream.getvalue()
    assert "3/3" in stream.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    with Progress(plain) as progress:
        progress.tell("readings", 3, 3)
    assert plain.getvalue() == "readings: 3 of 3\n"


def test_a_console_breaks_and_cuts_nothing() -> None:
    stream = io.StringIO()
    console(stream).print("x" * 500 + " [bold]not markup[/bold] :smile:")
    assert stream.getvalue() == "x" * 500 + " [bold]not markup[/bold] :smile:\n"
