"""vectors/dcap/collateral.json: the generator gives this file and an independent check agrees; forge reads it, too."""

from __future__ import annotations

import copy
import json
import runpy
from pathlib import Path
from typing import Any

import pytest

VECTORS = Path(__file__).parents[2] / "vectors"
FILE: dict[str, Any] = json.loads((VECTORS / "dcap" / "collateral.json").read_text())
CHECK = runpy.run_path(str(VECTORS / "check_dcap_collateral.py"))["check"]


def test_the_independent_check_agrees() -> None:
    CHECK(FILE)


def test_the_generator_gives_this_file(tmp_path: Path) -> None:
    script = runpy.run_path(str(VECTORS / "generate_dcap_collateral.py"))
    script["main"].__globals__["OUT"] = tmp_path / "dcap" / "collateral.json"
    script["main"]()
    assert json.loads((tmp_path / "dcap" / "collateral.json").read_text()) == FILE


@pytest.mark.parametrize("part", ["identities", "infos"])
def test_the_independent_check_can_fail(part: str) -> None:
    for place in range(len(FILE[part])):
        changed = copy.deepcopy(FILE)
        changed[part][place]["error"] = "Another()" if not FILE[part][place]["error"] else ""
        with pytest.raises(AssertionError):
            CHECK(changed)
