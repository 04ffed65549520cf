"""How large a deposit must be so that cheating never pays.

Decided here: the formula S1, the reputation factor and the deposit rule, in exact rational arithmetic, rounded up once
at the end. Not decided here: a channel's gains and detection chance; they are its manager's estimates. Invariant: for
every number of cheated entries the expected profit at S1 is at most zero (a property test walks all of them).
Source: docs/spec/stake.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from wattest.errors import InputError
from wattest.messages.fields import require_uint
from wattest.messages.header import MAX_ENTRIES

MAX_DRAWN = 1024


class StakeInvalid(InputError):
    """Gains, chances or counts for which no stake is defined."""


@dataclass(frozen=True, slots=True)
class StakeModel:
    """What the stake follows from; gains in the smallest unit of the stake's currency.

    ``entries`` n in a batch; ``entry_gain`` g1, the most that one entry can gain; ``batch_gain`` G >= g1, the most that
    the whole batch can; ``detection`` delta in (0, 1], the chance that a drawn bad entry is found bad; ``selection`` q
    in (0, 1], the chance that a batch is audited; ``drawn`` s, entries drawn per audit. Raises StakeInvalid.
    """

    entries: int
    entry_gain: int
    batch_gain: int
    detection: Fraction
    selection: Fraction = Fraction(1)
    drawn: int = 8

    def __post_init__(self) -> None:
        require_uint("entry_gain", self.entry_gain, 256)
        require_uint("batch_gain", self.batch_gain, 256)
        if not 0 < self.entries <= MAX_ENTRIES:
            raise StakeInvalid("entry count out of bounds", expected=f"1 to {MAX_ENTRIES}", actual=self.entries)
        if not 0 < self.drawn <= MAX_DRAWN:
            raise StakeInvalid("drawn entries out of bounds", expected=f"1 to {MAX_DRAWN}", actual=self.drawn)
        if not 0 < self.entry_gain <= self.batch_gain:
            raise StakeInvalid(
                "a batch gains at least what one entry can",
                expected=f"0 < entry gain <= {self.batch_gain}",
                actual=self.entry_gain,
            )
        for name in ("detection", "selection"):
            chance = getattr(self, name)
            if not isinstance(chance, Fraction) or not 0 < chance <= 1:
                raise StakeInvalid(f"{name} must be a chance above zero", expected="(0, 1]", actual=chance)


def detection_chance(model: StakeModel, bad_entries: int) -> Fraction:
    """p(k): the chance that a batch with ``bad_entries`` bad ones is audited, one of them drawn, and found bad.

    Raises: StakeInvalid unless 0 <= bad_entries <= entries.
    """
    if not 0 <= bad_entries <= model.entries:
        raise StakeInvalid("bad entries out of bounds", expected=f"0 to {model.entries}", actual=bad_entries)
    drawn = min(model.drawn, model.entries)
    missed = Fraction(math.comb(model.entries - bad_entries, drawn), math.comb(model.entries, drawn))
    return model.detection * model.selection * (1 - missed)


def base_stake(model: StakeModel) -> int:
    """S1, rounded up: the deposit per open batch at full reputation that makes every fraction cheated a loss.

    S1 = max(n g1 / (delta q s), G (1 / p(k1) - 1)) with k1 = floor(G / g1), at most n.
    """
    drawn = min(model.drawn, model.entries)
    few = Fraction(model.entries * model.entry_gain) / (model.detection * model.selection * drawn)
    saturating = min(model.batch_gain // model.entry_gain, model.entries)
    many = model.batch_gain * (1 / detection_chance(model, saturating) - 1)
    return math.ceil(max(few, many))


def required_stake(base: int, reputation: Fraction) -> int:
    """S_i = S1 (3 - 2 rho), rounded up; a fresh identity has rho 0 and pays three times S1.

    Raises: StakeInvalid unless 0 <= reputation <= 1.
    """
    if not 0 <= reputation <= 1:
        raise StakeInvalid("reputation out of bounds", expected="0 to 1", actual=reputation)
    return math.ceil(base * (3 - 2 * reputation))


def required_deposit(open_batches: Iterable[tuple[int, int]], gas_part: int) -> int:
    """The deposit that covers every open batch at once: the sum of (stake, catcher's reward), and the gas part."""
    return gas_part + sum(stake + reward for stake, reward in open_batches)


def expected_profit(model: StakeModel, stake: int, bad_entries: int) -> Fraction:
    """What cheating on ``bad_entries`` entries of one batch gains on average: forfeited and slashed when caught."""
    caught = detection_chance(model, bad_entries)
    gain = min(bad_entries * model.entry_gain, model.batch_gain)
    return gain * (1 - caught) - stake * caught
