"""vectors/dcap: the generator gives this file and an independent check agrees; forge reads it in contracts/test."""

from __future__ import annotations

import copy
import json
import runpy
from pathlib import Path
from typing import Any

import pytest

VECTORS = Path(__file__).parents[2] / "vectors"
FILE: dict[str, Any] = json.loads((VECTORS / "dcap" / "dcap.json").read_text())
CHECK = runpy.run_path(str(VECTORS / "check_dcap.py"))["check"]


def test_the_independent_check_agrees() -> None:
    CHECK(FILE)


def test_the_generator_gives_this_file(tmp_path: Path) -> None:
    script = runpy.run_path(str(VECTORS / "generate_dcap.py"))
    script["main"].__globals__["OUT"] = tmp_path / "dcap" / "dcap.json"
    script["main"]()
    assert json.loads((tmp_path / "dcap" / "dcap.json").read_text()) == FILE


@pytest.mark.parametrize(
    ("part", "name", "field", "value"),
    [
        ("certificates", "PCK", "fmspc", "000000000000"),
        ("certificates", "month 13", "selector", "00000000"),
        ("lists", "PCK revoked", "serials", ""),
        ("issued", "altered", "error", ""),
        ("listed", "stranger's CA", "error", ""),
        ("quotes", "measurement altered", "error", ""),
        ("quotes", "debug", "error", "EnclaveNotInitialised()"),
    ],
)
def test_the_independent_check_can_fail(part: str, name: str, field: str, value: str) -> None:
    changed = copy.deepcopy(FILE)
    next(case for case in changed[part] if case["name"] == name)[field] = value
    with pytest.raises(AssertionError):
        CHECK(changed)
