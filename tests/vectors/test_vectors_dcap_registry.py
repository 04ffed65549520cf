"""vectors/dcap/registry.json: the generator gives this file, an independent registry agrees; forge plays it, too."""

from __future__ import annotations

import copy
import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "vectors"
FILE: dict[str, Any] = json.loads((VECTORS / "dcap" / "registry.json").read_text())
CHECK = runpy.run_path(str(VECTORS / "check_dcap_registry.py"))["check"]
CONTRACT = ROOT / "contracts" / "src" / "CollateralRegistry.sol"


def test_the_independent_check_agrees() -> None:
    CHECK(FILE)


def test_the_generator_gives_this_file(tmp_path: Path) -> None:
    script = runpy.run_path(str(VECTORS / "generate_dcap_registry.py"))
    script["main"].__globals__["OUT"] = tmp_path / "dcap" / "registry.json"
    script["main"]()
    assert json.loads((tmp_path / "dcap" / "registry.json").read_text()) == FILE


@pytest.mark.parametrize("place", range(len(FILE["names"])), ids=FILE["names"])
def test_the_independent_check_can_fail(place: int) -> None:
    changed = copy.deepcopy(FILE)
    steps = changed["scenarios"][place]
    steps["errors"][-1] = "" if steps["errors"][-1] else "Another"
    with pytest.raises(AssertionError):
        CHECK(changed)


def test_a_changed_answer_is_seen() -> None:
    for place, steps in enumerate(FILE["scenarios"]):
        for step, is_whole in enumerate(steps["whole"]):
            if not is_whole or len(steps["answers"][step]) <= 10:
                continue
            changed = copy.deepcopy(FILE)
            answers = changed["scenarios"][place]["answers"]
            answers[step] = answers[step][:-1] + ("1" if answers[step][-1] == "0" else "0")
            with pytest.raises(AssertionError):
                CHECK(changed)
            break


def test_nothing_is_set_without_a_signature() -> None:
    """No owner, no setter: what changes state is the six submissions, and each checks a signature."""
    found = re.findall(r"function (\w+)\([^)]*\)\s+(?:external|public)([^{]*)", CONTRACT.read_text())
    changing = {name for name, modifiers in found if "view" not in modifiers and "pure" not in modifiers}
    assert changing == {
        "submitRoot", "submitAuthority", "submitSigner", "submitRevocationList", "submitTcbInfo", "submitQeIdentity",
    }  # fmt: skip
    assert "onlyOwner" not in CONTRACT.read_text()
