"""Whatever a page or a docstring points at exists: pages, headings, files, folders, modules, names.

Also: every page is reached from the index, every vector family is named by a format page, decisions have one form.
"""

from __future__ import annotations

import importlib
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
FOLDERS = (
    "docs",
    "src",
    "tests",
    "tools",
    "vectors",
    "contracts",
    "native",
    "guests",
    "bench",
    "examples",
    "requirements",
)
BUILT = ("contracts/node_modules", "contracts/out", "contracts/cache", "native/target", "guests/target")

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE_BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
PATH = re.compile(rf"(?<![\w./-])(?:{'|'.join(FOLDERS)})/[A-Za-z0-9_./*{{}},-]*[A-Za-z0-9_/*}}]")
PAGE_NAME = re.compile(r"(?<![\w./-])([a-z][a-z-]*\.md)\b")
DOTTED = re.compile(r"`(wattest(?:\.\w+)+)(?:\([^`]*\))?`")


@cache
def tracked() -> tuple[Path, ...]:
    """The project's own text files, as git names them."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout: which files are the project's is not known", allow_module_level=True)
    return tuple(ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file())


def of(*suffixes: str) -> list[Path]:
    return [path for path in tracked() if path.suffix in suffixes]


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    text = CODE_BLOCK.sub("", page.read_text("utf-8"))
    return {re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-") for title in HEADING.findall(text)}


def dead_links(page: Path) -> Iterator[str]:
    """Relative links of a page whose file or heading is not there."""
    for target in LINK.findall(CODE_BLOCK.sub("", page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            yield target


def exists(name: str) -> bool:
    """Whether a path as texts write it is there: ``*`` and ``{a,b}`` name at least one file, each."""
    if name.startswith(BUILT):
        return True
    choice = re.search(r"\{([^}]*)\}", name)
    if choice and "," not in choice[1]:
        return True  # a name filled in by a program
    if choice:
        return all(exists(name.replace(choice[0], part, 1)) for part in choice[1].split(","))
    if "*" in name:
        return any(ROOT.glob(name))
    return (ROOT / name).exists()


def missing_paths(text: str) -> list[str]:
    """Paths that are not there; one that goes on with ``<name>`` or a program's value is a pattern, not a path."""
    found = [named for named in PATH.finditer(text) if text[named.end() : named.end() + 1] not in {"<", "{", "$"}]
    return [named[0] for named in found if not exists(named[0].rstrip(".,"))]


def missing_pages(text: str) -> list[str]:
    """Pages named without a folder: formats of ``docs/spec``, or pages of ``docs``."""
    return [name for name in PAGE_NAME.findall(text) if not any((DOCS / at / name).exists() for at in ("", "spec"))]


def resolves(name: str) -> bool:
    """Whether a dotted name is a module of the package or stands in one."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            value: object = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            if not hasattr(value, part):
                return False
            value = getattr(value, part)
        return True
    return False


@pytest.mark.parametrize("page", of(".md"), ids=shown)
def test_a_page_has_no_dead_link(page: Path) -> None:
    assert not list(dead_links(page))


def test_every_path_that_a_text_names_is_there() -> None:
    texts = [path for path in of(".md", ".py", ".rs", ".sol", ".toml") if path != Path(__file__).resolve()]
    assert len(texts) > 300
    found = {shown(path): missing_paths(path.read_text("utf-8")) for path in texts}
    assert not {name: missing for name, missing in found.items() if missing}


def test_every_page_that_a_source_names_is_there() -> None:
    texts = [path for path in of(".py", ".rs", ".sol") if not shown(path).startswith("tests/arch/")]
    found = {shown(path): missing_pages(path.read_text("utf-8")) for path in [*texts, *DOCS.glob("spec/*.md")]}
    assert not {name: missing for name, missing in found.items() if missing}


def test_every_name_that_a_page_gives_is_there() -> None:
    named = {(shown(page), name) for page in of(".md") for name in DOTTED.findall(page.read_text("utf-8"))}
    assert len(named) > 20
    assert not {(page, name) for page, name in named if not resolves(name)}


def test_every_page_is_reached_from_the_index() -> None:
    reached: set[Path] = set()
    ahead = [DOCS / "README.md"]
    while ahead:
        page = ahead.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        for target in LINK.findall(page.read_text("utf-8")):
            file = (page.parent / target.partition("#")[0]).resolve()
            if file.is_relative_to(DOCS):
                ahead.append(file / "README.md" if file.is_dir() else file)
    assert {shown(page) for page in DOCS.rglob("*.md")} == {shown(page) for page in reached}


def test_every_format_and_vector_family_is_in_the_index_of_formats() -> None:
    index = (DOCS / "spec" / "README.md").read_text("utf-8")
    pages = {page.name for page in (DOCS / "spec").glob("*.md")} - {"README.md"}
    assert {target for target in LINK.findall(index) if "/" not in target} == pages
    families = {folder.name for folder in (ROOT / "vectors").iterdir() if folder.is_dir()} - {"__pycache__"}
    assert set(re.findall(r"`vectors/(\w+)/", index)) == families
    for family in families:
        assert any(f"vectors/{family}/" in (DOCS / "spec" / page).read_text("utf-8") for page in pages), family


def test_decisions_have_one_form_and_are_listed() -> None:
    listed = LINK.findall((DOCS / "adr" / "README.md").read_text("utf-8"))
    pages = sorted(page.name for page in (DOCS / "adr").glob("[0-9]*.md"))
    assert listed == pages
    numbers = [int(name[:4]) for name in pages]
    assert len(set(numbers)) == len(numbers)
    for name, number in zip(pages, numbers, strict=True):
        text = (DOCS / "adr" / name).read_text("utf-8")
        assert text.startswith(f"# {number}. "), name
        assert "**Decision.**" in text, name
        assert "**Why" in text, name


def test_a_dead_link_would_be_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One thing\n[a](page.md) [b](other.md) [c](#one-thing) [d](#two) [e](https://x.invalid/)\n")
    assert list(dead_links(page)) == ["other.md", "#two"]


def test_a_missing_path_page_or_name_would_be_seen() -> None:
    assert missing_paths("see docs/spec/none.md, docs/spec/merkle.md and tests/{unit,none}/") == [
        "docs/spec/none.md",
        "tests/{unit,none}/",
    ]
    assert missing_pages("(merkle.md, none.md)") == ["none.md"]
    assert resolves("wattest.merkle.MerkleTree")
    assert not resolves("wattest.merkle.MerkleBush")
    assert not resolves("wattest.markle")
