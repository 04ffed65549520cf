"""A directed challenge: the demand to show one entry of a batch.

Decided here: its states and transition table, the terms that a channel's manager sets for challenges and their bounds,
bond and deadline, and the opening of an evidence digest. Not decided here: who may act (``challenges``).
Source: contracts/src/types/DirectedChallenge.sol, lib/ChallengeRules.sol; docs/spec/lifecycles.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum

from wattest.crypto.hashing import sha256
from wattest.messages.fields import WORD, FieldInvalid, require_bytes, require_uint
from wattest.twin.errors import TermOutOfRange
from wattest.twin.gwei import WEI_PER_GWEI, is_whole_gwei
from wattest.twin.parameters import ChannelParameters
from wattest.units import SECONDS_PER_DAY

MAX_ANSWER_GAS = 400_000
"""Most gas that an answer costs, under the state prices that are announced, too (docs/spec/contracts.md)."""
MAX_BOND_ANSWERS = 4
"""Bonds are at most so many times the cap on what the dearest answer is paid."""
MAX_ANSWER_WINDOW_S = 30 * SECONDS_PER_DAY
MAX_GAS_PRICE_WEI = 10_000 * WEI_PER_GWEI
EXPIRY_GRACE_S = 14 * SECONDS_PER_DAY
"""How long after a deadline the batch stays held, so that whoever is there can expire the challenge."""
ANSWERS_PER_WINDOW = 4
"""So many challenges open at once share the plain answer window; the next as many have twice the time."""


class ChallengeState(IntEnum):
    """Open -> Answered, Expired, or Refunded when nobody is to blame any more: slashed for another reason, or final."""

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


@dataclass(frozen=True, slots=True)
class DirectedChallenge:
    """A stored challenge.

    ``challenger`` 20 bytes, ``deadline`` unix seconds, ``ordinal`` how many were open on the operator with it,
    ``parameters_version`` the batch's.
    """

    challenger: bytes
    deadline: int
    ordinal: int
    parameters_version: int
    state: ChallengeState


NO_CHALLENGE = DirectedChallenge(bytes(20), 0, 0, 0, ChallengeState.NONE)


@dataclass(frozen=True, slots=True)
class ChallengeTerms:
    """What a channel's manager sets for directed challenges in each version of the parameters.

    ``answer_window_s`` time to answer, ``base_bond_wei`` bond of the first challenge that is open,
    ``answer_gas_cap_wei`` most that an answer is paid back of a bond, ``max_gas_price_wei`` highest price at which its
    gas is. Bond and cap are whole gwei. Raises FieldInvalid for what does not fit the terms' word.
    """

    answer_window_s: int
    base_bond_wei: int
    answer_gas_cap_wei: int
    max_gas_price_wei: int

    def __post_init__(self) -> None:
        require_uint("answer_window_s", self.answer_window_s, 32)
        for name in ("base_bond_wei", "answer_gas_cap_wei"):
            amount = getattr(self, name)
            require_uint(name, amount, 94)
            require_uint(name, amount // WEI_PER_GWEI, 64)
            if not is_whole_gwei(amount):
                raise FieldInvalid(f"{name} is no whole number of gwei", field=name, expected="gwei", actual=amount)
        require_uint("max_gas_price_wei", self.max_gas_price_wei, 64)

    @property
    def word(self) -> bytes:
        """The word that the core keeps: u32 window, u64 bond in gwei, u64 cap in gwei, u64 price in wei, u32 zero."""
        return (
            self.answer_window_s.to_bytes(4, "big")
            + (self.base_bond_wei // WEI_PER_GWEI).to_bytes(8, "big")
            + (self.answer_gas_cap_wei // WEI_PER_GWEI).to_bytes(8, "big")
            + self.max_gas_price_wei.to_bytes(8, "big")
            + bytes(4)
        )

    def bond_wei(self, ordinal: int) -> int:
        """The bond of the challenge that is the ``ordinal``-th open one on its operator, counted from 1."""
        return self.base_bond_wei * (7 + ordinal) // 8

    def answer_time_s(self, ordinal: int) -> int:
        """How long the ``ordinal``-th open challenge may be answered: one window more for every four."""
        return self.answer_window_s * ((ordinal + ANSWERS_PER_WINDOW - 1) // ANSWERS_PER_WINDOW)


NO_CHALLENGE_TERMS = ChallengeTerms(0, 0, 0, 0)


def challenge_terms_of(word: bytes) -> ChallengeTerms:
    """The terms in the core's word; its low four bytes mean nothing here (``require_challenge_terms`` looks at them).

    Raises: FieldInvalid unless it is 32 bytes.
    """
    require_bytes("terms", word, WORD)
    return ChallengeTerms(
        int.from_bytes(word[:4], "big"),
        int.from_bytes(word[4:12], "big") * WEI_PER_GWEI,
        int.from_bytes(word[12:20], "big") * WEI_PER_GWEI,
        int.from_bytes(word[20:28], "big"),
    )


def require_challenge_terms(parameters: ChannelParameters, word: bytes) -> None:
    """Check the bounds of terms under a channel's parameters, in the contract's order.

    Raises: TermOutOfRange with the Solidity name of the first that is out of range; "reserved" for the low bits.
    """
    terms = challenge_terms_of(word)
    dearest = MAX_ANSWER_GAS * terms.max_gas_price_wei
    # Whoever catches must win: the bond at risk is no more than the reward, which is at most a fifth of the stake.
    most = min(MAX_BOND_ANSWERS * dearest, parameters.catcher_reward_wei)
    in_range = {
        "answerWindowS": 0 < terms.answer_window_s <= MAX_ANSWER_WINDOW_S,
        "maxGasPriceWei": 0 < terms.max_gas_price_wei <= MAX_GAS_PRICE_WEI,
        "answerGasCapWei": terms.answer_gas_cap_wei <= dearest,
        "baseBondWei": 0 < terms.base_bond_wei <= most and terms.base_bond_wei >= terms.answer_gas_cap_wei,
        "reserved": terms.word == word,
    }
    for name, holds in in_range.items():
        if not holds:
            raise TermOutOfRange(name)


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
