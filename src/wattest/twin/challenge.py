"""A directed challenge: the demand to show one entry of a batch.

Decided here: its states and transition table, causes of a slash, and the opening of an evidence digest. Not decided
here: bond and deadline (``parameters``), who may act (``referee``).
Source: contracts/src/types/DirectedChallenge.sol; docs/spec/lifecycles.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum

from wattest.crypto.hashing import sha256
from wattest.messages.fields import WORD, require_bytes


class ChallengeState(IntEnum):
    """Open -> Answered, Expired, or Refunded when the batch was slashed for another reason meanwhile."""

    NONE = 0
    OPEN = 1
    ANSWERED = 2
    EXPIRED = 3
    REFUNDED = 4


class ChallengeEvent(Enum):
    """What can happen to a challenge."""

    OPEN = "challenge"
    ANSWER = "answer"
    EXPIRE = "expire"
    REFUND = "refund"


TRANSITIONS: dict[tuple[ChallengeState, ChallengeEvent], ChallengeState] = {
    (ChallengeState.NONE, ChallengeEvent.OPEN): ChallengeState.OPEN,
    (ChallengeState.OPEN, ChallengeEvent.ANSWER): ChallengeState.ANSWERED,
    (ChallengeState.OPEN, ChallengeEvent.EXPIRE): ChallengeState.EXPIRED,
    (ChallengeState.OPEN, ChallengeEvent.REFUND): ChallengeState.REFUNDED,
}


class SlashCause(IntEnum):
    """Why a deposit was slashed."""

    EXPIRED_CHALLENGE = 0
    EQUIVOCATION = 1
    INVALID_EVIDENCE = 2


@dataclass(frozen=True, slots=True)
class DirectedChallenge:
    """A stored challenge: challenger (20 bytes), deadline (unix seconds), how many were open with it, state."""

    challenger: bytes
    deadline: int
    ordinal: int
    state: ChallengeState


@dataclass(frozen=True, slots=True)
class EvidenceOpening:
    """What opens an entry's evidence digest: message digest (32 bytes), signature r||s (64), public key X||Y (64)."""

    message_digest: bytes
    signature: bytes
    public_key: bytes

    def __post_init__(self) -> None:
        require_bytes("message_digest", self.message_digest, WORD)
        require_bytes("signature", self.signature, 2 * WORD)
        require_bytes("public_key", self.public_key, 2 * WORD)

    @property
    def digest(self) -> bytes:
        """SHA-256(message digest || signature || public key): the ``evidence`` field of a kind 1 entry."""
        return sha256(self.message_digest + self.signature + self.public_key)
