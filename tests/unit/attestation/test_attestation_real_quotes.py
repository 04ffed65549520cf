"""Real quotes, Intel's and tampered ones, judged as their manifest says (WATTEST_TEST_DATA)."""

import json

import pytest

from wattest.apps.cli import run
from wattest.attestation.appraisal import appraise
from wattest.attestation.appraisal_policy import parse_policy
from wattest.attestation.endorsements import parse_endorsements
from wattest.attestation.evidence import parse_evidence
from wattest.attestation.roots import RootKind, intel_root

DAY = 86_400


@pytest.fixture
def quotes(real_data):
    return real_data / "quotes"


def cases(quotes):
    return json.loads((quotes / "manifest.json").read_text())


def command(quotes, case, *more):
    name = case["name"]
    return [
        "attest",
        "verify",
        str(quotes / f"{name}.quote.bin"),
        "--collateral",
        str(quotes / f"{name}.collateral.json"),
        "--at",
        str(case["verify_at"]),
        "--json",
        *more,
    ]


def test_every_case_is_judged_as_its_manifest_says(quotes, capsys):
    listed = cases(quotes)
    assert listed
    for case in listed:
        code = run(command(quotes, case))
        result = json.loads(capsys.readouterr().out)
        expected, name = case["expected"], case["name"]
        assert result["genuine"] == expected["accept"], name
        assert result["tcb_status"] == expected.get("tcb_status"), name
        assert result["advisories"] == expected.get("advisories", []), name
        assert (code, result["accepted"]) == (4, False), name
        assert result["reasons"], name
        for field in ("mr_enclave", "mr_signer", "mr_td", "report_data"):
            assert result["measurement"][field] == case[field], (name, field)
        assert ("trailing" in " ".join(result["warnings"])) == (case["quote_len"] > 0 and _has_tail(quotes, name))


def _has_tail(quotes, name):
    data = (quotes / f"{name}.quote.bin").read_bytes()
    return parse_evidence(data).quote.trailing_bytes > 0


def test_a_policy_that_names_what_it_allows_accepts(quotes, capsys, tmp_path):
    for case in cases(quotes):
        if not case["expected"]["accept"]:
            continue
        status, advisories = case["expected"]["tcb_status"], case["expected"]["advisories"]
        text = "version = 1\nproduction = true\nmaximum_collateral_age_days = 16\nminimum_tcb_evaluation_number = 17\n"
        if case["mr_td"]:
            text += f'[[trust_domain]]\nname = "{case["name"]}"\nmr_td = "{case["mr_td"]}"\n'
        else:
            text += f'[[enclave]]\nname = "{case["name"]}"\nmr_enclave = "{case["mr_enclave"]}"\n'
        if status != "UpToDate":
            text += f'[[tcb]]\nstatus = "{status}"\nadvisories = {json.dumps(advisories)}\nuntil = 2030-01-01\n'
        policy = tmp_path / "policy.toml"
        policy.write_text(text)
        assert run(command(quotes, case, "--policy", str(policy))) == 0, case["name"]
        result = json.loads(capsys.readouterr().out)
        assert (result["accepted"], result["reference"], result["root"]) == (True, case["name"], RootKind.INTEL)
        # One advisory less, and it is refused.
        if advisories:
            policy.write_text(text.replace(json.dumps(advisories), json.dumps(advisories[1:])))
            assert run(command(quotes, case, "--policy", str(policy))) == 4
            assert json.loads(capsys.readouterr().out)["codes"] == ["advisories"]


def test_a_trust_domain_of_another_measurement_or_register_is_refused(quotes):
    case = next(case for case in cases(quotes) if case["type"] == "TDX")
    evidence = parse_evidence((quotes / f"{case['name']}.quote.bin").read_bytes())
    endorsements = parse_endorsements((quotes / f"{case['name']}.collateral.json").read_bytes())

    def judge(td, register):
        text = f'version = 1\nmaximum_collateral_age_days = 16\n[[trust_domain]]\nname = "t"\nmr_td = "{td}"\n'
        policy = parse_policy((text + f'rt_mr0 = "{register}"\n').encode())
        return appraise(evidence, endorsements, policy, (intel_root(),), case["verify_at"])

    register = evidence.report.rt_mr[0].hex()
    assert judge(case["mr_td"], register).accepted
    assert judge("00" * 48, register).codes == ["unknown_measurement"]
    assert judge(case["mr_td"], "00" * 48).codes == ["unknown_measurement"]
    assert judge(case["mr_td"], register).measurement_id != bytes(32)


def test_collateral_of_another_case_is_refused(quotes):
    listed = [case for case in cases(quotes) if case["expected"]["accept"]]
    for one in listed:
        for other in listed:
            if one["fmspc"].lower() == other["fmspc"].lower():
                continue
            evidence = parse_evidence((quotes / f"{one['name']}.quote.bin").read_bytes())
            endorsements = parse_endorsements((quotes / f"{other['name']}.collateral.json").read_bytes())
            policy = parse_policy(b"version = 1\n")
            result = appraise(evidence, endorsements, policy, (intel_root(),), other["verify_at"])
            assert not result.genuine
            assert result.codes[0] in {"fmspc_mismatch", "wrong_revocation_list", "collateral_of_other_kind"}
