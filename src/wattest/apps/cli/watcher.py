"""``wattest watcher``: run a watcher from a configuration file.

Decided here: what is asked for. What is done is in ``apps.actions.watcher_run``, the loop in
``wattest.watcher.watcher``.
"""

from __future__ import annotations

from pathlib import Path

import click

from wattest.apps.cli.options import FAULTS, FILE, ONCE, PATH, config_option, deployment_options, production_switch

_CONFIG = config_option("watcher")


@click.group()
def watcher() -> None:
    """Run a watcher."""


@watcher.command("new-key")
@FILE
def new_key(file: Path) -> None:
    """Make a transaction key in FILE (mode 0600) and print its address."""
    from wattest.apps.actions.new_key import new_transaction_key

    new_transaction_key(file)


@watcher.command("new-reader-key")
@FILE
def new_reader_key(file: Path) -> None:
    """Make a reader key in FILE (mode 0600) and print its public half, for the channel's manager."""
    from wattest.apps.actions.new_key import new_reader_key as make

    make(file)


@watcher.command(
    epilog="Example: wattest watcher init watcher.toml --operator http://127.0.0.1:8547 --key-file watcher.key "
    "--reader-key reader.key --rpc URL"
)
@click.argument("config", type=PATH)
@click.option(
    "--operator",
    "operators",
    required=True,
    multiple=True,
    metavar="[ADDRESS=]URL",
    help="Whom to watch, and where; repeat it.",
)
@click.option("--key-file", required=True, type=PATH, help="Who pays for challenges, from `wattest watcher new-key`.")
@click.option("--reader-key", required=True, type=PATH, help="From `wattest watcher new-reader-key`.")
@click.option("--policy", type=PATH, help="Appraise registrations again under this appraisal policy.")
@click.option("--data", type=PATH, help="What it has seen; watched beside CONFIG if left out.")
@deployment_options
@production_switch()
def init(
    config: Path,
    *,
    operators: tuple[str, ...],
    key_file: Path,
    reader_key: Path,
    policy: Path | None,
    data: Path | None,
    address_book: Path,
    rpc: str,
    as_json: bool,
) -> None:
    """Write the watcher's configuration to CONFIG, never over another. Next: `wattest watcher run`.

    A URL alone is asked which operator it is: compare the address that is printed with what you know.

    For readings to be opened, the manager lists the reader key: `wattest manager members add --watcher NAME=KEY`.
    """
    from wattest.apps.actions import watcher_init

    watcher_init.init(
        config,
        operators=operators,
        reader_key=reader_key,
        policy=policy,
        data=data,
        address_book=address_book,
        rpc=rpc,
        key_file=key_file,
        as_json=as_json,
    )


@watcher.command()
@_CONFIG
@ONCE
@FAULTS
def run(config_path: Path, *, once: bool, faulty: bool) -> int:
    """Follow, fetch, check, challenge and prove until Ctrl-C; one JSON line for each verdict and transaction."""
    from wattest.apps.actions import watcher_run

    return watcher_run.run(config_path, once=once, faulty=faulty)


@watcher.command()
@_CONFIG
def verdicts(config_path: Path) -> None:
    """Print every verdict given so far, one JSON line each; the watcher must not be running."""
    from wattest.apps.actions import watcher_run

    watcher_run.verdicts(config_path)
