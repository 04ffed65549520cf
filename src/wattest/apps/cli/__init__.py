"""The command line: one module per noun, loaded only when its command runs.

Decided here: the command table, how an expected error prints and which exit code it gives. Exit codes: 0 done, 1 our
bug, 2 usage, 3 input, 4 verification, 5 protocol, 6 transport, 7 configuration, 8 incomplete, 130 interrupted.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Sequence

import click

from wattest import __version__
from wattest.errors import EXIT_INTERRUPTED, WattestError

# command -> (module below wattest.apps.cli, attribute, one-line help)
COMMANDS: dict[str, tuple[str, str, str]] = {
    "first-light": (
        "first_light",
        "first_light",
        "Hash a text in the enclave, sign it, let a contract check it.",
    ),
    "demo": ("demo", "demo", "Run an energy community end to end on an embedded chain."),
    "receipt": ("receipt", "receipt", "Verify a household's receipt, link by link."),
    "meter": ("meter", "meter", "Read and verify meter files (OCMF, DSMR P1, interval CSV)."),
    "attest": ("attest", "attest", "Appraise DCAP quotes."),
    "chain": ("chain", "chain", "Serve the embedded chain of a demo folder."),
    "operator": ("operator", "operator", "Run an operator: ingest, seal, store, commit, answer."),
    "watcher": ("watcher", "watcher", "Run a watcher: follow, fetch, re-verify, challenge."),
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
def cli() -> None:
    """Attested metering whose every step a stranger can check.

    Start with `wattest first-light hello`, then `wattest demo`.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with an exit code by kind of failure."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; bugs propagate as tracebacks."""
    try:
        result = cli.main(args=list(arguments) if arguments is not None else None, standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        return EXIT_INTERRUPTED
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        return EXIT_INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except WattestError as error:
        _show(error, as_json="--json" in (arguments if arguments is not None else sys.argv))
        return error.exit_code
    return result if isinstance(result, int) else 0


def _show(error: WattestError, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(error.as_dict()), err=True)
        return
    click.echo(f"error: {error.message}", err=True)
    for name, value in error.as_dict()["fields"].items():  # type: ignore[attr-defined]
        click.echo(f"  {name}: {value}", err=True)
    if error.hint:
        click.echo(f"  what to do: {error.hint}", err=True)
