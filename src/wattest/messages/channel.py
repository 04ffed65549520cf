"""Channels: communities kept apart, each with a manager whose name is inside the channel's id.

Decided here: the two kinds and how an id is derived. Not decided here: the channel's record on chain (``registry``,
``referee``). Invariant: who knows (manager, kind, salt) can check an id without a chain, so an enclave knows whose
member list counts.
Source: docs/spec/member-list.md, section "Channel id".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from wattest.crypto.hashing import keccak256
from wattest.messages.fields import ADDRESS_BYTES, WORD, FieldInvalid, address_word, require_bytes, uint_word

CHANNEL_TAG = keccak256(b"wattest/channel/1")


class ChannelKind(IntEnum):
    """Open channels have no schedule, roster or state; scheduled ones have a deadline and a roster count."""

    OPEN = 0
    SCHEDULED = 1


@dataclass(frozen=True, slots=True)
class ChannelIdentity:
    """The preimage of a channel id: the manager's 20-byte address, the kind and a 32-byte salt."""

    manager: bytes
    kind: ChannelKind
    salt: bytes

    def __post_init__(self) -> None:
        require_bytes("manager", self.manager, ADDRESS_BYTES)
        require_bytes("salt", self.salt, WORD)
        if not isinstance(self.kind, ChannelKind):
            raise FieldInvalid("unknown channel kind", field="kind", expected="0 or 1", actual=self.kind)

    @property
    def id(self) -> bytes:
        """The 32-byte channel id."""
        return channel_id(self.manager, self.kind, self.salt)


def channel_id(manager: bytes, kind: ChannelKind, salt: bytes) -> bytes:
    """keccak256(abi.encode(keccak256("wattest/channel/1"), manager, uint8 kind, bytes32 salt)).

    Raises: FieldInvalid.
    """
    require_bytes("manager", manager, ADDRESS_BYTES)
    require_bytes("salt", salt, WORD)
    return keccak256(CHANNEL_TAG + address_word(manager) + uint_word(int(kind)) + salt)


def parse_channel_kind(value: int) -> ChannelKind:
    """The kind of that number.

    Raises: FieldInvalid for any other number.
    """
    try:
        return ChannelKind(value)
    except ValueError as error:
        raise FieldInvalid("unknown channel kind", field="kind", expected="0 or 1", actual=value) from error
