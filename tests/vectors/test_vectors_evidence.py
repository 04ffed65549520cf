"""vectors/evidence: each case comes to what is written beside it, differs in one thing, and is made the same again."""

from __future__ import annotations

import dataclasses
import json
import runpy
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from evidence_world import KINDS
from generate_evidence import OUT, Case, cases, collateral_json, described

from wattest.attestation.appraisal import appraise
from wattest.attestation.appraisal_policy import parse_policy
from wattest.attestation.ear import build_ear, encode_ear, parse_ear
from wattest.attestation.endorsements import parse_endorsements
from wattest.attestation.evidence import parse_evidence
from wattest.attestation.roots import intel_root, parse_root
from wattest.errors import InputError

CASES = list(cases())
FILE: dict[str, Any] = json.loads(OUT.read_text())
# A question about the policy needs a policy that asks it, one about a lower level needs that level.
TWO_FIELDS = {"endorsing", "policy"}, {"edit_collateral", "policy"}, {"endorsing", "report"}

OF_FIELDS = {"collateral_malformed", "unknown_tcb_status"}


def judged(case: Case) -> dict[str, object]:
    """What appraisal makes of the case's files, in the form of the file's ``expected``."""
    try:
        evidence = parse_evidence(case.parts.quote())
        endorsements = parse_endorsements(collateral_json(case))
    except InputError as error:
        return {"genuine": False, "accepted": False, "tcb_status": None, "codes": [], "error": error.code}
    policy, root = parse_policy(case.parts.policy.encode()), parse_root(case.parts.root)
    result = appraise(evidence, endorsements, policy, (root,), case.parts.at)
    ear = parse_ear(encode_ear(build_ear(result, developer="wattest", build="test")))
    assert (ear.accepted, list(ear.codes)) == (result.accepted, result.codes)
    assert not appraise(evidence, endorsements, policy, (intel_root(),), case.parts.at).genuine
    shown = result.as_dict()
    found = {name: shown[name] for name in ("genuine", "accepted", "tcb_status", "codes")}
    named = case.expected.field
    if named is not None and any(named in each.text for each in result.findings if each.code in OF_FIELDS):
        found["field"] = named
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_each_case_comes_to_what_is_written(kind: str) -> None:
    listed = {entry["folder"]: entry["expected"] for entry in FILE["cases"]}
    found = {case.slug: judged(case) for case in CASES if case.kind == kind}
    wrong = {name: (got, listed[name]) for name, got in found.items() if got != listed[name]}
    assert not wrong, wrong
    assert len(found) > 200


def test_the_generator_gives_this_file() -> None:
    made = [described(case, case.parts.quote(), collateral_json(case)) for case in CASES]
    assert json.loads(json.dumps(made)) == FILE["cases"]


def test_a_case_differs_from_the_accepted_one_in_one_thing() -> None:
    for case in CASES:
        plain = KINDS[case.kind]
        changed = {
            field.name
            for field in dataclasses.fields(plain)
            if getattr(case.parts, field.name) != getattr(plain, field.name)
        }
        assert len(changed) == (case.name != "accepted") or changed in TWO_FIELDS, (case.slug, changed)


def test_names_are_unique_and_both_verdicts_are_there() -> None:
    assert max(Counter(case.slug for case in CASES).values()) == 1
    verdicts = Counter((case.kind, case.expected.genuine, case.expected.accepted) for case in CASES)
    for kind in KINDS:
        assert verdicts[kind, True, True] >= 10
        assert verdicts[kind, True, False] >= 20
        assert verdicts[kind, False, False] >= 100


def test_every_fault_of_genuineness_is_there() -> None:
    codes = {code for case in CASES for code in case.expected.codes}
    assert {
        *("report_signature", "attestation_key", "qe_report_signature", "qe_identity_mismatch", "qe_attributes"),
        *("qe_below_minimum", "unknown_qe_vendor", "tcb_info_signature", "qe_identity_signature", "signature_length"),
        *("certificate_chain", "certificate_malformed", "certificate_revoked", "certificate_expired", "other_root"),
        *("certificate_not_yet_valid", "no_pck_certificate", "wrong_revocation_list", "collateral_expired"),
        *("collateral_from_future", "collateral_too_old", "collateral_malformed", "collateral_of_other_kind"),
        *("fmspc_mismatch", "pce_id", "tcb_revoked", "no_tcb_level", "unknown_tcb_status", "tdx_module"),
        *("tcb_status", "advisories", "debug", "provision_key", "einittoken_key", "attributes", "xfrm", "misc_select"),
        *("td_attributes", "unknown_measurement", "evaluation_number", "slack_bytes", "certification_type"),
        *("collateral_signer", "qe_report_data"),
    } <= codes
    assert "not_genuine" not in codes  # each fault has a name


def test_files_are_what_the_list_says(tmp_path: Path) -> None:
    script = runpy.run_path(str(OUT.parents[1] / "generate_evidence.py"))
    script["main"](tmp_path / "list" / "cases.json", tmp_path / "files")
    assert json.loads((tmp_path / "list" / "cases.json").read_text()) == FILE
    assert {path.name for path in (tmp_path / "files").iterdir()} == {entry["folder"] for entry in FILE["cases"]}
    one = tmp_path / "files" / "tdx-5-accepted"
    result = appraise(
        parse_evidence((one / "quote.bin").read_bytes()),
        parse_endorsements((one / "collateral.json").read_bytes()),
        parse_policy((one / "policy.toml").read_bytes()),
        (parse_root((one / "root.der").read_bytes()),),
        json.loads((one / "expected.json").read_text())["at"],
    )
    assert result.accepted
    # The second reading, without wattest and dcap-qvl, finds the same; and would find another.
    check = runpy.run_path(str(OUT.parents[1] / "check_evidence.py"))
    check["main"](tmp_path / "files")
    (one / "quote.bin").write_bytes((tmp_path / "files" / "tdx-5-report-altered" / "quote.bin").read_bytes())
    assert len(list(check["disagreements"](tmp_path / "files"))) == 1
