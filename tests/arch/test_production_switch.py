"""Every command that runs something takes the production switch, by its file or an option; no action goes around it.

The list of commands is the command table's. A command is either given a configuration file, or ``--production``, or it
stands below: it reads files, computes, and opens, binds and sends nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from wattest.apps.cli.commands import cli
from wattest.apps.production_options import READERS

ROOT = Path(__file__).resolve().parents[2]
APPS = ROOT / "src" / "wattest" / "apps"
ONLY_READS = {
    "attest collateral age",
    "attest collateral show",
    "attest policy check",
    "attest policy explain",
    "attest token open",
    "meter import",
    "meter new-key",
    "appraiser new-key",
    "manager members list",
    "manager members remove",
    "manager new-key",
    "operator new-key",
    "watcher new-key",
    "watcher new-reader-key",
}
TELLING = (
    "url",
    "rpc",
    "http",
    "host",
    "listen",
    "key_file",
    "sign_key",
    "tls_key",
    "root",
    "debug",
    "unsafe",
    "deployment",
)
"""Parts of parameters' names that tell of an address, a key, a root or an unsafe switch."""


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(commands(cli))


def parameters(command: click.Command) -> set[str]:
    return {parameter.name or "" for parameter in command.params}


def test_every_command_that_runs_something_takes_the_switch() -> None:
    without = {name for name, command in COMMANDS.items() if not parameters(command) & {"config_path", "production"}}
    assert without == ONLY_READS


def test_the_switch_is_said_once() -> None:
    both = [name for name, command in COMMANDS.items() if {"config_path", "production"} <= parameters(command)]
    assert both == []


@pytest.mark.parametrize("name", sorted(name for name in COMMANDS if "production" in parameters(COMMANDS[name])))
def test_every_telling_option_is_a_fact(name: str) -> None:
    told = {one for one in parameters(COMMANDS[name]) if any(part in one for part in TELLING)}
    assert told <= READERS.keys()


def test_what_only_reads_has_no_telling_option() -> None:
    for name in ONLY_READS:
        assert not {one for one in parameters(COMMANDS[name]) if any(part in one for part in TELLING)}, name


def importers(wanted: set[str]) -> set[str]:
    found = set()
    for path in sorted(APPS.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and wanted & {alias.name for alias in node.names}:
                found.add(path.relative_to(APPS).as_posix())
    return found


def test_no_command_reads_a_node_s_file_around_the_switch() -> None:
    assert importers({"read_operator_file", "read_watcher_file", "read_appraiser_file"}) == {"production_files.py"}
    assert importers({"open_operator_file"}) > {"actions/operator_run.py"}
