"""An operator in one channel: its states and what the chain keeps of it.

Decided here: the lifecycle's transition table and the two stored structs. Not decided here: amounts (``referee``).
Source: contracts/src/types/Operator.sol; docs/spec/lifecycles.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum


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
    CONVICT = "convict"


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
    **{(state, _E.CONVICT): _S.BANNED for state in _S},
}


@dataclass(frozen=True, slots=True)
class OperatorHead:
    """What a commit reads and writes.

    ``first_unreleased`` is ``sequence + 1`` when all are released, zero before the first deposit.
    """

    state: OperatorState = OperatorState.NONE
    sequence: int = 0
    first_unreleased: int = 0
    open_exposure_wei: int = 0
    deposit_wei: int = 0


@dataclass(frozen=True, slots=True)
class OperatorExtra:
    """What a commit need not touch: earliest withdrawal (unix seconds, zero before it is known), open challenges."""

    withdrawable_at: int = 0
    open_challenges: int = 0
