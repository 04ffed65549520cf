"""A fleet of up to ten million meters that is never held: any meter's any day follows from the seed, a piece at a time.

A household draws a base load, a morning and an evening peak of its own size and hour, less at night and more at week-
ends; a share of them has solar panels, whose days are clear or clouded for the whole fleet. What a meter draws in a
day is fixed by its size and the weekday, and noise only moves it between quarter hours, so that its register at the
start of any day is a sum in closed form. Energies and registers are whole milliwatt-hours; what is drawn comes from
splitmix64 over (seed, meter, day, quarter), so that any piece can be made alone, in any order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wattest.errors import InputError
from wattest.metering.records import DEVICE_RECORD, RECORD_VERSION
from wattest.units import SECONDS_PER_DAY

MAX_METERS = 10_000_000
QUARTERS, QUARTER_S = 96, 900
FIRST_DAY = 20_000
PIECE = 10_000
_WEEKDAYS = np.array([98, 97, 97, 98, 100, 106, 104], np.int64)
_SKY = np.array([100, 85, 40, 15, 60, 95, 100, 70, 25, 10, 55, 90, 80, 35], np.int64)
_LEAST_MWH, _MOST_MWH = 3_000_000, 22_000_000
_PANELS_MWH = 6_000_000
_NOISE = 0.35

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fleet:
    """``meters`` meters, of which ``solar_percent`` in a hundred have panels."""

    meters: int
    seed: int = 1
    solar_percent: int = 15

    def __post_init__(self) -> None:
        if not 1 <= self.meters <= MAX_METERS or not 0 <= self.solar_percent <= 100 or not 0 <= self.seed < 1 << 32:
            raise InputError(
                "not a fleet", expected=f"1 to {MAX_METERS} meters, a seed of 32 bits, 0 to 100 percent",
                actual=f"{self.meters}, {self.seed}, {self.solar_percent}",
            )  # fmt: skip

    def pieces(self, day: int, size: int = PIECE) -> Iterator[tuple[int, npt.NDArray[Any]]]:
        """One day of everyone: the first meter's number and the records of up to ``size`` meters, a row for each."""
        for first in range(0, self.meters, size):
            yield first, self.records(first, min(size, self.meters - first), day)

    def records(self, first: int, count: int, day: int) -> npt.NDArray[Any]:
        """Records of ``count`` meters from number ``first`` on one day, ``DEVICE_RECORD`` of shape (count, 96)."""
        if first < 0 or count < 1 or first + count > self.meters or not 0 <= day < 1 << 16:
            raise InputError("these meters are not in the fleet", first=first, count=count, day=day, meters=self.meters)
        number = np.arange(first, first + count, dtype=np.uint64)
        start, energies = self._imports(number, day)
        solar_start, exports = self._exports(number, day)
        made = np.zeros((count, QUARTERS), DEVICE_RECORD)
        made["version"] = RECORD_VERSION
        made["pseudonym"][:, :, 8:] = number.astype(">u8").view(np.uint8).reshape(count, 1, 8)
        made["start"] = (FIRST_DAY + day) * SECONDS_PER_DAY + QUARTER_S * np.arange(QUARTERS)
        made["duration_s"] = QUARTER_S
        made["import_register"] = start[:, None] + np.cumsum(energies, axis=1)
        made["export_register"] = solar_start[:, None] + np.cumsum(exports, axis=1)
        made["import_milliwatt_hours"] = energies
        made["export_milliwatt_hours"] = exports
        return made

    def _imports(self, number: U64, day: int) -> tuple[I64, I64]:
        size = _LEAST_MWH + (self._drawn(number, 1) * (_MOST_MWH - _LEAST_MWH)).astype(np.int64)
        hour = np.arange(QUARTERS) / 4
        morning, evening = 6 + 3 * self._drawn(number, 2), 17 + 4 * self._drawn(number, 3)
        shape = (
            0.35
            + 0.9 * _peak(hour, morning[:, None], 1.2)
            + 1.5 * _peak(hour, evening[:, None], 1.8)
            - 0.15 * _peak(hour, np.full((len(number), 1), 3.0), 2.0)
        )
        weekly = int(_WEEKDAYS.sum())
        before = day // 7 * weekly + int(_WEEKDAYS[: day % 7].sum())
        return size * before // 100, self._spread(number, day, size * (before + int(_WEEKDAYS[day % 7])) // 100
                                                  - size * before // 100, shape)  # fmt: skip

    def _exports(self, number: U64, day: int) -> tuple[I64, I64]:
        has_panels = self._drawn(number, 4) * 100 < self.solar_percent
        size = np.where(has_panels, (_PANELS_MWH * (0.5 + self._drawn(number, 5))).astype(np.int64), 0)
        hour = np.arange(QUARTERS) / 4
        shape = np.broadcast_to(np.clip(np.sin((hour - 5.5) / 15 * np.pi), 0, None), (len(number), QUARTERS))
        before = day // len(_SKY) * int(_SKY.sum()) + int(_SKY[: day % len(_SKY)].sum())
        today = size * (before + int(_SKY[day % len(_SKY)])) // 100 - size * before // 100
        return size * before // 100, self._spread(number, day + (1 << 20), today, shape)

    def _spread(self, number: U64, salt: int, total: I64, shape: F64) -> I64:
        """Spread each meter's total over the day by its shape and noise, to the last milliwatt-hour."""
        cell = number[:, None] * np.uint64(QUARTERS) + np.arange(QUARTERS, dtype=np.uint64)
        noisy = shape * (1 + _NOISE * (self._drawn(cell, 16 + salt) - 0.5))
        reached = np.cumsum(noisy, axis=1)
        cumulative = np.floor(total[:, None] * (reached / reached[:, -1:])).astype(np.int64)
        cumulative[:, -1] = total
        return np.diff(cumulative, axis=1, prepend=0)

    def _drawn(self, number: U64, salt: int) -> F64:
        """Numbers in [0, 1) that follow from the seed, a salt and each number."""
        with np.errstate(over="ignore"):
            state = (number + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
            state ^= np.uint64(self.seed << 32 | salt) * np.uint64(0xD1342543DE82EF95)
            for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
                state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
            state ^= state >> np.uint64(31)
        return (state >> np.uint64(11)).astype(np.float64) / float(1 << 53)


def _peak(hour: F64, at: F64, width: float) -> F64:
    return np.exp(-(((hour - at) / width) ** 2))
