"""``wattest meter sign``: whole days alone, registers that run on, one block of a day, the same bytes again."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from wattest.apps.cli import run
from wattest.crypto.p256 import P256PrivateKey
from wattest.io.files import write_key_file
from wattest.metering.device_block import parse_device_block, verify_device_block

SEED = b"\x07" * 32
START = datetime(2026, 3, 1, tzinfo=UTC)
QUARTERS = 96
MILLI = 1_000_000


def table(
    path: Path, days: int, *, first: int = 0, kwh: str = "0.1", skip: int | None = None, zone: bool = True
) -> Path:
    rows = ["start,import_kwh,export_kwh"]
    for quarter in range(first * QUARTERS, (first + days) * QUARTERS):
        if quarter != skip:
            moment = (START + timedelta(minutes=15 * quarter)).isoformat()
            rows.append(f"{moment if zone else moment[:-6]},{kwh},0.05")
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture
def key(tmp_path: Path) -> Path:
    write_key_file(tmp_path / "meter.key", SEED)
    return tmp_path / "meter.key"


def sign(key: Path, file: Path, *more: str) -> list[str]:
    return ["meter", "sign", str(file), "--key-file", str(key), "--out", str(key.parent / "blocks"), *more]


def blocks(key: Path) -> list[str]:
    return sorted(path.name for path in (key.parent / "blocks").iterdir())


def test_a_block_a_day_and_registers_that_run_on(key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*sign(key, table(tmp_path / "a.csv", 2)), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [one["readings"] for one in shown] == [96, 96]
    assert run(sign(key, table(tmp_path / "b.csv", 1, first=2))) == 0
    assert blocks(key) == ["2026-03-01.block", "2026-03-02.block", "2026-03-03.block"]
    last = 0
    for number, name in enumerate(blocks(key)):
        block = parse_device_block((tmp_path / "blocks" / name).read_bytes())
        verify_device_block(block)
        assert block.public_key == P256PrivateKey.from_seed(SEED).public_key
        assert (block.period_start, block.period_end - block.period_start) == (
            int(START.timestamp()) + 86_400 * number, 86_400,
        )  # fmt: skip
        assert int(block.records["import_register"][0]) == last + MILLI // 10
        last = int(block.records["import_register"][-1])
        assert last == (number + 1) * 96 * MILLI // 10
    assert stat.S_IMODE((tmp_path / "meter.key.signed").stat().st_mode) == 0o600


def test_the_same_table_signs_the_same_bytes(key: Path, tmp_path: Path) -> None:
    file = table(tmp_path / "a.csv", 2)
    assert run(sign(key, file)) == 0
    before = {name: (tmp_path / "blocks" / name).read_bytes() for name in blocks(key)}
    for name in before:
        (tmp_path / "blocks" / name).unlink()  # as if killed before they were written
    assert run(sign(key, file)) == 0
    assert before == {name: (tmp_path / "blocks" / name).read_bytes() for name in blocks(key)}


def test_a_day_is_not_signed_twice_over_other_readings(
    key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(sign(key, table(tmp_path / "a.csv", 1))) == 0
    before = (tmp_path / "blocks" / "2026-03-01.block").read_bytes()
    assert run([*sign(key, table(tmp_path / "b.csv", 2, kwh="0.2")), "--json"]) == 4
    assert json.loads(capsys.readouterr().err)["error"] == "DaySigned"
    assert blocks(key) == ["2026-03-01.block"]
    assert (tmp_path / "blocks" / "2026-03-01.block").read_bytes() == before


@pytest.mark.parametrize("skip", [0, 50, 95])
def test_a_day_with_a_gap_is_left_out_and_refused_by_name(
    skip: int, key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = table(tmp_path / "a.csv", 2, skip=skip)
    assert run([*sign(key, file, "--day", "2026-03-01"), "--json"]) == 3
    assert json.loads(capsys.readouterr().err)["error"] == "DayNotWhole"
    assert not (tmp_path / "blocks").exists()
    assert run(sign(key, file, "--day", "2026-03-02")) == 0
    assert blocks(key) == ["2026-03-02.block"]
    assert run(sign(key, file, "--import-register", "0")) == 0
    assert "left out: 2026-03-01" in capsys.readouterr().err


def test_registers_are_not_guessed_over_days_that_are_missing(
    key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(sign(key, table(tmp_path / "a.csv", 1), "--import-register", "1000")) == 0
    later = table(tmp_path / "c.csv", 1, first=2)
    assert run([*sign(key, later), "--json"]) == 3
    assert json.loads(capsys.readouterr().err.splitlines()[-1])["error"] == "RegistersUnknown"
    assert run(sign(key, later, "--import-register", "1020.5", "--export-register", "9.6")) == 0
    block = parse_device_block((tmp_path / "blocks" / "2026-03-03.block").read_bytes())
    assert int(block.records["import_register"][0]) == 1_020_600_000
    assert int(block.records["export_register"][0]) == 9_650_000
    first = parse_device_block((tmp_path / "blocks" / "2026-03-01.block").read_bytes())
    assert int(first.records["import_register"][0]) == 1_000_100_000


def test_registers_of_the_table_are_taken_as_they_are(key: Path, tmp_path: Path) -> None:
    rows = ["start,import_kwh,import_register_kwh"]
    for quarter in range(96):
        rows.append(f"{(START + timedelta(minutes=15 * quarter)).isoformat()},0.1,{500 + (quarter + 1) / 10:.1f}")
    (tmp_path / "a.csv").write_text("\n".join(rows))
    assert run(sign(key, tmp_path / "a.csv")) == 0
    block = parse_device_block((tmp_path / "blocks" / "2026-03-01.block").read_bytes())
    assert int(block.records["import_register"][-1]) == 509_600_000
    assert int(block.records["export_register"][-1]) == 0


@pytest.mark.parametrize(
    ("make", "more", "code", "error"),
    [
        ({"days": 1, "zone": False}, [], 3, "MalformedTable"),
        ({"days": 1, "kwh": "-1"}, [], 3, "MalformedTable"),
        ({"days": 1}, ["--day", "2026-03-01T06:00"], 3, "DayNotWhole"),
        ({"days": 1}, ["--day", "2026-03-09"], 3, "DayNotWhole"),
        ({"days": 1}, ["--key-file", "nowhere.key"], 7, "KeyFileMissing"),
        ({"days": 1}, ["--import-register", "much"], 3, "MalformedValue"),
    ],
)
def test_mistakes_sign_nothing(
    make: dict[str, object], more: list[str], code: int, error: str, key: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    file = table(tmp_path / "a.csv", **make)  # type: ignore[arg-type]
    assert run([*sign(key, file, *more), "--json"]) == code
    assert json.loads(capsys.readouterr().err.splitlines()[-1])["error"] == error
    assert not (tmp_path / "blocks").exists()
    assert not (tmp_path / "meter.key.signed").exists()


def test_local_time_and_a_column_map(key: Path, tmp_path: Path) -> None:
    rows = ["Zeit;Bezug"]
    for quarter in range(100):
        moment = START + timedelta(hours=1, minutes=15 * quarter)  # local time of Berlin in winter
        rows.append(f"{moment:%d.%m.%Y %H:%M};0,1")
    (tmp_path / "a.csv").write_text("\n".join(rows))
    options = ["--columns", "start=Zeit,import=Bezug", "--timezone", "Europe/Berlin", "--time-format", "%d.%m.%Y %H:%M"]
    assert run(sign(key, tmp_path / "a.csv", *options, "--decimal-comma")) == 0
    assert blocks(key) == ["2026-03-01.block"]


def test_damaged_memory_of_signed_days_is_refused(key: Path, tmp_path: Path) -> None:
    file = table(tmp_path / "a.csv", 1)
    assert run(sign(key, file)) == 0
    kept = tmp_path / "meter.key.signed"
    kept.write_text(kept.read_text().replace('"digest"', '"digets"'))
    assert run(sign(key, file)) == 3
