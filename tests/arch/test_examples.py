"""The shipped examples are what their generators make, byte for byte, and what the pages say they are."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from wattest.metering.imported import imported_series
from wattest.metering.readers.interval_csv import TableOptions
from wattest.metering.readers.public_key import parse_public_key
from wattest.metering.readers.recognise import read_meter_file
from wattest.metering.verdicts import CrcVerdict, SignatureVerdict

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


def generator(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("name", "count"), [("make_examples", 6), ("make_attestation_example", 4)])
def test_making_the_examples_again_gives_the_same_bytes(name: str, count: int) -> None:
    module = generator(name)
    made = module.files()
    assert len(made) == count
    for file, content in made.items():
        assert (module.OUT / file).read_bytes() == content, file


def test_every_example_comes_from_a_generator() -> None:
    made = {
        module.OUT / file
        for module in (generator("make_examples"), generator("make_attestation_example"))
        for file in module.files()
    }
    assert {path for path in EXAMPLES.rglob("*") if path.is_file()} == made


def test_the_session_is_signed_by_the_key_beside_it() -> None:
    (sample,) = json.loads((EXAMPLES / "keys.json").read_text())["samples"]
    content = (EXAMPLES / sample["file"]).read_bytes()
    read = read_meter_file(content, parse_public_key(sample["public_key"]))
    assert (read.format, read.signature, read.billable) == ("ocmf", SignatureVerdict.VALID, True)
    (series,) = imported_series(read)
    assert series.records.shape == (1,)
    changed = content.replace(b'"RV":8', b'"RV":7', 1)
    assert changed != content
    assert read_meter_file(changed, parse_public_key(sample["public_key"])).signature is SignatureVerdict.INVALID


def test_the_telegram_has_its_line_endings_and_checksum() -> None:
    content = (EXAMPLES / "household.p1").read_bytes()
    assert content.count(b"\n") == content.count(b"\r\n") == 20
    read = read_meter_file(content, None)
    assert (read.format, read.signature, read.crc) == ("dsmr", SignatureVerdict.ABSENT, CrcVerdict.OK)
    assert not any("line endings" in reason for reason in read.reasons)
    changed = read_meter_file(content.replace(b"004211.087", b"004211.088"), None)
    assert changed.crc is CrcVerdict.FAILED


def test_the_table_is_a_whole_day() -> None:
    columns = {"start": "time", "import": "import_kwh", "export": "export_kwh"}
    read = read_meter_file((EXAMPLES / "intervals.csv").read_bytes(), None, TableOptions(columns=columns))
    (series,) = imported_series(read)
    assert series.records.shape == (96,)
    assert series.period_end - series.period_start == 86_400
    assert int(series.records["import_milliwatt_hours"].sum()) > 0
    assert int(series.records["export_milliwatt_hours"].sum()) > 0
