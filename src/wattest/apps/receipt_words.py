"""A receipt in a household's words: what each link means, whether it holds, and the bill's lines.

Decided here: words, units and rounding of what is shown. Not decided here: whether a link holds (``receipt.verify``).
Invariant: every link has a sentence for each of its three statuses; a number that is shown is one that the receipt
holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from wattest.receipt.link import Link, LinkStatus
from wattest.receipt.receipt import Receipt
from wattest.receipt.statement_links import statement_entry
from wattest.settlement.bill import Bill, BillLine, LineKind, parse_bill
from wattest.settlement.tariff import Tariff, parse_tariff
from wattest.settlement.terms_file import show_price
from wattest.settling.billing_period import local_date, local_moment

MILLIWATT_HOURS_PER_KWH = 1_000_000


@dataclass(frozen=True, slots=True)
class LinkWords:
    """What a link says when it holds, when it does not, and what stays open when it was not checked."""

    holds: str
    fails: str
    unchecked: str


LINKS: Mapping[str, LinkWords] = {
    "deployment": LinkWords(
        "this bill belongs to the community whose address book you have",
        "this bill is of another community than your address book's",
        "whether this bill belongs to your community is open",
    ),
    "meter signature": LinkWords(
        "your meter signed every reading that was billed",
        "readings were billed that your meter did not sign",
        "whether your meter signed these readings is open",
    ),
    "records": LinkWords(
        "no reading was changed; gaps were filled by the published rule",
        "readings were changed, or gaps filled by another rule",
        "whether readings were changed is open",
    ),
    "series": LinkWords(
        "the readings are the ones that were sealed under your name",
        "the readings are not the ones that were sealed",
        "whether these are the sealed readings is open",
    ),
    "batch": LinkWords(
        "your household stands in the list of every day, without a gap",
        "your household is missing from a day, or a day is missing",
        "whether every day is there is open",
    ),
    "header signature": LinkWords(
        "every day was signed inside an enclave, out of the operator's reach",
        "a day was signed by somebody else than the enclave",
        "who signed the days is open",
    ),
    "enclave verdict": LinkWords(
        "the enclave was judged, and ran the program that everybody can read",
        "the enclave was not judged good, or ran another program",
        "what ran inside the enclave is open",
    ),
    "registration": LinkWords(
        "the chain knew the enclave at the time of every day",
        "a day was signed by an enclave that the chain did not know at that time",
        "whether the chain knew the enclave is open",
    ),
    "commitment": LinkWords(
        "every day is on the chain as it is here, and stands",
        "a day is not on the chain as it is here, or its operator was punished for it",
        "whether the days are on the chain is open",
    ),
    "finality": LinkWords(
        "nobody can change or dispute these days any more",
        "a day can still be disputed: wait, and check again",
        "whether the days can still be disputed is open",
    ),
    "statement": LinkWords(
        "the bill was computed from exactly these days of yours",
        "the bill was computed from something else than these days",
        "from what the bill was computed is open",
    ),
    "bill arithmetic": LinkWords(
        "every line follows from your readings and the prices, and adds up",
        "a line of the bill does not follow from your readings and the prices",
        "whether the bill is computed right is open",
    ),
    "payout": LinkWords(
        "what you are owed is in the list of payouts, or nothing is owed to you",
        "what you are owed is not in the list of payouts",
        "whether you are paid what you are owed is open",
    ),
    "payout root": LinkWords(
        "the list of payouts is on the chain, or you need none",
        "the list of payouts is not on the chain, or was taken back",
        "whether the list of payouts is on the chain is open",
    ),
}
LINES: Mapping[LineKind, str] = {
    LineKind.GRID_ENERGY: "energy from the grid",
    LineKind.GRID_FEE: "grid fee",
    LineKind.COMMUNITY_ENERGY: "energy from neighbours",
    LineKind.COMMUNITY_GRID_FEE: "grid fee among neighbours",
    LineKind.COMMUNITY_CREDIT: "sold to neighbours",
    LineKind.FEED_IN_CREDIT: "sold to the grid",
    LineKind.FIXED_CHARGE: "fixed charge",
}


def link_sentence(link: Link) -> str:
    """What the link means for the household, as it stands."""
    words = LINKS[link.name]
    if link.status is LinkStatus.OK:
        return words.holds
    return words.fails if link.status is LinkStatus.FAILED else words.unchecked


def bill_of(receipt: Receipt) -> Bill:
    """The bill that a receipt holds. Raises: what a malformed one raises."""
    _, data, _ = statement_entry(receipt)
    return parse_bill(data)


def receipt_lines(receipt: Receipt, name: str | None, zone: str) -> Iterator[str]:
    """The bill, line by line."""
    bill, tariff = bill_of(receipt), parse_tariff(receipt.statement.tariff)
    yield f"household   {name or 'meter ' + receipt.public_key.hex()[:16] + '...'}"
    first, last = local_date(bill.period_start, zone), local_date(bill.period_end - 1, zone)
    yield f"period      {first} to {last} ({zone})"
    exact = [local_moment(moment, zone) for moment in (bill.period_start, bill.period_end)]
    if any(" 00:00 " not in moment for moment in exact):
        yield f"            exactly {exact[0]} to {exact[1]}"
    yield f"used        {_kwh(bill.total_import)} kWh, of it {_kwh(bill.total_shared)} from neighbours"
    if bill.total_export:
        yield f"fed in      {_kwh(bill.total_export)} kWh, of it {_kwh(bill.total_shared_export)} to neighbours"
    yield f"prices      {_prices(tariff)}"
    yield ""
    for line in bill.lines:
        yield f"{LINES[line.kind]:<28}{_quantity(line):>16}{_price(line):>20}{money(line.amount_cents):>12}"
    owes = bill.total_cents >= 0
    yield f"{'you pay' if owes else 'you receive':<28}{'':>36}{money(abs(bill.total_cents)):>12}"
    if receipt.payout is not None:
        units = tariff.units_per_cent
        yield ""
        yield (
            f"paid out to 0x{receipt.payout.account.hex()}: {money(receipt.payout.amount // units)} in all, this and"
            " earlier bills together"
        )


def receipt_json(receipt: Receipt, name: str | None, zone: str) -> dict[str, object]:
    """The same as values; energy in milliwatt-hours, prices in micro-cents, money in cents."""
    bill = bill_of(receipt)
    payout = receipt.payout
    return {
        "household": name,
        "public_key": receipt.public_key.hex(),
        "period_start": bill.period_start,
        "period_end": bill.period_end,
        "zone": zone,
        "first_day": local_date(bill.period_start, zone),
        "last_day": local_date(bill.period_end - 1, zone),
        "import_milliwatt_hours": bill.total_import,
        "export_milliwatt_hours": bill.total_export,
        "shared_milliwatt_hours": bill.total_shared,
        "shared_export_milliwatt_hours": bill.total_shared_export,
        "lines": [
            {
                "kind": line.kind.name.lower(),
                "quantity": line.quantity,
                "price_micro_cents": line.price_micro_cents,
                "amount_cents": line.amount_cents,
            }
            for line in bill.lines
        ],
        "total_cents": bill.total_cents,
        "payout": None if payout is None else {"account": "0x" + payout.account.hex(), "amount": payout.amount},
    }


def money(cents: int) -> str:
    """Cents with two decimals."""
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def _kwh(milliwatt_hours: int) -> str:
    whole, rest = divmod(milliwatt_hours, MILLIWATT_HOURS_PER_KWH)
    return f"{whole}.{rest:06d}"[:-3]


def _quantity(line: BillLine) -> str:
    if line.kind is LineKind.FIXED_CHARGE:
        days, rest = divmod(line.quantity, 86_400)
        return f"{days} days" if not rest else f"{line.quantity / 86_400:.3f} days"
    return f"{_kwh(line.quantity)} kWh"


def _price(line: BillLine) -> str:
    each = "day" if line.kind is LineKind.FIXED_CHARGE else "kWh"
    return f"{show_price(line.price_micro_cents)} ct/{each}"


def _prices(tariff: Tariff) -> str:
    return (
        f"grid {show_price(tariff.energy)} + {show_price(tariff.grid)}, neighbours {show_price(tariff.community)} +"
        f" {show_price(tariff.community_grid)}, feed-in {show_price(tariff.feed_in)} ct/kWh;"
        f" {show_price(tariff.fixed_per_day)} ct/day"
    )
