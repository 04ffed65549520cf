"""The names on the architecture page are the code's: every room is listed, every name it gives is there."""

from __future__ import annotations

import builtins
import importlib
import inspect
import pkgutil
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

import wattest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
NAME = re.compile(r"`\.?([A-Za-z_][\w.]*)[^`]*`")
OTHERS = {  # names on the page that are not wattest's own
    *("os.urandom", "records.view", "tobytes", "deployment.json", "settle", "config"),
}


def sections() -> dict[str, str]:
    """Room name to what the page says of it."""
    parts = re.split(r"^### (\w+)\n", PAGE.split("## Rooms and their public names")[1], flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@cache
def known(room: str) -> frozenset[str]:
    """Every name that a room's modules, classes and functions have."""
    package = importlib.import_module(f"wattest.{room}")
    modules = {package.__name__: package}
    for found in pkgutil.walk_packages(getattr(package, "__path__", []), f"{package.__name__}."):
        if not found.name.endswith("__main__"):
            modules[found.name] = importlib.import_module(found.name)
    names: set[str] = {part for name in modules for part in name.split(".")}
    for module in modules.values():
        for name, value in vars(module).items():
            names.add(name)
            if inspect.isclass(value):
                names |= set(dir(value)) | set(getattr(value, "__dataclass_fields__", {}))
            elif inspect.isfunction(value):
                names |= set(inspect.signature(value).parameters)
    return frozenset(names)


def strangers(room: str, text: str) -> set[str]:
    """Names in a room's text that neither the room nor a room named with them has."""
    wrong = set()
    for name in NAME.findall(text):
        parts = name.removeprefix("wattest.").rstrip(".").split(".")
        home = parts[0] if parts[0] in ROOMS and len(parts) > 1 else room
        if name not in OTHERS and not all(part in known(home) | set(dir(builtins)) | {home} for part in parts):
            wrong.add(name)
    return wrong


ROOMS = {found.name for found in pkgutil.iter_modules(wattest.__path__) if found.ispkg}


def test_every_room_has_a_section() -> None:
    assert set(sections()) == ROOMS


@pytest.mark.parametrize("room", sorted(sections()))
def test_a_room_s_names_are_there(room: str) -> None:
    text = re.sub(r"`[a-z_]+/[^`]*`", "", sections()[room])  # paths are checked with the other links
    assert len(NAME.findall(text)) >= 5
    assert not strangers(room, text)


def test_a_wrong_name_would_be_seen() -> None:
    assert strangers("merkle", "`MerkleTree.build(x)` and `MerkleBush`, `tree.MerkleShrub`") == {
        "MerkleBush",
        "tree.MerkleShrub",
    }
    assert strangers("enclave", "`protocol.bundle` and `protocol.bundles`") == {"protocol.bundles"}


def test_one_reading_s_way_goes_through_modules_that_are_there() -> None:
    way = PAGE.split("## One reading's way")[1].split("\n## ")[0]
    named = [name for name in NAME.findall(way) if name.split(".")[0] in ROOMS and "." in name]
    assert len(named) >= 20
    assert {name.split(".")[0] for name in named} >= {"metering", "workload", "enclave", "node", "chain", "receipt"}
    assert not [name for name in named if strangers(name.split(".")[0], f"`{name}`")]


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
