"""``vectors/metering`` against the Python face."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from waiting import HANG_S

from wattest.errors import WattestError
from wattest.metering.device_block import parse_device_block, verify_device_block
from wattest.metering.entry import parse_entry
from wattest.metering.meter import (
    blinded_meter,
    meter_key_commitment,
    meter_key_id,
    pseudonym,
    roster_salt,
    statement_job_id,
)
from wattest.metering.readers.public_key import parse_public_key
from wattest.metering.readers.recognise import read_meter_file
from wattest.metering.series_block import parse_series_block, verify_series_block

FOLDER = Path(__file__).resolve().parents[2] / "vectors"


def cases(family: str) -> list[Any]:
    read = json.loads((FOLDER / "metering" / f"{family}.json").read_text())["cases"]
    return [pytest.param(case, id=case["name"]) for case in read]


def outcome(action: Any) -> str:
    try:
        action()
    except WattestError as error:
        return error.code
    return "accepted"


@pytest.mark.parametrize("case", cases("device_blocks"))
def test_device_block(case: dict[str, Any]) -> None:
    data = bytes.fromhex(case["bytes"])
    assert outcome(lambda: verify_device_block(parse_device_block(data))) == case["outcome"]
    if "digest" in case:
        assert parse_device_block(data).digest.hex() == case["digest"]
    if case["outcome"] == "accepted":
        assert parse_device_block(data).to_bytes() == data


@pytest.mark.parametrize("case", cases("entries"))
def test_entry(case: dict[str, Any]) -> None:
    data = bytes.fromhex(case["bytes"])
    assert outcome(lambda: parse_entry(data)) == case["outcome"]
    if case["outcome"] == "accepted":
        assert parse_entry(data).pack() == data


@pytest.mark.parametrize("case", cases("names"))
def test_names(case: dict[str, Any]) -> None:
    public_key, meter_key, channel = (bytes.fromhex(case[name]) for name in ("public_key", "meter_key", "channel"))
    start = case["period_start"]
    assert meter_key_id(public_key).hex() == case["meter_key_id"]
    assert pseudonym(public_key).hex() == case["pseudonym"]
    assert blinded_meter(meter_key, channel, start).hex() == case["blinded_meter"]
    assert roster_salt(meter_key, channel, start).hex() == case["roster_salt"]
    assert statement_job_id(meter_key, channel, start).hex() == case["statement_job_id"]
    assert meter_key_commitment(meter_key).hex() == case["meter_key_commitment"]


@pytest.mark.parametrize("case", cases("series_blocks"))
def test_series_block(case: dict[str, Any]) -> None:
    data, key = bytes.fromhex(case["bytes"]), bytes.fromhex(case["series_key"])
    assert outcome(lambda: verify_series_block(parse_series_block(data), key)) == case["outcome"]
    if case["outcome"] == "accepted":
        block = parse_series_block(data)
        assert block.to_bytes() == data
        if block.records.shape[0]:
            assert outcome(lambda: verify_series_block(block, bytes(32))) == "SeriesMismatch"


@pytest.mark.parametrize("case", cases("ocmf"))
def test_ocmf(case: dict[str, Any]) -> None:
    key = parse_public_key(case["public_key"]) if case["public_key"] else None
    imported = read_meter_file(case["record"].encode(), key)
    assert imported.signature == case["signature"], imported.reasons
    assert list(dict.fromkeys(str(objection.rule) for objection in imported.objections)) == case["objections"], (
        imported.reasons
    )
    assert imported.billable == (not case["objections"])
    assert imported.reasons
    assert imported.exit_code == (4 if case["signature"] == "invalid" else 0)
    if case["readings"] is not None:
        assert [reading.as_dict() for reading in imported.readings] == case["readings"]


def test_the_generator_makes_these_files() -> None:
    done = subprocess.run(
        [sys.executable, "generate_metering.py", "--check"],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
