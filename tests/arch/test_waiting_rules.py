"""Tests wait for events, with one guard against hanging, and assert nothing about seconds (``support/waiting``)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
PAUSE_S = 1
"""Longer than any pause between two looks; a longer number is a bound that a busy machine may miss."""
WAITS = {"wait", "join", "communicate", "settimeout", "acquire"}
CLOCKS = {"monotonic", "perf_counter", "time"}


def is_number(node: ast.expr, above: float) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float) and node.value > above


def reads_a_clock(node: ast.AST) -> bool:
    called = (each.func for each in ast.walk(node) if isinstance(each, ast.Call))
    return any(
        isinstance(one, ast.Attribute) and one.attr in CLOCKS and getattr(one.value, "id", "") == "time"
        for one in called
    )


def bounds(source: str) -> list[int]:
    """The lines of a test that bound something by seconds of its own."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assert) and reads_a_clock(node.test):
            found.append(node.lineno)
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        name, keywords = node.func.attr, {word.arg: word.value for word in node.keywords}
        given = [keywords[word] for word in ("timeout",) if word in keywords]
        if name in WAITS or ast.unparse(node.func) == "pytest.mark.timeout":
            given += node.args
        if any(is_number(each, PAUSE_S) for each in given):
            found.append(node.lineno)
    return found


def test_no_test_bounds_by_seconds_of_its_own() -> None:
    files = [path for path in sorted(TESTS.rglob("*.py")) if path.name != "waiting.py"]
    assert len(files) > 100
    found = {str(path.relative_to(TESTS)): bounds(path.read_text("utf-8")) for path in files}
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "line",
    [
        "process.wait(30)", "process.wait(timeout=30)", "thread.join(5)", "subprocess.run([], timeout=2.5)",
        "stream.settimeout(10)", "assert time.monotonic() < until", "pytest.mark.timeout(240)(test)",
    ],
)  # fmt: skip
def test_each_kind_of_bound_would_be_seen(line: str) -> None:
    assert bounds(line) == [1]


@pytest.mark.parametrize(
    "line", ["process.wait(HANG_S)", "stop.wait(0.05)", "'\\n'.join(lines)", "pytest.mark.timeout(0)(test)"]
)
def test_what_waits_for_an_event_is_none(line: str) -> None:
    assert bounds(line) == []
