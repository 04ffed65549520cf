"""vectors/attestation: appraisal gives what the file says, so does the generator, and an independent check agrees."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from wattest.attestation.appraisal import Expectation, appraise
from wattest.attestation.appraisal_policy import parse_policy
from wattest.attestation.endorsements import parse_endorsements
from wattest.attestation.evidence import parse_evidence
from wattest.attestation.roots import parse_root

VECTORS = Path(__file__).parents[2] / "vectors"
FILE: dict[str, Any] = json.loads((VECTORS / "attestation" / "appraisal.json").read_text())


def label(case: dict[str, Any]) -> str:
    return " / ".join(
        str(case[part]) for part in ("quote", "collateral", "policy", "root", "at", "expected_report_data")
    )


@pytest.mark.parametrize("case", FILE["cases"], ids=label)
def test_appraisal(case: dict[str, Any]) -> None:
    expected = case["expected_report_data"]
    result = appraise(
        parse_evidence(bytes.fromhex(FILE["quotes"][case["quote"]])),
        parse_endorsements(json.dumps(FILE["collaterals"][case["collateral"]]).encode()),
        parse_policy(FILE["policies"][case["policy"]].encode()),
        (parse_root(bytes.fromhex(FILE["roots"][case["root"]])),),
        case["at"],
        expectation=Expectation(report_data=bytes.fromhex(expected) if expected else None),
    ).as_dict()
    assert {name: result[name] for name in case["result"]} == case["result"]


def test_both_verdicts_are_there() -> None:
    verdicts = [(case["result"]["genuine"], case["result"]["accepted"]) for case in FILE["cases"]]
    assert all(verdicts.count(each) >= 5 for each in ((True, True), (True, False), (False, False)))


def test_the_independent_check_agrees() -> None:
    runpy.run_path(str(VECTORS / "check_attestation.py"), run_name="__main__")


def test_the_generator_gives_this_file(tmp_path: Path) -> None:
    script = runpy.run_path(str(VECTORS / "generate_attestation.py"))
    script["main"].__globals__["OUT"] = tmp_path / "attestation" / "appraisal.json"
    script["main"]()
    assert json.loads((tmp_path / "attestation" / "appraisal.json").read_text()) == FILE


def test_the_independent_check_can_fail() -> None:
    script = runpy.run_path(str(VECTORS / "check_attestation.py"))
    changed = json.loads(json.dumps(FILE))
    changed["cases"][0]["result"]["accepted"] = False
    with pytest.raises(AssertionError):
        script["judge"](changed["cases"][0], changed)
