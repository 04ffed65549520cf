"""The life of an operator's enclave keys: when a registration is renewed, and how loud a warning is.

Decided here: how long before the expiry a renewal starts, and what is said until then. Not decided here: which state
follows which (``store.enclave_key``), what is done about it (``key_keeper``), what the registry allows. All times are
chain times, unix seconds. docs/spec/lifecycles.md, section "Enclave key, as its operator keeps it"
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from wattest.errors import ConfigError
from wattest.units import SECONDS_PER_DAY


class Urgency(Enum):
    """How loud a warning is."""

    NOTICE = "notice"
    WARNING = "warning"
    URGENT = "urgent"


@dataclass(frozen=True, slots=True)
class KeySettings:
    """How an operator keeps its keys; seconds.

    ``renew_before_s`` is how long before the expiry a renewal starts at the latest; it starts with a third of the
    registration left in any case, and never with more than two thirds. ``inclusion_margin_s`` is how long a
    registration must still hold for a commit to be sent under it. ``rotate_every_s`` makes a new key after so long; 0
    is never. ``goes_on_after_miss`` and ``goes_on_after_revocation`` say whether a new key is made without being asked.
    """

    renew_before_s: int = 7 * SECONDS_PER_DAY
    inclusion_margin_s: int = 120
    rotate_every_s: int = 0
    goes_on_after_miss: bool = True
    goes_on_after_revocation: bool = False
    first_backoff_s: float = 15.0
    longest_backoff_s: float = 3_600.0

    def __post_init__(self) -> None:
        if self.renew_before_s <= self.inclusion_margin_s or self.inclusion_margin_s < 0:
            raise ConfigError(
                "a renewal starts before commits stop",
                expected=f"renew_before_s above {self.inclusion_margin_s}",
                actual=self.renew_before_s,
                hint="raise renew_before_s or lower inclusion_margin_s",
            )

    def renewal_margin_s(self, registered_at: int, expires_at: int) -> int:
        """How long before its expiry this registration is renewed."""
        length = max(0, expires_at - registered_at)
        return max(length // 3, min(self.renew_before_s, 2 * length // 3))

    def is_renewal_due(self, registered_at: int, expires_at: int, now: int) -> bool:
        """Whether it is time to renew."""
        return now >= expires_at - self.renewal_margin_s(registered_at, expires_at)

    def is_committable(self, expires_at: int, now: int) -> bool:
        """Whether a commit that is sent now is mined before the key expires."""
        return now + self.inclusion_margin_s < expires_at


def halvings(margin_s: int, expires_at: int, now: int) -> int | None:
    """How often the time that a renewal has was halved: None before it is due, 0 from then on, 32 when it is over.

    A warning is given each time the number grows: again with half the time left, a quarter, an eighth.
    """
    left = expires_at - now
    if left > margin_s:
        return None
    if left <= 0:
        return 32
    return min(31, (margin_s // left).bit_length() - 1)


def urgency_of(count: int) -> Urgency:
    """How loud: a notice at first, a warning below half of the margin, urgent below an eighth."""
    if count == 0:
        return Urgency.NOTICE
    return Urgency.WARNING if count < 3 else Urgency.URGENT


@dataclass(frozen=True, slots=True)
class ExpiryWarning:
    """A registration comes to its end and is not renewed yet."""

    channel: bytes
    enclave_key: bytes
    urgency: Urgency
    expires_at: int
    left_s: int
    because: str
