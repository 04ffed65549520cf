"""Names of channels: what people call one, from which its salt and so its id follow.

Decided here: the salt of a name, and how a name or an id finds a channel among those of an address book. Not decided
here: the id (``channel``). Invariant: one manager's channels of one kind have different names.
Source: docs/spec/member-list.md, section "Channel id".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from wattest.crypto.hashing import sha256
from wattest.errors import InputError
from wattest.messages.channel import ChannelIdentity

MAX_NAME_BYTES = 64
_TAG = b"wattest/channel-name/1"
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?", re.ASCII)
_ID = re.compile(r"(?:0x)?([0-9a-fA-F]{64})", re.ASCII)
_LISTED = 20


class ChannelNameInvalid(InputError):
    """A text that is no name of a channel."""


class ChannelUnknown(InputError):
    """A name or an id that no channel of the address book has, or a name that several have."""


def channel_salt(name: str) -> bytes:
    """SHA-256 of the tag and the name, 32 bytes. Raises: ChannelNameInvalid."""
    if _NAME.fullmatch(name) is None or _ID.fullmatch(name):
        raise ChannelNameInvalid(
            "a channel's name has 1 to 64 of a to z, 0 to 9, dot, dash and underscore, and is no id",
            actual=ascii(name[:MAX_NAME_BYTES]),
            hint="one such as village, or village-bills",
        )
    return sha256(_TAG + name.encode())


def find_channel(channels: Sequence[ChannelIdentity], named: str) -> ChannelIdentity:
    """The channel of that name, or of that id as 64 hex digits with or without 0x. Raises: ChannelUnknown."""
    found = [one for one in channels if is_named(one, named)]
    if len(found) != 1:
        raise ChannelUnknown(
            "several channels have this name: say the id" if found else "the address book has no such channel",
            actual=ascii(named[:80]),
            expected=[one.id.hex() for one in (found or channels)[:_LISTED]],
            hint="make one: wattest manager create-channel NAME; or give the id, 64 hex digits",
        )
    return found[0]


def is_named(channel: ChannelIdentity, named: str) -> bool:
    """Whether a text is this channel's name or its id."""
    if matched := _ID.fullmatch(named):
        return channel.id == bytes.fromhex(matched[1])
    return _NAME.fullmatch(named) is not None and channel.salt == channel_salt(named)
