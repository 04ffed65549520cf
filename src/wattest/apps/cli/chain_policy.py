"""``wattest chain policy``: which enclaves a contract registers in a channel.

Decided here: what is asked for. What is done is in ``apps.actions.chain_quotes`` and ``chain_policy_changes``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from wattest.apps.cli.options import (
    CHANNEL_ID,
    FILE,
    PATH,
    PAYER_KEY,
    REGISTRATION_DAYS,
    TCB_STATUSES,
    deployment_options,
    production_switch,
)


@click.group("policy")
def chain_policy() -> None:
    """A channel's policy on chain: which enclaves the contract registers there."""


@chain_policy.command("set")
@FILE
@CHANNEL_ID
@click.option("--root", "roots", multiple=True, default=("intel",), show_default=True, help="Trust domains.")
@click.option(
    "--workload",
    "workloads",
    multiple=True,
    metavar="HEX",
    help="Workloads; our vee, in an open channel settle too, if left out.",
)
@click.option(
    "--collateral",
    "collateral_files",
    multiple=True,
    type=PATH,
    help="Where the advisories of allowed statuses are found.",
)
@click.option(
    "--days",
    type=click.IntRange(1, 90),
    default=REGISTRATION_DAYS,
    show_default=True,
    help="Longest registration.",
)
@click.option("--apply", "is_applied", is_flag=True, help="Put the same policy in force that was queued before.")
@PAYER_KEY
@deployment_options
@production_switch(file="policy")
def set_policy(
    file: Path,
    *,
    channel: str,
    roots: Sequence[str],
    workloads: Sequence[str],
    collateral_files: Sequence[Path],
    days: int,
    is_applied: bool,
    key_file: Path,
    address_book: Path,
    rpc: str,
    as_json: bool,
) -> None:
    """Set the channel's first policy from the policy file FILE, or queue the next one; as the channel's manager."""
    from wattest.apps.actions import chain_quotes

    chain_quotes.set_policy(
        file,
        channel=channel,
        roots=roots,
        workloads=workloads,
        collateral_files=collateral_files,
        days=days,
        is_applied=is_applied,
        key_file=key_file,
        address_book=address_book,
        rpc=rpc,
        as_json=as_json,
    )


@chain_policy.command("show")
@CHANNEL_ID
@deployment_options
@production_switch()
def show_policy(*, channel: str, address_book: Path, rpc: str, as_json: bool) -> None:
    """Say which policy is in force in the channel, and everything that ever happened to it."""
    from wattest.apps.actions import chain_quotes

    chain_quotes.show_policy(channel=channel, address_book=address_book, rpc=rpc, as_json=as_json)


@chain_policy.command()
@CHANNEL_ID
@click.option("--measurement", metavar="HEX", help="An enclave, by its measurement (MRENCLAVE).")
@click.option("--signer", metavar="HEX", help="A vendor's enclaves, by the hash of its key (MRSIGNER).")
@click.option("--workload", metavar="HEX", help="Of those enclaves this workload only; all if left out.")
@click.option("--status", type=click.Choice(TCB_STATUSES), help="A status, with all its advisories.")
@click.option("--platform", metavar="HEX", help="A platform on the policy's list.")
@PAYER_KEY
@deployment_options
@production_switch()
def withdraw(
    *,
    channel: str,
    measurement: str | None,
    signer: str | None,
    workload: str | None,
    status: str | None,
    platform: str | None,
    key_file: Path,
    address_book: Path,
    rpc: str,
    as_json: bool,
) -> None:
    """Take an enclave, a status or a platform out of the policy in force, at once; as the channel's manager.

    For an emergency: no key is registered by it any more, and anyone ends a key that it spoke for with
    `wattest chain revoke`. What is withdrawn comes back only by a new policy, which waits; one that
    is queued already is left as it is: cancel it if it wants the same.
    """
    from wattest.apps.actions import chain_policy_changes

    chain_policy_changes.withdraw(
        channel=channel,
        measurement=measurement,
        signer=signer,
        workload=workload,
        status=status,
        platform=platform,
        key_file=key_file,
        address_book=address_book,
        rpc=rpc,
        as_json=as_json,
    )


@chain_policy.command()
@CHANNEL_ID
@click.option("--collateral-days", type=click.IntRange(1, 365), help="Oldest collateral, in days.")
@click.option("--evaluation-number", type=click.IntRange(0, 2**32 - 1), help="Least TCB evaluation data number.")
@click.option("--days", type=click.IntRange(1, 90), help="Longest registration.")
@PAYER_KEY
@deployment_options
@production_switch()
def tighten(
    *,
    channel: str,
    collateral_days: int | None,
    evaluation_number: int | None,
    days: int | None,
    key_file: Path,
    address_book: Path,
    rpc: str,
    as_json: bool,
) -> None:
    """Make limits of the policy in force stricter, at once; as the channel's manager.

    What is not given stays. Keys that are registered stay so; the next registration keeps the new limits.
    """
    from wattest.apps.actions import chain_policy_changes

    chain_policy_changes.tighten(
        channel=channel,
        collateral_days=collateral_days,
        evaluation_number=evaluation_number,
        days=days,
        key_file=key_file,
        address_book=address_book,
        rpc=rpc,
        as_json=as_json,
    )


@chain_policy.command("apply")
@CHANNEL_ID
@PAYER_KEY
@deployment_options
@production_switch()
def apply_policy(*, channel: str, key_file: Path, address_book: Path, rpc: str, as_json: bool) -> None:
    """Put the queued policy in force once its wait is over; as the channel's manager.

    It is read from the contract's log, so its file is not needed; the contract compares it with what was queued.
    """
    from wattest.apps.actions import chain_policy_changes

    chain_policy_changes.apply_policy(
        channel=channel, key_file=key_file, address_book=address_book, rpc=rpc, as_json=as_json
    )


@chain_policy.command()
@CHANNEL_ID
@PAYER_KEY
@deployment_options
@production_switch()
def cancel(*, channel: str, key_file: Path, address_book: Path, rpc: str, as_json: bool) -> None:
    """Take the queued policy back; as the channel's manager. The policy in force stays."""
    from wattest.apps.actions import chain_policy_changes

    chain_policy_changes.cancel(channel=channel, key_file=key_file, address_book=address_book, rpc=rpc, as_json=as_json)
