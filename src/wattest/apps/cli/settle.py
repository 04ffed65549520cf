"""``wattest settle``: settle a billing period, once its days are final.

Decided here: what is asked for. What is done is in ``apps.actions.settle``.
"""

from __future__ import annotations

from pathlib import Path

import click

from wattest.apps.cli.options import FAULTS, JSON, PATH, config_option


@click.command(
    epilog="Example: wattest settle --config operator.toml --terms terms.toml --month 2026-03 --zone Europe/Vienna"
)
@config_option("operator")
@click.option("--terms", type=PATH, help="The terms that the manager signed, from `wattest manager terms`.")
@click.option("--month", metavar="YYYY-MM", help="A calendar month of the zone.")
@click.option("--from", "first", metavar="DATE", help="The first local day, YYYY-MM-DD; with --days.")
@click.option("--days", type=click.IntRange(1, 400), help="How many local days.")
@click.option("--zone", default="UTC", show_default=True, metavar="NAME", help="The time zone, such as Europe/Vienna.")
@click.option("--whole-batches", is_flag=True, help="Take whole batches where the zone's midnight lies inside of them.")
@click.option("--before-final", is_flag=True, help="Settle batches that can still be challenged.")
@click.option("--dry-run", is_flag=True, help="Show the plan and do nothing.")
@click.option("--yes", "is_confirmed", is_flag=True, help="Do not ask.")
@click.option("--continue", "continues", is_flag=True, help="Take what was begun as far as it goes now.")
@click.option("--wait", "waits", is_flag=True, help="With a running operator, or --status: until it is done.")
@click.option("--status", "shows", is_flag=True, help="Show what is settled, and how far it is.")
@FAULTS
@JSON
def settle(
    config_path: Path,
    *,
    terms: Path | None,
    month: str | None,
    first: str | None,
    days: int | None,
    zone: str,
    whole_batches: bool,
    before_final: bool,
    dry_run: bool,
    is_confirmed: bool,
    continues: bool,
    shows: bool,
    waits: bool,
    faulty: bool,
    as_json: bool,
) -> int:
    """Settle a billing period of an operator's channel: a bill for each household, one payout root.

    The plan is shown first. Every step is kept, so that the same command, or --continue, goes on where a run was
    killed; a running operator is left an order, and does the rest by itself. What is owed can be claimed once every
    batch behind it is final and the escrow holds it.
    """
    from wattest.apps.actions import settle as actions

    named = (terms, month, first, days)
    if continues or shows:
        if (continues and shows) or any(one is not None for one in named) or dry_run:
            raise click.UsageError("--continue and --status stand alone")
        if shows:
            return actions.status(config_path, waits=waits, as_json=as_json)
        return actions.go_on(config_path, faulty=faulty, as_json=as_json)
    if terms is None:
        raise click.UsageError("name the signed terms: --terms FILE")
    return actions.settle(
        config_path,
        terms=terms,
        period=actions.period_of(month, first, days, zone),
        is_rounded=whole_batches,
        before_final=before_final,
        dry_run=dry_run,
        is_confirmed=is_confirmed,
        waits=waits,
        faulty=faulty,
        as_json=as_json,
    )
