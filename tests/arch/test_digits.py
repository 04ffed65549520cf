"""Digits that others wrote are 0 to 9 and a to f: Python's own words for a digit take every script's."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parents[2] / "src" / "wattest"


def loose(source: str) -> list[int]:
    """Lines that ask for digits of any script: ``isdecimal`` alone, or a class for digits without ``re.ASCII``."""
    return sorted({node.lineno for node in _loose(ast.parse(source))})


def _loose(tree: ast.AST) -> Iterator[ast.expr]:
    strict = {
        id(part)
        for both in ast.walk(tree)
        if isinstance(both, ast.BoolOp) and "isascii()" in ast.unparse(both)
        for part in ast.walk(both)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr in {"isdecimal", "isdigit", "isnumeric"} and id(node) not in strict:
            yield node
        texts = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        has_class = ast.unparse(node.func).startswith("re.") and any("\\d" in one for one in texts)
        if has_class and "re.ASCII" not in ast.unparse(node):
            yield node


def test_no_source_takes_digits_of_other_scripts() -> None:
    found = {str(path.relative_to(SOURCES)): loose(path.read_text("utf-8")) for path in SOURCES.rglob("*.py")}
    assert len(found) > 200
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    ("line", "is_loose"),
    [
        ("text.isdecimal()", True),
        ("text.isascii() and text.isdecimal()", False),
        ("not (text.isascii() and text.isdigit())", False),
        ("re.compile(r'\\d+')", True),
        ("re.compile(r'\\d+', re.ASCII)", False),
        ("re.fullmatch(r'[0-9]+', text)", False),
    ],
)
def test_each_kind_would_be_seen(line: str, is_loose: bool) -> None:
    assert bool(loose(line)) is is_loose
