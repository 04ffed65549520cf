"""``wattest chain``: serve the embedded chain that a folder holds.

Decided here: how the chain is shown and stopped. The chain itself is ``wattest.chain.anvil``. Development only.
"""

from __future__ import annotations

import time
from pathlib import Path

import click

from wattest.apps.cli.chain_policy_changes import apply_policy, cancel, tighten, withdraw
from wattest.apps.cli.chain_quotes import chain_collateral, chain_policy
from wattest.apps.cli.chain_revoke import revoke
from wattest.apps.interrupts import SteadyStack
from wattest.apps.service import print_line
from wattest.chain.anvil import Anvil, ChainStartFailed
from wattest.chain.client import ChainClient


@click.group()
def chain() -> None:
    """The embedded development chain; and collateral, policies and revocation on any chain."""


chain.add_command(chain_collateral)
chain.add_command(chain_policy)
chain.add_command(revoke)
for _change in (withdraw, tighten, apply_policy, cancel):
    chain_policy.add_command(_change)


@chain.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--port", type=click.IntRange(1, 65_535), help="Port on the loopback interface; a free one if left out.")
@click.option(
    "--block-time", "block_time_s", type=click.IntRange(1, 3_600), help="Make a block every so many seconds as well."
)
@click.option("--anvil", "binary", type=click.Path(path_type=Path), help="The anvil executable.")
@click.option("--json", "as_json", is_flag=True, help="Print the address as one JSON object.")
def serve(folder: Path, *, port: int | None, block_time_s: int | None, binary: Path | None, as_json: bool) -> None:
    """Serve the chain in FOLDER, for example OUT/chain of a demo, until Ctrl-C.

    Its time runs on from its latest block. Transactions are taken, and kept in the folder when the command ends.
    """
    with SteadyStack() as stack:
        served = stack.enter_context(Anvil.open(folder, port=port, binary=binary, block_time_s=block_time_s))
        latest = ChainClient.connect(served.url).block()
        if as_json:
            print_line(
                {
                    "url": served.url,
                    "chain_id": served.chain_id,
                    "block": latest.number,
                    "timestamp": latest.timestamp_s,
                }
            )
        else:
            click.echo(served.url)
            click.echo(f"chain {served.chain_id} at block {latest.number}; Ctrl-C stops it", err=True)
        while served.is_running:
            time.sleep(0.2)
        raise ChainStartFailed(
            "the chain's process ended", retryable=False, hint=f"see {folder / 'anvil.log'}", folder=folder
        )
