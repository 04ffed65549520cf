"""``wattest operator``: run an operator from a configuration file, and look after its enclave keys.

Decided here: what is asked for. What is done is in ``apps.actions.operator_*``, the loop in
``wattest.operator.operator``.
"""

from __future__ import annotations

from pathlib import Path

import click

from wattest.apps.cli.options import (
    CHANNEL_IF_SEVERAL,
    FAULTS,
    FILE,
    JSON,
    ONCE,
    PATH,
    config_option,
    deployment_options,
    production_switch,
)

_CONFIG = config_option("operator")


@click.group()
def operator() -> None:
    """Run an operator: configuration, deposit, the loop, its enclave keys."""


@operator.command("new-key")
@FILE
def new_key(file: Path) -> None:
    """Make a transaction key in FILE (mode 0600) and print its address."""
    from wattest.apps.actions.new_key import new_transaction_key

    new_transaction_key(file)


_ANY_CHANNEL = click.option("--channel", metavar="NAME|ID", help="Any channel; the one that is served if left out.")


@operator.command(
    epilog="Example: wattest operator init operator.toml flat-*/blinding.key --rpc URL --key-file operator.key "
    "--platform platform"
)
@click.argument("config", type=PATH)
@click.argument("secrets", nargs=-1, required=True, type=PATH, metavar="BLINDING_KEY...")
@click.option("--members", type=PATH, default=Path("members.bin"), show_default=True, help="The manager's signed list.")
@click.option("--platform", "platform_folder", required=True, type=PATH, help="The enclave's platform.")
@click.option(
    "--enclave",
    type=click.Choice(["simulator", "gramine"]),
    default="simulator",
    show_default=True,
    help="What kind of platform that is; a simulated one is for development.",
)
@click.option("--listen", default="127.0.0.1:8547", show_default=True, help="Where households and watchers connect.")
@click.option("--data", type=PATH, help="Database, bundles, sealed state; data beside CONFIG if left out.")
@click.option("--appraiser", "appraisers", multiple=True, metavar="URL", help="Where appraisers judge; repeat it.")
@click.option("--key-file", required=True, type=PATH, help="The operator's key, from `wattest operator new-key`.")
@deployment_options
@production_switch()
def init(
    config: Path,
    secrets: tuple[Path, ...],
    *,
    members: Path,
    platform_folder: Path,
    enclave: str,
    listen: str,
    data: Path | None,
    appraisers: tuple[str, ...],
    key_file: Path,
    address_book: Path,
    rpc: str,
    as_json: bool,
) -> None:
    """Write the operator's configuration to CONFIG, and the households' blinding keys in the list's order beside it.

    BLINDING_KEY is a household's blinding.key, or its folder: one for each member of the signed list. Neither file is
    written over another. Next: `wattest operator deposit`, then `wattest operator run`.
    """
    from wattest.apps.actions import operator_init

    operator_init.init(
        config,
        secrets,
        members=members,
        platform=platform_folder,
        enclave=enclave,
        listen=listen,
        data=data,
        appraisers=appraisers,
        address_book=address_book,
        rpc=rpc,
        key_file=key_file,
        as_json=as_json,
    )


@operator.command(epilog="Example: wattest operator deposit --config operator.toml --ether 20")
@_CONFIG
@_ANY_CHANNEL
@click.option("--ether", required=True, metavar="AMOUNT", help="What the deposit is to be; what is there counts.")
@JSON
def deposit(config_path: Path, *, channel: str | None, ether: str, as_json: bool) -> None:
    """Raise the operator's deposit in a channel to an amount, so that it may commit there.

    Each batch binds a part of it until the batch is final, a week later unless the channel says otherwise. Asked for
    twice, nothing is added twice.
    """
    from wattest.apps.actions import operator_money

    operator_money.deposit(config_path, channel=channel, ether=ether, as_json=as_json)


@operator.command()
@_CONFIG
@_ANY_CHANNEL
@JSON
def release(config_path: Path, *, channel: str | None, as_json: bool) -> None:
    """Release the final batches of a channel, so that they bind the deposit no more; with the operator stopped.

    A running operator does it by itself, eight at a time unless its file says otherwise.
    """
    from wattest.apps.actions import operator_money

    operator_money.release(config_path, channel=channel, as_json=as_json)


