"""The demo's households: quarter-hour load and solar generation, shipped as one small file.

Decided here: how the file becomes arrays, how more households than it holds are derived, and what a household's meter
shows. Not decided here: how the file was made (``tools/make_households.py``) or who signs (the caller holds keys).

A derived household i >= 24 is household i % 24 with its days rotated, its load scaled by 0.80 to 1.20 and its
generation, which is not rotated because all share one sky, by 0.70 to 1.30. Shift and scales come from
SHA-256("wattest/demo-household/1" || u32 i): the same on every machine.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from wattest.errors import ConfigError
from wattest.metering.records import Records, make_device_records
from wattest.units import INTERVALS_PER_DAY, QUARTER_HOUR_S, SECONDS_PER_DAY

MAX_HOUSEHOLDS = 1_003
"""A thousand that share, and three whose operator cheats."""
MAX_DAYS = 14
SHIPPED_HOUSEHOLDS = 24
_DOMAIN = b"wattest/demo-household/1"
_ONE = 2**16
Energies = NDArray[np.int64]


class HouseholdsUnavailable(ConfigError):
    """A number of households or days that the data set does not give, or a data file that is damaged."""


@dataclass(frozen=True, slots=True, eq=False)
class Households:
    """``load`` and ``generation`` in milliwatt-hours, shape (households, intervals); start in unix seconds."""

    start: int
    load: Energies
    generation: Energies
    labels: tuple[str, ...]
    peak_watts: tuple[int, ...]

    @property
    def imports(self) -> Energies:
        """What the meter counts from the grid: load beyond the roof's generation."""
        net: Energies = np.maximum(self.load - self.generation, 0)
        return net

    @property
    def exports(self) -> Energies:
        """What the meter counts into the grid: generation beyond the load."""
        net: Energies = np.maximum(self.generation - self.load, 0)
        return net

    @property
    def days(self) -> int:
        """Whole days held."""
        return int(self.load.shape[1]) // INTERVALS_PER_DAY

    def opening_registers(self, household: int) -> tuple[int, int]:
        """Import and export register before the first interval: some years of use, fixed per household."""
        drawn = _drawn(household)
        imported = 1_000_000_000 + int.from_bytes(drawn[8:12], "big") * 4
        return imported, int.from_bytes(drawn[12:16], "big") if self.peak_watts[household] else 0

    def device_records(self, household: int, day: int, pseudonym: bytes) -> Records:
        """One day of a household's meter: 96 unsigned device records, registers running on from day to day."""
        if not (0 <= household < self.load.shape[0] and 0 <= day < self.days):
            raise HouseholdsUnavailable("no such household or day", actual=[household, day])
        first, last = day * INTERVALS_PER_DAY, (day + 1) * INTERVALS_PER_DAY
        imported, exported = self.imports[household], self.exports[household]
        opening_import, opening_export = self.opening_registers(household)
        return make_device_records(
            pseudonym,
            start=self.start + QUARTER_HOUR_S * np.arange(first, last),
            duration_s=QUARTER_HOUR_S,
            import_register=opening_import + np.cumsum(imported[:last])[first:],
            export_register=opening_export + np.cumsum(exported[:last])[first:],
            import_milliwatt_hours=imported[first:last],
            export_milliwatt_hours=exported[first:last],
        )

    def period(self, day: int) -> tuple[int, int]:
        """Start and end of a day in unix seconds."""
        start = self.start + day * SECONDS_PER_DAY
        return start, start + SECONDS_PER_DAY


def load_households(count: int = 20, days: int = 2) -> Households:
    """The first ``count`` households (1 to 1,003) over the first ``days`` days (1 to 14).

    Raises ``HouseholdsUnavailable``.
    """
    if not (1 <= count <= MAX_HOUSEHOLDS and 1 <= days <= MAX_DAYS):
        raise HouseholdsUnavailable(
            f"the data set gives 1 to {MAX_HOUSEHOLDS} households over 1 to {MAX_DAYS} days",
            hint="choose --households and --days within that",
            actual=[count, days],
        )
    shipped = _shipped()
    wanted = days * INTERVALS_PER_DAY
    load = np.empty((count, wanted), dtype=np.int64)
    generation = np.empty((count, wanted), dtype=np.int64)
    labels: list[str] = []
    peaks: list[int] = []
    for index in range(count):
        origin = index % SHIPPED_HOUSEHOLDS
        shift, load_scale, roof_scale = _variation(index)
        rotated = np.roll(shipped.load[origin], -shift * INTERVALS_PER_DAY)
        load[index] = rotated[:wanted] * load_scale // _ONE
        generation[index] = shipped.generation[origin, :wanted] * roof_scale // _ONE
        labels.append(shipped.labels[origin])
        peaks.append(shipped.peak_watts[origin] * roof_scale // _ONE)
    return Households(shipped.start, load, generation, tuple(labels), tuple(peaks))


@cache
def _shipped() -> Households:
    data = files("wattest.apps.demo").joinpath("data/households.npz").read_bytes()
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as held:
            load = held["load_milliwatt_hours"].astype(np.int64)
            generation = held["generation_milliwatt_hours"].astype(np.int64)
            start, interval_s = int(held["start"]), int(held["interval_s"])
            vehicles = [str(name) for name in held["electric_vehicle"]]
            labels = tuple(
                str(name).replace("_", " ") + (", electric car" if car != "none" else "")
                for name, car in zip(held["constellation"], vehicles, strict=True)
            )
            peaks = tuple(int(watts) for watts in held["peak_watts"])
    except (ValueError, KeyError, OSError) as error:
        raise HouseholdsUnavailable("the demo's household file is damaged", hint="install wattest again") from error
    shape = (SHIPPED_HOUSEHOLDS, MAX_DAYS * INTERVALS_PER_DAY)
    if load.shape != shape or generation.shape != shape or interval_s != QUARTER_HOUR_S:
        raise HouseholdsUnavailable("the demo's household file is of another shape", expected=shape, actual=load.shape)
    return Households(start, load, generation, labels, peaks)


def _drawn(household: int) -> bytes:
    return hashlib.sha256(_DOMAIN + household.to_bytes(4, "big")).digest()


def _variation(household: int) -> tuple[int, int, int]:
    """Days to rotate, load and generation scales in units of 2**-16; the shipped ones stay as they are."""
    if household < SHIPPED_HOUSEHOLDS:
        return 0, _ONE, _ONE
    drawn = _drawn(household)
    shift = 1 + drawn[0] % (MAX_DAYS - 1)
    load_scale = _ONE * 4 // 5 + int.from_bytes(drawn[1:4], "big") % (_ONE * 2 // 5)
    return shift, load_scale, _ONE * 7 // 10 + int.from_bytes(drawn[4:7], "big") % (_ONE * 3 // 5)
