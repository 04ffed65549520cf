"""Write docs/rooms.md and docs/images/house.svg: every room of the package, its files and their public names.

All of it comes from the sources: the order of the floors is import-linter's, in pyproject.toml; sentences and names are
the files' own; which steps of a reading's way pass through a room is read off docs/architecture.md. Nothing of the
package is imported.
"""

from __future__ import annotations

import ast
import html
import re
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "wattest"
PAGE = ROOT / "docs" / "rooms.md"
PICTURE = ROOT / "docs" / "images" / "house.svg"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
WIDTH, ROW, GAP, LEFT = 960, 58, 10, 12

HEAD = """# Rooms, files and public names

Made by `tools/make_rooms_page.py` from the sources: change a docstring, not this page. The floors stand from the
highest to the lowest; how a reading walks through them is in [architecture](architecture.md).
"""


def floors() -> list[list[str]]:
    """The rooms of each floor, from the highest to the lowest."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    return [re.findall(r"wattest\.(\w+)", layer) for layer in settings["contracts"][0]["layers"]]


def head_of(room: str) -> ast.Module:
    """The file whose docstring says what a room is for."""
    folder = PACKAGE / room
    return ast.parse((folder / "__init__.py" if folder.is_dir() else PACKAGE / f"{room}.py").read_text("utf-8"))


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
    for room in (room for floor in floors() for room in floor):
        folder = PACKAGE / room
        path = folder if folder.is_dir() else PACKAGE / f"{room}.py"
        said = summary(head_of(room))
        parts.append(f"## {room}\n\n{said}\n\n| file | what it decides | names |\n| --- | --- | --- |")
        parts[-1] += "\n" + "\n".join(rows(path)) + "\n"
    return "\n".join(parts)


def steps() -> dict[str, list[int]]:
    """Room to the numbers of the steps of one reading's way that name one of its modules."""
    way = ARCHITECTURE.read_text("utf-8").split("## One reading's way")[1].split("\n## ")[0]
    found: dict[str, list[int]] = {}
    for number, text in re.findall(r"^(\d+)\. (.*?)(?=^\d+\. |\Z)", way, re.MULTILINE | re.DOTALL):
        for room in dict.fromkeys(re.findall(r"`(\w+)\.\w+", text)):
            found.setdefault(room, []).append(int(number))
    return found


def picture() -> str:
    """The house as SVG: a row for each floor, in each room its sentence and the steps of a reading that pass it."""
    passing = steps()
    rows_ = floors()
    height = len(rows_) * (ROW + GAP) + GAP
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        'aria-label="The floors of the house, the highest above; numbers are the steps of one reading\'s way" '
        'font-family="system-ui, sans-serif">',
        "<style>.r{fill:#eef4fb;stroke:#3b6ea5;stroke-width:1.2}.t{fill:#1b2733;font-weight:600;font-size:14px}"
        ".s{fill:#43525f;font-size:10.5px}.n{fill:#2f7d45}.m{fill:#fff;font-size:10px;text-anchor:middle}"
        "@media (prefers-color-scheme: dark){.r{fill:#1c2a3a}.t{fill:#e8eef4}.s{fill:#b3c0cc}}</style>",
    ]
    for row, rooms in enumerate(rows_):
        width = (WIDTH - 2 * LEFT - GAP * (len(rooms) - 1)) / len(rooms)
        for column, room in enumerate(rooms):
            lines += _box(LEFT + column * (width + GAP), GAP + row * (ROW + GAP), width, room, passing.get(room, []))
    return "\n".join([*lines, "</svg>"]) + "\n"


def _box(x: float, y: float, width: float, room: str, numbers: list[int]) -> Iterator[str]:
    yield f'<rect class="r" x="{x:.0f}" y="{y}" width="{width:.0f}" height="{ROW}" rx="6"/>'
    yield f'<text class="t" x="{x + 10:.0f}" y="{y + 19}">{room}</text>'
    for at, number in enumerate(numbers):
        middle = x + width - 14 - 20 * (len(numbers) - 1 - at)
        yield f'<circle class="n" cx="{middle:.0f}" cy="{y + 15}" r="8.5"/>'
        yield f'<text class="m" x="{middle:.0f}" y="{y + 18.5}">{number}</text>'
    letters = int((width - 20) / 5.6)
    said = textwrap.wrap(html.escape(summary(head_of(room)).replace("`", ""), quote=False), letters)
    if len(said) > 2:
        said = [said[0], textwrap.shorten(" ".join(said[1:]), letters, placeholder=" …")]
    for line, text in enumerate(said):
        yield f'<text class="s" x="{x + 10:.0f}" y="{y + 35 + 14 * line}">{text}</text>'


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    PICTURE.write_text(picture(), "utf-8")
    print(PAGE.relative_to(ROOT), PICTURE.relative_to(ROOT))
