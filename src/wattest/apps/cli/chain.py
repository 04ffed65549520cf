"""``wattest chain``: the embedded chain; collateral, policies and revocation on any chain.

Decided here: what is asked for. What is done is in ``apps.actions.chain_*``.
"""

from __future__ import annotations

from pathlib import Path

import click

from wattest.apps.cli.chain_collateral import chain_collateral
from wattest.apps.cli.chain_policy import chain_policy
from wattest.apps.cli.options import CHANNEL_ID, JSON, PATH, PAYER_KEY, deployment_options, production_switch

BLOCK_TIME_S = 12
"""Ethereum's. A block costs the folder some 2 kB, and what waits for one on top of its transaction waits as there."""


@click.group()
def chain() -> None:
    """The embedded development chain; and collateral, policies and revocation on any chain."""


chain.add_command(chain_collateral)
chain.add_command(chain_policy)


_FOLDER = click.argument("folder", type=PATH)


@chain.command(epilog="Example: wattest chain new village/chain --start 2026-03-01 --advance")
@_FOLDER
@click.option("--start", metavar="MOMENT", help="When its time begins, such as 2026-03-01 (UTC); now if left out.")
@click.option("--advance", "may_advance", is_flag=True, help="Let `wattest chain advance` move its time.")
@click.option("--anvil", "binary", type=PATH, help="The anvil executable.")
@JSON
@production_switch(development="an embedded development chain, whose money and time are made up")
def new(folder: Path, *, start: str | None, may_advance: bool, binary: Path | None, as_json: bool) -> None:
    """Make an embedded chain in FOLDER, to try things out on; nothing on it is worth anything.

    Serve it with `wattest chain serve FOLDER`, and give an account money with `wattest chain fund FOLDER ADDRESS`.
    Readings are committed within hours of their day, in chain time: to commit days that are past, let the chain begin
    before them, and move its time on as you go (--advance).
    """
    from wattest.apps.actions import chain_folder

    chain_folder.new(folder, start=start, may_advance=may_advance, binary=binary, as_json=as_json)


@chain.command(epilog="Example: wattest chain fund village/chain --key-file manager.key")
@_FOLDER
@click.argument("address", required=False)
@click.option("--key-file", type=PATH, help="The account of this key, in place of ADDRESS.")
@click.option("--ether", default="100", show_default=True, metavar="AMOUNT", help="What it is to have at least.")
@JSON
@production_switch(development="money from nothing, on an embedded development chain")
def fund(folder: Path, *, address: str | None, key_file: Path | None, ether: str, as_json: bool) -> None:
    """Give an account of the embedded chain in FOLDER money until it has so much, served or not.

    Asked for twice, it gives nothing twice. No other kind of chain can be named here.
    """
    from wattest.apps.actions import chain_folder

    chain_folder.fund(folder, address=address, key_file=key_file, ether=ether, as_json=as_json)


@chain.command(epilog="Example: wattest chain advance village/chain --to 2026-03-02T00:10")
@_FOLDER
@click.option(
    "--to", metavar="MOMENT", help="Until when, such as 2026-03-02T00:10 (UTC); past already: nothing is done."
)
@click.option("--days", type=click.IntRange(0, 3_650), help="By so many days.")
@click.option("--hours", type=click.IntRange(0, 87_600), help="By so many hours, with or without --days.")
@JSON
@production_switch(development="moving an embedded development chain's time")
def advance(folder: Path, *, to: str | None, days: int | None, hours: int | None, as_json: bool) -> None:
    """Move the time of the embedded chain in FOLDER forward, served or not, so that windows pass.

    Only for a chain that `wattest chain new --advance` made. No other kind of chain can be named here.
    """
    from wattest.apps.actions import chain_folder

    chain_folder.advance(folder, to=to, days=days, hours=hours, as_json=as_json)


@chain.command()
@_FOLDER
@click.option("--port", type=click.IntRange(1, 65_535), help="Port on the loopback interface; a free one if left out.")
@click.option(
    "--block-time",
    "block_time_s",
    type=click.IntRange(0, 3_600),
    default=BLOCK_TIME_S,
    show_default=True,
    help="Make a block every so many seconds as well; 0: for transactions only, and nothing gets confirmations.",
)
@click.option("--anvil", "binary", type=PATH, help="The anvil executable.")
@click.option("--json", "as_json", is_flag=True, help="Print the address as one JSON object.")
@production_switch(development="an embedded development chain, whose keys are published", is_long=True)
def serve(folder: Path, *, port: int | None, block_time_s: int, binary: Path | None, as_json: bool) -> None:
    """Serve the chain in FOLDER, made by `wattest chain new` or a demo (OUT/chain), until Ctrl-C.

    Its time runs on from its latest block. Transactions are taken, and kept in the folder when the command ends.
    """
    from wattest.apps.actions import chain_serve

    chain_serve.serve(folder, port=port, block_time_s=block_time_s, binary=binary, as_json=as_json)


@chain.command()
@CHANNEL_ID
@click.option("--operator", required=True, metavar="ADDRESS", help="Whose enclave's key it is.")
@click.option("--key", required=True, metavar="ADDRESS", help="The enclave key.")
@PAYER_KEY
@deployment_options
@production_switch()
def revoke(
    *, channel: str, operator: str, key: str, key_file: Path, address_book: Path, rpc: str, as_json: bool
) -> None:
    """Revoke an enclave key as a stranger, by a fact on chain; nobody has to agree.

    The quote is taken from the key's last registration on chain. The contract revokes if a stored list names the
    platform's certificate or its CA, the channel's policy wants the enclave no more, or the newest stored level is
    not allowed. Bring newer collateral first: `wattest chain collateral publish`. Without such a fact it refuses
    (NothingAgainst), and nothing is paid. The operator needs no fact: `wattest operator revoke-key`.
    """
    from wattest.apps.actions import chain_revoke

    chain_revoke.revoke(
        channel=channel,
        operator=operator,
        key=key,
        key_file=key_file,
        address_book=address_book,
        rpc=rpc,
        as_json=as_json,
    )
