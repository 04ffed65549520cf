"""How a signed source becomes a series: the ``vee`` guest with this protocol's settings, and again for readers.

Decided here: the settings every batch uses (grid, plausible power), and how source digests follow the guest's output.
Not decided here: the rules of editing (``vee``), signatures and roots (``metering``). Invariant: the enclave and a
reader call the same function, so a reader who runs the guest again sees whether the records are what it makes.
Source: docs/spec/sealed-blocks.md, section "Editing"; docs/spec/vee.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wattest.errors import VerificationError
from wattest.metering.entry import EntryKind, SeriesEntry
from wattest.metering.records import (
    INTERVAL_RECORD,
    Records,
    as_bytes,
    device_part,
    ends,
    is_estimated,
    parse_device_records,
)
from wattest.metering.series_block import PreviousState, SeriesBlock
from wattest.units import QUARTER_HOUR_S
from wattest.workload.engine import Guest, Limits
from wattest.workload.vee import PreviousInterval, VeeInput, run_vee

GRID_S = QUARTER_HOUR_S
MAX_INTERVAL_MILLIWATT_HOURS = 25_000_000
"""100 kW over a quarter hour; a household or charge point above it is flagged, not refused."""

VEE_LIMITS = Limits(fuel=2_000_000_000, deadline_s=30.0)


class EditingMismatch(VerificationError):
    """Records that are not what the ``vee`` guest makes of the signed source."""


def edit_series(
    guest: Guest,
    device_records: Records,
    source_digests: bytes | NDArray[np.uint8],
    period_start: int,
    period_end: int,
    previous: PreviousState | None,
) -> Records:
    """Interval records: the guest's output with the source digest of every measured record, zero for estimated ones.

    ``source_digests`` is one digest of 32 bytes for all, or an array (count, 32); gaps on the quarter-hour grid are
    filled. Raises: EditingMismatch, or what ``run_vee`` raises.
    """
    job = VeeInput(
        period_start,
        period_end,
        GRID_S,
        device_records.tobytes(),
        max_interval_milliwatt_hours=MAX_INTERVAL_MILLIWATT_HOURS,
        previous=None
        if previous is None
        else PreviousInterval(previous.last_interval_end, previous.import_register, previous.export_register),
    )
    edited = parse_device_records(run_vee(guest, job, VEE_LIMITS).records)
    records = np.zeros(edited.shape[0], dtype=INTERVAL_RECORD)
    as_bytes(records)[:, : edited.dtype.itemsize] = as_bytes(edited)
    measured = ~is_estimated(records)
    if int(measured.sum()) != device_records.shape[0]:
        raise EditingMismatch(
            "the guest dropped or added a measured record",
            expected=device_records.shape[0],
            actual=int(measured.sum()),
        )
    sources = np.frombuffer(source_digests, dtype=np.uint8) if isinstance(source_digests, bytes) else source_digests
    records["source_digest"][measured] = sources
    return records


def last_measured(records: Records) -> PreviousState:
    """Where the meter stands after these interval records: end and registers of the last measured one.

    Raises: EditingMismatch when none was measured.
    """
    measured = records[~is_estimated(records)]
    last = measured[-1:]
    if last.shape[0] == 0:
        raise EditingMismatch("every record is estimated: no meter stands anywhere", expected=1, actual=0)
    return PreviousState(int(ends(last)[0]), int(last["import_register"][0]), int(last["export_register"][0]))


def verify_edited(guest: Guest, block: SeriesBlock) -> None:
    """Run the guest again on what the meter gave, and compare every record.

    Of kind 1; imported series are kept as read, absent meters have no records. Raises: EditingMismatch, or what
    ``run_vee`` raises.
    """
    entry = block.entry
    if not isinstance(entry, SeriesEntry) or entry.kind != EntryKind.SIGNED_DEVICE_BLOCK:
        return
    kept = block.records[~is_estimated(block.records)]
    again = edit_series(
        guest,
        device_part(kept),
        kept["source_digest"],
        entry.period_start,
        entry.period_end,
        block.previous,
    )
    if again.tobytes() != block.records.tobytes():
        raise EditingMismatch(
            "the records are not what vee makes of the signed source", expected=len(again), actual=len(block.records)
        )
