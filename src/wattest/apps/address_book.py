"""Changing the address book: read, changed and written whole, by one process at a time.

Decided here: that a change is made to what is there now, and that one which changes nothing writes nothing. Not decided
here: what an address book has (``receipt.deployment``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from wattest.apps.exclusive import Claimed, exclusive
from wattest.apps.key_use import read_address_book
from wattest.errors import ConfigError
from wattest.io.files import write_atomically
from wattest.messages.channel import ChannelIdentity
from wattest.receipt.deployment import Deployment, DistributionEntry

T = TypeVar("T")


class AddressBookInUse(ConfigError):
    """Another process changes this address book right now."""


def list_channel(path: Path, channel: ChannelIdentity) -> bool:
    """Add a channel to the address book in ``path``; whether it was not there.

    Raises: AddressBookInUse; what reading and writing the file raises.
    """
    return _changed(path, lambda book: replace(book, channels=_with(book.channels, channel)))


def list_distribution(path: Path, distribution: DistributionEntry) -> bool:
    """The same for a payout distribution."""
    return _changed(path, lambda book: replace(book, distributions=_with(book.distributions, distribution)))


def _with(known: tuple[T, ...], one: T) -> tuple[T, ...]:
    return known if one in known else (*known, one)


def _changed(path: Path, change: Callable[[Deployment], Deployment]) -> bool:
    try:
        with exclusive(path.with_name(f".{path.name}.claim")):
            book = read_address_book(path)
            changed = change(book)
            if changed == book:
                return False
            write_atomically(path, changed.to_bytes() + b"\n")
            return True
    except Claimed as error:
        raise AddressBookInUse(
            "another process changes this address book right now", path=path, hint="try again"
        ) from error
