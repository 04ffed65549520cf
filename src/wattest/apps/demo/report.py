"""What a demo run leaves for people: ``report.html`` with plots, ``bills.csv``, and the closing table.

The page is one file that loads nothing; it follows the reader's light or dark setting. It shows the community as a
whole and each household's totals, which is what the manager of a community sees; it is written to the run's own folder.
"""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from html import escape

from rich.table import Table

from wattest.apps.demo.charts import Bar, Layer, horizontal_bars, stacked_areas
from wattest.apps.demo.result import DemoResult, HouseholdBill
from wattest.units import MILLIWATT_HOURS_PER_KILOWATT_HOUR

WEI_PER_ETHER = 10**18


def closing_table(result: DemoResult) -> Table:
    """The table a run ends with, for ``rich`` to print."""
    table = Table(title="wattest demo", show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column()
    for label, shown in summary_rows(result):
        table.add_row(label, shown)
    return table


def summary_rows(result: DemoResult) -> list[tuple[str, str]]:
    """The run in a few labelled lines, the same in the table and on the page."""
    rows = [
        ("households, days", f"{result.households}, {result.days}"),
        ("readings sealed", f"{result.readings:,} in {result.batches} batches"),
        ("gas of a commit", f"{result.steady_commit_gas:,} ({result.gas_per_reading:,.1f} a reading)"),
        ("energy shared", f"{_kilowatt_hours(_shared(result)):,.1f} kWh"),
        ("bills", f"{len(result.bills)}, {euros(sum(bill.total_cents for bill in result.bills))} in all"),
        ("paid out on chain", f"{euros(result.paid_out)} ({result.paid_out:,} token units of one cent)"),
        ("receipts verified", f"{result.receipts_verified} of {len(result.bills)}, each by a process of its own"),
        ("cheat", f"{result.cheat}: {result.outcome}"),
    ]
    rows += [
        (f"  {slashing.operator}", f"lost {_ether(slashing.lost_wei)}, caught by {slashing.caught_by}")
        for slashing in result.slashed
    ]
    if result.refusal:
        rows.append(("  refused", result.refusal))
    rows.append(("wall time", f"{sum(result.stages.values()):.1f} s"))
    return rows


def bills_csv(bills: tuple[HouseholdBill, ...] | list[HouseholdBill]) -> str:
    """The bills as CSV: energies in kWh with six decimals, money in cents, exact."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["household", "imported_kwh", "exported_kwh", "shared_kwh", "total_cents", "paid_out_token_units"])
    for bill in bills:
        writer.writerow(
            [
                bill.household,
                _exact_kilowatt_hours(bill.imported_milliwatt_hours),
                _exact_kilowatt_hours(bill.exported_milliwatt_hours),
                _exact_kilowatt_hours(bill.shared_milliwatt_hours),
                bill.total_cents,
                bill.paid_out_token,
            ]
        )
    return out.getvalue()


def report_html(result: DemoResult) -> str:
    """The whole page."""
    summary = "".join(f"<tr><th>{escape(a.strip())}</th><td>{escape(b)}</td></tr>" for a, b in summary_rows(result))
    return "".join(
        [
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>wattest demo</title>',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            f"<style>{_STYLE}</style><main><h1>An energy community, checked</h1>",
            f"<table class='summary'>{summary}</table>",
            "<h2>The community's energy</h2>",
            "<p>Each quarter hour (times in UTC): what members drew, from neighbours' roofs or from the grid, and on "
            "top the solar power that went to the grid because no member could use it just then.</p>",
            _energy_chart(result),
            "<h2>Gas per reading</h2><p>A commit costs the same for ten readings or ten million; what a reading costs "
            "falls as meters join.</p>",
            _gas_chart(result),
            "<h2>What the cheater lost</h2>",
            _LOSS_NOTES[result.cheat],
            _loss_chart(result),
            "<h2>Bills</h2><p>In euros, for these days, exact to the cent; a negative bill is money for the household, "
            "paid out on chain. Each bill follows from readings that the household's own meter signed.</p>",
            _bill_table(result),
            "<h2>Where the time went</h2>",
            horizontal_bars([Bar(n, s, f"{s:.1f} s", "neutral") for n, s in result.stages.items()], "Seconds by stage"),
            "</main></html>\n",
        ]
    )


def _energy_chart(result: DemoResult) -> str:
    quarters = result.quarter_hours
    if len(quarters) < 2:
        return "<p>No quarter hours to show.</p>"
    labels = [datetime.fromtimestamp(q.start, UTC).strftime("%d %b %H:%M") for q in quarters]
    layers = [
        Layer("shared by neighbours", "shared", [_kilowatt_hours(q.shared_milliwatt_hours) for q in quarters]),
        Layer(
            "from the grid",
            "grid-energy",
            [_kilowatt_hours(q.own_use_milliwatt_hours - q.shared_milliwatt_hours) for q in quarters],
        ),
        Layer(
            "solar to the grid",
            "surplus",
            [_kilowatt_hours(q.exported_milliwatt_hours - q.shared_milliwatt_hours) for q in quarters],
        ),
    ]
    return stacked_areas(layers, labels, "kWh per quarter hour", "Energy by source, each quarter hour")


def _gas_chart(result: DemoResult) -> str:
    gas = result.steady_commit_gas
    measured = Bar("this run", result.gas_per_reading, f"{result.gas_per_reading:,.1f} gas", "shared")
    modelled = [
        Bar(f"{meters:,} meters a day", gas / (meters * 96), f"{gas / (meters * 96):,.4f} gas (same commit)", "neutral")
        for meters in (100, 1_000, 10_000)
    ]
    return horizontal_bars([measured, *modelled], "Gas per reading")


def _loss_chart(result: DemoResult) -> str:
    if not result.slashed:
        said = result.refusal or "Nobody cheated in this run, so nobody lost anything."
        return f"<p>{escape(said)}</p>"
    bars = [
        Bar(f"{s.operator} ({s.cheat})", s.lost_wei / WEI_PER_ETHER, _ether(s.lost_wei), "lost") for s in result.slashed
    ]
    return horizontal_bars(bars, "Stake lost, in ether")


def _bill_table(result: DemoResult) -> str:
    head = "<tr><th>household<th>imported<th>of it shared<th>exported<th>bill</tr>"
    rows = "".join(
        f"<tr><td>{escape(b.household)}<td>{_kilowatt_hours(b.imported_milliwatt_hours):,.2f} kWh"
        f"<td>{_kilowatt_hours(b.shared_milliwatt_hours):,.2f} kWh"
        f"<td>{_kilowatt_hours(b.exported_milliwatt_hours):,.2f} kWh<td>{euros(b.total_cents)}</tr>"
        for b in result.bills
    )
    return f"<div class='wide'><table class='bills'>{head}{rows}</table></div>"


def _shared(result: DemoResult) -> int:
    return sum(quarter.shared_milliwatt_hours for quarter in result.quarter_hours)


def _kilowatt_hours(milliwatt_hours: int) -> float:
    return milliwatt_hours / MILLIWATT_HOURS_PER_KILOWATT_HOUR


def _exact_kilowatt_hours(milliwatt_hours: int) -> str:
    whole, rest = divmod(milliwatt_hours, MILLIWATT_HOURS_PER_KILOWATT_HOUR)
    return f"{whole}.{rest:06d}"


def euros(cents: int) -> str:
    """Cents as an exact amount with its currency, such as ``-1,234.05 EUR``."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100:,}.{abs(cents) % 100:02d} EUR"


def _ether(wei: int) -> str:
    return f"{wei / WEI_PER_ETHER:.3f} ETH"


_LOST = "the larger part of its stake is burned, the rest rewards who caught it.</p>"
_LOSS_NOTES = {
    "withhold": "<p>The second operator did not serve an entry. The watcher challenged it on chain, and the deadline "
    f"for an answer passed: {_LOST}",
    "forge": "<p>The second operator signed readings that no meter had signed. The watcher showed the contract the "
    f"signature that does not hold: {_LOST}",
    "equivocate": f"<p>The second operator signed two histories. The watcher showed the contract both: {_LOST}",
    "rollback": "<p>The second operator gave its enclave an old state back. The enclave asked for the chain's head, "
    "saw that the chain had moved on and refused, so that nothing false was signed and no stake was lost.</p>",
    "none": "",
}
_STYLE = """
:root{--ink:#1b2733;--soft:#5a6875;--page:#fff;--line:#dfe5ea;--shared:#2f9e5b;--grid:#8aa0b4;--surplus:#f0b429;--lost:#c4453c}
@media(prefers-color-scheme:dark){:root{--ink:#e8eef4;--soft:#a5b2be;--page:#12181f;--line:#2a343e;--grid:#5d7387}}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:900px;margin:0 auto;padding:24px}h1{font-size:28px}h2{margin-top:40px;font-size:20px}p{color:var(--soft)}
table{border-collapse:collapse}th,td{padding:4px 14px 4px 0;text-align:left;border-bottom:1px solid var(--line)}
.wide{overflow-x:auto}.bills td{white-space:nowrap}
.bills td:not(:first-child),.bills th:not(:first-child){text-align:right}.summary th{font-weight:600}
svg{width:100%;min-width:620px;height:auto}svg text{fill:var(--soft);font:12px system-ui,sans-serif}
svg .label,svg .value{fill:var(--ink)}
.grid{stroke:var(--line)}.area{opacity:.9}.shared{fill:var(--shared);background:var(--shared)}
.grid-energy,.neutral{fill:var(--grid);background:var(--grid)}.surplus{fill:var(--surplus);background:var(--surplus)}
.lost{fill:var(--lost);background:var(--lost)}.legend{list-style:none;display:flex;gap:20px;padding:0;color:var(--soft)}
.swatch{display:inline-block;width:12px;height:12px;border-radius:3px;margin-right:6px}
"""
