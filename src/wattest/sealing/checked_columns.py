"""Many series of one batch checked again at once: decrypted, recomputed and edited again in columns.

Decided here: how rows and flat buffers are laid out between Python and the core, which jobs share a call of ``vee``.
Not decided here: any rule; the core applies those of ``bundle``, ``metering.series_block`` and ``edited_series`` to
series that a meter signed (kind 1), and tests hold it to them. Invariants: a row that holds is one that the plain rules
accept; any other says only that, and the plain rules run on its block say why; no Python object lives per reading.
Source: docs/spec/sealed-blocks.md, entries.md ("What a reader checks"), vee.md ("Many jobs").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from wattest.crypto import native
from wattest.crypto.aead import TAG_BYTES
from wattest.metering.entry import ENTRY_BYTES
from wattest.metering.records import INTERVAL_RECORD, INTERVAL_RECORD_BYTES, MAX_RECORDS, Records
from wattest.metering.series_block import PreviousState
from wattest.sealing.edited_series import GRID_S, MAX_INTERVAL_MILLIWATT_HOURS, VEE_LIMITS
from wattest.workload.engine import Guest
from wattest.workload.failures import GuestFailure
from wattest.workload.vee import MAX_VEE_RECORDS

T = TypeVar("T")

CHECKED: np.dtype[np.void] = np.dtype(
    [
        ("verdict", "u1"), ("meter", "V32"),
        ("known", "u1"), ("previous_end", ">u8"), ("previous_import", ">u8"), ("previous_export", ">u8"),
        ("end", ">u8"), ("import_register", ">u8"), ("export_register", ">u8"), ("count", ">u4"), ("measured", ">u4"),
    ]
)  # fmt: skip
"""A checked series (90 bytes): ``verdict`` 0 where it holds, the meter's key id, where the meter stood and stands."""

MAX_RUN_SERIES = 128
"""Series of one run: enough to share a call of the guest, few enough that every core has runs of its own."""

_HEAD_BYTES = 2 + ENTRY_BYTES
MAX_SIGNED_CIPHERTEXT_BYTES = _HEAD_BYTES + 24 + 4 + MAX_RECORDS * INTERVAL_RECORD_BYTES + 128 + TAG_BYTES
"""The longest block of kind 1: a longer one holds in no way, and need not be decrypted to see that."""

_REFUSED = 1


def runs_of_blocks(lengths: Sequence[int], most_series: int = MAX_RUN_SERIES) -> Iterator[range]:
    """The places of blocks of these lengths in runs that one call of ``vee`` takes and that bound what is held at once.

    A run is at most ``most_series`` blocks and 9.5 MB, or one block of any length.
    """
    start = records = 0
    for index, length in enumerate(lengths):
        most = length // INTERVAL_RECORD_BYTES
        if index > start and (records + most > MAX_VEE_RECORDS or index - start == most_series):
            yield range(start, index)
            start, records = index, 0
        records += most
    if start < len(lengths):
        yield range(start, len(lengths))


@dataclass(frozen=True, slots=True, eq=False)
class CheckedRun:
    """Plaintexts of series blocks back to back, where each ends (big-endian u64), and their ``CHECKED`` rows."""

    plaintexts: bytes = field(repr=False)
    ends: bytes = field(repr=False)
    rows: NDArray[np.void]

    @property
    def held(self) -> list[int]:
        """The places of the series that hold."""
        places: list[int] = np.flatnonzero(self.rows["verdict"] == 0).tolist()
        return places

    def held_of(self, names: Sequence[T]) -> dict[T, int]:
        """The place here of each series that holds, by the caller's name of it; ``names`` has one for each series.

        Whatever else the caller has goes the plain way, which says why: what was not for columns, and what does not
        hold in them.
        """
        return {names[place]: place for place in self.held}

    def records(self, place: int) -> Records:
        """The interval records of a series that holds: a view."""
        state = 24 * int(self.rows["known"][place])
        start = int.from_bytes(self.ends[8 * place - 8 : 8 * place], "big") if place else 0
        count = int(self.rows["count"][place])
        records: Records = np.frombuffer(self.plaintexts, INTERVAL_RECORD, count, start + _HEAD_BYTES + state + 4)
        return records

    def standing(self, place: int) -> tuple[PreviousState | None, PreviousState]:
        """Where the meter of a series that holds stood before, and where it stands after."""
        _, _, known, *numbers, _, _ = self.rows[place].item()
        return PreviousState(*numbers[:3]) if known else None, PreviousState(*numbers[3:])


def check_blocks(
    channel: bytes,
    sequence: int,
    entries: Sequence[bytes],
    series_keys: Sequence[bytes],
    blocks: Sequence[bytes],
    *,
    threads: int | None = None,
) -> CheckedRun:
    """Decrypt blocks as the entries (118 bytes each) they are said to be, and check them: all but ``vee``."""
    names = b"".join(entry[2:34] for entry in entries)
    keys, data = b"".join(series_keys), b"".join(blocks)
    plaintexts, ends = native.open_series(channel, sequence, names, keys, data, _ends(blocks), threads)
    return _checked(b"".join(entries), keys, plaintexts, ends, threads)


def check_plaintexts(
    entries: Sequence[bytes], series_keys: Sequence[bytes], plaintexts: Sequence[bytes], *, threads: int | None = None
) -> CheckedRun:
    """Check series blocks that were decrypted elsewhere against their entries (118 bytes each): all but ``vee``."""
    return _checked(b"".join(entries), b"".join(series_keys), b"".join(plaintexts), _ends(plaintexts), threads)


def edited_again(guest: Guest, run: CheckedRun) -> CheckedRun:
    """The run after the guest edited each series that holds once more: one that comes out otherwise holds no longer."""
    rows = run.rows.copy()
    waiting = [run.held]
    while waiting:
        jobs = waiting.pop()
        if jobs:
            verdicts, refused = _edit(guest, run, jobs)
            if refused is not None:
                # The guest names the first job that it refuses: those before it get another call, and so do the rest.
                waiting += [jobs[refused + 1 :], jobs[:refused]]
                jobs, verdicts = [jobs[refused]], [_REFUSED]
            rows["verdict"][jobs] = verdicts
    return replace(run, rows=rows)


def _edit(guest: Guest, run: CheckedRun, jobs: list[int]) -> tuple[list[int], int | None]:
    """A verdict for each of these places, or which of them the guest refused; all are refused where it failed."""
    chosen = run.rows.copy()
    chosen["verdict"] = _REFUSED
    chosen["verdict"][jobs] = 0
    buffers = run.plaintexts, run.ends, chosen.tobytes()
    try:
        output = guest.run(native.checked_vee_input(*buffers, GRID_S, MAX_INTERVAL_MILLIWATT_HOURS), VEE_LIMITS).output
        index = int.from_bytes(output[2:], "big")
        if output[:1] == b"\1" and index < len(jobs):
            return [], index
        verdicts = native.compare_edited(*buffers, output)
    except (GuestFailure, native.Fault):
        return [_REFUSED] * len(jobs), None
    return [verdicts[place] for place in jobs], None


def _checked(entries: bytes, keys: bytes, plaintexts: bytes, ends: bytes, threads: int | None) -> CheckedRun:
    rows = native.check_series(entries, keys, plaintexts, ends, threads)
    return CheckedRun(plaintexts, ends, np.frombuffer(rows, dtype=CHECKED))


def _ends(blocks: Sequence[bytes]) -> bytes:
    return np.cumsum([len(block) for block in blocks], dtype=np.uint64).astype(">u8").tobytes()
