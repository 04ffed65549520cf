"""``report.html``: what a demo run leaves for people to read, made for a telephone and good on a wide screen.

Decided here: the page's parts and their order. The page is one file that loads nothing and runs no script; it follows
the reader's light or dark setting. It shows the community as a whole and each household's bill, which is what the
manager of a community sees; it is written to the run's own folder. Not decided here: how a bill reads
(``report_bills``), what the checks mean (``report_checks``), words and numbers (``report_words``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import tzinfo
from html import escape

from wattest.apps.demo.charts import Bar, Layer, horizontal_bars, stacked_areas
from wattest.apps.demo.closing_table import summary_rows
from wattest.apps.demo.report_bills import bills_section, prices_table
from wattest.apps.demo.report_checks import checks_section
from wattest.apps.demo.report_style import STYLE
from wattest.apps.demo.report_words import (
    WEI_PER_ETHER,
    ether,
    euros,
    kilowatt_hours,
    period,
    short_moment,
    zone_name,
)
from wattest.apps.demo.result import DemoResult, QuarterHour

MOST_POINTS = 2 * 96
"""Points that the energy chart shows before it takes whole hours."""
_PARTS = (
    ("bills", "Bills"),
    ("prices", "Prices"),
    ("checks", "Who checked what"),
    ("energy", "Energy"),
    ("cheat", "The cheat"),
    ("run", "This run"),
)


def report_html(result: DemoResult, zone: tzinfo | None = None) -> str:
    """The whole page; dates and times are those of ``zone``, by default the machine's."""
    links = "".join(f'<li><a href="#{name}">{title}</a>' for name, title in _PARTS)
    parts = {
        "bills": _bills(result, zone),
        "prices": prices_table(result.tariff),
        "checks": checks_section(result),
        "energy": _energy(result, zone),
        "cheat": _LOSS_NOTES[result.cheat] + _loss_chart(result),
        "run": _run(result),
    }
    return "".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            f"<title>Energy community: bills and checks</title><style>{STYLE}</style></head><body><main>",
            f"<h1>An energy community, checked</h1>{_lead(result, zone)}",
            f"<nav aria-label=Contents><ul>{links}</ul></nav>",
            *(
                f'<section aria-labelledby="{name}"><h2 id="{name}">{title}</h2>{parts[name]}</section>'
                for name, title in _PARTS
            ),
            "</main></body></html>\n",
        ]
    )


def _lead(result: DemoResult, zone: tzinfo | None) -> str:
    when = ""
    if result.bills:
        first = result.bills[0].bill
        when = f", {period(first.period_start, first.period_end, zone)}"
    households = f"{result.households} household{'s' if result.households != 1 else ''}"
    return (
        f"<p>{households}{escape(when)}. They shared {kilowatt_hours(result.shared_milliwatt_hours):,.1f} kWh of solar "
        f"power among themselves, and {euros(result.paid_out)} went to those who made it."
        '<p class="soft note">This is the page of the community\'s manager in a demo. In earnest, a household sees its '
        "own bill only."
    )


def _bills(result: DemoResult, zone: tzinfo | None) -> str:
    return (
        "<p class=soft>Each bill is exact to the cent, and follows from readings that the household's own meter "
        f"signed. Tap a household to see its bill.</p>{bills_section(result.bills, result.tariff, zone)}"
    )


def _energy(result: DemoResult, zone: tzinfo | None) -> str:
    quarters = result.quarter_hours
    if len(quarters) < 2:
        return "<p>No quarter hours to show.</p>"
    step, unit = (1, "kWh per quarter hour") if len(quarters) <= MOST_POINTS else (4, "kWh per hour")
    starts = [short_moment(quarters[at].start, zone) for at in range(0, len(quarters), step)]
    layers = [
        Layer("shared by neighbours", "shared", _sums(quarters, step, lambda q: q.shared_milliwatt_hours)),
        Layer(
            "from the grid",
            "grid-energy",
            _sums(quarters, step, lambda q: q.own_use_milliwatt_hours - q.shared_milliwatt_hours),
        ),
        Layer(
            "solar to the grid",
            "surplus",
            _sums(quarters, step, lambda q: q.exported_milliwatt_hours - q.shared_milliwatt_hours),
        ),
    ]
    return (
        "<figure><figcaption>What members drew, from neighbours' roofs or from the grid, and on top the solar power "
        f"that went to the grid because no member could use it just then (times: {zone_name(quarters[0].start, zone)})."
        f"</figcaption>{stacked_areas(layers, starts, unit, 'Energy by source over time')}</figure>"
    )


def _sums(quarters: Sequence[QuarterHour], step: int, of: Callable[[QuarterHour], int]) -> list[float]:
    return [kilowatt_hours(sum(of(one) for one in quarters[at : at + step])) for at in range(0, len(quarters), step)]


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
        Bar(f"{s.operator} ({s.cheat})", s.lost_wei / WEI_PER_ETHER, ether(s.lost_wei), "lost") for s in result.slashed
    ]
    return horizontal_bars(bars, "Stake lost, in ether")


def _run(result: DemoResult) -> str:
    rows = "".join(f"<tr><th scope=row>{escape(a.strip())}<td>{escape(b)}" for a, b in summary_rows(result))
    seconds = [Bar(name, taken, f"{taken:.1f} s", "neutral") for name, taken in result.stages.items()]
    total = sum(result.stages.values())
    return (
        f"<table class=run><caption>In numbers</caption><tbody>{rows}</table>"
        "<h3>What a reading costs on chain</h3><p class=soft>A commit costs the same for ten readings or ten million; "
        f"what a reading costs falls as meters join.</p>{_gas_chart(result)}"
        f"<h3>Where the time went</h3><p class=soft>{total:.1f} seconds in all.</p>"
        f"{horizontal_bars(seconds, 'Seconds by stage')}"
    )


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
