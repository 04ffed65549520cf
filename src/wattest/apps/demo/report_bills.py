"""The bills of the report: one for each household, in words that a household uses.

Decided here: what a bill shows and in which order, and how many households stay easy to find: each bill is folded,
and from ``GROUP`` on they lie in folded groups. A household takes about two kilobytes of the page. Lines of a bill that
charge for nothing are left out; the total is the bill's own, not a sum made here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from html import escape

from wattest.apps.demo.report_words import cents, energy, euros, owed, period
from wattest.apps.demo.result import HouseholdBill
from wattest.receipt.link import LinkStatus
from wattest.settlement.bill import BillLine, LineKind
from wattest.settlement.tariff import Tariff
from wattest.units import SECONDS_PER_DAY

GROUP = 50
LINES = {
    LineKind.GRID_ENERGY: "Energy from the grid",
    LineKind.GRID_FEE: "Grid fee for it",
    LineKind.COMMUNITY_ENERGY: "Energy from the community",
    LineKind.COMMUNITY_GRID_FEE: "Grid fee for it, reduced",
    LineKind.COMMUNITY_CREDIT: "Your solar power that neighbours used",
    LineKind.FEED_IN_CREDIT: "Your solar power fed into the grid",
    LineKind.FIXED_CHARGE: "Basic charge",
}


def bills_section(bills: Sequence[HouseholdBill], tariff: Tariff, zone: tzinfo | None) -> str:
    """Every bill; the first one is open, so that one sees what is in the others."""
    folded = [_bill(bill, tariff, zone, is_open=not place) for place, bill in enumerate(bills)]
    if len(bills) > GROUP:
        folded = [
            f"<details{'' if at else ' open'}><summary><span>{escape(bills[at].household)} to "
            f"{escape(bills[min(at + GROUP, len(bills)) - 1].household)}</span></summary>"
            f"{''.join(folded[at : at + GROUP])}</details>"
            for at in range(0, len(bills), GROUP)
        ]
    return "".join(folded)


def prices_table(tariff: Tariff) -> str:
    """The tariff in a household's words."""
    rows = (
        ("Energy from the grid", tariff.energy, "kWh"),
        ("Grid fee for it", tariff.grid, "kWh"),
        ("Energy from the community, paid to the neighbour who made it", tariff.community, "kWh"),
        ("Grid fee for it, reduced", tariff.community_grid, "kWh"),
        ("Solar power fed into the grid, paid to you", tariff.feed_in, "kWh"),
        ("Basic charge", tariff.fixed_per_day, "day"),
    )
    body = "".join(f"<tr><th scope=row>{what}<td>{cents(price)} a {unit}" for what, price, unit in rows)
    return (
        "<table class=prices><caption>The same for every household, signed by the community's manager</caption>"
        f"<thead><tr><th scope=col>For<th scope=col>Price<tbody>{body}</table>"
    )


def _bill(bill: HouseholdBill, tariff: Tariff, zone: tzinfo | None, *, is_open: bool) -> str:
    name, total = escape(bill.household), bill.bill.total_cents
    facts = [("Period", period(bill.bill.period_start, bill.bill.period_end, zone)), *_energies(bill)]
    if bill.paid_out_token:
        facts.append(("Paid out", f"{euros(bill.paid_out_token // tariff.units_per_cent)}, on chain"))
    lines = "".join(_line(line) for line in bill.bill.lines if line.quantity)
    return (
        f"<details{' open' if is_open else ''}><summary><span>{name}</span>"
        f"<b{' class=good' if total < 0 else ''}>{owed(total)}</b></summary><div>"
        f"<dl>{''.join(f'<dt>{what}<dd>{escape(said)}' for what, said in facts)}</dl>"
        f"<table class=bill><caption>Bill of {name}</caption><thead><tr><th scope=col>For<th scope=col>EUR"
        f"<tbody>{lines}<tfoot><tr><th scope=row>Total<td>{_amount(total)}</table>{_checked(bill)}</div></details>"
    )


def _energies(bill: HouseholdBill) -> list[tuple[str, str]]:
    whole = bill.bill
    facts = [
        ("From the grid", energy(whole.total_import - whole.total_shared)),
        ("From the community", energy(whole.total_shared)),
    ]
    if whole.total_export:
        facts.append(
            ("Fed in", f"{energy(whole.total_export)}, of it {energy(whole.total_shared_export)} to neighbours")
        )
    return facts


def _line(line: BillLine) -> str:
    if line.kind is LineKind.FIXED_CHARGE:
        count = f"{line.quantity / SECONDS_PER_DAY:.6f}".rstrip("0").rstrip(".")
        counted = f"{count} {'day' if count == '1' else 'days'} × {cents(line.price_micro_cents)}"  # noqa: RUF001
    else:
        counted = f"{energy(line.quantity)} × {cents(line.price_micro_cents)}"  # noqa: RUF001
    return f"<tr><th scope=row>{LINES[line.kind]}<small>{counted}</small><td>{_amount(line.amount_cents)}"


def _amount(cents_: int) -> str:
    return euros(cents_).removesuffix(" EUR").replace("-", "\N{MINUS SIGN}")


def _checked(bill: HouseholdBill) -> str:
    """How many of the receipt's links hold; one that does not is named with its reason."""
    held = sum(link.status is LinkStatus.OK for link in bill.checks)
    others = "".join(
        f"<li>{escape(link.name)}: {link.status.value}, {escape(link.reason)}"
        for link in bill.checks
        if link.status is not LinkStatus.OK
    )
    where = f"receipts/{escape(bill.household)}.json"
    if not bill.checks:
        return f"<p>This bill's receipt was not checked in this run: <code>{where}</code>"
    if others:
        return f"<p><b>Only {held} of {len(bill.checks)} checks hold</b> (<code>{where}</code>):<ul>{others}</ul>"
    return f'<p>✓ All {held} <a href="#checks">checks</a> hold (<code>{where}</code>)'
