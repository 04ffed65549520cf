"""``wattest manager``: sign as a channel's manager what its enclaves must not take from a host.

Decided here: what is asked for. What is done is in ``apps.actions.manager_*``.
"""

from __future__ import annotations

from pathlib import Path

import click

from wattest.apps.cli.options import CHANNEL_ID, FILE, JSON, PATH, production_switch


@click.group()
def manager() -> None:
    """Run a channel as its manager: keys, members, what its enclaves must not take from a host."""


@manager.command("new-key")
@FILE
def new_key(file: Path) -> None:
    """Make a manager's key in FILE (mode 0600) and print its address."""
    from wattest.apps.actions.new_key import new_transaction_key

    new_transaction_key(file)


@manager.command("permit-hand-over")
@click.option("--key-file", required=True, type=PATH, help="The manager's key file.")
@click.option("--deployment", required=True, type=PATH, help="The address book.")
@CHANNEL_ID
@click.option("--operator", required=True, metavar="ADDRESS", help="Whose state goes over.")
@click.option("--policy", required=True, type=PATH, help="The policy for both enclaves.")
@click.option("--from", "from_measurement", required=True, metavar="HEX", help="Measurement of the enclave that gives.")
@click.option("--to", "to_measurement", required=True, metavar="HEX", help="Measurement of the one that takes.")
@click.option("--platform", required=True, metavar="HEX", help="Platform id of the one that takes.")
@click.option("--standby", is_flag=True, help="Keep it current as a standby; the giver goes on signing.")
@click.option("--days", type=click.IntRange(1, 365), default=7, show_default=True, help="How long it holds from now.")
@JSON
@production_switch()
def permit_hand_over(
    key_file: Path,
    deployment: Path,
    channel: str,
    operator: str,
    policy: Path,
    from_measurement: str,
    to_measurement: str,
    platform: str,
    *,
    standby: bool,
    days: int,
    as_json: bool,
) -> None:
    """Permit one enclave to take an operator's channel state from another, and print the operator's table for it."""
    from wattest.apps.actions import manager_permit

    manager_permit.permit_hand_over(
        key_file,
        deployment,
        channel,
        operator,
        policy,
        from_measurement,
        to_measurement,
        platform,
        standby=standby,
        days=days,
        as_json=as_json,
    )
