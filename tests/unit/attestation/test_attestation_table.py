"""The table of docs/spec/appraisal-policy.md: each row is met for SGX v3, TDX v4 and TDX v5, by a case or here."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from evidence_world import AT, DAY, KINDS, NOW, POLICY, REPORT_DATA, Parts, own, stranger

from wattest.attestation.appraisal import Expectation, appraise
from wattest.attestation.appraisal_policy import parse_policy
from wattest.attestation.endorsements import endorse
from wattest.attestation.evidence import parse_evidence
from wattest.attestation.expectation import expect_key
from wattest.attestation.result import AppraisalResult
from wattest.attestation.roots import parse_root
from wattest.enclave.simulator.collateral import CollateralOptions
from wattest.messages.report_data import KeyBinding, report_data

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "spec" / "appraisal-policy.md").read_text("utf-8")
CASES = json.loads((ROOT / "vectors" / "evidence" / "cases.json").read_text())["cases"]
SGX_ALONE = {"provision_key", "einittoken_key", "misc_select"}
TDX_ALONE = {"td_attributes", "tdx_module", "mr_seam", "mr_config_id", "mr_owner", "mr_owner_config"}

BINDING = KeyBinding(31_337, b"\x01" * 20, b"\x02" * 32, b"\x03" * 20, b"\x04" * 32)
KEY = b"\x05" * 20
EXPECTED = expect_key(
    BINDING, KEY, used_nonces=[b"\x14" * 32], stale_nonces=[b"\x24" * 32], chain_ids=[1], referees=[b"\x11" * 20]
)


def judge(parts: Parts, expectation: Expectation | None = None) -> AppraisalResult:
    return appraise(
        parse_evidence(parts.quote()),
        endorse(parts.collateral()),
        parse_policy(parts.policy.encode()),
        [parse_root(parts.root)],
        parts.at,
        expectation=expectation,
    )


def asking(text: str) -> Callable[[Parts], AppraisalResult]:
    return lambda parts: judge(dataclasses.replace(parts, policy=text + "\n" + POLICY))


def endorsed(policy: str = "", **options: Any) -> Callable[[Parts], AppraisalResult]:
    def run(parts: Parts) -> AppraisalResult:
        endorsing = CollateralOptions(tee=parts.endorsing.tee, **options)
        return judge(dataclasses.replace(parts, endorsing=endorsing, policy=POLICY + policy))

    return run


def expecting(**fields: Any) -> Callable[[Parts], AppraisalResult]:
    return lambda parts: judge(parts, Expectation(**fields))


def bound_to(**fields: Any) -> Callable[[Parts], AppraisalResult]:
    """Evidence of one's own key, bound to something else."""

    def run(parts: Parts) -> AppraisalResult:
        bound = report_data(dataclasses.replace(BINDING, **fields), KEY)
        return judge(dataclasses.replace(parts, report=dataclasses.replace(parts.report, report_data=bound)), EXPECTED)

    return run


def used_before(parts: Parts) -> AppraisalResult:
    return judge(parts, Expectation(used_evidence={parse_evidence(parts.quote()).signed_digest}))


OUT_OF_DATE = '[[tcb]]\nstatus = "OutOfDate"\nadvisories = []\nuntil = {}\n'
# What needs a policy or a caller that asks, and so is in no file of cases: (code, change, the same without the fault).
HERE: list[tuple[str, Callable[[Parts], AppraisalResult], Callable[[Parts], AppraisalResult]]] = [
    ("root_refused", asking("production = true"), asking("production = false")),
    ("platform", asking("platforms = []"), asking(f'platforms = ["{own().platform_id.hex()}"]')),
    ("platform", asking(f'platforms = ["{stranger().platform_id.hex()}"]'), judge),
    ("evaluation_number", asking("minimum_tcb_evaluation_number = 21"), asking("minimum_tcb_evaluation_number = 20")),
    ("evaluation_went_back", expecting(seen_evaluation_number=21), expecting(seen_evaluation_number=20)),
    (
        "grace_ended",
        endorsed(OUT_OF_DATE.format("2026-09-22"), tcb_status="OutOfDate"),
        endorsed(OUT_OF_DATE.format("2026-09-23"), tcb_status="OutOfDate"),
    ),
    ("report_data", expecting(report_data=bytes(64)), expecting(report_data=REPORT_DATA)),
    ("nonce_stale", bound_to(nonce=b"\x24" * 32), bound_to()),
    ("nonce_reused", bound_to(nonce=b"\x14" * 32), bound_to()),
    ("nonce_reused", used_before, expecting(used_evidence={bytes(32)})),
    ("other_chain", bound_to(chain_id=1), bound_to()),
    ("other_referee", bound_to(referee=b"\x11" * 20), bound_to()),
    ("registration_expired", expecting(registered_until=AT), expecting(registered_until=AT + 1)),
    (
        "collateral_from_future",
        lambda parts: asking("clock_tolerance_s = 59")(dataclasses.replace(parts, at=NOW - 60)),
        lambda parts: judge(
            dataclasses.replace(parts, at=NOW - 60, policy="clock_tolerance_s = 60\n" + parts.policy)
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("index", range(len(HERE)), ids=lambda index: f"{index}-{HERE[index][0]}")
def test_what_a_policy_or_a_caller_asks(kind: str, index: int) -> None:
    code, faulty, sound = HERE[index]
    assert sound(KINDS[kind]).accepted
    result = faulty(KINDS[kind])
    assert not result.accepted
    assert set(result.codes) == {code}


def rows() -> list[tuple[str, set[str], set[str]]]:
    """The page's table: case, codes, and where each is shown."""
    text = PAGE.split("## Cases and codes")[1]
    found = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \|$", text, re.MULTILINE)[2:]
    return [(case, *(set(re.findall(r"`([^`]+)`", cell)) for cell in (codes, shown))) for case, codes, shown in found]  # type: ignore[misc]


def test_every_code_of_the_table_is_met_for_each_kind_of_evidence() -> None:
    assert len(rows()) >= 12
    met = {(entry["kind"], code) for entry in CASES for code in entry["expected"]["codes"]}
    met |= {(kind, code) for kind in KINDS for code, _, _ in HERE}
    missing = []
    for _, codes, _ in rows():
        for code in codes - {"accepted"}:
            kinds = {"sgx-3"} if code in SGX_ALONE else {"tdx-4", "tdx-5"} if code in TDX_ALONE else set(KINDS)
            missing += [(kind, code) for kind in sorted(kinds) if (kind, code) not in met]
    assert not missing


def test_every_test_that_the_table_names_is_there() -> None:
    for case, _, shown in rows():
        assert shown, case
        for name in shown:
            file, _, function = name.partition("::")
            path = ROOT / file
            assert path.exists(), name
            assert not function or f"def {function}(" in path.read_text("utf-8"), name


def test_the_sound_cases_would_be_seen_to_fail() -> None:
    late = dataclasses.replace(KINDS["sgx-3"], at=AT + 7 * DAY)
    assert judge(late).codes == ["collateral_too_old"] * 3
