"""What a comparison shows: a row for each contender of each piece of work."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

STATED_WATTS = 10.0
"""Power of one busy core where the machine does not tell: an assumption, to compare with, not a measurement."""


@dataclass(frozen=True, slots=True)
class Row:
    """One contender at one piece of work.

    ``median`` and ``spread`` (most less least, over the median) are of ``samples``, each in ``unit``; ``speed_ratio``
    is how many times as fast wattest is, None for what has no speed to compare; ``cpu_s`` are processor seconds of one
    run, ``peak_mib`` is the largest resident size of the contender's process, interpreter and input included.
    """

    work: str
    who: str
    unit: str
    samples: tuple[float, ...]
    cpu_s: float
    peak_mib: float
    n: int
    clock: str = "processor"
    note: str = ""
    speed_ratio: float | None = None
    more_is_better: bool = False
    energy_uj: float | None = None
    energy_from: str = ""
    target: str = ""
    extra: dict[str, float] = field(default_factory=dict)

    @property
    def median(self) -> float:
        """Half of the samples are at most this."""
        return statistics.median(self.samples)

    @property
    def spread(self) -> float:
        """The width of all samples over their median."""
        return (max(self.samples) - min(self.samples)) / self.median if self.median else 0.0

    def compared(self, ours: Row) -> Row:
        """The row with our speed over its own."""
        if self.unit != ours.unit or not self.median or not ours.median:
            return self
        if self.clock != ours.clock:  # processor seconds against the wall would compare nothing
            mine, other = self.extra.get("wall_s", 0.0) / self.n, ours.extra.get("wall_s", 0.0) / ours.n
            return replace(self, speed_ratio=mine / other) if mine and other else self
        ratio = ours.median / self.median if self.more_is_better else self.median / ours.median
        return replace(self, speed_ratio=ratio)

    def as_json(self) -> dict[str, Any]:
        """The row with what follows from its samples."""
        return {**asdict(self), "samples": list(self.samples), "median": self.median, "spread": self.spread}


def row_from_json(value: dict[str, Any]) -> Row:
    """What ``as_json`` wrote."""
    known = {name: value[name] for name in Row.__dataclass_fields__ if name in value}
    return Row(**{**known, "samples": tuple(known["samples"])})


class Energy:
    """Joules of the processor package, where the kernel lets them be read."""

    COUNTERS = Path("/sys/class/powercap")

    def __init__(self) -> None:
        self._counters = [path / "energy_uj" for path in sorted(self.COUNTERS.glob("intel-rapl:?"))]
        try:
            self._read()
        except OSError:
            self._counters = []

    @property
    def source(self) -> str:
        """Where the figures come from."""
        return "RAPL, whole package" if self._counters else f"processor seconds x {STATED_WATTS:g} W, stated"

    def now_uj(self) -> float | None:
        """Microjoules so far, None where they cannot be read."""
        return self._read() if self._counters else None

    def _read(self) -> float:
        return float(sum(int(path.read_text()) for path in self._counters))

    def of(self, begun_uj: float | None, cpu_s: float) -> float:
        """Microjoules since, or what the stated power makes of the processor seconds."""
        ended_uj = self.now_uj()
        if begun_uj is None or ended_uj is None or ended_uj < begun_uj:  # the counter starts again when it is full
            return cpu_s * STATED_WATTS * 1e6
        return ended_uj - begun_uj
