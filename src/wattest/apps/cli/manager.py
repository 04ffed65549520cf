"""``wattest manager``: sign as a channel's manager what its enclaves must not take from a host.

Decided here: what is asked for. What is done is in ``apps.actions.manager_*``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from wattest.apps.cli.options import (
    CHANNEL_ID,
    DEPLOYMENT,
    FILE,
    JSON,
    MANAGER_KEY,
    PATH,
    deployment_options,
    production_switch,
)


@click.group()
def manager() -> None:
    """Run a channel as its manager: keys, members, what its enclaves must not take from a host."""


@manager.command("new-key")
@FILE
def new_key(file: Path) -> None:
    """Make a manager's key in FILE (mode 0600) and print its address."""
    from wattest.apps.actions.new_key import new_transaction_key

    new_transaction_key(file)


_MEMBERS = click.option(
    "--members",
    type=PATH,
    default=Path("members.toml"),
    show_default=True,
    help="The member file (docs/spec/member-file.md).",
)


@manager.command(
    "create-channel", epilog="Example: wattest manager create-channel village --rpc URL --key-file own.key"
)
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(["scheduled", "open"]),
    default="scheduled",
    show_default=True,
    help="Scheduled: a batch of all members each day; open: statements, imports, no schedule.",
)
@click.option("--stake", default="1", show_default=True, metavar="ETHER", help="What a slash burns of a deposit.")
@MANAGER_KEY
@deployment_options
@production_switch()
def create_channel(
    name: str, *, kind: str, stake: str, key_file: Path, address_book: Path, rpc: str, as_json: bool
) -> None:
    """Create the channel NAME on chain, managed by the key's account, and list it in the address book.

    Any command then finds it by --channel NAME. Asked for twice, nothing is sent twice; a channel of that name with
    other parameters is refused. Next: `wattest manager members add`.
    """
    from wattest.apps.actions import manager_channel

    manager_channel.create_channel(
        name, kind=kind, stake=stake, address_book=address_book, rpc=rpc, key_file=key_file, as_json=as_json
    )


@manager.group()
def members() -> None:
    """Keep the member file of a channel: who belongs to it, under which names."""


@members.command("add", epilog="Example: wattest manager members add flat-*/member.toml --channel village")
@click.argument("cards", nargs=-1, type=PATH, metavar="CARD...")
@click.option("--watcher", "watchers", multiple=True, metavar="NAME=KEY", help="A watcher that may read; repeat it.")
@click.option("--channel", metavar="NAME|ID", help="Whose file it is to be; needed when it is begun.")
@_MEMBERS
@DEPLOYMENT
@JSON
@production_switch()
def add_members(
    cards: tuple[Path, ...],
    *,
    watchers: tuple[str, ...],
    channel: str | None,
    members: Path,
    address_book: Path,
    as_json: bool,
) -> None:
    """Add households by their cards (FOLDER/member.toml, from `wattest meter new-key`), and watchers by their keys.

    All of them, or none: whoever is in the file already, by name or by a key, is refused by name. Next: `wattest
    manager sign`.
    """
    from wattest.apps.actions import manager_members

    manager_members.add(
        cards, watchers=watchers, file=members, channel=channel, address_book=address_book, as_json=as_json
    )


@members.command("remove")
@click.argument("name")
@_MEMBERS
@JSON
def remove_member(name: str, *, members: Path, as_json: bool) -> None:
    """Take the household or watcher NAME out of the member file; it leaves with the next list that is signed."""
    from wattest.apps.actions import manager_members

    manager_members.remove(name, file=members, as_json=as_json)


@members.command("list")
@_MEMBERS
@JSON
def list_members(*, members: Path, as_json: bool) -> None:
    """Show who is in the member file."""
    from wattest.apps.actions import manager_members

    manager_members.show(file=members, as_json=as_json)


