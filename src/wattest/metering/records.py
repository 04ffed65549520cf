"""Records of metered intervals: fixed-width bytes, held as numpy structured arrays.

Decided here: the two record layouts, the quality flags, and what a well-formed run of records is. Not decided here:
who signed them (``device_block``), how they are hashed into a series (``series``), whether they are plausible (the
``vee`` guest).

Invariants: an array's memory is exactly the wire bytes (big-endian, no padding); no Python object exists per record;
registers are the readings at the *end* of the interval. Energy counts milliwatt-hours, time is unix seconds UTC,
intervals are half-open. docs/spec/records.md
"""

from __future__ import annotations

from enum import IntFlag
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wattest.errors import InputError, VerificationError

RECORD_VERSION = 1
PSEUDONYM_BYTES = 16
DIGEST_BYTES = 32
MAX_RECORDS = 100_000
TIME_LIMIT_S = 2**48  # start + duration stays far below 2**63, so signed 64-bit arithmetic cannot wrap

_DEVICE_FIELDS: list[tuple[str, str] | tuple[str, str, tuple[int, ...]]] = [
    ("version", "u1"),
    ("pseudonym", "u1", (PSEUDONYM_BYTES,)),
    ("start", ">u8"),
    ("duration_s", ">u4"),
    ("import_register", ">u8"),
    ("export_register", ">u8"),
    ("import_milliwatt_hours", ">u8"),
    ("export_milliwatt_hours", ">u8"),
    ("quality", ">u2"),
]
DEVICE_RECORD: np.dtype[np.void] = np.dtype(_DEVICE_FIELDS)
INTERVAL_RECORD: np.dtype[np.void] = np.dtype([*_DEVICE_FIELDS, ("source_digest", "u1", (DIGEST_BYTES,))])
DEVICE_RECORD_BYTES = DEVICE_RECORD.itemsize  # 63
INTERVAL_RECORD_BYTES = INTERVAL_RECORD.itemsize  # 95

Records = NDArray[np.void]


class Quality(IntFlag):
    """What is known about one record; the low byte is the device's and signed, the high byte belongs to ``vee``."""

    CLOCK_UNCERTAIN = 0x0001
    METER_ERROR = 0x0002
    POWER_LOST = 0x0004
    TAMPER_DETECTED = 0x0008
    SNAPSHOT = 0x0010

    ESTIMATED = 0x0100
    ROLLOVER = 0x0200
    IMPLAUSIBLE = 0x0400
    REGISTER_MISMATCH = 0x0800


DEVICE_QUALITY_MASK = 0x00FF
VEE_QUALITY_MASK = 0xFF00


class MalformedRecords(InputError):
    """Record bytes whose length, count, version or time is outside the format."""


class RecordsOutOfOrder(VerificationError):
    """Records that overlap, repeat or go back in time."""


class RecordOutsidePeriod(VerificationError):
    """A record that starts before the period it is filed under, or ends after it."""


def parse_device_records(data: bytes) -> Records:
    """Read 63-byte device records into a read-only array over the same memory.

    At most 100,000 records. Raises ``MalformedRecords``. docs/spec/records.md
    """
    return _parse(data, DEVICE_RECORD)


def parse_interval_records(data: bytes) -> Records:
    """Read 95-byte interval records into a read-only array over the same memory.

    At most 100,000 records. Raises ``MalformedRecords``. docs/spec/records.md
    """
    return _parse(data, INTERVAL_RECORD)


def make_device_records(
    pseudonym: bytes,
    *,
    start: ArrayLike,
    duration_s: ArrayLike,
    import_register: ArrayLike,
    export_register: ArrayLike,
    import_milliwatt_hours: ArrayLike,
    export_milliwatt_hours: ArrayLike,
    quality: ArrayLike = 0,
) -> Records:
    """Lay columns out as device records; scalars are repeated, ``start`` gives the count.

    Raises ``MalformedRecords`` when a value is negative or too large for its field.
    """
    starts = _unsigned("start", start, TIME_LIMIT_S - 1)
    if starts.ndim != 1 or starts.shape[0] > MAX_RECORDS:
        raise MalformedRecords("start is not a column of at most 100,000 values", actual=starts.shape)
    if len(pseudonym) != PSEUDONYM_BYTES:
        raise MalformedRecords("a pseudonym has 16 bytes", expected=PSEUDONYM_BYTES, actual=len(pseudonym))
    records = np.zeros(starts.shape[0], dtype=DEVICE_RECORD)
    records["version"] = RECORD_VERSION
    records["pseudonym"] = np.frombuffer(pseudonym, dtype=np.uint8)
    records["start"] = starts
    columns: tuple[tuple[str, ArrayLike, int], ...] = (
        ("duration_s", duration_s, 2**32 - 1),
        ("import_register", import_register, 2**64 - 1),
        ("export_register", export_register, 2**64 - 1),
        ("import_milliwatt_hours", import_milliwatt_hours, 2**64 - 1),
        ("export_milliwatt_hours", export_milliwatt_hours, 2**64 - 1),
        ("quality", quality, 2**16 - 1),
    )
    for name, values, most in columns:
        column = _unsigned(name, values, most)
        if column.shape not in ((), starts.shape):
            raise MalformedRecords(f"column {name} has another length", expected=starts.shape, actual=column.shape)
        records[name] = column
    return records


