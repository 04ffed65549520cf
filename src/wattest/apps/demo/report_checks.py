"""Who checked what, in the report: five parties, what each did in this run, and what each check means.

Decided here: which party a receipt's link is told under, and its meaning in a household's words. Every link has both:
a test holds the list against ``receipt.verify``. The counts are the run's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from wattest.apps.demo.result import DemoResult, HouseholdBill
from wattest.receipt.link import LinkStatus


@dataclass(frozen=True, slots=True)
class Check:
    """One link of a receipt: its title and meaning for people."""

    title: str
    meaning: str


METER: Mapping[str, Check] = {
    "meter signature": Check(
        "Readings signed",
        "The meter signed every day's readings with a key that only it has. A reading that somebody changed later "
        "would not fit.",
    ),
}
ENCLAVE: Mapping[str, Check] = {
    "records": Check(
        "Readings prepared by the rules",
        "Gaps and implausible values are handled by a published program. It was run again and gave the same.",
    ),
    "series": Check(
        "Readings fingerprinted", "The day's fingerprint was computed again; the entry is this household's."
    ),
    "batch": Check(
        "In the community's day",
        "The household's entry lies in the community's batch of each day, at its meter's place, and no day is missing.",
    ),
    "header signature": Check("Sealed inside", "Each batch is signed by a key that was made inside an enclave."),
    "enclave verdict": Check(
        "The right program",
        "Independent appraisers took the hardware's evidence that this key belongs to exactly the published program.",
    ),
    "statement": Check(
        "Bill from these days", "The bill was computed from exactly these days and prices, and from nothing else."
    ),
}
CONTRACT: Mapping[str, Check] = {
    "deployment": Check("The right contracts", "The receipt belongs to this community's contracts on this chain."),
    "registration": Check(
        "Key known", "The contract had the enclave's key on its list, valid, when each batch was committed."
    ),
    "commitment": Check(
        "Fingerprints held", "The contract holds each batch's fingerprint: nobody can put another day in its place."
    ),
    "finality": Check("Time for objections over", "Everybody had seven days to dispute a batch, and nobody does."),
    "payout root": Check("Payouts held", "The contract holds the list by which money is paid out to households."),
}
HOUSEHOLD: Mapping[str, Check] = {
    "bill arithmetic": Check(
        "Every line recomputed", "Energy, prices, each line and the total follow from the household's own readings."
    ),
    "payout": Check(
        "Paid what is owed", "What the bill owes the household is on the list of payouts; else nothing is."
    ),
}
PARTIES = (METER, ENCLAVE, CONTRACT, HOUSEHOLD)


def checks_section(result: DemoResult) -> str:
    """Five parties; none of them has to be believed alone."""
    watched = f"{result.judged_clean} of {result.batches} batches"
    caught = "".join(
        f" It caught the {escape(one.operator)}, which lost {one.lost_wei / 10**18:.3f} ETH."
        for one in result.slashed
        if one.caught_by == "the watcher"
    )
    return "".join(
        [
            "<p>No one here has to be believed alone. Each bill comes with a receipt that a stranger can check with "
            "nothing but the receipt, the community's address book and any node of the chain. In this run a separate "
            f"process did so for {result.receipts_verified} of {len(result.bills)} households.",
            _party(result, "The meter signs", "Each household's own device.", METER),
            _party(
                result,
                "The enclave computes",
                "A sealed part of the operator's computer: not even the operator can change what runs in it. "
                "<b>In this demo it is simulated, which shows the way and protects nothing.</b>",
                ENCLAVE,
            ),
            "<h3>The watcher recomputes</h3><p class=soft>Another party with keys of its own, which is paid for faults "
            "that it finds.<dl class=checks><dt>Everything again<dd>It opened every batch, checked each signature and "
            f"computed every reading's entry again: {watched} clean.{caught}</dl>",
            _party(result, "The contract keeps", "A program on a public chain that nobody can change.", CONTRACT),
            _party(result, "The household verifies", "With its own receipt and readings.", HOUSEHOLD),
        ]
    )


def _party(result: DemoResult, title: str, who: str, checks: Mapping[str, Check]) -> str:
    items = "".join(f"<dt>{check.title}<dd>{check.meaning} {_count(result, name)}" for name, check in checks.items())
    return f"<h3>{title}</h3><p class=soft>{who}<dl class=checks>{items}</dl>"


def _count(result: DemoResult, name: str) -> str:
    held = _holding(result.bills, name)
    return f"{'✓ ' if held == len(result.bills) else ''}{held} of {len(result.bills)} bills."


def _holding(bills: Sequence[HouseholdBill], name: str) -> int:
    return sum(any(link.name == name and link.status is LinkStatus.OK for link in bill.checks) for bill in bills)
