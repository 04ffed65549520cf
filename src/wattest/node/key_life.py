"""The life of an operator's enclave keys: states, which may follow which, and when a registration is renewed.

Decided here: the transition table, how long before the expiry a renewal starts, how loud the warning is. Not decided
here: what is done about it (``key_keeper``), how it is kept (``key_store``), what the registry allows. All times are
chain times, unix seconds. docs/spec/lifecycles.md, section "Enclave key, as its operator keeps it"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from wattest.errors import ConfigError
from wattest.units import SECONDS_PER_DAY


class KeyState(Enum):
    """How far an enclave key is in its life."""

    CREATED = "created"
    ACTIVE = "active"
    RETIRED = "retired"
    REVOKED = "revoked"


_K = KeyState
NEXT_KEY_STATES: Mapping[KeyState, frozenset[KeyState]] = {
    _K.CREATED: frozenset({_K.ACTIVE, _K.REVOKED}),
    _K.ACTIVE: frozenset({_K.RETIRED, _K.REVOKED}),
    _K.RETIRED: frozenset({_K.REVOKED}),
    _K.REVOKED: frozenset(),
}


class Cause(Enum):
    """Why a key was made."""

    FIRST = "first"
    PLANNED = "planned"
    MISSED = "missed"  # a sealed batch missed its deadline
    REVOKED = "revoked"
    LOST = "lost"  # the enclave's state is gone, rolled back, forked or does not open
    UPGRADE = "upgrade"
    TAKE_OVER = "take_over"  # a standby's, whose primary is dead

    @property
    def carries(self) -> bool:
        """Whether the enclave before may still give its state: not when it is lost, or not to be believed."""
        return self in {Cause.PLANNED, Cause.MISSED, Cause.UPGRADE}

    @property
    def waits(self) -> bool:
        """Whether a batch that is being sealed is waited for: only where its enclave can still seal it."""
        return self is Cause.PLANNED


@dataclass(frozen=True, slots=True)
class EnclaveKey:
    """One key: in which slot its enclave's state lies, its 20-byte address, the chain's head that it started at.

    ``carried``: it takes over the state of the enclave before, instead of starting with none.
    """

    channel: bytes
    slot: int
    address: bytes
    state: KeyState
    cause: Cause
    start: tuple[int, bytes]
    created_at: int
    carried: bool = False


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
