"""A demo run in a few labelled lines: the table on the terminal, the same lines on the page."""

from __future__ import annotations

from wattest.apps.demo.report_words import ether, euros, kilowatt_hours
from wattest.apps.demo.result import DemoResult
from wattest.apps.terminal import table_lines


def closing_table(result: DemoResult, width: int | None) -> list[str]:
    """The lines a run ends with, the time of each stage under them; a list where ``width`` columns are too few."""
    return ["wattest demo", *table_lines(("", ""), [*summary_rows(result), *stage_rows(result)], width)]


def summary_rows(result: DemoResult) -> list[tuple[str, str]]:
    """The run in a few labelled lines, the same in the table and on the page."""
    rows = [
        ("households, days", f"{result.households}, {result.days}"),
        ("readings sealed", f"{result.readings:,} in {result.batches} batches"),
        ("gas of a commit", f"{result.steady_commit_gas:,} ({result.gas_per_reading:,.1f} a reading)"),
        ("energy shared", f"{kilowatt_hours(result.shared_milliwatt_hours):,.1f} kWh"),
        ("bills", f"{len(result.bills)}, {euros(sum(bill.total_cents for bill in result.bills))} in all"),
        ("paid out on chain", f"{euros(result.paid_out)} ({result.paid_out:,} token units of one cent)"),
        (
            "receipts verified",
            f"{result.receipts_verified} of {len(result.bills)}, by processes that know nothing else",
        ),
        ("cheat", f"{result.cheat}: {result.outcome}"),
    ]
    rows += [
        (f"  {slashing.operator}", f"lost {ether(slashing.lost_wei)}, caught by {slashing.caught_by}")
        for slashing in result.slashed
    ]
    if result.refusal:
        rows.append(("  refused", result.refusal))
    return rows


def stage_rows(result: DemoResult) -> list[tuple[str, str]]:
    """Where the time went."""
    stages = [(f"  {name}", f"{seconds:.1f} s") for name, seconds in result.stages.items()]
    return [("wall time", f"{sum(result.stages.values()):.1f} s"), *stages]
