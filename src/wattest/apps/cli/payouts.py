"""``wattest payouts``: the account that pays what settled bills owe.

Decided here: what is asked for. What is done is in ``apps.actions.payouts``.
"""

from __future__ import annotations

from pathlib import Path

import click

from wattest.apps.cli.options import MANAGER_KEY, PATH, PAYER_KEY, deployment_options, production_switch


@click.group()
def payouts() -> None:
    """Make, fund and look at the account that pays what bills owe, and claim from it."""


@payouts.command()
@click.option("--statement-channel", "statements", required=True, metavar="NAME|ID", help="Where statements go.")
@click.option("--metering-channel", "metering", required=True, metavar="NAME|ID", help="What they are over.")
@click.option("--operator", required=True, metavar="ADDRESS", help="Whose statements count.")
@click.option(
    "--delay-hours", type=click.IntRange(1, 2160), default=24, show_default=True, help="How long a root waits."
)
@MANAGER_KEY
@deployment_options
@production_switch()
def create(
    *, statements: str, metering: str, operator: str, delay_hours: int, key_file: Path, address_book: Path, rpc: str,
    as_json: bool,
) -> None:  # fmt: skip
    """Create the distribution that pays an operator's statements over a channel, and list it in the address book.

    The key's account may take a root back while it waits. Asked for twice, nothing is sent twice.
    """
    from wattest.apps.actions import payouts as actions

    actions.create(
        statements=statements, metering=metering, operator=operator, delay_hours=delay_hours,
        address_book=address_book, rpc=rpc, key_file=key_file, as_json=as_json,
    )  # fmt: skip


@payouts.command()
@click.option(
    "--to", "amount", required=True, type=click.IntRange(1), metavar="AMOUNT", help="What the escrow is to hold."
)
@click.option("--distribution", metavar="ID", help="Which one, where the address book names several.")
@PAYER_KEY
@deployment_options
@production_switch()
def fund(*, amount: int, distribution: str | None, key_file: Path, address_book: Path, rpc: str, as_json: bool) -> None:
    """Bring the escrow to AMOUNT of the token's smallest units, from the key's account.

    What is there counts: the same command again pays nothing.
    """
    from wattest.apps.actions import payouts as actions

    actions.fund(
        amount=amount, distribution=distribution, address_book=address_book, rpc=rpc, key_file=key_file,
        as_json=as_json,
    )  # fmt: skip


@payouts.command()
@deployment_options
@production_switch()
def show(*, address_book: Path, rpc: str, as_json: bool) -> None:
    """Show every distribution of the address book: escrow, what is promised, paid, and what waits."""
    from wattest.apps.actions import payouts as actions

    actions.show(address_book=address_book, rpc=rpc, as_json=as_json)


@payouts.command()
@click.argument("files", type=PATH, nargs=-1, required=True, metavar="RECEIPT...")
@PAYER_KEY
@deployment_options
@production_switch()
def claim(files: tuple[Path, ...], *, key_file: Path, address_book: Path, rpc: str, as_json: bool) -> None:
    """Have paid what each RECEIPT owes, to the account that it names; anybody may send it.

    Amounts are of all periods together, so the newest receipt is enough. Asked for twice, nothing is paid twice.
    """
    from wattest.apps.actions import payouts as actions

    actions.claim(files, address_book=address_book, rpc=rpc, key_file=key_file, as_json=as_json)
