"""``wattest attest policy``: what is no policy is refused with its place, what is one is explained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wattest.apps.cli import run

GOOD = 'version = 1\n[[enclave]]\nname = "ours"\nmr_enclave = "' + "11" * 32 + '"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(GOOD)
    return path


def test_a_policy_is_checked_and_explained(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["attest", "policy", "check", str(file)]) == 0
    assert capsys.readouterr().out.startswith("a policy; digest ")
    assert run(["attest", "policy", "check", str(file), "--json"]) == 0
    checked = json.loads(capsys.readouterr().out)
    assert checked["accepts_nothing"] is False
    assert run(["attest", "policy", "explain", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "measurement " + "11" * 32 in shown
    assert "not for production" in shown
    assert run(["attest", "policy", "explain", str(file), "--json"]) == 0
    explained = json.loads(capsys.readouterr().out)
    assert explained.keys() == {"digest", "wanted", "conditions", "refused", "warnings"}
    assert (explained["digest"], explained["warnings"]) == (checked["digest"], checked["warnings"])


@pytest.mark.parametrize("verb", ["check", "explain"])
@pytest.mark.parametrize(
    ("text", "location"),
    [
        (GOOD.replace("mr_enclave", "mr_enclve"), "enclave[0].mr_enclve"),
        (GOOD.split("mr_enclave", maxsplit=1)[0], "enclave[0].mr_enclave"),
        (GOOD.replace("11", "1", 1), "enclave[0].mr_enclave"),
        (GOOD + "[[tcb]]\nstatus = 'Revoked'\nadvisories = []\n", "tcb[0].status"),
        ("version = 2\n", "version"),
        ("not TOML", "file"),
    ],
)
def test_what_is_no_policy_is_refused_with_its_place(
    file: Path, capsys: pytest.CaptureFixture[str], verb: str, text: str, location: str
) -> None:
    file.write_text(text)
    assert run(["attest", "policy", verb, str(file), "--json"]) == 3
    caught = capsys.readouterr()
    error = json.loads(caught.err)
    assert caught.out == ""
    assert (error["error"], error["fields"]["location"]) == ("PolicyMalformed", location)


def test_a_policy_that_accepts_nothing_is_warned_about(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("version = 1\n")
    assert run(["attest", "policy", "check", str(file)]) == 0
    assert "warning: this policy accepts nothing" in capsys.readouterr().out


def test_a_file_that_is_missing_or_too_long(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["attest", "policy", "check", str(file.with_name("nowhere"))]) == 3
    file.write_bytes(b"#" * 262_145)
    assert run(["attest", "policy", "check", str(file)]) == 3
    assert "longer than 262144 bytes" in capsys.readouterr().err
