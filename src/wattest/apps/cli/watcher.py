"""``wattest watcher``: run a watcher from a configuration file.

Decided here: what is asked for. What is done is in ``apps.actions.watcher_run``, the loop in
``wattest.watcher.watcher``.
"""

from __future__ import annotations

from pathlib import Path

import click

from wattest.apps.cli.options import FAULTS, FILE, ONCE, config_option

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
