"""``vectors/metering/p1_streams.json`` against the reader, and laws over every cut and every bit of a stream."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from wattest.errors import WattestError
from wattest.metering.imported import NotImportable, imported_series
from wattest.metering.readers.recognise import read_meter_file
from wattest.metering.reading import ImportedFile, MalformedMeterFile
from wattest.metering.records import Records
from wattest.metering.verdicts import CrcVerdict

VECTORS = Path(__file__).resolve().parents[2] / "vectors"
CASES: list[dict[str, Any]] = json.loads((VECTORS / "metering" / "p1_streams.json").read_text())["cases"]
COLUMNS = (
    "start", "duration_s", "import_register", "export_register", "import_milliwatt_hours", "export_milliwatt_hours",
    "quality",
)  # fmt: skip


def rows(records: Records | None) -> list[list[int]] | None:
    return None if records is None else [[int(record[name]) for name in COLUMNS] for record in records]


def stream(name: str) -> bytes:
    return bytes.fromhex(next(case["stream"] for case in CASES if case["name"] == name))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_stream(case: dict[str, Any]) -> None:
    data = bytes.fromhex(case["stream"])
    if "error" in case:
        with pytest.raises(WattestError) as refused:
            read_meter_file(data)
        assert refused.value.code == case["error"]
        return
    found = read_meter_file(data)
    rules = sorted({str(objection.rule) for objection in found.objections})
    assert (found.format, str(found.crc), found.exit_code) == ("dsmr", case["crc"], case["exit_code"])
    assert rules == case["objections"], found.reasons
    assert rows(found.records) == case["records"]
    assert not found.billable
    if case["energies"] is not None:
        assert sum(reading.milliwatt_hours is not None for reading in found.readings) == case["energies"]
    if found.exit_code == 0 and case["records"] is not None:
        (series,) = imported_series(found)
        assert rows(series.records) == case["records"]
    else:
        with pytest.raises(NotImportable) as forbidden:
            imported_series(found)
        assert forbidden.value.rule in rules


def believed(data: bytes) -> ImportedFile | None:
    """A file that nothing speaks against but that P1 has no signatures; None for any other."""
    try:
        found = read_meter_file(data)
    except MalformedMeterFile:
        return None
    return found if found.exit_code == 0 and found.crc is CrcVerdict.OK else None


def energies(data: bytes) -> set[tuple[object, ...]]:
    return {(r.obis, r.milliwatt_hours, r.time) for r in read_meter_file(data).readings}


def test_no_cut_of_a_stream_is_believed_for_more_than_its_whole_telegrams() -> None:
    """Whatever is missing in front or behind: a file that passes shows one of its telegrams whole, or both."""
    data = stream("two telegrams")
    second = data.index(b"/", 1)
    parts = [energies(data), energies(data[:second]), energies(data[second:])]
    passed = 0
    for at in range(len(data)):
        for cut in (data[:at], data[at:]):
            found = believed(cut)
            if found is not None:
                assert {(r.obis, r.milliwatt_hours, r.time) for r in found.readings} in parts
                passed += 1
    assert 200 < passed < len(data) + 20, passed


def test_no_changed_bit_is_believed() -> None:
    """What passes shows the same values, or the second telegram alone where the first one's start is hit."""
    data = stream("two telegrams")
    second = data.index(b"/", 1)
    whole, last = energies(data), energies(data[second:])
    passed = 0
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        found = believed(bytes(changed))
        if found is not None:
            shown = {(r.obis, r.milliwatt_hours, r.time) for r in found.readings}
            assert shown in (whole, last), bit
            assert shown == whole or bit // 8 < 4, bit
            passed += 1
    assert passed < 80, passed


def test_the_file_is_what_the_generator_makes() -> None:
    generator = VECTORS / "generate_p1_streams.py"
    run = subprocess.run([sys.executable, generator, "--check"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_independent_check_agrees() -> None:
    runpy.run_path(str(VECTORS / "check_p1_streams.py"), run_name="__main__")
