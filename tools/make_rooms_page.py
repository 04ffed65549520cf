"""Write docs/rooms.md: every room of the package, its files and their public names, from the sources themselves.

The order of the floors is import-linter's, in pyproject.toml. Nothing of the package is imported.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "wattest"
PAGE = ROOT / "docs" / "rooms.md"

HEAD = """# Rooms, files and public names

Made by `tools/make_rooms_page.py` from the sources: change a docstring, not this page. The floors stand from the
highest to the lowest; how a reading walks through them is in [architecture](architecture.md).
"""


def floors() -> Iterator[str]:
    """Room names, from the highest floor to the lowest."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    for layer in settings["contracts"][0]["layers"]:
        yield from re.findall(r"wattest\.(\w+)", layer)


def summary(tree: ast.Module) -> str:
    """The first paragraph of a module's docstring on one line."""
    text = ast.get_docstring(tree) or ""
    return " ".join(text.split("\n\n")[0].split()).replace("``", "`").replace("|", "\\|")


def public_names(tree: ast.Module) -> list[str]:
    """Classes and functions that a module defines for others, in the order of the file."""
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    names = [node.name for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_")]
    return list(dict.fromkeys(names))  # overloads once


def rows(path: Path) -> Iterator[str]:
    """One row of the table for each file of a room."""
    files = [path] if path.is_file() else sorted(path.rglob("*.py"))
    for file in files:
        tree = ast.parse(file.read_text("utf-8"))
        name = file.name if path.is_file() else file.relative_to(path).as_posix()
        names = " ".join(f"`{found}`" for found in public_names(tree))
        if file.name != "__init__.py" or names:
            yield f"| `{name}` | {summary(tree)} | {names} |"


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for room in floors():
        folder = PACKAGE / room
        path = folder if folder.is_dir() else PACKAGE / f"{room}.py"
        head = ast.parse((path / "__init__.py" if path.is_dir() else path).read_text("utf-8"))
        parts.append(f"## {room}\n\n{summary(head)}\n\n| file | what it decides | names |\n| --- | --- | --- |")
        parts[-1] += "\n" + "\n".join(rows(path)) + "\n"
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    print(PAGE.relative_to(ROOT))
