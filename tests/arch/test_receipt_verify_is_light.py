"""``receipt verify`` without a node imports what a receipt needs and no more: it is over in a quarter of a second.

Counted in modules, not in seconds: time belongs to ``bench/``. The command runs in a process of its own. A module that
must join the list costs every household its import: import it where it is used, or from the noun's own file.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from waiting import HANG_S

ROOT = Path(__file__).resolve().parents[2]
RECEIPTS = ROOT / "vectors" / "receipt"
DEPLOYMENT = RECEIPTS / "deployment.json"
ROOMS = {
    "apps",
    "attestation",
    "crypto",
    "merkle",
    "messages",
    "metering",
    "receipt",
    "sealing",
    "settlement",
    "workload",
}
"""The rooms that a receipt rests on."""
FILES = {"config", "environment", "errors", "units", "url_text", "versions"}
NOT_ITS_PARTS = {
    *(f"wattest.settlement.{name}" for name in ("allocation", "payout", "settle_twin")),
    *(f"wattest.sealing.{name}" for name in ("checked_columns", "series_columns", "wrapped_keys")),
    *(f"wattest.metering.{name}" for name in ("readers", "imported", "points", "transactions", "verdicts")),
    *(f"wattest.attestation.{name}" for name in ("ear", "ear_token", "ra_tls", "chain_evidence", "policy_for_chain")),
    *("wattest.receipt.build", "wattest.receipt.chain_view", "wattest.crypto.hpke"),
}
"""Of those rooms what others need: sealing, settling, importing and judging for a chain."""
STRANGE = {
    *("aiohttp", "eth_abi", "OpenSSL", "rich", "web3", "eth_account"),
    *(f"numpy.{name}" for name in ("ctypeslib", "f2py", "fft", "ma", "polynomial", "random", "testing")),
    *("asyncio", "concurrent.futures", "http", "multiprocessing", "sqlite3", "ssl", "urllib.request", "zoneinfo"),
}
ASK = """
import json, sys
from wattest.apps.cli import run
code = run(sys.argv[1:])
print()
print(json.dumps(sorted(sys.modules)))
sys.exit(code)
"""
NOWHERE = "http://127.0.0.1:9"


def imported(code: int, *arguments: str | Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", ASK, "receipt", "verify", *map(str, arguments)], env=dict(os.environ),
        capture_output=True, text=True, check=False, timeout=HANG_S,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def strange(modules: set[str]) -> set[str]:
    """What verifying a receipt has no use for."""
    ours = {name for name in modules if name.startswith("wattest.")}
    foreign = {name for name in ours if name.split(".")[1] not in ROOMS | FILES}
    return foreign | modules & (NOT_ITS_PARTS | STRANGE)


def test_a_receipt_is_verified_with_what_it_needs() -> None:
    modules = imported(8, RECEIPTS / "owed.json", "--deployment", DEPLOYMENT)
    assert not strange(modules)
    assert {"wattest.receipt.verify", "wattest.workload.engine", "wattest.attestation.appraisal"} <= modules


def test_a_payer_s_receipt_and_several_need_no_more() -> None:
    files = [RECEIPTS / name for name in ("owing.json", "owed.json")]
    assert not strange(imported(8, *files, "--deployment", DEPLOYMENT, "--json"))


def test_what_a_node_needs_would_be_seen() -> None:
    found = strange(imported(6, RECEIPTS / "owed.json", "--deployment", DEPLOYMENT, "--rpc", NOWHERE))
    assert {"wattest.chain.view", "wattest.chain.rpc", "wattest.twin.batch"} <= found


def test_an_import_of_another_part_would_be_seen() -> None:
    code = "import json, sys, numpy.ma, wattest.settlement.settle_twin; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=HANG_S)
    assert {"numpy.ma", "wattest.settlement.settle_twin"} <= strange(set(json.loads(done.stdout)))
