from __future__ import annotations

import json
from pathlib import Path

import pytest

from wattest.apps.actions.public_keys_file import KeysFileInvalid, read_public_keys
from wattest.apps.cli import run
from wattest.apps.demo.charging import charging_sessions

FIELDS = {"file", "format", "signature", "crc", "billable", "objections", "reasons", "readings"}
SESSIONS = charging_sessions(3, 1_780_272_000, 1_780_272_000 + 2 * 86_400)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for session in SESSIONS:
        (tmp_path / session.file_name).write_bytes(session.telegram)
    tampered = SESSIONS[0].telegram.replace(b'"TX":"B"', b'"TX":"C"')
    assert tampered != SESSIONS[0].telegram
    (tmp_path / "tampered.ocmf").write_bytes(tampered)
    (tmp_path / "unknown.bin").write_bytes(b"\x00\x01\x02")
    samples = [{"file": session.file_name, "public_key": session.public_key} for session in SESSIONS]
    samples.append({"file": "tampered.ocmf", "public_key": SESSIONS[0].public_key})
    (tmp_path / "keys.json").write_text(json.dumps({"samples": samples}))
    return tmp_path


def imported(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, list[dict[str, object]]]:
    code = run(["meter", "import", *(str(argument) for argument in arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_keys_per_file_and_the_exact_form(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [folder / session.file_name for session in SESSIONS]
    code, shown = imported(capsys, *files, "--keys", folder / "keys.json")
    assert code == 0
    assert [item["file"] for item in shown] == [str(file) for file in files]
    for item in shown:
        assert set(item) == FIELDS
        assert (item["format"], item["signature"], item["crc"], item["billable"]) == ("ocmf", "valid", "none", True)
        readings = item["readings"]
        assert isinstance(readings, list)
        assert all(set(reading) == {"obis", "value_milliwatt_hours", "time", "status"} for reading in readings)


def test_every_file_is_reported_and_the_highest_code_wins(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, keys = folder / SESSIONS[0].file_name, folder / "keys.json"
    code, shown = imported(capsys, good, folder / "missing", folder / "unknown.bin", folder, "--keys", keys)
    assert (code, [item["format"] for item in shown]) == (3, ["ocmf", "unknown", "unknown", "unknown"])
    assert all(item["reasons"] for item in shown)
    code, shown = imported(capsys, folder / "missing", folder / "tampered.ocmf", good, "--keys", keys)
    assert (code, [item["signature"] for item in shown]) == (4, ["absent", "invalid", "valid"])


def test_one_key_for_all_wrong_key_no_key_and_no_key_at_all(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / SESSIONS[0].file_name
    assert imported(capsys, file, "--public-key", SESSIONS[0].public_key)[1][0]["signature"] == "valid"
    (folder / "key.hex").write_text(SESSIONS[0].public_key + "\n")
    assert imported(capsys, file, "--public-key", f"@{folder / 'key.hex'}")[1][0]["signature"] == "valid"
    code, shown = imported(capsys, file, "--public-key", SESSIONS[1].public_key)
    assert (code, shown[0]["signature"], shown[0]["billable"]) == (4, "invalid", False)
    code, shown = imported(capsys, file)
    assert (code, shown[0]["signature"], shown[0]["billable"]) == (0, "unchecked", False)
    code, shown = imported(capsys, file, "--public-key", "not a key")
    assert (code, shown[0]["signature"]) == (3, "unchecked")


def test_a_key_belongs_to_its_path_where_names_repeat(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "b").mkdir()
    name = SESSIONS[0].file_name
    (folder / "b" / name).write_bytes(SESSIONS[1].telegram)
    keys = folder / "two.json"
    samples = [
        {"file": f"{folder}/{name}", "public_key": SESSIONS[0].public_key},
        {"file": f"{folder}/b/{name}", "public_key": SESSIONS[1].public_key},
    ]
    keys.write_text(json.dumps({"samples": samples}))
    code, shown = imported(capsys, folder / name, folder / "b" / name, "--keys", keys)
    assert (code, {str(item["signature"]) for item in shown}) == (0, {"valid"})


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"samples": 1}', '{"samples": [1]}', "[" * 100_000])
def test_a_broken_keys_file_is_an_input_error(folder: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "keys.json").write_text(text)
    assert run(["meter", "import", str(folder / "unknown.bin"), "--keys", str(folder / "keys.json"), "--json"]) == 3
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"sample": []}', "samples: missing: a list of at most 100000 belongs here (is 'sample' meant?)"),
        ('{"samples": [{"public_key": "00"}]}', "samples[0].file: missing: text belongs here"),
        ('{"samples": [{"file": "a", "public_key": 7}]}', "samples[0].public_key: text belongs here, not 7"),
        ('{"samples": [], "samples": []}', 'not JSON: the key "samples" appears twice'),
    ],
)
def test_a_broken_keys_file_says_where(folder: Path, text: str, message: str) -> None:
    (folder / "keys.json").write_text(text)
    with pytest.raises(KeysFileInvalid) as caught:
        read_public_keys(folder / "keys.json")
    assert message in caught.value.message
    (folder / "keys.json").write_text('{"samples": [{"file": "a", "public_key": "00"}, {"file": "b"}], "note": 1}')
    assert read_public_keys(folder / "keys.json") == {"a": "00"}


def test_usage_errors(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(folder / "unknown.bin")
    assert run(["meter", "import"]) == 2
    assert run(["meter", "import", file, "--public-key", "00", "--keys", file]) == 2
    assert run(["meter", "import", file, "--timezone", "Nowhere/Land"]) == 2
    capsys.readouterr()


def test_people_see_a_table_and_no_control_characters(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    payload = SESSIONS[0].telegram.replace(b"1-b:1.8.0", b"\\u001b[31m")
    (folder / "escape.ocmf").write_bytes(payload)
    assert run(["meter", "import", str(folder / "escape.ocmf"), str(folder / SESSIONS[0].file_name)]) == 0
    out = capsys.readouterr().out
    assert "\x1b[31m" not in out
    assert "kWh" in out
    assert "unchecked" in out


def test_odd_text_in_a_file_or_its_name_still_prints(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "odd-\udcff.ocmf"
    file.write_bytes(SESSIONS[0].telegram.replace(b"1-b:1.8.0", b"\\ud800"))
    code, shown = imported(capsys, file)
    assert (code, shown[0]["signature"]) == (0, "unchecked")
    assert run(["meter", "import", str(file)]) == 0
    capsys.readouterr()


def test_csv_options_reach_the_reader(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "load.csv"
    file.write_text("Zeit;Bezug\n01.06.2026 02:00;1,5\n")
    options = (
        "--columns",
        "start=Zeit,import=Bezug",
        "--unit",
        "Wh",
        "--decimal-comma",
        "--time-format",
        "%d.%m.%Y %H:%M",
    )
    code, shown = imported(capsys, file, *options, "--timezone", "Europe/Berlin")
    readings = shown[0]["readings"]
    assert isinstance(readings, list)
    assert (code, readings[0]["value_milliwatt_hours"], readings[0]["time"]) == (0, "1500", "2026-06-01T00:00:00+00:00")
    code, shown = imported(capsys, file, *options)
    assert code == 3
    assert "time zone" in str(shown[0]["reasons"])


def test_real_folders_as_the_acceptance_runs_them(real_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = real_data / "ocmf/manifest.json"
    expected = {sample["file"]: sample["expected"] for sample in json.loads(manifest.read_text())["samples"]}
    code, shown = imported(capsys, *(real_data / "ocmf" / name for name in expected), "--keys", manifest)
    assert code == 4
    for item in shown:
        verdict = expected[Path(str(item["file"])).name]
        assert item["signature"] == ("invalid" if verdict == "invalid" else "valid")
