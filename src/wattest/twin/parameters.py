"""What a batch is judged by: a channel's parameters and their ranges.

Decided here: the struct, its ranges, and what a batch binds. Not decided here: which version holds when (the referee
keeps them; a batch keeps the version of its commit), modules' terms (each module's own). Times are seconds, amounts wei
of the chain's own coin and whole gwei.
Source: contracts/src/types/Channel.sol, lib/ChannelRules.sol; docs/spec/referee.md "Channel", "Money".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from wattest.crypto.hashing import keccak256
from wattest.messages.channel import ChannelKind
from wattest.messages.fields import WORD, require_uint, uint_word
from wattest.twin.errors import ParameterOutOfRange
from wattest.twin.gwei import WEI_PER_GWEI, is_whole_gwei
from wattest.twin.operator import MAX_AMOUNT_GWEI, MAX_STAKE_GWEI, MAX_STAKE_TIMES
from wattest.units import SECONDS_PER_DAY

MIN_EPOCH_S = 60
MAX_EPOCH_S = 31 * SECONDS_PER_DAY
MAX_CHALLENGE_WINDOW_S = 90 * SECONDS_PER_DAY
MAX_EXIT_DELAY_S = 365 * SECONDS_PER_DAY
PARAMETER_TIMELOCK_S = 7 * SECONDS_PER_DAY
_UINT_BITS = {"epoch_s": 24, "commit_deadline_s": 24, "challenge_window_s": 32, "exit_delay_s": 32}


@dataclass(frozen=True, slots=True)
class ChannelParameters:
    """One version of a channel's parameters, as the contract's struct of the same name.

    ``stake_wei`` S is burned at a slash, ``catcher_reward_wei`` paid on top of it, ``gas_reserve_wei`` kept free per
    open batch. Raises FieldInvalid for a value wider than the struct's field.
    """

    epoch_s: int
    commit_deadline_s: int
    challenge_window_s: int
    exit_delay_s: int
    stake_wei: int
    catcher_reward_wei: int
    gas_reserve_wei: int

    def __post_init__(self) -> None:
        for name in PARAMETER_FIELDS:
            require_uint(name, getattr(self, name), _UINT_BITS.get(name, 88))

    def to_bytes(self) -> bytes:
        """The seven ABI words."""
        return b"".join(uint_word(getattr(self, name)) for name in PARAMETER_FIELDS)

    @property
    def margin_wei(self) -> int:
        """What a batch binds of the deposit beyond its stake: catcher's reward and gas reserve."""
        return self.catcher_reward_wei + self.gas_reserve_wei

    @property
    def exposure_wei(self) -> int:
        """What the deposit must hold for one open batch, where no module set another stake."""
        return self.stake_wei + self.margin_wei

    @property
    def stake_gwei(self) -> int:
        """``stake_wei`` in gwei."""
        return self.stake_wei // WEI_PER_GWEI

    @property
    def catcher_reward_gwei(self) -> int:
        """``catcher_reward_wei`` in gwei."""
        return self.catcher_reward_wei // WEI_PER_GWEI

    @property
    def margin_gwei(self) -> int:
        """``margin_wei`` in gwei."""
        return self.margin_wei // WEI_PER_GWEI


PARAMETER_FIELDS = tuple(field.name for field in fields(ChannelParameters))


def queued_digest(parameters: ChannelParameters, terms: Sequence[bytes]) -> bytes:
    """keccak256(abi.encode(parameters, terms)): what the chain keeps of a queued version; terms are 32 bytes each."""
    words = parameters.to_bytes()
    offset = uint_word(len(words) + WORD)
    return keccak256(words + offset + uint_word(len(terms)) + b"".join(terms))


def require_in_range(kind: ChannelKind, parameters: ChannelParameters) -> None:
    """Check every range, in the order of the struct.

    Raises: ParameterOutOfRange with the Solidity name of the first field that is out of range.
    """
    scheduled = kind is ChannelKind.SCHEDULED
    epoch, stake, reward = parameters.epoch_s, parameters.stake_wei, parameters.catcher_reward_wei
    reserve = parameters.gas_reserve_wei
    in_range = {
        "epochS": MIN_EPOCH_S <= epoch <= MAX_EPOCH_S if scheduled else epoch == 0,
        # Shorter than the epoch: the commit times of two periods never overlap.
        "commitDeadlineS": 0 < parameters.commit_deadline_s < epoch if scheduled else parameters.commit_deadline_s == 0,
        "challengeWindowS": 0 < parameters.challenge_window_s <= MAX_CHALLENGE_WINDOW_S,
        "exitDelayS": parameters.challenge_window_s <= parameters.exit_delay_s <= MAX_EXIT_DELAY_S,
        "stakeWei": 0 < stake * MAX_STAKE_TIMES <= MAX_STAKE_GWEI * WEI_PER_GWEI and is_whole_gwei(stake),
        # At most a fifth of what is burned: catching oneself must lose money.
        "catcherRewardWei": reward * 5 <= stake and is_whole_gwei(reward),
        "gasReserveWei": reserve <= MAX_AMOUNT_GWEI // 2 * WEI_PER_GWEI and is_whole_gwei(reserve),
    }
    for name, holds in in_range.items():
        if not holds:
            raise ParameterOutOfRange(name)