@manager.command(epilog="Example: wattest manager sign --from 2026-03-01 --rpc URL --key-file manager.key")
@_MEMBERS
@click.option("--from", "valid_from", required=True, metavar="DAY", help="The first period, such as 2026-03-01 (UTC).")
@click.option("--out", type=PATH, default=Path("members.bin"), show_default=True, help="The signed list.")
@MANAGER_KEY
@deployment_options
@production_switch()
def sign(
    *, members: Path, valid_from: str, out: Path, key_file: Path, address_book: Path, rpc: str, as_json: bool
) -> None:
    """Sign the member file as the list that holds from a period on, and tell the chain how many members that are.

    The operator gets the signed list. For members who come or go later: change the file, and sign again with a later
    --from and another --out.
    """
    from wattest.apps.actions import manager_sign

    manager_sign.sign(
        members=members,
        valid_from=valid_from,
        address_book=address_book,
        rpc=rpc,
        key_file=key_file,
        out=out,
        as_json=as_json,
    )


def _price(option: str, what: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(option, required=True, metavar="CENTS", help=what)


@manager.command(
    epilog="Example: wattest manager terms --statement-channel village-bills --from 2026-03-01 --until 2026-04-01 "
    "--energy 24 --grid 9.35 --community 12 --community-grid 4 --feed-in 8 --per-day 10 --key-file manager.key"
)
@_MEMBERS
@click.option(
    "--list", "signed_list", type=PATH, default=Path("members.bin"), show_default=True, help="The signed list."
)
@click.option("--statement-channel", required=True, metavar="NAME|ID", help="The open channel that statements go into.")
@click.option("--from", "valid_from", required=True, metavar="DAY", help="When they begin to hold (UTC).")
@click.option(
    "--until", "valid_until", required=True, metavar="DAY", help="When they end, that day not included (UTC)."
)
@_price("--energy", "Energy from the grid, per kilowatt-hour.")
@_price("--grid", "Grid fee on it, per kilowatt-hour.")
@_price("--community", "Shared energy, per kilowatt-hour: paid by who uses it, credited to who made it.")
@_price("--community-grid", "Grid fee on shared energy, per kilowatt-hour.")
@_price("--feed-in", "Credit for what nobody shared, per kilowatt-hour.")
@_price("--per-day", "Fixed, per day.")
@click.option(
    "--sharing",
    type=click.Choice(["by-use", "equal", "fixed", "ranked"]),
    default="by-use",
    show_default=True,
    help="How solar power is shared: by use, equally, by percent, or in an order.",
)
@click.option(
    "--share", "shares", multiple=True, metavar="NAME=N", help="Percent (fixed) or rank (ranked) of a member."
)
@click.option(
    "--decimals",
    type=click.IntRange(2, 18),
    default=2,
    show_default=True,
    help="Decimals of the token that pays.",
)
@click.option("--out", type=PATH, default=Path("terms.toml"), show_default=True, help="The signed terms.")
@MANAGER_KEY
@DEPLOYMENT
@JSON
@production_switch()
def terms(
    *,
    members: Path,
    signed_list: Path,
    statement_channel: str,
    valid_from: str,
    valid_until: str,
    energy: str,
    grid: str,
    community: str,
    community_grid: str,
    feed_in: str,
    per_day: str,
    sharing: str,
    shares: tuple[str, ...],
    decimals: int,
    out: Path,
    key_file: Path,
    address_book: Path,
    as_json: bool,
) -> None:
    """Sign by which prices and shares the community is settled, and whom it pays (docs/spec/settlement-terms.md).

    Prices are cents, with at most six decimals. Accounts are those of the member file. Nothing is sent: whoever
    settles takes the file.
    """
    from wattest.apps.actions import manager_sign

    manager_sign.terms(
        members=members,
        signed_list=signed_list,
        statement_channel=statement_channel,
        valid_from=valid_from,
        valid_until=valid_until,
        prices=(energy, grid, community, community_grid, feed_in, per_day),
        sharing=sharing,
        shares=shares,
        decimals=decimals,
        address_book=address_book,
        key_file=key_file,
        out=out,
        as_json=as_json,
    )


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
