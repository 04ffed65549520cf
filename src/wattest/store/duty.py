"""What an operator owes a channel: which periods it collects, and whose meters count in each.

Decided here: which of a channel's member lists holds for a period, and which period holds a moment. Not decided here:
what is done about a block (``operator.ingest``) or a period (``operator.due``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

from wattest.errors import VerificationError
from wattest.messages.channel import ChannelIdentity
from wattest.messages.member_list import SignedMemberList


class OpenUse(Enum):
    """What an operator's batches in an open channel hold."""

    STATEMENTS = "statements"
    IMPORTS = "imports"


@dataclass(frozen=True, slots=True)
class OpenDuty:
    """One open channel that an operator serves; ``beside`` is the metering channel that its enclave serves, too."""

    channel: ChannelIdentity
    use: OpenUse
    beside: bytes | None = None


class ForeignMeter(VerificationError):
    """A block of a meter that is no member of the channel in its period."""


@dataclass(frozen=True)
class MemberKeys:
    """A signed member list with the meter keys behind its commitments, in the members' order."""

    members: SignedMemberList
    meter_keys: Sequence[bytes] = field(repr=False)

    @cached_property
    def public_keys(self) -> frozenset[bytes]:
        """The members' meter public keys."""
        return frozenset(self._meter_keys)

    def meter_key_of(self, public_key: bytes) -> bytes:
        """The meter key, 32 bytes, of the member whose meter signs with ``public_key``. Raises: KeyError."""
        return self._meter_keys[public_key]

    @cached_property
    def _meter_keys(self) -> dict[bytes, bytes]:
        members = self.members.member_list.members
        return dict(zip((member.public_key for member in members), self.meter_keys, strict=True))


@dataclass(frozen=True, slots=True)
class Duty:
    """One scheduled channel that an operator serves: its period length and its member lists, oldest first."""

    channel: ChannelIdentity
    epoch_s: int
    first_period_start: int
    member_lists: tuple[MemberKeys, ...]

    def members_at(self, period_start: int) -> MemberKeys:
        """The newest list that is valid for the period; raises ``ForeignMeter`` when none is."""
        valid = [keys for keys in self.member_lists if keys.members.member_list.valid_from <= period_start]
        if not valid:
            raise ForeignMeter("no member list holds for this period", period_start=period_start)
        return max(valid, key=lambda keys: keys.members.member_list.valid_from)

    def has_member(self, public_key: bytes, period_start: int) -> bool:
        """Whether a meter belongs to the channel in the period; raises ``ForeignMeter`` when no list holds for it."""
        return public_key in self.members_at(period_start).public_keys

    def period_of(self, timestamp_s: int) -> tuple[int, int]:
        """The period that holds a moment, half-open."""
        start = timestamp_s - timestamp_s % self.epoch_s
        return start, start + self.epoch_s
