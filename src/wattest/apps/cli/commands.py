"""The command table: what ``wattest`` can do, each command imported when it is first asked for.

Decided here: names, order and one-line helps. Not decided here: what a command does (its own module) and how it ends
(``wattest.apps.cli``).
"""

from __future__ import annotations

import importlib
import os
import sys

import click

from wattest import __version__
from wattest.apps.terminal import is_plain
from wattest.environment import check_environment

# command -> (module below wattest.apps.cli, attribute, one-line help)
COMMANDS: dict[str, tuple[str, str, str]] = {
    "first-light": (
        "first_light",
        "first_light",
        "Hash a text in the enclave, sign it, let a contract check it.",
    ),
    "demo": ("demo", "demo", "Run an energy community end to end on an embedded chain."),
    "settle": ("settle", "settle", "Settle a billing period: bills and payouts, under signed terms."),
    "payouts": ("payouts", "payouts", "Make, fund and claim from the account that pays what bills owe."),
    "receipt": ("receipt", "receipt", "Issue households' receipts, show them, verify them link by link."),
    "meter": ("meter", "meter", "Read and verify meter files (OCMF, DSMR P1, interval CSV)."),
    "attest": ("attest", "attest", "Appraise DCAP quotes."),
    "enclave": ("enclave", "enclave", "Measure the enclave that this installation would launch."),
    "chain": ("chain", "chain", "Make and serve an embedded chain; collateral, policies, revocation on any."),
    "deploy": ("deploy", "deploy", "Deploy every contract to any chain, and write the address book."),
    "operator": ("operator", "operator", "Run an operator: ingest, seal, store, commit, answer."),
    "appraiser": ("appraiser", "appraiser", "Run an appraiser: judge enclaves' evidence, sign verdicts."),
    "manager": ("manager", "manager", "Sign as a channel's manager what enclaves need to trust each other."),
    "watcher": ("watcher", "watcher", "Run a watcher: follow, fetch, re-verify, challenge."),
    "bench": ("bench", "bench", "Measure wattest beside its peers, in one run."),
}


class LazyGroup(click.Group):
    """A click group whose commands are imported on first use, so that ``--help`` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Every command in the order of the table: the first to try comes first."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the module of ``cmd_name`` and return its command, or None when the name is unknown."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(f"wattest.apps.cli.{module}"), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}.{attribute} is not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands from the table, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="wattest")
@click.pass_context
def cli(context: click.Context) -> None:
    """Attested metering whose every step a stranger can check.

    Start with `wattest first-light hello`, then `wattest demo`.
    """
    check_environment(os.environ)
    context.color = False if is_plain(sys.stdout) else None  # what click.style makes is taken out again
