"""A tariff: prices in integers, and the decimals of the token that pays.

Decided here: the 50 bytes of a tariff and what values they may hold. docs/spec/settlement.md, "Tariff"
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from wattest.errors import InputError
from wattest.workload.settle import TARIFF_BYTES, tariff_digest

PRICE_MAX_MICRO_CENTS = 10**12
CURRENCY_DECIMALS = range(2, 19)

_VERSION = 1
_LAYOUT = struct.Struct(">BB6Q")


class TariffInvalid(InputError):
    """Tariff bytes or values outside the format."""


@dataclass(frozen=True, slots=True)
class Tariff:
    """Prices in micro-cents (10**-6 cent) per kilowatt-hour, 0 to 10**12; ``fixed_per_day`` in micro-cents per day.

    ``community`` is paid for shared energy and credited to its exporters; ``community_grid`` is the grid fee that
    shared energy pays instead of ``grid``; ``feed_in`` is credited for exports that nobody shared.
    ``currency_decimals`` (2 to 18) are those of the token that pays: one cent is 10**(decimals - 2) of its smallest
    units.
    """

    energy: int
    grid: int
    community: int
    community_grid: int
    feed_in: int
    fixed_per_day: int
    currency_decimals: int = 6

    def __post_init__(self) -> None:
        for name in ("energy", "grid", "community", "community_grid", "feed_in", "fixed_per_day"):
            value = getattr(self, name)
            if not 0 <= value <= PRICE_MAX_MICRO_CENTS:
                raise TariffInvalid(
                    f"price {name} is out of range",
                    expected=PRICE_MAX_MICRO_CENTS, actual=value, hint="prices are micro-cents per kilowatt-hour",
                )  # fmt: skip
        if self.currency_decimals not in CURRENCY_DECIMALS:
            raise TariffInvalid("currency decimals are out of range", expected="2 to 18", actual=self.currency_decimals)

    @property
    def units_per_cent(self) -> int:
        """How many of the token's smallest units one cent is."""
        return int(10 ** (self.currency_decimals - 2))

    def to_bytes(self) -> bytes:
        """The 50 bytes of the format."""
        prices = (self.energy, self.grid, self.community, self.community_grid, self.feed_in, self.fixed_per_day)
        return _LAYOUT.pack(_VERSION, self.currency_decimals, *prices)

    @property
    def digest(self) -> bytes:
        """The digest that every bill under this tariff repeats, 32 bytes."""
        return tariff_digest(self.to_bytes())


def parse_tariff(data: bytes) -> Tariff:
    """Read the 50 bytes of a tariff. Raises ``TariffInvalid``. docs/spec/settlement.md"""
    if len(data) != TARIFF_BYTES:
        raise TariffInvalid("a tariff has another length", expected=TARIFF_BYTES, actual=len(data))
    version, decimals, energy, grid, community, community_grid, feed_in, fixed_per_day = _LAYOUT.unpack(data)
    if version != _VERSION:
        raise TariffInvalid("the tariff's version is unknown", expected=_VERSION, actual=version)
    return Tariff(energy, grid, community, community_grid, feed_in, fixed_per_day, decimals)
