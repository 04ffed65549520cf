"""The registers of a file's telegrams, in columns that grow by one element for each telegram.

Decided here: which data objects count as registers of total active energy, and what a telegram shows of each
direction. Not decided here: what makes no series (``billing_rules``), or how points pair up (``points``). Invariant: a
telegram is compared with the next only where both show the same registers. docs/spec/meter-files.md
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from wattest.metering.billing_rules import (
    BillingRule,
    NotImportable,
    Objection,
    registers_differ,
    series_period,
    several_meters,
)
from wattest.metering.meter import unsigned_pseudonym
from wattest.metering.points import (
    PointColumns,
    chain,
    register_column,
    span_records,
    whole_milliwatt_hours,
    whole_seconds,
)
from wattest.metering.reading import to_milliwatt_hours
from wattest.metering.records import Quality, Records
from wattest.units import U64_MAX

CURRENT = "*255"
"""The value group of OBIS that means "as it stands now"; a code without any means the same."""
_REGISTER = re.compile(r"1-\d{1,3}:([12])\.8\.(\d{1,3})(?:\*(\d{1,3}))?", re.ASCII)
_IMPORT, _EXPORT = "1", "2"
_TOTAL = "0"

DsmrValue = tuple[str, Decimal, str, datetime | None]
"""A data object's code, value, unit and time."""
_Grown: TypeAlias = "array[int] | list[int]"


@lru_cache(maxsize=1024)
def register_of(code: str) -> tuple[str, str] | None:
    """Which way energy flows and at which tariff, for a register as it stands now; a file's codes repeat."""
    matched = _REGISTER.fullmatch(code)
    if matched is None or matched[3] not in (None, CURRENT[1:]):
        return None
    return matched[1], matched[2]


def is_earlier(code: str) -> bool:
    """Whether a code names a register of total active energy as it stood at the end of an earlier period."""
    return _REGISTER.fullmatch(code) is not None and register_of(code) is None


def shown_registers(values: Sequence[DsmrValue]) -> dict[tuple[str, str], Decimal]:
    """The registers of total active energy that a telegram shows, each with its exact milliwatt-hours.

    Raises ``NotImportable`` for one in a unit that is none of energy, or shown twice with two values.
    """
    found: dict[tuple[str, str], Decimal] = {}
    for code, value, unit, _ in values:
        register = register_of(code)
        if register is None:
            continue
        energy = to_milliwatt_hours(value, unit)
        if energy is None:
            raise NotImportable(BillingRule.ENERGY_UNKNOWN, f"register {code} is shown in {unit}, no unit of energy")
        if found.setdefault(register, energy) != energy:
            raise registers_differ(f"a telegram shows two values of register {'.8.'.join(register)}")
    return found


class TelegramRegisters:
    """What the telegrams taken so far show; a fault of one is kept for ``records``, the first such alone."""

    def __init__(self) -> None:
        self._meters: set[tuple[str, str]] = set()
        self._time_s, self._quality, self._shown = array("q"), array("H"), array("q")
        self._imported: _Grown = array("Q")
        self._exported: _Grown = array("Q")
        self._sets: dict[frozenset[tuple[str, str]], int] = {}
        self._fallen, self._last = array("B"), dict[tuple[str, str], int]()
        self._trouble: Objection | None = None

    def add(
        self, meter: tuple[str, str], values: Sequence[DsmrValue], unread: str | None, time: datetime | None,
        quality: Quality,
    ) -> None:  # fmt: skip
        """Take the next telegram of a meter, named by its identification and serial.

        ``unread`` is the code of a register whose value cannot be read, if there is one.
        """
        self._meters.add(meter)
        if self._trouble is not None:
            return
        try:
            if unread is not None:
                raise NotImportable(BillingRule.ENERGY_UNKNOWN, f"register {unread} has no value that can be read")
            shown = shown_registers(values)
            imported, exported = _counted(shown, _IMPORT), _counted(shown, _EXPORT)
            if not imported:
                text = "a telegram shows no register of imported energy (1.8.x)"
                raise NotImportable(BillingRule.NO_REGISTER, text)
            counted = imported | exported
            self._time_s.append(whole_seconds(time))
            self._imported = _with(self._imported, sum(imported.values()))
            self._exported = _with(self._exported, sum(exported.values()))
            self._shown.append(self._sets.setdefault(frozenset(counted), len(self._sets)))
            self._fallen.append(any(whole < self._last.get(register, 0) for register, whole in counted.items()))
            self._last = counted
            self._quality.append(int(quality))
        except NotImportable as error:
            self._trouble = error.objection

    def records(self) -> Records:
        """Device records of the whole file; raises ``NotImportable``."""
        if len(self._meters) > 1:
            raise several_meters().refusal()
        if self._trouble is not None:
            raise self._trouble.refusal()
        places = np.arange(len(self._time_s))
        points = PointColumns(
            np.asarray(self._time_s, dtype=np.int64),
            register_column(self._imported),
            register_column(self._exported),
            np.asarray(self._shown, dtype=np.int64),
            np.asarray(self._quality, dtype=np.uint16),
            places,
            np.asarray(self._fallen, dtype=np.bool_),
        )
        (identification, serial), *_ = self._meters
        records, _ = span_records(points, chain(places), unsigned_pseudonym(f"{identification}|{serial}".encode()))
        series_period(records)
        return records


def _with(column: _Grown, total: int) -> _Grown:
    """The column with one more register; a sum of tariffs may leave 64 bits, and then no record takes it."""
    if total > U64_MAX and isinstance(column, array):
        column = column.tolist()
    column.append(total)
    return column


def _counts(register: tuple[str, str], shown: dict[tuple[str, str], Decimal]) -> bool:
    """The register x.8.0 alone where it is shown, else the tariffs x.8.1 and up."""
    way, tariff = register
    return tariff == _TOTAL or (way, _TOTAL) not in shown


def _counted(shown: dict[tuple[str, str], Decimal], way: str) -> dict[tuple[str, str], int]:
    """The registers of a direction whose sum counts, each floored by itself."""
    return {
        register: whole_milliwatt_hours(energy)
        for register, energy in shown.items()
        if register[0] == way and _counts(register, shown)
    }
