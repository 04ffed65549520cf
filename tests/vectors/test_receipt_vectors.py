"""Stored receipts verify for ever, and another implementation confirms them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import HANG_S

from wattest.receipt.deployment import parse_deployment
from wattest.receipt.link import LinkStatus
from wattest.receipt.receipt import parse_receipt
from wattest.receipt.verify import verify_receipt

VECTORS = Path(__file__).parents[2] / "vectors"
OF_CHAIN = {"registration", "commitment", "finality", "payout root"}
OF_GUESTS = {"records", "statement"}  # unchecked once the package ships other guests than the receipts name


@pytest.mark.parametrize("name", ["owed", "owing"])
def test_stored_receipts_hold(name: str) -> None:
    deployment = parse_deployment((VECTORS / "receipt/deployment.json").read_bytes())
    receipt = parse_receipt((VECTORS / f"receipt/{name}.json").read_bytes())
    links = {link.name: link.status for link in verify_receipt(receipt, deployment, None)}
    assert LinkStatus.FAILED not in links.values()
    unchecked = {link for link, status in links.items() if status is LinkStatus.UNCHECKED}
    assert unchecked <= OF_CHAIN | OF_GUESTS
    assert (receipt.payout is not None) == (name == "owed")


def independent(folder: Path) -> int:
    script = folder / "check_receipt.py"
    return subprocess.run([sys.executable, str(script)], capture_output=True, timeout=HANG_S, check=False).returncode


def test_another_implementation_confirms_them(tmp_path: Path) -> None:
    shutil.copy(VECTORS / "check_receipt.py", tmp_path)
    shutil.copytree(VECTORS / "receipt", tmp_path / "receipt")
    assert independent(tmp_path) == 0
    path = tmp_path / "receipt/owed.json"
    text = path.read_text()
    value = json.loads(text)
    for part in (
        value["days"][1]["series_key"],
        value["days"][2]["signature"],
        value["payout"]["leaf_salt"],
        value["first_blocks"][3],
        value["registrations"][1]["signatures"][0],
        value["statement"]["tariff"],
    ):
        other = part[:-3] + ("0" if part[-3] != "0" else "1") + part[-2:]
        path.write_text(text.replace(part, other))
        assert independent(tmp_path) != 0, part
    path.write_text(text)
    assert independent(tmp_path) == 0