def make_interval_records(device_records: Records, source_digest: bytes) -> Records:
    """Append one 32-byte source digest to every device record."""
    if len(source_digest) != DIGEST_BYTES:
        raise MalformedRecords("a source digest has 32 bytes", expected=DIGEST_BYTES, actual=len(source_digest))
    records = np.zeros(device_records.shape[0], dtype=INTERVAL_RECORD)
    as_bytes(records)[:, :DEVICE_RECORD_BYTES] = as_bytes(device_records)
    records["source_digest"] = np.frombuffer(source_digest, dtype=np.uint8)
    return records


def device_part(interval_records: Records) -> Records:
    """The device records inside interval records, with the high quality byte zeroed as the device signed them."""
    records = np.empty(interval_records.shape[0], dtype=DEVICE_RECORD)
    as_bytes(records)[:, :] = as_bytes(interval_records)[:, :DEVICE_RECORD_BYTES]
    records["quality"] &= DEVICE_QUALITY_MASK
    return records


def as_bytes(records: Records) -> NDArray[np.uint8]:
    """The wire bytes of ``records`` as an array of shape (count, width); a view where memory allows."""
    flat = np.ascontiguousarray(records)
    return flat.view(np.uint8).reshape(flat.shape[0], flat.dtype.itemsize)


def is_estimated(interval_records: Records) -> NDArray[np.bool_]:
    """One bool per record: estimated by ``vee``, hence not in any signed source."""
    mask: NDArray[np.bool_] = (interval_records["quality"] & int(Quality.ESTIMATED)) != 0
    return mask


def ends(records: Records) -> NDArray[np.int64]:
    """Where each interval ends (exclusive), in unix seconds."""
    result: NDArray[np.int64] = records["start"].astype(np.int64) + records["duration_s"].astype(np.int64)
    return result


def verify_order(records: Records, period_start: int, period_end: int) -> None:
    """Check that records ascend strictly, never overlap, and lie inside [period_start, period_end).

    Gaps are allowed: ``vee`` fills them. Raises ``RecordsOutOfOrder`` or ``RecordOutsidePeriod`` with the index.
    """
    if records.shape[0] == 0:
        return
    start, end = records["start"].astype(np.int64), ends(records)
    late = (start[1:] < end[:-1]) | (start[1:] <= start[:-1])
    if bool(late.any()):
        index = int(np.argmax(late)) + 1
        raise RecordsOutOfOrder(
            f"record {index} starts at {int(start[index])}, before record {index - 1} ends",
            hint="send each interval once, in ascending order of time",
            index=index,
            expected=int(max(end[index - 1], start[index - 1] + 1)),
            actual=int(start[index]),
        )
    outside = (start < period_start) | (end > period_end)
    if bool(outside.any()):
        index = int(np.argmax(outside))
        raise RecordOutsidePeriod(
            f"record {index} lies outside its period",
            hint="file the record under the period that holds the whole interval",
            index=index,
            expected=[period_start, period_end],
            actual=[int(start[index]), int(end[index])],
        )


def _parse(data: bytes, dtype: np.dtype[np.void]) -> Records:
    count, rest = divmod(len(data), dtype.itemsize)
    if rest or count > MAX_RECORDS:
        raise MalformedRecords(
            f"records are a multiple of {dtype.itemsize} bytes, at most {MAX_RECORDS} of them",
            hint="the bytes are truncated, or of another record kind",
            actual=len(data),
        )
    records: Records = np.frombuffer(bytes(data), dtype=dtype)
    if count and bool((records["version"] != RECORD_VERSION).any()):
        index = int(np.argmax(records["version"] != RECORD_VERSION))
        raise MalformedRecords(
            f"record {index} has an unknown version",
            index=index,
            expected=RECORD_VERSION,
            actual=int(records["version"][index]),
        )
    if count and bool((records["start"] >= TIME_LIMIT_S).any()):
        index = int(np.argmax(records["start"] >= TIME_LIMIT_S))
        raise MalformedRecords(f"record {index} starts beyond 2**48 seconds", index=index)
    return records


def _unsigned(name: str, values: ArrayLike, most: int) -> NDArray[Any]:
    column = np.asarray(values)
    if column.dtype.kind not in "iu" and column.dtype != object:
        raise MalformedRecords(f"column {name} holds no integers", actual=str(column.dtype))
    if column.dtype.kind == "u" and most >= 2 ** (8 * column.dtype.itemsize) - 1:
        return column  # its type holds nothing that its field does not
    if column.size and (int(column.min()) < 0 or int(column.max()) > most):
        raise MalformedRecords(
            f"column {name} is outside its field",
            expected=[0, most],
            actual=[int(column.min()), int(column.max())],
        )
    return column
