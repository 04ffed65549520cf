"""``wattest receipt``: verify a household's receipt, link by link.

Decided here: what is asked for. What is done is in ``apps.actions.receipt_verify``.
"""

from __future__ import annotations

from pathlib import Path

import click

from wattest.apps.cli.options import PATH, production_switch


@click.group()
def receipt() -> None:
    """Verify households' receipts, link by link."""


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
