"""Every public name says what it is, and nothing below the command line writes to the terminal."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src" / "wattest").rglob("*.py"))
MAY_PRINT = {
    "enclave/measured/program.py": "the program's own log, read by its host",
    "enclave/measured/boot.py": "says why the program does not start, before there is anything else to say it with",
}


def undocumented(source: str) -> Iterator[str]:
    """Public modules, classes, functions and methods without a docstring, by their path."""
    tree = ast.parse(source)
    if ast.get_docstring(tree) is None:
        yield "(module)"
    yield from _undocumented(tree, "")


def _undocumented(parent: ast.Module | ast.ClassDef, prefix: str) -> Iterator[str]:
    for node in parent.body:
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) or node.name.startswith("_"):
            continue
        overload = any(isinstance(mark, ast.Name) and mark.id == "overload" for mark in node.decorator_list)
        if ast.get_docstring(node) is None and not overload:
            yield prefix + node.name
        if isinstance(node, ast.ClassDef):
            yield from _undocumented(node, f"{prefix}{node.name}.")


def printed(source: str) -> list[int]:
    """Lines that call the built-in ``print``."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [node.lineno for node in calls if isinstance(node.func, ast.Name) and node.func.id == "print"]


def test_every_public_name_has_a_docstring() -> None:
    assert len(SOURCES) > 150
    found = {path.relative_to(ROOT).as_posix(): list(undocumented(path.read_text("utf-8"))) for path in SOURCES}
    assert not {name: missing for name, missing in found.items() if missing}


def test_a_room_s_docstring_is_a_sentence() -> None:
    for path in SOURCES:
        if path.name == "__init__.py":
            text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
            assert len(text.split()) >= 4, f"{path.relative_to(ROOT)} says nothing"


def test_nothing_prints_outside_the_command_line() -> None:
    found = {}
    for path in SOURCES:
        name = path.relative_to(ROOT / "src" / "wattest").as_posix()
        if (
            not name.startswith(("apps/cli/", "apps/actions/"))
            and name not in MAY_PRINT
            and printed(path.read_text("utf-8"))
        ):
            found[name] = printed(path.read_text("utf-8"))
    assert not found


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ("x = 1", ["(module)"]),
        ('"""A."""\ndef f(): ...', ["f"]),
        ('"""A."""\nclass C:\n    """B."""\n    def m(self): ...', ["C.m"]),
        ('"""A."""\ndef _f(): ...\nclass C:\n    """B."""\n    def __len__(self): ...', []),
    ],
)
def test_a_missing_docstring_would_be_seen(source: str, missing: list[str]) -> None:
    assert list(undocumented(source)) == missing


def test_a_print_would_be_seen() -> None:
    assert printed("def f():\n    print(1)") == [2]
    assert printed("console.print(1)") == []
