"""``wattest operator add-channel``: an open channel for statements or imports, in an operator's configuration.

Decided here: that the table goes to the file's end and everything else stays as it was typed. Not decided here: what
the table means (``apps.open_channel_tables``).
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from wattest.apps.actions.bounded_file import read_bounded
from wattest.apps.production_files import open_operator_file
from wattest.apps.settings_reader import MAX_FILE_BYTES
from wattest.errors import ConfigError
from wattest.io.files import write_atomically
from wattest.messages.channel import ChannelKind
from wattest.messages.channel_name import find_channel
from wattest.store.duty import OpenUse


class ChannelNotOpen(ConfigError):
    """A scheduled channel where an open one is wanted."""


class ChannelUsedOtherwise(ConfigError):
    """The configuration has the channel for another use."""


def add_channel(config_path: Path, named: str, *, use: str, as_json: bool) -> None:
    """What ``wattest operator add-channel`` does."""
    settings, _ = open_operator_file(config_path)
    channel = find_channel(settings.deployment.channels, named)
    if channel.kind is not ChannelKind.OPEN:
        raise ChannelNotOpen(
            "statements and imports go into open channels",
            channel=channel.id,
            hint="make one: wattest manager create-channel NAME --kind open",
        )
    wanted = OpenUse(use)
    held = next((duty for duty in settings.open_duties if duty.channel == channel), None)
    if held is not None and held.use is not wanted:
        raise ChannelUsedOtherwise(
            "the configuration has this channel for another use",
            channel=channel.id,
            expected=held.use.value,
            actual=use,
            hint="use a channel for one thing: make another one",
        )
    if held is None:
        text = read_bounded(config_path, MAX_FILE_BYTES)
        table = f'\n[[open_channel]]\nchannel = "{channel.id.hex()}"\nuse = "{wanted.value}"\n'
        write_atomically(config_path, text.rstrip(b"\n") + b"\n" + table.encode())
    if as_json:
        click.echo(json.dumps({"channel": channel.id.hex(), "use": wanted.value, "added": held is None}))
        return
    click.echo(f"{named} is for {use}" + (", added" if held is None else ": it was there"))
    click.echo(f"it needs a deposit: wattest operator deposit --config {config_path} --channel {named}", err=True)
