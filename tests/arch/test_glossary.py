"""Every word of the glossary has one meaning and a file to begin with; most are found by the file's name alone."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "wattest"
ROW = re.compile(r"^\| \*\*([^*]+)\*\*[^|]*\| (.+) \| `([^`]+)` \|$", re.MULTILINE)


def rows() -> list[tuple[str, str, str]]:
    """Word, meaning, file."""
    return ROW.findall((ROOT / "docs" / "glossary.md").read_text("utf-8"))


def stems() -> set[str]:
    """The names of the package's files and folders."""
    return {path.stem for path in PACKAGE.rglob("*") if path.suffix == ".py" or path.is_dir()}


def test_a_word_has_one_meaning() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text("utf-8")
    assert len(rows()) == text.count("\n| **"), "a row has another form"
    assert len(rows()) > 50
    assert not [word for word, count in Counter(word for word, _, _ in rows()).items() if count > 1]


def test_words_stand_in_order() -> None:
    words = [word.lower() for word, _, _ in rows()]
    assert words == sorted(words)


def test_a_word_s_file_is_there() -> None:
    assert not [file for _, _, file in rows() if not (PACKAGE / file).exists()]


def test_most_words_are_found_by_a_file_s_name() -> None:
    names = stems()
    found = [word for word, _, _ in rows() if re.sub(r"\W+", "_", word.lower()) in names]
    assert len(found) >= len(rows()) // 2
