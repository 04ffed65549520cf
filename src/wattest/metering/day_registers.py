"""Whole days of a table of interval energies, with registers that run on from day to day, ready for a meter to sign.

Decided here: what a whole day is, and where a day's registers begin when the table shows none. Not decided here: the
table (``readers.interval_csv``), the signature (``device_block``), what was signed before (the caller keeps it).
Invariant: no energy is made up: a day with a gap is no whole day. docs/howto/read-meter-files.md
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from wattest.errors import InputError
from wattest.metering.records import Records, ends, make_device_records
from wattest.units import SECONDS_PER_DAY, U64_MAX


class RegisterTooLarge(InputError):
    """A register that would pass 2**64 milliwatt-hours."""


@dataclass(frozen=True, slots=True)
class Registers:
    """Import and export registers at one moment, milliwatt-hours."""

    imported: int
    exported: int

    def __post_init__(self) -> None:
        if not (0 <= self.imported <= U64_MAX and 0 <= self.exported <= U64_MAX):
            raise RegisterTooLarge(
                "a register is 0 to 2**64 - 1 milliwatt-hours", actual=[self.imported, self.exported]
            )


@dataclass(frozen=True, slots=True, eq=False)
class TableDay:
    """A table's intervals within one UTC day; ``seconds`` of it are covered, 86,400 of a whole one."""

    start: int
    records: Records
    seconds: int

    @property
    def is_whole(self) -> bool:
        """Whether no second of the day is missing."""
        return self.seconds == SECONDS_PER_DAY

    @property
    def energy(self) -> Registers:
        """Import and export of the day, milliwatt-hours."""
        return Registers(*(sum(self.records[f"{role}_milliwatt_hours"].tolist()) for role in ("import", "export")))


def table_days(records: Records) -> Iterator[TableDay]:
    """The UTC days that a table has intervals in, in order; an interval over midnight belongs to none."""
    starts, stops = records["start"].astype(np.int64), ends(records)
    days = starts // SECONDS_PER_DAY
    inside = stops <= (days + 1) * SECONDS_PER_DAY
    for day in np.unique(days).tolist():
        chosen = records[(days == day) & inside]
        yield TableDay(day * SECONDS_PER_DAY, chosen, int(chosen["duration_s"].astype(np.int64).sum()))


def recorded_day(day: TableDay, pseudonym: bytes, before: Registers, shown: Collection[str]) -> Records:
    """The day as a meter (16-byte pseudonym) records it whose registers stood at ``before`` when the day began.

    A register of ``shown`` (``import_register``, ``export_register``) is the table's own. Raises: RegisterTooLarge.
    """
    Registers(before.imported + day.energy.imported, before.exported + day.energy.exported)
    registers = {}
    for role, at in (("import", before.imported), ("export", before.exported)):
        name = f"{role}_register"
        total = np.cumsum(day.records[f"{role}_milliwatt_hours"].astype(np.uint64), dtype=np.uint64) + np.uint64(at)
        registers[name] = day.records[name].astype(np.uint64) if name in shown else total
    return make_device_records(
        pseudonym,
        start=day.records["start"].astype(np.uint64),
        duration_s=day.records["duration_s"].astype(np.uint64),
        import_register=registers["import_register"],
        export_register=registers["export_register"],
        import_milliwatt_hours=day.records["import_milliwatt_hours"].astype(np.uint64),
        export_milliwatt_hours=day.records["export_milliwatt_hours"].astype(np.uint64),
    )


def end_of(records: Records) -> Registers:
    """Where a day's registers stand when it ends."""
    return Registers(int(records["import_register"][-1]), int(records["export_register"][-1]))
