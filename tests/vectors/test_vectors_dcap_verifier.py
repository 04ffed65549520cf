"""vectors/dcap/verifier.json: the generator gives this file and an independent check agrees; forge reads it, too."""

from __future__ import annotations

import copy
import json
import runpy
from pathlib import Path
from typing import Any

import pytest

VECTORS = Path(__file__).parents[2] / "vectors"
FILE: dict[str, Any] = json.loads((VECTORS / "dcap" / "verifier.json").read_text())
CHECK = runpy.run_path(str(VECTORS / "check_dcap_verifier.py"))["check"]


def test_the_independent_check_agrees() -> None:
    CHECK(FILE)


def test_the_generator_gives_this_file(tmp_path: Path) -> None:
    script = runpy.run_path(str(VECTORS / "generate_dcap_verifier.py"))
    script["main"].__globals__["OUT"] = tmp_path / "verifier.json"
    script["main"]()
    assert json.loads((tmp_path / "verifier.json").read_text()) == FILE


@pytest.mark.parametrize("name", sorted(FILE["evidence"]))
def test_the_check_sees_a_changed_byte_of_evidence(name: str) -> None:
    changed = copy.deepcopy(FILE)
    text = changed["evidence"][name]
    middle = len(text) // 4 * 2  # inside what is compared, also of the whole quote
    changed["evidence"][name] = text[:middle] + f"{int(text[middle], 16) ^ 1:x}" + text[middle + 1 :]
    with pytest.raises((AssertionError, ValueError)):
        CHECK(changed)


@pytest.mark.parametrize(("field", "value"), [("part", "digest"), ("hash", "00" * 32), ("part", "platforms")])
def test_the_check_sees_another_verdict_on_a_policy(field: str, value: str) -> None:
    changed = copy.deepcopy(FILE)
    changed["policies"][0][field] = value
    with pytest.raises(AssertionError):
        CHECK(changed)
