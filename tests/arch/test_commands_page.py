"""docs/commands.md has every command, every option, every exit code, and the JSON fields that are printed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from waiting import HANG_S

from wattest.apps.cli.commands import cli
from wattest.apps.demo.result import DemoResult
from wattest.errors import EXIT_BUG, EXIT_DONE, EXIT_INCOMPLETE, EXIT_INTERRUPTED, EXIT_USAGE, WattestError
from wattest.settlement.tariff import Tariff

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "commands.md").read_text("utf-8")


def sections() -> dict[str, str]:
    parts = re.split(r"^## (wattest .+)\n", PAGE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


COMMANDS = dict(commands(cli, "wattest"))


def test_every_command_has_a_section_and_every_section_a_command() -> None:
    assert len(COMMANDS) > 8
    assert set(sections()) == set(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_section_names_every_option(name: str) -> None:
    text = sections()[name]
    own = {option for parameter in COMMANDS[name].params for option in parameter.opts if option.startswith("--")}
    named = set(re.findall(r"`(--[a-z-]+)", text))
    assert own - {"--help", "--json"} <= named
    assert named <= own | {"--help"}, "the page names an option that is not there"
    assert ("--json" in own) == ("--json" in named)


def test_every_command_says_what_it_does() -> None:
    for name, command in COMMANDS.items():
        assert command.help, name
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{name} {parameter.opts}"


def test_exit_codes_are_those_of_the_errors() -> None:
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}
    branches = {branch.exit_code for branch in WattestError.__subclasses__()}
    assert listed == {EXIT_DONE, EXIT_BUG, EXIT_USAGE, EXIT_INCOMPLETE, EXIT_INTERRUPTED} | branches


def test_the_demo_s_fields_are_listed() -> None:
    result = DemoResult(
        households=1, days=1, readings=96, batches=1, commit_gas=[1], cheat="none", outcome="honest", slashed=[],
        bills=[], tariff=Tariff(0, 0, 0, 0, 0, 0), paid_out=0, receipts_verified=0, judged_clean=0, stages={},
        refusal=None, quarter_hours=[], gas={},
    )  # fmt: skip
    text = sections()["wattest demo"]
    assert not [name for name in result.as_dict() if f"`{name}`" not in text]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["meter", "import", "nowhere.ocmf", "--json"], 3), (["no-such-command"], 2), (["attest", "verify"], 2)],
)
def test_a_failure_prints_no_traceback(arguments: list[str], code: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "wattest.apps.cli", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_S,
    )
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    if "--json" in arguments:
        assert json.loads(done.stdout)
