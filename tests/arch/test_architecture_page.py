"""The pages on architecture say what is there: rooms as the sources have them, floors as linted, names that exist."""

from __future__ import annotations

import ast
import importlib.util
import pkgutil
import re
import tomllib
from functools import cache
from pathlib import Path
from types import ModuleType

import wattest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
PACKAGE = ROOT / "src" / "wattest"
NAME = re.compile(r"`([a-z_][\w.]*\.\w+)[^`]*`")
ROOMS = {found.name for found in pkgutil.iter_modules(wattest.__path__)}


@cache
def maker() -> ModuleType:
    """The tool that writes docs/rooms.md."""
    spec = importlib.util.spec_from_file_location("make_rooms_page", ROOT / "tools" / "make_rooms_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def is_there(dotted: str) -> bool:
    """Whether ``room.module``, ``room.module.name`` or ``room.module.Class.name`` is in the sources."""
    parts = dotted.split(".")
    place = PACKAGE
    while parts and (place / parts[0]).is_dir():
        place /= parts.pop(0)
    if parts and (place / f"{parts[0]}.py").is_file():
        place /= f"{parts.pop(0)}.py"
    elif parts:
        place /= "__init__.py"
    if not parts:
        return True
    body: list[ast.stmt] = ast.parse(place.read_text("utf-8")).body if place.is_file() else []
    for part in parts:
        found = [node for node in body if part in names_of(node)]
        if not found:
            return False
        body = found[0].body if isinstance(found[0], ast.ClassDef) else []
    return True


def names_of(node: ast.stmt) -> set[str]:
    """What a statement of a module or class defines or brings in."""
    if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        return {node.name}
    if isinstance(node, ast.AnnAssign):
        return {node.target.id} if isinstance(node.target, ast.Name) else set()
    if isinstance(node, ast.Assign):
        return {target.id for target in node.targets if isinstance(target, ast.Name)}
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {alias.asname or alias.name for alias in node.names}
    return set()


def test_the_page_on_rooms_is_what_the_sources_give() -> None:
    made = maker().page()
    assert (ROOT / "docs" / "rooms.md").read_text("utf-8") == made, "run tools/make_rooms_page.py"
    assert set(re.findall(r"^## (\w+)$", made, re.MULTILINE)) == ROOMS
    assert (ROOT / "docs/images/house.svg").read_text("utf-8") == maker().picture(), "run tools/make_rooms_page.py"


def test_a_reading_passes_through_the_house() -> None:
    passed = maker().steps()
    assert passed["metering"][0] == 1
    assert {"operator", "enclave", "store", "chain", "watcher", "receipt"} <= set(passed)
    assert {number for numbers in passed.values() for number in numbers} == set(range(1, 9))


def test_a_file_s_names_and_sentence_are_taken_from_it() -> None:
    tree = ast.parse('"""Keeps ``x``.\n\nMore."""\nclass A: ...\ndef f(): ...\ndef _g(): ...\n')
    assert maker().summary(tree) == "Keeps `x`."
    assert maker().public_names(tree) == ["A", "f"]


def test_names_on_the_page_are_there() -> None:
    named = [name for name in NAME.findall(PAGE) if name.split(".")[0] in ROOMS]
    assert len(named) >= 20
    assert {name.split(".")[0] for name in named} >= {"metering", "workload", "enclave", "chain", "receipt"}
    assert not [name for name in named if not is_there(name)]


def test_a_wrong_name_would_be_seen() -> None:
    assert is_there("merkle.tree.MerkleTree.build")
    assert is_there("enclave.host.client")
    assert is_there("merkle.MerkleTree")
    assert not is_there("merkle.tree.MerkleShrub")
    assert not is_there("merkle.trees")
    assert not is_there("merkle.tree.MerkleTree.fell")


def test_the_floors_on_the_page_are_those_that_are_linted() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    layers = [re.findall(r"wattest\.(\w+)", layer) for layer in settings["contracts"][0]["layers"]]
    table = PAGE.split("## Floors")[1].split("\n## ")[0]
    shown = [
        re.split(r"\s*[|,]\s*", line[4:].split("  ")[0].strip())
        for line in table.splitlines()
        if line.startswith("    ")
    ]
    assert shown == layers
