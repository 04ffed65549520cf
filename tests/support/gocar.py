"""go-car beside our own reader of bundles: questions and answers of ``tests/differential/gocar``.

``WATTEST_GOCAR`` names the program that ``tools/gocar.sh`` builds; without it the one built here last is asked, and
where there is none, tests say that they skip. One that is named and does not run is an error.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from waiting import HANG_S

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "tests" / "differential" / "gocar"
BUILT = ROOT / ".make" / "gocar"


@dataclass(frozen=True)
class CarRead:
    """What go-car found: the blocks before the end of the file, or before the error that ended it."""

    version: int
    roots: tuple[str, ...]
    cids: tuple[str, ...]
    blocks: tuple[bytes, ...]
    error: str


def program() -> str:
    """The peer, or a skip that says what to do."""
    named = os.environ.get("WATTEST_GOCAR")
    if named:
        return named
    whole = b"".join(
        path.read_bytes() for path in (SOURCES / "go.mod", SOURCES / "go.sum", *sorted(SOURCES.glob("*.go")))
    )
    stamp = BUILT / "sources"
    if not stamp.is_file() or stamp.read_bytes() != whole:
        pytest.skip("go-car is not built: run tools/gocar.sh, which needs Go, or name the program in WATTEST_GOCAR")
    return str(BUILT / "gocar")


def read(files: Sequence[bytes]) -> list[CarRead]:
    """Each file as go-car reads it."""
    return [
        CarRead(
            answer["version"],
            tuple(answer["roots"] or ()),
            tuple(block["cid"] for block in answer["blocks"] or ()),
            tuple(bytes.fromhex(block["data"]) for block in answer["blocks"] or ()),
            answer["error"],
        )
        for answer in _asked([{"read": data.hex()} for data in files])
    ]


def write(bundles: Sequence[tuple[bytes, Sequence[bytes]]]) -> list[bytes]:
    """The file that go-car writes of each root block and its further blocks."""
    questions = [{"root": root.hex(), "blocks": [block.hex() for block in blocks]} for root, blocks in bundles]
    return [bytes.fromhex(answer["written"]) for answer in _asked(questions)]


def _asked(questions: list[dict[str, object]]) -> list[dict[str, object]]:
    lines = "".join(json.dumps(question) + "\n" for question in questions)
    done = subprocess.run([program()], input=lines, capture_output=True, text=True, check=False, timeout=HANG_S)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(questions)
    return answers
