"""Intel's Quote Verification Library as a second opinion on every evidence case and every real quote.

Where it says otherwise than dcap-qvl, docs/second-opinion.md lists the case and explains it: the list there and what
is found here must be the same, so a new disagreement fails. ``make second-opinion`` sets the library up and runs this;
where ``WATTEST_INTEL_QVL`` names no interpreter these tests say that they skip.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from evidence_world import KINDS, Parts
from generate_evidence import Case, cases
from intel_qvl import IntelLibrary, Opinion

from wattest.attestation.appraisal import appraise
from wattest.attestation.appraisal_policy import default_policy, parse_policy
from wattest.attestation.endorsements import endorse, parse_endorsements
from wattest.attestation.evidence import parse_evidence
from wattest.attestation.formats.collateral import Collateral
from wattest.attestation.roots import intel_root, parse_root
from wattest.errors import InputError

PAGE = Path(__file__).parents[2] / "docs" / "second-opinion.md"
ROW = re.compile(r"^\| (?P<kind>sgx-3|tdx-4|real) \| (?P<name>[^|]+) \| (?P<here>[^|]+) \| (?P<theirs>[^|]+) \|$", re.M)
Found = dict[tuple[str, str], tuple[str, str]]


@pytest.fixture(scope="module")
def library() -> Iterator[IntelLibrary]:
    named = os.environ.get("WATTEST_INTEL_QVL")
    if not named:
        pytest.skip("WATTEST_INTEL_QVL is not set: run make second-opinion (x86-64, CPython 3.11)")
    with IntelLibrary(named) as asked:
        yield asked


def kinds() -> dict[str, Parts]:
    """What this release of the library knows: it is older than version 5 and than TDX modules with levels of their own.

    A module of major version 0 is what it can compare, so that is what the trust domain runs on here.
    """
    domain = KINDS["tdx-4"]
    report = dataclasses.replace(domain.report, tee_tcb_svn=bytes([5, 0, 2]) + bytes(13))
    return {"sgx-3": KINDS["sgx-3"], "tdx-4": dataclasses.replace(domain, report=report)}


def listed(text: str) -> Found:
    """The page's rows."""
    return {
        (row["kind"], row["name"].strip()): (row["here"].strip(), row["theirs"].strip()) for row in ROW.finditer(text)
    }


def here(case: Case) -> tuple[bool, str]:
    """Whether the case is genuine here, and what of it is worth telling."""
    try:
        evidence = parse_evidence(case.parts.quote())
    except InputError as error:
        return False, error.code
    policy, root = parse_policy(case.parts.policy.encode()), parse_root(case.parts.root)
    result = appraise(evidence, endorse(case.parts.collateral()), policy, (root,), case.parts.at)
    return result.genuine, f"{'genuine' if result.genuine else 'forged'}: {result.codes[0]}"


def difference(genuine: bool, shown: str, opinion: Opinion) -> tuple[str, str] | None:
    """What the page must say, when the two disagree."""
    return None if opinion.is_genuine == genuine else (shown, opinion.first_fault)


def test_every_disagreement_is_listed_and_explained(library: IntelLibrary) -> None:
    found: Found = {}
    asked = agreed_good = agreed_bad = 0
    for case in cases(kinds()):
        if case.expected.malformed == "CollateralMalformed":
            continue  # text that is not ASCII is refused before any library sees it
        genuine, shown = here(case)
        opinion = library.judge(case.parts.quote(), case.parts.collateral(), case.parts.root, case.parts.at)
        asked += 1
        if other := difference(genuine, shown, opinion):
            found[case.kind, case.name] = other
        else:
            agreed_good, agreed_bad = agreed_good + opinion.is_genuine, agreed_bad + (not opinion.is_genuine)
    on_page = {key: row for key, row in listed(PAGE.read_text()).items() if key[0] != "real"}
    assert found == on_page, sorted(found.items() ^ on_page.items())
    assert asked > 550
    assert agreed_good > 40
    assert agreed_bad > 300


def test_statuses_agree_on_every_level(library: IntelLibrary) -> None:
    """The status of the whole, not only whether it is genuine: the worse of platform and quoting enclave."""
    compared, differ = 0, set()
    for case in cases(kinds()):
        if case.group != "statuses" or not case.expected.genuine:
            continue
        opinion = library.judge(case.parts.quote(), case.parts.collateral(), case.parts.root, case.parts.at)
        if not opinion.is_genuine:
            continue
        evidence, root = parse_evidence(case.parts.quote()), parse_root(case.parts.root)
        result = appraise(evidence, endorse(case.parts.collateral()), default_policy(), (root,), case.parts.at)
        compared += 1
        if NAMES[opinion.quote] != result.tcb_status:
            differ.add((case.name, result.tcb_status, NAMES[opinion.quote]))
            assert "tcb_status" in result.codes  # the quoting enclave's own status is judged here, whatever the whole's
    assert compared >= 25
    assert differ == STATUS_DIFFERS


# As docs/second-opinion.md says, under "Levels".
STATUS_DIFFERS = {
    ("QE ConfigurationNeeded", "UpToDate", "OutOfDate"),
    ("QE OutOfDateConfigurationNeeded", "UpToDate", "OutOfDate"),
}
NAMES = {
    "STATUS_OK": "UpToDate",
    "STATUS_TCB_SW_HARDENING_NEEDED": "SWHardeningNeeded",
    "STATUS_TCB_CONFIGURATION_NEEDED": "ConfigurationNeeded",
    "STATUS_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED": "ConfigurationAndSWHardeningNeeded",
    "STATUS_TCB_OUT_OF_DATE": "OutOfDate",
    "STATUS_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED": "OutOfDateConfigurationNeeded",
}


def test_real_quotes(library: IntelLibrary, real_data: Path) -> None:
    found: Found = {}
    for sample in json.loads((real_data / "quotes" / "manifest.json").read_text()):
        name, at = sample["name"], sample["verify_at"]
        quote = (real_data / "quotes" / f"{name}.quote.bin").read_bytes()
        endorsements = parse_endorsements((real_data / "quotes" / f"{name}.collateral.json").read_bytes())
        result = appraise(parse_evidence(quote), endorsements, default_policy(), (intel_root(),), at)
        opinion = library.judge(quote, endorsements.collateral, intel_root().certificate, at)
        shown = f"{'genuine' if result.genuine else 'forged'}: {result.tcb_status or result.codes[0]}"
        if other := difference(result.genuine, shown, opinion):
            found["real", name] = other
        elif result.genuine:
            assert NAMES[opinion.quote] == result.tcb_status
    assert found == {key: row for key, row in listed(PAGE.read_text()).items() if key[0] == "real"}


def test_a_new_disagreement_would_be_seen(library: IntelLibrary) -> None:
    parts = KINDS["sgx-3"]
    collateral: Collateral = parts.collateral()
    opinion = library.judge(parts.quote(), collateral, parts.root, parts.at)
    assert opinion.is_genuine
    assert difference(False, "forged: x", opinion) == ("forged: x", "STATUS_OK")
    altered = dataclasses.replace(collateral, tcb_info_signature=bytes(64))
    opinion = library.judge(parts.quote(), altered, parts.root, parts.at)
    assert opinion.first_fault == "STATUS_TCB_INFO_INVALID_SIGNATURE"
    assert difference(True, "genuine: accepted", opinion) is not None


def test_each_row_is_read() -> None:
    text = PAGE.read_text()
    rows = [line for line in text.splitlines() if re.match(r"\| (sgx-3|tdx-4|real) ", line)]
    assert len(listed(text)) == len(rows) >= 60
