"""``wattest chain collateral``: what a contract needs to judge quotes without appraisers.

Decided here: what is asked for. What is done is in ``apps.actions.chain_quotes``.
"""

from __future__ import annotations

from pathlib import Path

import click

from wattest.apps.cli.options import FILE, PAYER_KEY, ROOT, deployment_options, production_switch


@click.group("collateral")
def chain_collateral() -> None:
    """Collateral on chain: anyone may bring it, the contract checks every signature."""


@chain_collateral.command()
@FILE
@ROOT
@PAYER_KEY
@deployment_options
@production_switch()
def publish(file: Path, *, root: str, key_file: Path, address_book: Path, rpc: str, as_json: bool) -> None:
    """Bring what FILE has and the contract has not; what is not newer is passed over and costs nothing."""
    from wattest.apps.actions import chain_quotes

    chain_quotes.publish(file, root=root, key_file=key_file, address_book=address_book, rpc=rpc, as_json=as_json)


@chain_collateral.command()
@FILE
@ROOT
@deployment_options
@production_switch()
def show(file: Path, *, root: str, address_book: Path, rpc: str, as_json: bool) -> None:
    """Say what the contract has of the platform model, the CA and the root that FILE is about."""
    from wattest.apps.actions import chain_quotes

    chain_quotes.show(file, root=root, address_book=address_book, rpc=rpc, as_json=as_json)
