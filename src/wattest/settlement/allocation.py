"""Allocation keys: who gets how much of the community's surplus, interval by interval.

Decided here: static, dynamic and priority keys, their bytes, and the split of integers. Invariants: nobody is allocated
more than the own use or credited more than the own export; what is allocated equals what is credited.
docs/spec/settlement.md, "Allocation, per interval"
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from wattest.errors import InputError
from wattest.units import U32_MAX
from wattest.workload.settle import MAX_HOUSEHOLDS, allocation_digest

WHOLE_PPM = 1_000_000


class AllocationInvalid(InputError):
    """An allocation key whose bytes or numbers are outside the format."""


class AllocationKind(IntEnum):
    """How surplus is shared: by fixed weights, by use, or in a fixed order."""

    STATIC = 1
    DYNAMIC = 2
    PRIORITY = 3


@dataclass(frozen=True, slots=True)
class AllocationKey:
    """A kind, and one number per household in member order; make it with ``static``, ``dynamic`` or ``priority``."""

    kind: AllocationKind
    keys: tuple[int, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.keys) <= MAX_HOUSEHOLDS:
            raise AllocationInvalid("the number of households is out of range", actual=len(self.keys))
        if any(not 0 <= key <= U32_MAX for key in self.keys):
            raise AllocationInvalid("a household's key is out of range", expected=U32_MAX)
        if self.kind is AllocationKind.STATIC and sum(self.keys) != WHOLE_PPM:
            raise AllocationInvalid(
                "the weights of a static key do not add up",
                expected=WHOLE_PPM, actual=sum(self.keys), hint="weights are parts per million of the surplus",
            )  # fmt: skip
        if self.kind is AllocationKind.DYNAMIC and any(self.keys):
            raise AllocationInvalid("a dynamic key takes no numbers of households")

    @classmethod
    def static(cls, weights_ppm: Sequence[int]) -> AllocationKey:
        """Fixed shares in parts per million that add up to 1,000,000. Raises ``AllocationInvalid``."""
        return cls(AllocationKind.STATIC, tuple(weights_ppm))

    @classmethod
    def equal(cls, households: int) -> AllocationKey:
        """The static key of equal shares; the parts per million left over go to the first households."""
        if households < 1:
            raise AllocationInvalid("a community has at least one household", actual=households)
        floor, rest = divmod(WHOLE_PPM, households)
        return cls.static([floor + (index < rest) for index in range(households)])

    @classmethod
    def dynamic(cls, households: int) -> AllocationKey:
        """Shares in proportion to the use of each interval."""
        return cls(AllocationKind.DYNAMIC, (0,) * households)

    @classmethod
    def priority(cls, ranks: Sequence[int]) -> AllocationKey:
        """Lower ranks are served first; equal ranks in member order. Raises ``AllocationInvalid``."""
        return cls(AllocationKind.PRIORITY, tuple(ranks))

    def to_bytes(self) -> bytes:
        """The 5 + 4 n bytes of the format."""
        numbers = b"".join(key.to_bytes(4, "big") for key in self.keys)
        return bytes([self.kind]) + len(self.keys).to_bytes(4, "big") + numbers

    @property
    def digest(self) -> bytes:
        """The digest that every bill under this key repeats, 32 bytes."""
        return allocation_digest(self.to_bytes())


@dataclass(frozen=True, slots=True)
class Allocation:
    """One interval, milliwatt-hours per household: what each was allocated, and what of its export is credited."""

    shared: list[int]
    shared_export: list[int]


def parse_allocation_key(data: bytes) -> AllocationKey:
    """Read an allocation key's bytes. Raises ``AllocationInvalid``. docs/spec/settlement.md"""
    count = int.from_bytes(data[1:5], "big")
    if len(data) < 5 or count > MAX_HOUSEHOLDS or len(data) != 5 + 4 * count:
        raise AllocationInvalid("an allocation key has another length than its count", actual=len(data))
    try:
        kind = AllocationKind(data[0])
    except ValueError:
        raise AllocationInvalid("the kind of allocation is unknown", actual=data[0]) from None
    return AllocationKey(kind, tuple(int.from_bytes(data[at : at + 4], "big") for at in range(5, len(data), 4)))


def allocate(key: AllocationKey, imports: Sequence[int], exports: Sequence[int]) -> Allocation:
    """Share one interval's exports among its imports, milliwatt-hours in member order.

    Raises ``AllocationInvalid`` where the columns are not of the key's households.
    """
    if not len(key.keys) == len(imports) == len(exports):
        raise AllocationInvalid("the columns are not of the key's households", expected=len(key.keys))
    surplus, use = sum(exports), sum(imports)
    if key.kind is AllocationKind.STATIC:
        shared = [min(share, own) for share, own in zip(split(surplus, key.keys), imports, strict=True)]
    elif key.kind is AllocationKind.DYNAMIC:
        shared = split(min(surplus, use), imports)
    else:
        shared = [0] * len(imports)
        left = surplus
        for index in sorted(range(len(imports)), key=lambda index: key.keys[index]):  # stable: ties by index
            shared[index] = min(imports[index], left)
            left -= shared[index]
    return Allocation(shared, split(sum(shared), exports))


def split(amount: int, weights: Sequence[int]) -> list[int]:
    """Split an amount by weights into integers that add up to it: largest remainder, lowest index among equals.

    All zeros where the weights are.
    """
    whole = sum(weights)
    if whole == 0 or amount == 0:
        return [0] * len(weights)
    parts = [amount * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda index: -(amount * weights[index] % whole))
    for index in by_remainder[: amount - sum(parts)]:
        parts[index] += 1
    return parts
