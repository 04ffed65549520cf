"""``wattest receipt``: issue households' receipts, show them in a household's words, verify them link by link.

Decided here: what is asked for. What is done is in ``apps.actions.receipt_*``.
"""

from __future__ import annotations

from pathlib import Path

import click

from wattest.apps.cli.options import JSON, PATH, config_option, production_switch


@click.group()
def receipt() -> None:
    """Issue, show and verify households' receipts."""


@receipt.command()
@click.argument("files", type=PATH, nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--deployment",
    "address_book",
    required=True,
    type=PATH,
    help="The address book, deployment.json.",
)
@click.option("--rpc", metavar="URL", help="A node of the deployment's chain; without it some links stay unchecked.")
@click.option("--json", "as_json", is_flag=True, help="Print the links as one JSON object, an array for several files.")
@production_switch()
def verify(files: tuple[Path, ...], *, address_book: Path, rpc: str | None, as_json: bool) -> int:
    """Check every link of each FILE, from the meter's signature to the payout.

    Nothing but the receipt, the address book and a node is needed; nothing is sent anywhere. Several files have a
    result each, and the exit code is that of the worst.
    """
    from wattest.workload.configuration import EngineConfiguration
    from wattest.workload.guests import load_guest_early

    load_guest_early("vee", EngineConfiguration.for_host())  # the engine compiles while Python imports the other rooms

    from wattest.apps.actions import receipt_verify

    return receipt_verify.verify(files, address_book=address_book, rpc=rpc, as_json=as_json)


@receipt.command()
@click.argument("folders", type=PATH, nargs=-1, metavar="[HOUSEHOLD]...")
@config_option("operator")
@click.option("--out", required=True, type=PATH, help="The folder for the receipts; made if it is not there.")
@click.option("--members", type=PATH, help="Instead of folders: everybody in the manager's member file.")
@click.option("--reader-key", type=PATH, help="With --members: the key of a watcher that the member list names.")
@click.option("--statement", type=click.IntRange(1, 2**32 - 1), help="Which statement; the newest when not given.")
@click.option("--month", metavar="YYYY-MM", help="Instead: the month that was settled.")
@click.option("--zone", default="UTC", show_default=True, metavar="NAME", help="The month's time zone.")
@click.option(
    "--policy", "policies", required=True, multiple=True, type=PATH, help="The policy that enclaves were judged by."
)
@JSON
def issue(
    folders: tuple[Path, ...],
    *,
    config_path: Path,
    out: Path,
    members: Path | None,
    reader_key: Path | None,
    statement: int | None,
    month: str | None,
    zone: str,
    policies: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Write the receipts of a settled period, one file for each HOUSEHOLD (a folder of `wattest meter new-key`).

    The operator may run. A run that was interrupted goes on: what is there is kept. A receipt holds its household's
    readings and is for that household.
    """
    from wattest.apps.actions import receipt_issue
    from wattest.settling.billing_period import month_of

    receipt_issue.issue(
        config_path,
        folders=folders,
        members=members,
        reader_key=reader_key,
        period=None if month is None else month_of(month, zone),
        statement=statement,
        policies=policies,
        out=out,
        as_json=as_json,
    )


@receipt.command()
@click.argument("file", type=PATH)
@click.option("--deployment", "address_book", type=PATH, help="The address book: check every link, too.")
@click.option("--rpc", metavar="URL", help="A node of the deployment's chain; without it some links stay unchecked.")
@click.option("--members", type=PATH, help="The member file, or the household's folder: for its name.")
@click.option("--zone", default="UTC", show_default=True, metavar="NAME", help="The time zone to show days in.")
@JSON
@production_switch()
def show(
    file: Path, *, address_book: Path | None, rpc: str | None, members: Path | None, zone: str, as_json: bool
) -> int:
    """Show a bill as its household reads it: days, energy, prices, lines, and what was checked.

    Exit codes are those of `verify`: without an address book nothing is checked, and that is 8.
    """
    from wattest.apps.actions import receipt_show

    return receipt_show.show(file, address_book=address_book, rpc=rpc, members=members, zone=zone, as_json=as_json)
