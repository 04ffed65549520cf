"""What a batch is judged by: a channel's parameters, their ranges and the formulas over them.

Decided here: the struct, its ranges, exposure, bond and deadline. Not decided here: which version holds when (the
referee keeps them; a batch keeps the version of its commit). Times are seconds, amounts wei of the chain's own coin.
Source: contracts/src/types/Channel.sol; docs/spec/referee.md "Channel", "Money".
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from wattest.messages.channel import ChannelKind
from wattest.messages.fields import require_uint, uint_word
from wattest.twin.errors import ParameterOutOfRange
from wattest.units import SECONDS_PER_DAY

MIN_EPOCH_S = 60
MAX_EPOCH_S = 31 * SECONDS_PER_DAY
MAX_CHALLENGE_WINDOW_S = 90 * SECONDS_PER_DAY
MAX_ANSWER_WINDOW_S = 30 * SECONDS_PER_DAY
MAX_EXIT_DELAY_S = 365 * SECONDS_PER_DAY
PARAMETER_TIMELOCK_S = 7 * SECONDS_PER_DAY
_UINT_BITS = {
    "epoch_s": 24,
    "commit_deadline_s": 24,
    "challenge_window_s": 32,
    "answer_window_s": 32,
    "exit_delay_s": 32,
}


@dataclass(frozen=True, slots=True)
class ChannelParameters:
    """One version of a channel's parameters, as the contract's struct of the same name.

    ``stake_wei`` S is burned at a slash, ``catcher_reward_wei`` paid on top of it, ``gas_reserve_wei`` kept free per
    open batch. Raises FieldInvalid for a value wider than the struct's field.
    """

    epoch_s: int
    commit_deadline_s: int
    challenge_window_s: int
    answer_window_s: int
    exit_delay_s: int
    stake_wei: int
    catcher_reward_wei: int
    gas_reserve_wei: int
    base_bond_wei: int
    answer_gas_cap_wei: int

    def __post_init__(self) -> None:
        for name in PARAMETER_FIELDS:
            require_uint(name, getattr(self, name), _UINT_BITS.get(name, 88))

    def to_bytes(self) -> bytes:
        """The ten ABI words."""
        return b"".join(uint_word(getattr(self, name)) for name in PARAMETER_FIELDS)

    @property
    def exposure_wei(self) -> int:
        """What the deposit must hold for one open batch: stake, catcher's reward and gas reserve."""
        return self.stake_wei + self.catcher_reward_wei + self.gas_reserve_wei

    def bond_wei(self, ordinal: int) -> int:
        """The bond of the challenge that is the ``ordinal``-th open one on its operator, counted from 1."""
        return self.base_bond_wei * (7 + ordinal) // 8

    def answer_time_s(self, ordinal: int) -> int:
        """How long the ``ordinal``-th open challenge may be answered: one window more for every four."""
        return self.answer_window_s * ((ordinal + 3) // 4)


PARAMETER_FIELDS = tuple(field.name for field in fields(ChannelParameters))


def require_in_range(kind: ChannelKind, parameters: ChannelParameters) -> None:
    """Check every range, in the order of the struct.

    Raises: ParameterOutOfRange with the Solidity name of the first field that is out of range.
    """
    scheduled = kind is ChannelKind.SCHEDULED
    epoch = parameters.epoch_s
    in_range = {
        "epochS": MIN_EPOCH_S <= epoch <= MAX_EPOCH_S if scheduled else epoch == 0,
        "commitDeadlineS": 0 < parameters.commit_deadline_s < epoch if scheduled else parameters.commit_deadline_s == 0,
        "challengeWindowS": 0 < parameters.challenge_window_s <= MAX_CHALLENGE_WINDOW_S,
        "answerWindowS": 0 < parameters.answer_window_s <= MAX_ANSWER_WINDOW_S,
        "exitDelayS": parameters.challenge_window_s <= parameters.exit_delay_s <= MAX_EXIT_DELAY_S,
        "stakeWei": parameters.stake_wei > 0,
        # At most a fifth of what is burned: catching oneself must lose money.
        "catcherRewardWei": parameters.catcher_reward_wei * 5 <= parameters.stake_wei,
        "baseBondWei": parameters.base_bond_wei > 0,
        "answerGasCapWei": parameters.answer_gas_cap_wei <= parameters.base_bond_wei,
    }
    for name, holds in in_range.items():
        if not holds:
            raise ParameterOutOfRange(name)
