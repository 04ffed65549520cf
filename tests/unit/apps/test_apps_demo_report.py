"""What a run leaves for people: the table, the page and the bills say what the result says."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from wattest.apps.demo.report import bills_csv, closing_table, euros, report_html, summary_rows
from wattest.apps.demo.result import DemoResult, HouseholdBill, QuarterHour, Slashing

BILLS = (
    HouseholdBill("household-01", 7_250_000, 67_570_001, 350_000, -327, 347),
    HouseholdBill("household-<2>", 10_180_000, 0, 3_470_000, 297, 0),
)
RESULT = DemoResult(
    households=2,
    days=2,
    readings=386,
    batches=5,
    commit_gas=(72_000, 74_000),
    cheat="withhold",
    outcome="slashed",
    slashed=(Slashing("second operator", b"\x01" * 20, "withhold", 12 * 10**17, "the watcher", b"\x02" * 20),),
    bills=BILLS,
    paid_out=347,
    receipts_verified=2,
    stages={"receipts": 1.25, "payouts": 0.5},
    quarter_hours=(QuarterHour(1_780_272_000, 900_000, 400_000, 600_000), QuarterHour(1_780_272_900, 5, 0, 0)),
    gas={"claim": 1},
)


def test_the_object_holds_what_scripts_rely_on() -> None:
    shown = RESULT.as_dict()
    assert {
        "households",
        "readings",
        "batches",
        "commit_gas",
        "gas_per_reading",
        "cheat",
        "outcome",
        "slashed",
        "bills",
    } <= set(shown)
    assert shown["paid_out"] == "347"
    assert shown["slashed"] == [
        {
            "operator": "0x" + "01" * 20,
            "cheat": "withhold",
            "lost": "1200000000000000000",
            "caught_by": "0x" + "02" * 20,
        }
    ]
    assert shown["stages"] == {"receipts": 1.25, "payouts": 0.5}


def test_gas_of_a_reading_counts_the_communitys_readings_only() -> None:
    assert RESULT.gas_per_reading == 146_000 / (2 * 2 * 96)
    assert replace(RESULT, readings=10_000).gas_per_reading == RESULT.gas_per_reading  # imported files do not dilute it
    assert replace(RESULT, commit_gas=()).steady_commit_gas == 0


@pytest.mark.parametrize(
    ("cents", "shown"), [(0, "0.00 EUR"), (5, "0.05 EUR"), (-5, "-0.05 EUR"), (-123_405, "-1,234.05 EUR")]
)
def test_amounts_carry_their_currency(cents: int, shown: str) -> None:
    assert euros(cents) == shown


def test_the_bills_are_exact() -> None:
    rows = list(csv.DictReader(io.StringIO(bills_csv(BILLS))))
    assert rows[0]["exported_kwh"] == "67.570001"
    assert [row["total_cents"] for row in rows] == ["-327", "297"]
    assert rows[1]["household"] == "household-<2>"


def test_the_page_is_well_formed_escaped_and_loads_nothing() -> None:
    page = report_html(RESULT)
    assert "household-&lt;2&gt;" in page
    assert "<2>" not in page
    assert "-3.27 EUR" in page
    assert "347 token units of one cent" in page
    assert not re.search(r"(src|href)=|url\(|@import", page)
    charts = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(charts) == 4
    for chart in charts:
        ET.fromstring(chart)


@pytest.mark.parametrize("cheat", ["withhold", "forge", "equivocate", "rollback", "none"])
def test_the_page_says_what_became_of_the_cheat(cheat: str) -> None:
    refused = "the head is not the chain's" if cheat == "rollback" else None
    slashed = RESULT.slashed if cheat in ("withhold", "forge", "equivocate") else ()
    result = replace(RESULT, cheat=cheat, slashed=slashed, refusal=refused)  # type: ignore[arg-type]
    page = report_html(result)
    assert ("1.200 ETH" in page) == bool(slashed)
    assert ("the head is not the chain&#x27;s" in page) == (refused is not None)
    assert ("Nobody cheated" in page) == (cheat == "none")
    assert closing_table(result).row_count == len(summary_rows(result))


def test_a_run_without_quarter_hours_has_a_page_too() -> None:
    assert "No quarter hours" in report_html(replace(RESULT, quarter_hours=()))
