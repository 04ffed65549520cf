"""What is said of a command line that asks for nothing there is: what was meant, and where the help is.

Decided here: the words and fields of a usage error, in text and as the JSON object (code ``usage``), and which names
are suggested: those close by in the same group, or else a command of that name elsewhere in the tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

import click

from wattest.apps.cli.commands import cli
from wattest.url_text import hide_url_secrets

CODE = "usage"
_CLOSE = 0.6


def usage_value(error: click.ClickException) -> dict[str, object]:
    """A usage error in the form of every error: ``error``, ``message``, ``hint``, ``fields``."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context is not None else "wattest"
    fields: dict[str, object] = {"command": path}
    message = error.format_message()
    if isinstance(error, click.NoSuchCommand):
        message, fields["did_you_mean"] = error.message, _commands(error.command_name, context)
    elif isinstance(error, click.NoSuchOption):
        message, fields["did_you_mean"] = error.message, _options(error.option_name, context)
    elif isinstance(error, click.exceptions.NoArgsIsHelpError):
        message = "a command is missing"
    elif isinstance(error, click.BadParameter) and isinstance(error.param, click.Parameter):
        fields["did_you_mean"] = _choices(message, error.param)
    if context is not None:
        fields["usage"] = context.get_usage().removeprefix("Usage: ")
    hint = f"{path} --help"
    if isinstance(error, click.NoSuchOption) and context is not None and isinstance(context.command, click.Group):
        hint = f"options follow the command they belong to; {hint}"
    shown = {name: value for name, value in fields.items() if value not in (None, [], "")}
    return {"error": CODE, "message": hide_url_secrets(_sentence(message)), "hint": hint, "fields": shown}


def _sentence(message: str) -> str:
    return message[:1].lower() + message[1:].rstrip(".")


def _commands(name: str, context: click.Context | None) -> list[str]:
    """Full command lines that ``name`` may have meant, the likeliest first."""
    group = context.command if context is not None else cli
    if context is None or not isinstance(group, click.Group):
        return []
    near = get_close_matches(name.lower(), group.list_commands(context), cutoff=_CLOSE)
    if near:
        return [f"{context.command_path} {one}" for one in near]
    everywhere: dict[str, list[str]] = {}
    for path in _paths(cli, "wattest"):
        everywhere.setdefault(path.rpartition(" ")[2], []).append(path)
    return [path for one in get_close_matches(name.lower(), everywhere, cutoff=0.75) for path in everywhere[one]]


def _paths(group: click.Group, path: str) -> Iterator[str]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield f"{path} {name}"
        if isinstance(command, click.Group):
            yield from _paths(command, f"{path} {name}")


def _options(name: str, context: click.Context | None) -> list[str]:
    if context is None:
        return []
    options = [one for parameter in context.command.get_params(context) for one in parameter.opts]
    known = [one.removeprefix("--") for one in options if one.startswith("--")]
    return ["--" + one for one in get_close_matches(name.lower().lstrip("-"), known, cutoff=_CLOSE)]


def _choices(message: str, parameter: click.Parameter) -> list[str]:
    """Of an option's few words the one that a wrong word is close to."""
    if not isinstance(parameter.type, click.Choice):
        return []
    given = message.partition(": '")[2].partition("'")[0]
    return get_close_matches(given.lower(), [str(one) for one in parameter.type.choices], n=1, cutoff=0.5)
