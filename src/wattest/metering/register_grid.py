"""Registers on a grid: the columns that a device block of version 2 signs, and the records that follow from them.

Decided here: the columns' bytes, and when records are such a grid. Not decided here: who signs them
(``device_block``). Invariant: columns and records say the same, so that each can be had from the other; no Python
object lives per reading. Source: docs/spec/records.md, "Version 2: registers on a grid".
"""

from __future__ import annotations

import numpy as np

from wattest.errors import InputError, VerificationError
from wattest.metering.records import DEVICE_QUALITY_MASK, MAX_RECORDS, TIME_LIMIT_S, Records, make_device_records

GRID_HEAD_BYTES = 32
"""Start 8, duration 4, count 4, import and export register before the first record 8 each."""
GRID_ROW_BYTES = 17
"""Of a record: import register 8, export register 8, quality 1, in three columns."""


class MalformedGrid(InputError):
    """Columns of a wrong length, count, duration or period, or in which a register falls."""


class GridInvalid(VerificationError):
    """Records that no columns give: gaps, other durations, or energies that are not differences of the registers."""


def parse_grid(data: bytes, pseudonym: bytes) -> Records:
    """The device records of a meter's columns. Raises: MalformedGrid."""
    if len(data) < GRID_HEAD_BYTES:
        raise MalformedGrid("the columns are truncated", expected=GRID_HEAD_BYTES, actual=len(data))
    start = int.from_bytes(data[:8], "big")
    duration, count = int.from_bytes(data[8:12], "big"), int.from_bytes(data[12:16], "big")
    if not 1 <= count <= MAX_RECORDS:
        raise MalformedGrid("a block holds 1 to 100,000 records", actual=count)
    if not duration or start + count * duration >= TIME_LIMIT_S:
        raise MalformedGrid("a record lasts a second or more and ends before 2**48", actual=[start, duration])
    if len(data) != GRID_HEAD_BYTES + GRID_ROW_BYTES * count:
        raise MalformedGrid(
            "the block's length does not follow from its count",
            hint="the bytes are truncated or followed by others",
            expected=GRID_HEAD_BYTES + GRID_ROW_BYTES * count,
            actual=len(data),
        )
    registers = np.frombuffer(data, ">u8", 2 * count, GRID_HEAD_BYTES).astype(np.uint64).reshape(2, count)
    before = np.hstack((np.frombuffer(data, ">u8", 2, 16).astype(np.uint64).reshape(2, 1), registers[:, :-1]))
    falls = registers < before
    if bool(falls.any()):
        index = int(np.argmax(falls.any(axis=0)))
        raise MalformedGrid(
            f"a register falls in record {index}",
            hint="a register whose count began anew is signed in a block of version 1",
            index=index,
        )
    energies = registers - before
    return make_device_records(
        pseudonym,
        start=start + duration * np.arange(count, dtype=np.uint64),
        duration_s=duration,
        import_register=registers[0],
        export_register=registers[1],
        import_milliwatt_hours=energies[0],
        export_milliwatt_hours=energies[1],
        quality=np.frombuffer(data, np.uint8, count, GRID_HEAD_BYTES + 16 * count),
    )


def grid_columns(records: Records, period_start: int, period_end: int) -> bytes:
    """The columns of records that fill a period. Raises: GridInvalid."""
    count = records.shape[0]
    if not 1 <= count <= MAX_RECORDS:
        raise GridInvalid("a block holds 1 to 100,000 records", actual=count)
    duration = int(records["duration_s"][0])
    starts = records["start"].astype(np.uint64)
    wanted = period_start + duration * np.arange(count, dtype=np.uint64)
    off = (starts != wanted) | (records["duration_s"] != duration)
    if not duration or bool(off.any()) or period_start + count * duration != period_end:
        index = int(np.argmax(off)) if bool(off.any()) else count - 1
        raise GridInvalid(
            f"record {index} is not on the grid of the period",
            hint="a block with a gap or with intervals of several lengths is of version 1",
            index=index,
            expected=[period_start, period_end, duration],
            actual=[int(starts[index]), int(records["duration_s"][index])],
        )
    registers = np.vstack([records[f"{way}_register"].astype(np.uint64) for way in ("import", "export")])
    energies = np.vstack([records[f"{way}_milliwatt_hours"].astype(np.uint64) for way in ("import", "export")])
    before = registers - energies  # wraps where an energy is above its register
    wrong = (energies > registers) | np.hstack((np.zeros((2, 1), bool), before[:, 1:] != registers[:, :-1]))
    high = (records["quality"] & ~np.uint16(DEVICE_QUALITY_MASK)) != 0
    if bool(wrong.any()) or bool(high.any()):
        index = int(np.argmax(wrong.any(axis=0) | high))
        raise GridInvalid(
            f"record {index} does not follow from registers on a grid",
            hint="its energies are not the differences of the registers around it, or a flag of vee is set",
            index=index,
            quality=int(records["quality"][index]),
        )
    return b"".join(
        (
            period_start.to_bytes(8, "big"),
            duration.to_bytes(4, "big"),
            count.to_bytes(4, "big"),
            before[:, 0].astype(">u8").tobytes(),
            registers.astype(">u8").tobytes(),
            records["quality"].astype(np.uint8).tobytes(),
        )
    )
