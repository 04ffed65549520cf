"""``wattest appraiser``: judge enclaves' evidence for operators and sign verdicts.

Decided here: what is asked for. What is done is in ``apps.actions.appraiser_run``.
"""

from __future__ import annotations

from pathlib import Path

import click

from wattest.apps.cli.options import FILE, config_option

_CONFIG = config_option("appraiser")


@click.group()
def appraiser() -> None:
    """Run an appraiser."""


@appraiser.command("new-key")
@FILE
def new_key(file: Path) -> None:
    """Make a signing key in FILE (mode 0600) and print its address, for whoever deploys the quorum."""
    from wattest.apps.actions.new_key import new_transaction_key

    new_transaction_key(file)


@appraiser.command()
@_CONFIG
def run(config_path: Path) -> None:
    """Answer requests for verdicts until Ctrl-C."""
    from wattest.apps.actions import appraiser_run

    appraiser_run.run(config_path)
