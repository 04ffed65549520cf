"""What a run leaves for people: the table, the page and the bills say what the result says, and fit a telephone."""

from __future__ import annotations

import csv
import inspect
import io
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest
from report_page import Page, bills, bills_shown, in_cents

from wattest.apps.demo.bills_csv import bills_csv
from wattest.apps.demo.closing_table import closing_table, stage_rows, summary_rows
from wattest.apps.demo.report import report_html
from wattest.apps.demo.report_bills import LINES
from wattest.apps.demo.report_checks import PARTIES
from wattest.apps.demo.report_style import DARK, LIGHT, MARK_COLOURS, STYLE, TEXT_COLOURS
from wattest.apps.demo.report_words import cents, energy, euros, owed, period
from wattest.apps.demo.result import DemoResult, HouseholdBill, QuarterHour, Slashing
from wattest.receipt import verify
from wattest.receipt.link import Link, LinkStatus
from wattest.settlement.bill import Bill, LineKind, bill_lines
from wattest.settlement.tariff import Tariff

DAY_S = 86_400
MIDNIGHT = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp())
TARIFF = Tariff(24_000_000, 9_000_000, 12_000_000, 4_000_000, 8_000_000, 10_500_000, currency_decimals=2)
CHECKS = tuple(Link(name, LinkStatus.OK, "so it is") for party in PARTIES for name in party)
NARROWEST_PX = 320


def bill_of(imported: int, exported: int, shared: int, shared_export: int, days: int = 2) -> Bill:
    lines = bill_lines(TARIFF, days * DAY_S, imported, exported, shared, shared_export)
    total = sum(line.amount_cents for line in lines)
    return Bill(
        job_id=bytes(32), blinding=bytes(16), period_start=MIDNIGHT, period_end=MIDNIGHT + days * DAY_S,
        interval_s=days * DAY_S, tariff_digest=TARIFF.digest, allocation_digest=bytes(32), total_import=imported,
        total_export=exported, total_shared=shared, total_shared_export=shared_export, lines=lines, total_cents=total,
        shared=(shared,), shared_export=(shared_export,),
    )  # fmt: skip


BILLS = (
    HouseholdBill("household-01", bill_of(7_250_000, 67_570_001, 350_000, 16_000_000), 347, CHECKS),
    HouseholdBill("household-<2>", bill_of(10_180_000, 0, 3_470_000, 0), 0, CHECKS),
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
    tariff=TARIFF,
    paid_out=347,
    receipts_verified=2,
    judged_clean=5,
    stages={"receipts": 1.25, "payouts": 0.5},
    quarter_hours=(QuarterHour(MIDNIGHT, 900_000, 400_000, 600_000), QuarterHour(MIDNIGHT + 900, 5, 0, 0)),
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
    ("amount", "shown"), [(0, "0.00 EUR"), (5, "0.05 EUR"), (-5, "-0.05 EUR"), (-123_405, "-1,234.05 EUR")]
)
def test_amounts_carry_their_currency(amount: int, shown: str) -> None:
    assert euros(amount) == shown


def test_prices_and_energies_are_said_as_they_are() -> None:
    assert [cents(price) for price in (24_000_000, 10_500_000, 1, 0)] == [
        "24.00 ct",
        "10.50 ct",
        "0.000001 ct",
        "0.00 ct",
    ]
    assert [energy(value) for value in (0, 1, 499, 500, 3_470_000)] == [
        "0.000 kWh", "under 0.001 kWh", "under 0.001 kWh", "0.001 kWh", "3.470 kWh",
    ]  # fmt: skip
    assert [owed(total) for total in (297, 0, -327)] == ["you pay 2.97 EUR", "nothing to pay", "you get 3.27 EUR"]


@pytest.mark.parametrize(
    ("start", "days", "zone", "shown"),
    [
        (MIDNIGHT, 1, UTC, "1 June 2026 (UTC)"),
        (MIDNIGHT, 2, UTC, "1 to 2 June 2026 (UTC)"),
        (MIDNIGHT, 40, UTC, "1 June to 10 July 2026 (UTC)"),
        (MIDNIGHT + 200 * DAY_S, 20, UTC, "18 December 2026 to 6 January 2027 (UTC)"),
        (MIDNIGHT, 1, ZoneInfo("Europe/Berlin"), "1 June 2026, 02:00 to 2 June 2026, 02:00 (CEST, UTC+02:00)"),
        (MIDNIGHT - 7_200, 1, ZoneInfo("Europe/Berlin"), "1 June 2026 (CEST, UTC+02:00)"),
        (MIDNIGHT, 1, timezone(timedelta(hours=-3)), "31 May 2026, 21:00 to 1 June 2026, 21:00 (UTC-03:00)"),
    ],
)
def test_a_period_is_said_in_local_dates(start: int, days: int, zone: ZoneInfo, shown: str) -> None:
    assert period(start, start + days * DAY_S, zone) == shown


