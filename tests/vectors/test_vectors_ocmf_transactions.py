"""``vectors/metering/ocmf_transactions.json`` against reader and importer."""

from __future__ import annotations

import hashlib
import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from wattest.crypto.p256 import P256PrivateKey
from wattest.metering.entry import EntryKind
from wattest.metering.imported import NotImportable, imported_series, signed_telegram_records
from wattest.metering.readers.public_key import parse_public_key
from wattest.metering.readers.recognise import read_meter_file, read_meter_files

VECTORS = Path(__file__).resolve().parents[2] / "vectors"
CONTENT: dict[str, Any] = json.loads((VECTORS / "metering" / "ocmf_transactions.json").read_text())
KEY = parse_public_key(CONTENT["public_key"])
COLUMNS = (
    "start", "duration_s", "import_register", "export_register", "import_milliwatt_hours", "export_milliwatt_hours",
    "quality",
)  # fmt: skip


@pytest.mark.parametrize("case", CONTENT["cases"], ids=lambda case: case["name"])
def test_transaction(case: dict[str, Any]) -> None:
    data = case["file"].encode("latin-1")
    key = KEY if case["key"] else None
    found = read_meter_file(data, key)
    rules = sorted({str(objection.rule) for objection in found.objections})
    assert (str(found.signature), found.exit_code) == (case["signature"], case["exit_code"]), found.reasons
    assert rules == case["objections"], found.reasons
    assert found.billable == (not rules)
    if case["records"] is None:
        with pytest.raises(NotImportable) as refused:
            imported_series(found)
        assert refused.value.rule in rules
        return
    said = [reason for reason in found.reasons if reason.startswith(("begins of", "ends of", "the transaction's"))]
    assert [int(number) for number in case["lone"] if number] == [
        1 if reason.startswith("the") else int(reason.rpartition(" ")[2]) for reason in said
    ]
    (series,) = imported_series(found)
    assert [[int(record[name]) for name in COLUMNS] for record in series.records] == case["records"]
    if case["signature"] != "valid":
        assert series.kind is EntryKind.UNSIGNED_SOURCE
        return
    assert series.kind is EntryKind.SIGNED_TELEGRAMS
    digests = [hashlib.sha256(series.telegrams[source]).digest() for source in case["sources"]]
    assert [record["source_digest"].tobytes() for record in series.records] == digests
    again = signed_telegram_records(series.telegrams, series.public_key)
    assert again.tobytes() == series.records.tobytes()


def test_all_files_at_once() -> None:
    """Judged together, each as it is alone."""
    files = [(case["file"].encode("latin-1"), KEY if case["key"] else None) for case in CONTENT["cases"]]
    for (data, key), found in zip(files, read_meter_files(files), strict=True):
        assert not isinstance(found, Exception)
        assert found.as_dict("x") == read_meter_file(data, key).as_dict("x")


def test_no_transaction_survives_another_key() -> None:
    other = P256PrivateKey.from_seed(bytes(31) + b"\x07").public_key.hex()
    off_curve = CONTENT["public_key"][:-2] + f"{int(CONTENT['public_key'][-2:], 16) ^ 1:02x}"
    for key in (parse_public_key(other), parse_public_key(off_curve)):
        for case in CONTENT["cases"]:
            assert not read_meter_file(case["file"].encode("latin-1"), key).billable


def test_the_file_is_what_the_generator_makes() -> None:
    generator = VECTORS / "generate_ocmf_transactions.py"
    run = subprocess.run([sys.executable, generator, "--check"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_independent_check_agrees() -> None:
    runpy.run_path(str(VECTORS / "check_ocmf_transactions.py"), run_name="__main__")
