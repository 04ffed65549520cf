"""Readings of OCMF records in columns, filled while the payloads are parsed.

Decided here: what of a reading is kept for records, and how its fields become numbers. Not decided here: which readings
pair up (``metering.transactions``) or how they are shown (``ocmf_payload``). Invariants: no Python object is kept per
reading; a register is floored to whole milliwatt-hours without a binary fraction; one that no u64 holds is kept beside
the columns, to be named when a record would need it. docs/spec/meter-files.md
"""

from __future__ import annotations

from array import array
from collections.abc import Collection
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal

import numpy as np
from numpy.typing import NDArray

from wattest.metering.records import Quality, Records
from wattest.units import U64_MAX

NO_TIME = -(2**63)
"""The place of a time in a column where there is none; no time that can be written comes near it."""

_ERROR = int(Quality.METER_ERROR)
_TAMPER = int(Quality.TAMPER_DETECTED)
_POWER = int(Quality.POWER_LOST)
_CLOCK = int(Quality.CLOCK_UNCERTAIN)
_SURE_CLOCKS = "ISR"  # informative, synchronised, relative; U is unknown, and any other letter means nothing


@dataclass(frozen=True, slots=True, eq=False)
class OcmfColumns:
    """One element of each column for a reading, in the order of the file.

    ``time_us`` are unix microseconds or ``NO_TIME``; ``transaction`` and ``register`` are places in ``codes`` and
    ``names``; ``is_energy`` says where ``milliwatt_hours`` means something; ``telegram`` numbers the records.
    ``beyond`` has the exact value of energies that no u64 holds, by their place. ``serials`` are those of the first
    record, and ``several_meters`` says that another names others. ``telegrams`` are the records that all of this was
    read from, and ``public_key`` is the DER SPKI under which each of their signatures was seen to hold, empty where
    that is not so. ``derived`` is what ``transactions.ocmf_records`` made of these columns, None where nobody asked.
    """

    time_us: NDArray[np.int64] = field(repr=False)
    transaction: NDArray[np.int32] = field(repr=False)
    register: NDArray[np.int32] = field(repr=False)
    is_energy: NDArray[np.bool_] = field(repr=False)
    milliwatt_hours: NDArray[np.uint64] = field(repr=False)
    quality: NDArray[np.uint16] = field(repr=False)
    telegram: NDArray[np.int64] = field(repr=False)
    codes: tuple[str | None, ...]
    names: tuple[str | None, ...]
    beyond: dict[int, int] = field(repr=False)
    serials: tuple[str, str] = ("", "")
    several_meters: bool = False
    telegrams: tuple[bytes, ...] = field(default=(), repr=False)
    public_key: bytes = b""
    derived: tuple[Records, NDArray[np.int64]] | None = field(default=None, repr=False)


class OcmfRows:
    """Columns that grow by one element for each reading."""

    __slots__ = ("_beyond", "_codes", "_energy", "_is_energy", "_names", "_quality", "_register", "_telegram",
                 "_time", "_transaction")  # fmt: skip

    def __init__(self) -> None:
        self._time, self._telegram = array("q"), array("q")
        self._transaction, self._register = array("i"), array("i")
        self._is_energy, self._energy, self._quality = array("B"), array("Q"), array("H")
        self._codes: dict[str | None, int] = {}
        self._names: dict[str | None, int] = {}
        self._beyond: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._time)

    def append(
        self,
        telegram: int,
        time_us: int,
        transaction: str | None,
        register: str | None,
        milliwatt_hours: Decimal | None,
        quality: int,
    ) -> None:
        """Take one reading; ``milliwatt_hours`` is exact and None where the reading shows no energy."""
        whole = 0
        if milliwatt_hours is not None:
            whole = int(milliwatt_hours.to_integral_value(rounding=ROUND_FLOOR))
            if not 0 <= whole <= U64_MAX:
                self._beyond[len(self._time)] = whole
                whole = 0
        self._energy.append(whole)
        self._is_energy.append(milliwatt_hours is not None)
        self._transaction.append(self._codes.setdefault(transaction, len(self._codes)))
        self._register.append(self._names.setdefault(register, len(self._names)))
        self._quality.append(quality)
        self._telegram.append(telegram)
        self._time.append(time_us)

    def drop_from(self, length: int) -> None:
        """Forget the readings from this place on: those of a payload that broke off."""
        for column in (
            self._time, self._telegram, self._transaction, self._register, self._is_energy, self._energy, self._quality,
        ):  # fmt: skip
            del column[length:]
        for place in [place for place in self._beyond if place >= length]:
            del self._beyond[place]

    @property
    def transactions(self) -> set[str | None]:
        """The transaction codes that the readings kept so far have."""
        codes = list(self._codes)
        return {codes[place] for place in set(self._transaction)}

    def columns(
        self, serials: Collection[tuple[str, str]], telegrams: tuple[bytes, ...], public_key: bytes
    ) -> OcmfColumns:
        """What was taken, as columns that no longer grow; ``serials`` are those of all records, each once, in order."""
        return OcmfColumns(
            np.array(self._time, dtype=np.int64),
            np.array(self._transaction, dtype=np.int32),
            np.array(self._register, dtype=np.int32),
            np.array(self._is_energy, dtype=np.bool_),
            np.array(self._energy, dtype=np.uint64),
            np.array(self._quality, dtype=np.uint16),
            np.array(self._telegram, dtype=np.int64),
            tuple(self._codes),
            tuple(self._names),
            dict(self._beyond),
            next(iter(serials), ("", "")),
            len(serials) > 1,
            telegrams,
            public_key,
        )


def reading_quality(status: str | None, error_flags: str, transaction: str | None, time_status: str | None) -> int:
    """The device flags of one reading, from its meter status, error flags, transaction code and clock status."""
    quality = 0
    if status != "G" or "E" in error_flags or transaction == "X":
        quality |= _ERROR
    if status == "M":
        quality |= _TAMPER
    if transaction == "P":
        quality |= _POWER
    if "t" in error_flags or (time_status is not None and time_status not in _SURE_CLOCKS):
        quality |= _CLOCK
    return quality
