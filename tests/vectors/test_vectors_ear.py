"""vectors/ear: claims, tokens and refusals are as the file says, the generator makes it, and a check agrees."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from wattest.attestation.ear import encode_ear, parse_ear
from wattest.attestation.ear_token import open_ear
from wattest.errors import WattestError

VECTORS = Path(__file__).parents[2] / "vectors"
FILE: dict[str, Any] = json.loads((VECTORS / "ear" / "ear.json").read_text())
KEY = bytes.fromhex(FILE["public_key"])


@pytest.mark.parametrize("case", FILE["cases"], ids=lambda case: case["name"])
def test_a_token_opens_and_says_what_its_result_says(case: dict[str, Any]) -> None:
    ear = open_ear(case["token"].encode(), KEY)
    assert ear.claims == case["claims"]
    assert parse_ear(encode_ear(case["claims"])) == ear
    if ear.accepted is not None:
        assert (ear.accepted, list(ear.codes)) == (case["result"]["accepted"], case["result"]["codes"])
    assert ear.expires_at == case["claims"].get("exp")


@pytest.mark.parametrize("case", FILE["refused"], ids=lambda case: case["name"])
def test_a_token_that_differs_in_one_thing_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(WattestError) as caught:
        open_ear(case["token"].encode(), KEY)
    assert caught.value.code == case["error"]


def test_every_status_but_none_is_there() -> None:
    entries = [next(iter(case["claims"]["submods"].values())) for case in FILE["cases"]]
    assert {entry["ear_status"] for entry in entries} == {"affirming", "warning", "contraindicated"}


def test_the_generator_gives_this_file(tmp_path: Path) -> None:
    script = runpy.run_path(str(VECTORS / "generate_ear.py"))
    script["main"].__globals__["OUT"] = tmp_path / "ear" / "ear.json"
    script["main"]()
    assert json.loads((tmp_path / "ear" / "ear.json").read_text()) == FILE


def test_the_independent_check_agrees_and_can_fail() -> None:
    script = runpy.run_path(str(VECTORS / "check_ear.py"))
    script["main"]()
    case = json.loads(json.dumps(FILE["cases"][0]))
    script["judge"](case, KEY)
    case["result"]["root"] = "other"
    with pytest.raises(AssertionError):
        script["judge"](case, KEY)
