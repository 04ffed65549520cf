"""An operator in one channel: its states and what the chain keeps of it.

Decided here: the lifecycle's transition table, the head, and what the next batch stakes. Not decided here: who moves
amounts (``referee``). Source: contracts/src/types/Operator.sol; docs/spec/lifecycles.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum

from wattest.twin.gwei import WEI_PER_GWEI

MAX_AMOUNT_GWEI = 2**56 - 1
MAX_STAKE_GWEI = 2**52 - 1
MAX_OPEN_BATCHES = 2**16 - 1
MAX_STAKE_TIMES = 3
"""A module may set an operator's stake to this many times the channel's, at most."""


class OperatorState(IntEnum):
    """Withdrawn and Banned are ends; a banned operator withdraws what is left and stays banned."""

    NONE = 0
    REGISTERED = 1
    ACTIVE = 2
    EXITING = 3
    WITHDRAWN = 4
    BANNED = 5


class OperatorEvent(Enum):
    """What can happen to an operator."""

    DEPOSIT = "deposit"
    COMMIT = "commit"
    REQUEST_EXIT = "request exit"
    WITHDRAW = "withdraw"
    BAN = "ban"


_S, _E = OperatorState, OperatorEvent
TRANSITIONS: dict[tuple[OperatorState, OperatorEvent], OperatorState] = {
    (_S.NONE, _E.DEPOSIT): _S.REGISTERED,
    (_S.REGISTERED, _E.DEPOSIT): _S.REGISTERED,
    (_S.REGISTERED, _E.COMMIT): _S.ACTIVE,
    (_S.REGISTERED, _E.REQUEST_EXIT): _S.EXITING,
    (_S.ACTIVE, _E.DEPOSIT): _S.ACTIVE,
    (_S.ACTIVE, _E.COMMIT): _S.ACTIVE,
    (_S.ACTIVE, _E.REQUEST_EXIT): _S.EXITING,
    (_S.EXITING, _E.WITHDRAW): _S.WITHDRAWN,
    (_S.BANNED, _E.WITHDRAW): _S.BANNED,
    **{(state, _E.BAN): _S.BANNED for state in _S},
}


@dataclass(frozen=True, slots=True)
class OperatorHead:
    """What a commit reads and writes of its operator; amounts in gwei.

    ``open_batches`` are committed and not released; ``sequence`` and ``committed_at`` (unix seconds) are the last
    batch's, zero before the first; ``stake_gwei`` is what a module set, zero if none did; the deposit is never below
    the exposure.
    """

    state: OperatorState = OperatorState.NONE
    open_batches: int = 0
    sequence: int = 0
    committed_at: int = 0
    stake_gwei: int = 0
    exposure_gwei: int = 0
    deposit_gwei: int = 0

    @property
    def first_unreleased(self) -> int:
        """Sequence of the first batch that is not released; ``sequence + 1`` when all are."""
        return self.sequence + 1 - self.open_batches

    @property
    def open_exposure_wei(self) -> int:
        """What the batches not yet released bind of the deposit."""
        return self.exposure_gwei * WEI_PER_GWEI

    @property
    def deposit_wei(self) -> int:
        """All that the operator has in the channel."""
        return self.deposit_gwei * WEI_PER_GWEI

    @property
    def free_wei(self) -> int:
        """What no open batch binds."""
        return self.deposit_wei - self.open_exposure_wei

    def next_stake_gwei(self, channel_stake_gwei: int) -> int:
        """What the next batch stakes: what a module set, kept between once and three times the channel's stake."""
        return min(max(self.stake_gwei, channel_stake_gwei), MAX_STAKE_TIMES * channel_stake_gwei)
