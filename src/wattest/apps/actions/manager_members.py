"""``wattest manager members``: the member file, kept by command.

Decided here: how cards come into the file and how it is shown. Not decided here: what may not come twice
(``messages.member_file``). Invariant: a command changes the file whole or not at all.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from wattest.apps.actions.bounded_file import read_bounded
from wattest.apps.actions.chain_deployment import read_channel, read_hex
from wattest.apps.exclusive import Claimed, exclusive
from wattest.apps.terminal import table_lines, width_of
from wattest.errors import ConfigError
from wattest.io.files import write_atomically
from wattest.messages.member_file import (
    MAX_CARD_BYTES,
    MAX_MEMBER_FILE_BYTES,
    MemberFile,
    MemberFileInvalid,
    NamedWatcher,
    parse_member_card,
    parse_member_file,
)


class ChannelOfMembersMissing(ConfigError):
    """A member file is to be begun, and nobody said for which channel; or it is another channel's."""


class MemberFileInUse(ConfigError):
    """Another process changes this member file right now."""


def read_member_file(path: Path) -> MemberFile:
    """The member file in ``path``. Raises: FileUnreadable, MemberFileInvalid, MemberRepeated."""
    hint = "check the path; `wattest manager members add CARD --channel NAME` begins one"
    return parse_member_file(read_bounded(path, MAX_MEMBER_FILE_BYTES, hint))


def add(
    cards: Sequence[Path],
    *,
    watchers: Sequence[str],
    file: Path,
    channel: str | None,
    address_book: Path,
    as_json: bool,
) -> None:
    """What ``wattest manager members add`` does."""
    if not cards and not watchers:
        raise click.UsageError("name a household's CARD, or a --watcher")
    joined = [parse_member_card(read_bounded(card, MAX_CARD_BYTES, "a household's card")) for card in cards]
    watching = [_watcher(text) for text in watchers]
    named = None if channel is None else read_channel(channel, address_book)

    def with_all(found: MemberFile | None) -> MemberFile:
        if found is None and named is None:
            raise ChannelOfMembersMissing(
                f"{file} is not there yet: say for which channel it is to be",
                path=file,
                hint="add --channel NAME, as `wattest manager create-channel NAME` made it",
            )
        if found is not None and named not in {None, found.channel}:
            raise ChannelOfMembersMissing(
                f"{file} is another channel's",
                path=file,
                expected=named,
                actual=found.channel,
                hint="name this channel's own file with --members",
            )
        changed = found if found is not None else MemberFile(named or b"")
        for member in joined:
            changed = changed.added(member)
        for watcher in watching:
            changed = changed.watched_by(watcher)
        return changed

    _say(_change(file, with_all), as_json=as_json)


def remove(name: str, *, file: Path, as_json: bool) -> None:
    """What ``wattest manager members remove`` does."""
    read_member_file(file)  # says it in its own words where there is none
    _say(_change(file, lambda found: (found or read_member_file(file)).without(name)), as_json=as_json)


def show(*, file: Path, as_json: bool) -> None:
    """What ``wattest manager members list`` does."""
    _say(read_member_file(file), as_json=as_json)


def _watcher(text: str) -> NamedWatcher:
    name, equals, key = text.rpartition("=")
    if not equals:
        raise MemberFileInvalid(
            "a watcher is NAME=KEY",
            place="--watcher",
            actual=text[:80],
            hint="KEY: wattest watcher new-reader-key FILE",
        )
    return NamedWatcher(name, read_hex(key, "--watcher"))


def _change(file: Path, change: Callable[[MemberFile | None], MemberFile]) -> MemberFile:
    """Replace the file by what ``change`` makes of it; None where there is none."""
    if not file.absolute().parent.is_dir():
        raise MemberFileInvalid("the folder for the member file is not there", path=file, hint="check --members")
    try:
        with exclusive(file.with_name(f".{file.name}.claim")):
            changed = change(read_member_file(file) if file.exists() else None)
            write_atomically(file, changed.to_bytes())
            return changed
    except Claimed as error:
        raise MemberFileInUse("another process changes this member file", path=file, hint="try again") from error


def _say(found: MemberFile, *, as_json: bool) -> None:
    if as_json:
        shown = {
            "channel": found.channel.hex(),
            "members": [
                {
                    "name": one.name,
                    "public_key": one.member.public_key.hex(),
                    "payee": "0x" + one.payee.hex() if any(one.payee) else None,
                }
                for one in found.members
            ],
            "watchers": [{"name": one.name, "reader_key": one.reader_key.hex()} for one in found.watchers],
        }
        click.echo(json.dumps(shown))
        return
    rows = [
        (one.name, one.member.public_key.hex()[:16] + "...", "0x" + one.payee.hex() if any(one.payee) else "nobody")
        for one in found.members
    ]
    for line in table_lines(("member", "meter", "paid to"), rows, width_of(sys.stdout)):
        click.echo(line)
    for watcher in found.watchers:
        click.echo(f"watcher {watcher.name}: {watcher.reader_key.hex()}")
    click.echo(f"{len(found.members)} members of {found.channel.hex()}", err=True)
