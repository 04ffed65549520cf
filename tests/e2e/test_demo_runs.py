"""The demo from the outside: each cheat has its outcome, and a household checks its bill with what the folder holds."""

from __future__ import annotations

import csv
import json
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from report_page import bills_shown
from waiting import HANG_S

from wattest.apps.cli import run
from wattest.metering.series_block import parse_series_block
from wattest.receipt.receipt import parse_receipt
from wattest.settlement.bill import parse_bill

pytestmark = pytest.mark.e2e
COMMAND = [sys.executable, "-m", "wattest.apps.cli"]
STAGES = {"chain and contracts", "channels and enclaves", "readings, seals, commits", "imported meter files",
          "allocation and bills", "challenge windows", "payouts", "receipts", "receipts verified"}  # fmt: skip
CHANGED_BYTES = 24
WITHOUT_THE_ABI_LIBRARY = """
import sys
from wattest.apps.cli import run
code = run(sys.argv[1:])
sys.exit(code or "eth_abi" in sys.modules)
"""


def wattest(*arguments: object, code: int = 0, **options: Any) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        **options,
    )
    assert done.returncode == code, done.stderr[-2_000:]
    assert "Traceback" not in done.stderr
    return done


@contextmanager
def served(folder: Path) -> Iterator[str]:
    with subprocess.Popen(
        [*COMMAND, "chain", "serve", str(folder), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()
            assert process.wait(HANG_S) == 130


@pytest.fixture(scope="module")
def community(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A folder of the default cheat, with its parent missing before, and the printed object."""
    folder = tmp_path_factory.mktemp("demo") / "not" / "there" / "out"
    done = wattest("demo", "--households", 3, "--days", 1, "--out", folder, "--json")
    assert re.search(r"^[a-z ]+: \d+ of \d+$", done.stderr, re.MULTILINE), "progress shows with --json, too"
    assert "\x1b" not in done.stderr
    return folder, json.loads(done.stdout)


def check(result: dict[str, Any], folder: Path, *, households: int, days: int, cheat: str, outcome: str) -> None:
    """Everything that the object and the folder must say of a run."""
    assert (result["households"], result["cheat"], result["outcome"]) == (households, cheat, outcome)
    assert result["readings"] >= households * days * 96
    assert result["batches"] >= days + 1
    assert 0 < result["commit_gas"] <= 75_000
    assert result["gas_per_reading"] == pytest.approx(result["commit_gas"] / (households * 96), rel=0.2)
    assert result["bills"] == result["receipts_verified"] == households
    assert result["judged_clean"] == result["batches"]
    assert int(result["paid_out"]) >= 0
    assert set(result["stages"]) >= STAGES
    assert all(seconds >= 0 for seconds in result["stages"].values())
    if outcome == "slashed":
        (slashed,) = result["slashed"]
        assert set(slashed) == {"operator", "cheat", "lost", "caught_by"}
        assert slashed["cheat"] == cheat
        assert int(slashed["lost"]) > 0
        assert re.fullmatch("0x[0-9a-f]{40}", slashed["operator"])
        assert re.fullmatch("0x[0-9a-f]{40}", slashed["caught_by"])
        assert slashed["operator"] != slashed["caught_by"]
    else:
        assert result["slashed"] == []
    assert {path.name for path in folder.iterdir()} == {
        "deployment.json",
        "chain",
        "receipts",
        "bills.csv",
        "report.html",
    }
    bills = list(csv.DictReader((folder / "bills.csv").open()))
    assert {f"{bill['household']}.json" for bill in bills} == {path.name for path in (folder / "receipts").iterdir()}
    shown = bills_shown((folder / "report.html").read_text())
    for bill in bills:  # what people read, what programs read, and what the enclave signed
        block = parse_receipt((folder / "receipts" / f"{bill['household']}.json").read_bytes()).statement.block
        signed = parse_bill(parse_series_block(block).result)
        assert shown[bill["household"]] == signed.total_cents == int(bill["total_cents"])
    assert shown.keys() == {bill["household"] for bill in bills}
    assert sum(int(bill["paid_out_token_units"]) for bill in bills) == int(result["paid_out"])
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]  # nothing beside it


def test_the_default_cheat_is_slashed(community: tuple[Path, dict[str, Any]]) -> None:
    folder, result = community
    check(result, folder, households=3, days=1, cheat="withhold", outcome="slashed")


@pytest.mark.parametrize(
    ("cheat", "outcome"), [("forge", "slashed"), ("equivocate", "slashed"), ("rollback", "refused"), ("none", "honest")]
)
def test_each_cheat_has_its_outcome(cheat: str, outcome: str, tmp_path: Path) -> None:
    folder = tmp_path / "alone" / "out"
    done = wattest("demo", "--households", 2, "--days", 1, "--cheat", cheat, "--out", folder, "--json")
    check(json.loads(done.stdout), folder, households=2, days=1, cheat=cheat, outcome=outcome)


@pytest.mark.deep
@pytest.mark.parametrize("days", [1, 2, 3])
@pytest.mark.parametrize(
    ("cheat", "outcome"),
    [
        ("withhold", "slashed"),
        ("forge", "slashed"),
        ("equivocate", "slashed"),
        ("rollback", "refused"),
        ("none", "honest"),
    ],
)
def test_each_cheat_over_more_days(cheat: str, outcome: str, days: int, tmp_path: Path) -> None:
    folder = tmp_path / "alone" / "out"
    done = wattest("demo", "--households", 1, "--days", days, "--cheat", cheat, "--out", folder, "--json")
    check(json.loads(done.stdout), folder, households=1, days=days, cheat=cheat, outcome=outcome)


@pytest.mark.deep
@pytest.mark.parametrize(("households", "days"), [(3, 14), (200, 1), (1_000, 2)])
def test_a_large_run(households: int, days: int, tmp_path: Path) -> None:
    folder = tmp_path / "alone" / "out"
    done = wattest("demo", "--households", households, "--days", days, "--out", folder, "--json")
    check(json.loads(done.stdout), folder, households=households, days=days, cheat="withhold", outcome="slashed")


def test_a_used_folder_is_left_as_it_is(community: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = community
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    shown = json.loads(wattest("demo", "--out", folder, "--json", code=7).stderr)
    assert shown["error"] == "OutputFolderUsed"
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_household_checks_its_bill(
    community: tuple[Path, dict[str, Any]], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """With and without a chain, with another run's address book, and with single bytes changed anywhere."""
    folder, _ = community
    receipt, book = folder / "receipts" / "household-02.json", folder / "deployment.json"
    shown = json.loads(wattest("receipt", "verify", receipt, "--deployment", book, "--json", code=8).stdout)
    assert not shown["valid"]
    assert {link["status"] for link in shown["links"]} == {"ok", "unchecked"}

    whole, chance = receipt.read_bytes(), random.Random(20_261_122)
    places = [chance.randrange(len(whole)) for _ in range(CHANGED_BYTES)]
    with served(folder / "chain") as url:
        verify = ("receipt", "verify", "--deployment", book, "--rpc", url, "--json")
        shown = json.loads(wattest(*verify, receipt).stdout)
        assert shown["valid"]
        assert all(link["status"] == "ok" and link["reason"] for link in shown["links"])

        asked = ("-c", WITHOUT_THE_ABI_LIBRARY, "receipt", "verify", receipt, "--deployment", book, "--rpc", url)
        subprocess.run([sys.executable, *map(str, asked)], check=True, stdout=subprocess.DEVNULL)

        for place in places:
            changed = bytearray(whole)
            changed[place] ^= 1 << place % 7
            path = tmp_path / "changed.json"
            path.write_bytes(changed)
            for rpc in ([], ["--rpc", url]):
                capfd.readouterr()
                code = run(["receipt", "verify", str(path), "--deployment", str(book), *rpc, "--json"])
                assert code in (3, 4), (place, code)
                assert not json.loads(capfd.readouterr().out)["valid"]

        other = json.loads(book.read_bytes())
        other["genesis_hash"] = "00" * 32
        (tmp_path / "other.json").write_text(json.dumps(other, sort_keys=True, separators=(",", ":")))
        wattest("receipt", "verify", receipt, "--deployment", tmp_path / "other.json", "--rpc", url, code=7)


def test_own_meter_files_join(real_data: Path, tmp_path: Path) -> None:
    """Several files after one --data and after several; each is a batch of its own period."""
    ocmf = sorted((real_data / "ocmf").glob("*_valid.ocmf"))
    folder = tmp_path / "alone" / "out"
    done = wattest(
        "demo", "--households", 1, "--days", 1, "--cheat", "none", "--keys", real_data / "ocmf/manifest.json",
        "--out", folder, "--json", "--data", *ocmf, "--data", real_data / "telegrams/dsmr_v5.txt",
    )  # fmt: skip
    result = json.loads(done.stdout)
    check(result, folder, households=1, days=1, cheat="none", outcome="honest")
    assert result["batches"] == 1 + len(ocmf) + 1 + 1


@pytest.mark.parametrize(
    "name", ["ocmf/ebee_tampered.ocmf", "ocmf/derived_sa_swapped.ocmf", "telegrams/dsmr_v5_tampered.txt"]
)
def test_files_that_do_not_hold_stop_a_run_before_it_starts(name: str, real_data: Path, tmp_path: Path) -> None:
    keys = real_data / "ocmf/manifest.json"
    done = wattest("demo", "--data", real_data / name, "--keys", keys, "--out", tmp_path / "out", "--json", code=4)
    assert json.loads(done.stderr)["error"] == "DataFileRefused"
    assert list(tmp_path.iterdir()) == []