@operator.command("exit")
@_CONFIG
@_ANY_CHANNEL
@click.option("--yes", "is_confirmed", is_flag=True, help="Do not ask.")
@JSON
def leave(config_path: Path, *, channel: str | None, is_confirmed: bool, as_json: bool) -> None:
    """Leave a channel for good: no more batches; the deposit can be withdrawn after the exit delay.

    Its batches stay answerable until they are final: keep the operator running until then.
    """
    from wattest.apps.actions import operator_money

    operator_money.leave(config_path, channel=channel, is_confirmed=is_confirmed, as_json=as_json)


@operator.command()
@_CONFIG
@_ANY_CHANNEL
@click.option("--to", metavar="ADDRESS", help="Who gets it; the operator itself if left out.")
@click.option("--owed", is_flag=True, help="Take what the referee owes instead, such as a catcher's reward.")
@JSON
def withdraw(config_path: Path, *, channel: str | None, to: str | None, owed: bool, as_json: bool) -> None:
    """Take the deposit back, after `wattest operator exit`, its delay, and the release of every batch."""
    from wattest.apps.actions import operator_money

    operator_money.withdraw(config_path, channel=channel, to=to, owed=owed, as_json=as_json)


@operator.command()
@_CONFIG
@ONCE
@FAULTS
def run(config_path: Path, *, once: bool, faulty: bool) -> int:
    """Ingest, seal, store, commit and answer until Ctrl-C; one JSON line for each thing done."""
    from wattest.apps.actions import operator_run

    return operator_run.run(config_path, once=once, faulty=faulty)


@operator.command("add-channel")
@click.argument("channel", metavar="NAME|ID")
@click.option(
    "--use", required=True, type=click.Choice(["statements", "imports"]), help="What the operator's batches there hold."
)
@_CONFIG
@JSON
def add_channel(channel: str, *, use: str, config_path: Path, as_json: bool) -> None:
    """Add an open channel of the address book to the configuration, for statements or for imports.

    The operator registers its enclave's key there by itself, when it runs next. Asked for twice, it is there once.
    """
    from wattest.apps.actions import operator_channel

    operator_channel.add_channel(config_path, channel, use=use, as_json=as_json)


@operator.command("rotate-key")
@_CONFIG
@CHANNEL_IF_SEVERAL
@click.option("--lost", is_flag=True, help="The enclave's state is lost or refused: do not wait for its batch.")
def rotate_key(config_path: Path, *, channel: str | None, lost: bool) -> None:
    """Ask the operator to go on with a new enclave key, and to revoke the old one.

    The new key is made in an enclave of its own at the chain's head, registered, used; then the old one is revoked. A
    batch whose header is out is committed first. A running operator does it at its next step, a stopped one when it
    runs.
    """
    from wattest.apps.actions import operator_keys

    operator_keys.rotate_key(config_path, channel=channel, lost=lost)


@operator.command()
@_CONFIG
@CHANNEL_IF_SEVERAL
@click.option("--sequence", type=click.IntRange(1, 2**32 - 1), help="The batch; the newest when not given.")
@click.option("--yes", "is_confirmed", is_flag=True, help="Do not ask.")
@JSON
@FAULTS
def abandon(
    config_path: Path, *, channel: str | None, sequence: int | None, is_confirmed: bool, as_json: bool, faulty: bool
) -> None:
    """Give up a sealed batch that can never be committed, so that a new enclave key goes on.

    Run it with the operator stopped. It is refused while the batch may be committed. The header stays on record for
    ever; the blocks behind it wait for the period that they belong to, if that can still be committed.
    """
    from wattest.apps.actions import operator_abandon
    from wattest.apps.production_files import open_operator_file

    settings, _ = open_operator_file(config_path, faulty=faulty)
    operator_abandon.abandon(
        settings,
        channel=channel,
        sequence=sequence,
        is_confirmed=is_confirmed,
        as_json=as_json,
        faulty=faulty,
    )


@operator.command("revoke-key")
@_CONFIG
@CHANNEL_IF_SEVERAL
@click.option("--key", metavar="ADDRESS", help="The enclave key; the active one when not given.")
@JSON
def revoke_key(config_path: Path, *, channel: str | None, key: str | None, as_json: bool) -> None:
    """Revoke an enclave key on chain, now and for good; no enclave is asked.

    A batch that is sealed and not committed can then never be committed: a new key (``rotate-key``) seals the same
    period again if its deadline allows, or the period is left out. What is committed stays, and stays answerable.
    """
    from wattest.apps.actions import operator_keys

    operator_keys.revoke_key(config_path, channel=channel, key=key, as_json=as_json)


