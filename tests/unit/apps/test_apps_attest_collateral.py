"""``wattest attest collateral``: facts, dates, an early warning, and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wattest.apps.cli import run

NOW, DAY = 1_790_000_000, 86_400
FILE = Path(__file__).resolve().parents[3] / "examples" / "attestation" / "collateral.json"


def test_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["attest", "collateral", "show", str(FILE), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["kind"], shown["fmspc"], shown["pce_id"]) == ("SGX", "575453494d00", "0000")
    assert (shown["tcb_evaluation_number"], shown["qe_evaluation_number"]) == (20, 20)
    assert shown["parts"][0] == {"name": "TCB info", "issued_at": NOW, "expires_at": NOW + 30 * DAY}
    assert shown["signatures_checked"] is False
    assert run(["attest", "collateral", "show", str(FILE)]) == 0
    words = capsys.readouterr().out
    assert "2026-09-21 14:13:20Z to 2026-10-21 14:13:20Z" in words
    assert "signatures checked:     no" in words


@pytest.mark.parametrize(
    ("at", "more", "code", "words"),
    [
        (NOW, (), 0, "usable until 2026-09-28 14:13:20Z"),
        (NOW + 6 * DAY, (), 0, "WARNING"),
        (NOW + 6 * DAY, ("--warn-days", "1"), 0, "usable until"),
        (NOW + 7 * DAY + 1, (), 4, "NOT USABLE"),
        (NOW + 7 * DAY + 1, ("--maximum-age-days", "30"), 0, "usable until 2026-10-21"),
        (NOW + 30 * DAY + 1, ("--maximum-age-days", "60"), 4, "expired"),
        (NOW - 1, (), 4, "from future"),
        (NOW - 60, ("--clock-tolerance", "59"), 4, "NOT USABLE: issued 60 s after this time: set the clock"),
        (NOW - 60, ("--clock-tolerance", "60"), 0, "behind the collateral's issuer"),
    ],
)
def test_age(at: int, more: tuple[str, ...], code: int, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["attest", "collateral", "age", str(FILE), "--at", str(at), *more]
    assert run(command) == code
    assert words in capsys.readouterr().out
    assert run([*command, "--json"]) == code
    shown = json.loads(capsys.readouterr().out)
    assert shown["usable"] is (code == 0)
    assert shown["ending"] is (words == "WARNING")
    assert shown["seconds_left"] == shown["usable_until"] - at


@pytest.mark.parametrize("verb", [["show"], ["age", "--at", "1"]])
@pytest.mark.parametrize(
    "change",
    [
        {"tcb_info": "{}"},
        {"pck_crl": "00"},
        {"qe_identity_issuer_chain": ""},
        {"tcb_info": '{"id":"\\u001b[2J","issueDate":"0001-01-01T00:00:00+23:59","nextUpdate":"9999-01-01T00:00:00Z"}'},
    ],
)
def test_what_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: list[str], change: dict[str, str]
) -> None:
    file = tmp_path / "collateral.json"
    file.write_text(json.dumps(json.loads(FILE.read_text()) | change))
    assert run(["attest", "collateral", *verb, str(file), "--json"]) == 3
    caught = capsys.readouterr()
    assert caught.out == ""
    assert json.loads(caught.err)["error"] == "CollateralMalformed"
    assert run(["attest", "collateral", verb[0], str(tmp_path / "nowhere"), *verb[1:]]) == 3


def test_the_time_must_be_given() -> None:
    assert run(["attest", "collateral", "age", str(FILE)]) == 2


def test_a_name_in_hostile_collateral_does_not_steer_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = json.loads(FILE.read_text())
    hostile["tcb_info"] = json.dumps(json.loads(hostile["tcb_info"]) | {"id": "\x1b[2J"})
    (tmp_path / "collateral.json").write_text(json.dumps(hostile))
    assert run(["attest", "collateral", "show", str(tmp_path / "collateral.json")]) == 0
    assert "\x1b" not in capsys.readouterr().out
