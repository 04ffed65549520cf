"""``wattest chain``: serve the embedded chain that a folder holds.

Decided here: how the chain is shown and stopped. The chain itself is ``wattest.chain.anvil``. Development only.
"""

from __future__ import annotations

import time
from pathlib import Path

import click

from wattest.apps.interrupts import SteadyStack
from wattest.apps.service import print_line
from wattest.chain.anvil import Anvil, ChainStartFailed
from wattest.chain.client import ChainClient


def serve(folder: Path, *, port: int | None, block_time_s: int, binary: Path | None, as_json: bool) -> None:
    """What ``wattest chain serve`` does."""
    with SteadyStack() as stack:
        served = stack.enter_context(Anvil.open(folder, port=port, binary=binary, block_time_s=block_time_s or None))
        latest = ChainClient.connect(served.url).block()
        if as_json:
            print_line(
                {
                    "url": served.url,
                    "chain_id": served.chain_id,
                    "block": latest.number,
                    "timestamp": latest.timestamp_s,
                    "may_advance": served.may_advance,
                }
            )
        else:
            click.echo(served.url)
            movable = "; its time may be moved" if served.may_advance else ""
            click.echo(f"chain {served.chain_id} at block {latest.number}{movable}; Ctrl-C stops it", err=True)
        while served.is_running:
            time.sleep(0.2)
        raise ChainStartFailed(
            "the chain's process ended", retryable=False, hint=f"see {folder / 'anvil.log'}", folder=folder
        )