@operator.command()
@_CONFIG
@CHANNEL_IF_SEVERAL
@click.option("--policy", "policy_path", type=PATH, help="The appraisers' policy, to see that it wants us.")
@click.option("--dry-run", is_flag=True, help="Show the plan and order nothing.")
@JSON
def upgrade(config_path: Path, *, channel: str | None, policy_path: Path | None, dry_run: bool, as_json: bool) -> None:
    """Let the enclave of the installed program take over from the one that is registered.

    Run it with the new program. It compares both measurements, asks the policy about the new one, says what happens to
    the batch in flight, and orders the change; `wattest operator run` of the new program then does it.
    """
    from wattest.apps.actions import operator_keys

    operator_keys.upgrade(config_path, channel=channel, policy_path=policy_path, dry_run=dry_run, as_json=as_json)


@operator.command()
@_CONFIG
@click.option("--until-head", type=click.IntRange(1), metavar="N", help="First wait until batch N is committed.")
@JSON
def status(config_path: Path, *, until_head: int | None, as_json: bool) -> None:
    """Show keys and their expiry, the head, batches on the way, the next deadline, and what to worry about.

    It reads the operator's database, running or not, and asks the chain; it changes nothing.
    """
    from wattest.apps.actions import operator_keys

    operator_keys.status(config_path, until_head=until_head, as_json=as_json)


@operator.command("give-state")
@_CONFIG
@CHANNEL_IF_SEVERAL
@click.option("--listen", default="127.0.0.1:8550", show_default=True, help="Where the successor's host connects.")
def give_state(config_path: Path, *, channel: str | None, listen: str) -> None:
    """Give a channel's state, once, to the enclave that the manager's permit names; then this one signs no more.

    Run it with the old program, the operator stopped, under the same [channel.hand_over] as the new one, and leave it
    until it ends.
    """
    from wattest.apps.actions import operator_give

    operator_give.give_state(config_path, channel=channel, listen=listen)


@operator.command()
@_CONFIG
@CHANNEL_IF_SEVERAL
@click.option("--once", is_flag=True, help="End after one replica.")
def standby(config_path: Path, *, channel: str | None, once: bool) -> None:
    """Wait as the standby of another host: keep the replica current until Ctrl-C, or until it takes over by itself.

    One JSON line for each replica. With take_over_after_s in the configuration it takes over after that silence and
    ends with exit code 0: `wattest operator run` then goes on.
    """
    from wattest.apps.actions import operator_standby

    operator_standby.standby(config_path, channel=channel, once=once)


@operator.command("take-over")
@_CONFIG
@CHANNEL_IF_SEVERAL
@click.option("--primary-is-dead", is_flag=True, help="Take over although the primary has missed nothing yet.")
def take_over_command(config_path: Path, *, channel: str | None, primary_is_dead: bool) -> None:
    """Make this standby the operator's enclave, from the chain's head on.

    Stop `wattest operator standby` first, and make sure that the primary is dead. `wattest operator run` on this host
    then registers the new key, which ends the old key's turn, and revokes the old one.
    """
    from wattest.apps.actions import operator_standby

    operator_standby.take_over_command(config_path, channel=channel, primary_is_dead=primary_is_dead)


@operator.command("ask-witness")
@_CONFIG
@CHANNEL_IF_SEVERAL
@click.option("--at", "witness", required=True, metavar="HOST:PORT", help="Where the witness listens.")
@click.option("--sequence", required=True, type=click.IntRange(1, 2**32 - 1), help="The batch.")
@click.option(
    "--entry", "entries", required=True, multiple=True, type=click.IntRange(0, 2**32 - 1), help="An entry; repeat it."
)
@click.option("--seed", metavar="HEX", help="The audit's seed, 32 bytes; random if left out.")
@JSON
def ask_witness(
    config_path: Path,
    *,
    channel: str | None,
    witness: str,
    sequence: int,
    entries: tuple[int, ...],
    seed: str | None,
    as_json: bool,
) -> int:
    """Show entries of a committed batch to another operator's enclave and print its signed verdict.

    Run it with the operator stopped: its enclave holds one conversation at a time. Exit code 4 for a bad verdict.
    """
    from wattest.apps.actions import operator_witness

    return operator_witness.ask_witness(
        config_path, channel=channel, witness=witness, sequence=sequence, entries=entries, seed=seed, as_json=as_json
    )
