"""What every benchmark shares: scales, timing, figures with their spread, and how a benchmark is run by itself.

A benchmark is a module with ``TITLE``, ``ABOUT`` (how it measures, one or two sentences) and ``measure(scale) ->
Report``. A figure keeps every sample: nothing is averaged before ``report`` shows median, least and most.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import TypeVar

REPOSITORY = Path(__file__).resolve().parents[1]
HELPERS = [str(REPOSITORY / "tests" / "support"), str(REPOSITORY / "tools")]
"""Where the tests' helpers lie, and what these import."""

_PROCESS_CLOCK = 2

T = TypeVar("T")


class Scale(Enum):
    """How much is measured: for publication, for a look, or only to see that it runs."""

    FULL = "full"
    QUICK = "quick"
    TINY = "tiny"

    def pick(self, full: T, quick: T, tiny: T) -> T:
        """The value that belongs to this scale."""
        return {Scale.FULL: full, Scale.QUICK: quick, Scale.TINY: tiny}[self]


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured quantity and all its samples.

    A target is judged by the median, and where the quantity has no noise (``exact``) by the worst sample. ``floor``
    names what the same work costs at least, in the same unit, as ``floor_samples``.
    """

    name: str
    unit: str
    samples: tuple[float, ...]
    at_most: float | None = None
    at_least: float | None = None
    exact: bool = False
    floor: str = ""
    floor_samples: tuple[float, ...] = ()

    @property
    def median(self) -> float:
        """Half of the samples are at most this."""
        return statistics.median(self.samples)

    @property
    def is_met(self) -> bool | None:
        """Whether the target is met; None when there is none."""
        if self.at_most is not None:
            return (max(self.samples) if self.exact else self.median) <= self.at_most
        if self.at_least is not None:
            return (min(self.samples) if self.exact else self.median) >= self.at_least
        return None

    @property
    def ratio_to_floor(self) -> float | None:
        """The median over the floor's median."""
        return self.median / statistics.median(self.floor_samples) if self.floor_samples else None

    def with_more(self, other: Figure) -> Figure:
        """The same figure with another run's samples behind its own."""
        values = {**asdict(self), "samples": self.samples + other.samples}
        values["floor_samples"] = self.floor_samples + other.floor_samples
        return Figure(**values)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows that are no samples of one quantity: where gas goes, what differs between two forms."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | int | float, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What one benchmark found."""

    title: str
    about: str
    figures: tuple[Figure, ...]
    tables: tuple[Table, ...] = field(default=())

    def merged(self, other: Report) -> Report:
        """This report with the samples of another round; the tables are the later ones."""
        later = {figure.name: figure for figure in other.figures}
        figures = tuple(figure.with_more(later[figure.name]) for figure in self.figures)
        return Report(self.title, self.about, figures, other.tables)


def report_from_json(value: dict[str, object]) -> Report:
    """Rebuild what ``asdict`` wrote."""
    figures = tuple(
        Figure(**{**item, "samples": tuple(item["samples"]), "floor_samples": tuple(item["floor_samples"])})
        for item in value["figures"]  # type: ignore[attr-defined]
    )
    tables = tuple(
        Table(item["title"], tuple(item["columns"]), tuple(tuple(row) for row in item["rows"]), item["note"])
        for item in value["tables"]  # type: ignore[attr-defined]
    )
    return Report(str(value["title"]), str(value["about"]), figures, tables)


def cpu_seconds(runs: int, work: Callable[[], object]) -> tuple[float, ...]:
    """Processor seconds of this process for each of ``runs`` calls: a busy machine changes them little."""
    return _repeat(runs, work, time.process_time)


def wall_seconds(runs: int, work: Callable[[], object]) -> tuple[float, ...]:
    """Seconds on the wall for each of ``runs`` calls."""
    return _repeat(runs, work, time.perf_counter)


def _repeat(runs: int, work: Callable[[], object], clock: Callable[[], float]) -> tuple[float, ...]:
    taken = []
    for _ in range(runs):
        begun = clock()
        work()
        taken.append(clock() - begun)
    return tuple(taken)


def exhaust(verify: Callable[..., object], arguments: Iterable[tuple[object, ...]]) -> None:
    """Call ``verify`` with each tuple of arguments, for what it raises."""
    for each in arguments:
        verify(*each)


def rates(amount: float, seconds: Sequence[float]) -> tuple[float, ...]:
    """``amount`` per second, for each time."""
    return tuple(amount / taken for taken in seconds)


def scaled(factor: float, samples: Sequence[float]) -> tuple[float, ...]:
    """Every sample times ``factor``: another unit, or one of many."""
    return tuple(factor * sample for sample in samples)


def process_cpu_seconds(process_id: int) -> float:
    """Processor time of another process so far, threads that have ended included.

    By its processor clock, whose number Linux forms from the process id (clock_getcpuclockid(3)): it counts
    nanoseconds, where /proc counts hundredths of a second.
    """
    return time.clock_gettime((~process_id << 3) | _PROCESS_CLOCK)


def process_peak_mebibytes(process_id: int | str = "self") -> float:
    """Largest resident size of a process so far."""
    lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def run_alone(measure: Callable[[Scale], Report], about: str | None) -> None:
    """The command line of a single benchmark."""
    from report import figure_rows, table_text

    parser = argparse.ArgumentParser(description=(about or "").partition("\n")[0])
    parser.add_argument("--scale", type=Scale, default=Scale.FULL, help="full, quick or tiny")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample to FILE")
    options = parser.parse_args()
    report = measure(options.scale)
    if options.json:
        options.json.write_text(json.dumps(asdict(report)))
        return
    sys.stdout.write(table_text(*figure_rows(report.figures)) + "\n")
    for table in report.tables:
        sys.stdout.write(f"\n{table.title}\n\n{table_text(table.columns, table.rows)}\n")