def test_the_bills_are_exact() -> None:
    rows = list(csv.DictReader(io.StringIO(bills_csv(BILLS))))
    assert rows[0]["exported_kwh"] == "67.570001"
    assert [int(row["total_cents"]) for row in rows] == [bill.bill.total_cents for bill in BILLS]
    assert rows[1]["household"] == "household-<2>"


def test_every_bill_shows_its_lines_and_the_enclaves_total() -> None:
    page = report_html(RESULT, UTC)
    assert bills_shown(page) == {bill.household: bill.bill.total_cents for bill in BILLS}
    for bill in BILLS:
        table = bills(page)[bill.household]
        (body,) = table.all("tbody")
        lines = [line for line in bill.bill.lines if line.quantity]
        assert [in_cents(cell.text) for cell in body.all("td")] == [line.amount_cents for line in lines]
        for cell, line in zip(body.all("th"), lines, strict=True):
            assert cell.attributes["scope"] == "row"
            assert cell.text.startswith(LINES[line.kind])
            assert cents(line.price_micro_cents) in cell.text
    false_total = replace(RESULT, bills=(replace(BILLS[0], bill=replace(BILLS[0].bill, total_cents=-1)),))
    assert bills_shown(report_html(false_total, UTC)) == {"household-01": -1}  # the bill's own, not a sum made here
    assert set(LINES) == set(LineKind)


def test_a_bill_says_period_energy_and_what_was_checked() -> None:
    root = Page(report_html(RESULT, UTC)).root
    first, second = root.all("details")
    assert [one.text for one in first.all("dd")] == [
        "1 to 2 June 2026 (UTC)", "6.900 kWh", "0.350 kWh", "67.570 kWh, of it 16.000 kWh to neighbours",
        "3.47 EUR, on chain",
    ]  # fmt: skip
    assert [one.text for one in second.all("dt")] == ["Period", "From the grid", "From the community"]
    assert "✓ All 14 checks hold (receipts/household-01.json)" in first.text
    assert "open" in first.attributes
    assert "open" not in second.attributes


def test_what_does_not_hold_or_was_not_checked_is_said() -> None:
    bad = (
        Link("finality", LinkStatus.FAILED, "day 1 is <disputed>"),
        Link("payout root", LinkStatus.UNCHECKED, "no node"),
    )
    kept = tuple(link for link in CHECKS if link.name not in {one.name for one in bad})
    page = report_html(replace(RESULT, bills=(replace(BILLS[0], checks=kept + bad), replace(BILLS[1], checks=()))), UTC)
    first, second = Page(page).root.all("details")
    assert "Only 12 of 14 checks hold" in first.text
    assert "finality: failed, day 1 is <disputed>" in first.text
    assert "payout root: unchecked, no node" in first.text
    assert "✓" not in first.text + second.text
    assert "was not checked in this run" in second.text
    said = {dd.text.rpartition(". ")[2] for dd in Page(page).root.all("dd") if dd.text.endswith("of 2 bills.")}
    assert said == {"0 of 2 bills.", "1 of 2 bills."}


def test_who_checked_what_names_every_link_of_a_receipt_once() -> None:
    source = re.findall(r'judge\("([^"]+)"', inspect.getsource(verify))
    named = [name for party in PARTIES for name in party]
    assert sorted(named) == sorted(source)
    text = Page(report_html(RESULT, UTC)).root.text
    for party in PARTIES:
        for check in party.values():
            assert f"{check.title}{check.meaning} ✓ 2 of 2 bills." in text
    assert "5 of 5 batches clean. It caught the second operator, which lost 1.200 ETH." in text


def test_the_page_is_well_formed_escaped_and_loads_nothing() -> None:
    page = report_html(RESULT, UTC)
    assert "household-&lt;2&gt;" in page
    assert "<2>" not in page
    assert "347 token units of one cent" in page
    assert not re.search(r"src=|url\(|@import|<script|<link|http-equiv", page)
    root = Page(page).root
    targets = {link.attributes["href"] for link in root.all("a")}
    assert targets == {f"#{heading.attributes['id']}" for heading in root.all("h2")}
    charts = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(charts) == 4
    for chart in charts:
        ET.fromstring(chart)


