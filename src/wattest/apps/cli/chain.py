"""``wattest chain``: the embedded chain; collateral, policies and revocation on any chain.

Decided here: what is asked for. What is done is in ``apps.actions.chain_*``.
"""

from __future__ import annotations

from pathlib import Path

import click

from wattest.apps.cli.chain_collateral import chain_collateral
from wattest.apps.cli.chain_policy import chain_policy
from wattest.apps.cli.options import CHANNEL_ID, PATH, PAYER_KEY, deployment_options, production_switch

BLOCK_TIME_S = 12
"""Ethereum's. A block costs the folder some 2 kB, and what waits for one on top of its transaction waits as there."""


@click.group()
def chain() -> None:
    """The embedded development chain; and collateral, policies and revocation on any chain."""


chain.add_command(chain_collateral)
chain.add_command(chain_policy)


@chain.command()
@click.argument("folder", type=PATH)
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
    """Serve the chain in FOLDER, for example OUT/chain of a demo, until Ctrl-C.

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
