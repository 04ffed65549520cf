"""Blocks of a batch that was given up: filed under the periods that the channel has, or kept with the reason.

Decided here: what becomes of each block. Not decided here: when a batch is given up
(``apps.actions.operator_abandon``).
Invariant: no block is lost: one that fits no period, or whose meter has another block there, stays with its reason.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from wattest.errors import InputError
from wattest.metering.device_block import parse_device_block
from wattest.store.database import Database
from wattest.store.duty import Duty

NO_PERIOD = "the block lies in no one period of the channel"
OTHER_BLOCK = "the meter has another block for the period"
LATE = "the period's commit deadline is over"
UNREADABLE = "the block cannot be read any more"


@dataclass(slots=True)
class Filed:
    """How many blocks wait for each period (by its start) again, and how many stay behind for each reason."""

    waiting: Counter[int] = field(default_factory=Counter)
    kept_back: Counter[str] = field(default_factory=Counter)


def file_anew(database: Database, duty: Duty, sequence: int, due_from: int) -> Filed:
    """Take the blocks of a batch out of it, and with them whatever lies under a period that the channel has not.

    ``due_from``: where the first period starts that can still be committed.
    """
    filed, channel = Filed(), duty.channel.id
    with database.transaction():
        rows: list[Any] = database.rows(
            "SELECT rowid, meter, period_start, period_end, sequence FROM device_block"
            " WHERE channel = ? AND (sequence = ? OR (sequence IS NULL AND refused IS NULL))",
            channel,
            sequence,
        )
        for row, meter, start, end, of_batch in rows:
            if of_batch is None and (start, end) == duty.period_of(start):
                continue
            period, reason = _period(database, duty, row)
            if period is not None and period[0] != start:
                taken = database.rows(
                    "SELECT 1 FROM device_block WHERE channel = ? AND meter = ? AND period_start = ?",
                    channel,
                    meter,
                    period[0],
                )
                reason = OTHER_BLOCK if taken else None
            if period is not None and reason is None and period[0] < due_from:
                reason = LATE
            if period is None or reason is not None:
                database.run("UPDATE device_block SET sequence = NULL, refused = ? WHERE rowid = ?", reason, row)
                filed.kept_back[reason or UNREADABLE] += 1
                continue
            database.run(
                "UPDATE device_block SET sequence = NULL, period_start = ?, period_end = ? WHERE rowid = ?",
                *period,
                row,
            )
            filed.waiting[period[0]] += 1
    return filed


def _period(database: Database, duty: Duty, row: int) -> tuple[tuple[int, int] | None, str | None]:
    body: Any = database.rows("SELECT body FROM device_block WHERE rowid = ?", row)[0][0]
    try:
        block = parse_device_block(body)
    except InputError:  # erased
        return None, UNREADABLE
    period = duty.period_of(block.period_start)
    return (period, None) if block.period_end <= period[1] else (None, NO_PERIOD)