def test_the_page_can_be_read_aloud() -> None:
    """Language, title, headings in order, headers of every table, names of charts and regions."""
    root = Page(report_html(RESULT, UTC)).root
    assert root.all("html")[0].attributes["lang"] == "en"
    assert root.all("title")[0].text
    assert len(root.all("h1")) == 1
    identifiers = [one.attributes["id"] for one in root.all("h2")]
    assert [one.attributes["aria-labelledby"] for one in root.all("section")] == identifiers
    for table in root.all("table"):
        assert table.all("caption")[0].text
        assert all(cell.attributes.get("scope") in {"row", "col"} for cell in table.all("th"))
    for chart in root.all("svg"):
        assert chart.attributes["role"] == "img"
        assert re.search(r"\d", chart.attributes["aria-label"])  # what it shows, not only what it is
    for navigation in root.all("nav"):
        assert navigation.attributes["aria-label"]


def test_nothing_is_wider_than_a_telephone() -> None:
    page = report_html(RESULT, UTC)
    assert "width=device-width" in page
    assert "overflow-x" not in page
    for attribute in re.findall(r'<(?!svg|rect|line)[^>]*\swidth="?(\d+)', page):
        assert int(attribute) <= NARROWEST_PX
    for amount, unit in re.findall(r"(?<!max-)width:(?:minmax\()?([\d.]+)(px|rem|em|ch)", STYLE):
        assert float(amount) * {"px": 1, "rem": 16, "em": 16, "ch": 8}[unit] <= NARROWEST_PX / 3
    never_broken = re.findall(r"([^{}]+)\{[^}]*white-space:nowrap", STYLE)
    assert never_broken
    for selector in never_broken:  # amounts and prices, which are short
        assert all(re.search(r"bill (td|th)|prices (td|th)|summary b", one) for one in selector.split(","))


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_colours_have_contrast(colours: dict[str, str]) -> None:
    """WCAG 2.2: 4.5 for text, 3 for marks of charts."""
    page = luminance(colours["page"])
    for name, least in [*((one, 4.5) for one in TEXT_COLOURS), *((one, 3.0) for one in MARK_COLOURS)]:
        darker, lighter = sorted((page, luminance(colours[name])))
        assert (lighter + 0.05) / (darker + 0.05) >= least, name
        assert f"--{name}:{colours[name]}" in STYLE


def test_a_thousand_households_are_a_small_page_in_folded_groups() -> None:
    many = tuple(replace(BILLS[0], household=f"household-{number:04d}") for number in range(1, 1_001))
    page = report_html(replace(RESULT, bills=many, households=1_000), UTC)
    assert len(page.encode()) < 2_000 * 1_000
    root = Page(page).root
    groups = [one for one in root.all("details") if one.all("details")]
    assert len(groups) == 20
    assert [group.all("span")[0].text for group in groups[::19]] == [
        "household-0001 to household-0050", "household-0951 to household-1000",
    ]  # fmt: skip
    opened = [one for one in root.all("details") if "open" in one.attributes]
    assert len(opened) == 2  # the first group, and the first bill in it
    assert len(bills_shown(page)) == 1_000


def test_long_runs_show_whole_hours() -> None:
    quarters = tuple(QuarterHour(MIDNIGHT + 900 * at, 1_000_000, 0, 0) for at in range(4 * 96))
    page = report_html(replace(RESULT, quarter_hours=quarters), UTC)
    assert "kWh per hour" in page
    assert "kWh per quarter hour" not in page
    assert "from the grid: 384.0 kWh" in page  # a sum is the same however it is drawn
    points = re.search(r'class="area grid-energy" points="([^"]+)"', page)
    assert points is not None
    assert len(points[1].split()) == 2 * 96


@pytest.mark.parametrize("cheat", ["withhold", "forge", "equivocate", "rollback", "none"])
def test_the_page_says_what_became_of_the_cheat(cheat: str) -> None:
    refused = "the head is not the chain's" if cheat == "rollback" else None
    slashed = RESULT.slashed if cheat in ("withhold", "forge", "equivocate") else ()
    result = replace(RESULT, cheat=cheat, slashed=slashed, refusal=refused)  # type: ignore[arg-type]
    page = report_html(result, UTC)
    assert ("1.200 ETH" in page) == bool(slashed)
    assert ("the head is not the chain&#x27;s" in page) == (refused is not None)
    assert ("Nobody cheated" in page) == (cheat == "none")
    rows = [*summary_rows(result), *stage_rows(result)]
    assert len(closing_table(result, None)) == 1 + len(rows)
    for width in (20, 40, 60, 80):
        lines = closing_table(result, width)
        assert all(any(value in line for line in lines) for _, value in rows), "no value is cut"


def test_the_table_shows_where_the_time_went() -> None:
    assert stage_rows(RESULT) == [("wall time", "1.8 s"), ("  receipts", "1.2 s"), ("  payouts", "0.5 s")]


def test_a_run_without_quarter_hours_has_a_page_too() -> None:
    assert "No quarter hours" in report_html(replace(RESULT, quarter_hours=()), UTC)
