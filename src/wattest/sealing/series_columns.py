"""Many series of one batch at once: device blocks opened, edited and sealed in columns.

Decided here: how rows and flat buffers are laid out between Python and the core. Not decided here: any rule; the core
applies those of ``metering.device_block``, ``edited_series``, ``metering.series_block`` and ``bundle``, and tests hold
it to them. Invariants: no Python object lives per reading; a row that does not hold says only that, and the plain rule
run on its block says why.
Source: docs/spec/records.md, entries.md, sealed-blocks.md, vee.md ("Many jobs").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wattest.crypto import native
from wattest.crypto.errors import BufferRefused
from wattest.metering.device_block import DEVICE_BLOCK_FRAME_BYTES, GRID_BLOCK_FRAME_BYTES, GRID_BLOCK_VERSION
from wattest.metering.records import DEVICE_RECORD_BYTES
from wattest.metering.register_grid import GRID_ROW_BYTES
from wattest.sealing.edited_series import GRID_S, MAX_INTERVAL_MILLIWATT_HOURS, VEE_LIMITS
from wattest.units import U32_MAX
from wattest.workload.engine import Guest
from wattest.workload.vee import MAX_VEE_JOBS, MAX_VEE_RECORDS

OPENED: np.dtype[np.void] = np.dtype(
    [
        ("verdict", "u1"), ("public_key", "V64"), ("meter", "V32"), ("period_start", ">u8"), ("period_end", ">u8"),
        ("count", ">u4"), ("digest", "V32"), ("signature", "V64"), ("version", "u1"),
    ]
)  # fmt: skip
"""An opened device block (214 bytes): ``verdict`` 0 where it holds, and all of it but the records."""

PREVIOUS: np.dtype[np.void] = np.dtype(
    [("known", "u1"), ("end", ">u8"), ("import_register", ">u8"), ("export_register", ">u8")]
)
"""Where a meter stood before its block (25 bytes); all zero where it is not known."""

SEALED: np.dtype[np.void] = np.dtype(
    [
        ("verdict", "u1"), ("entry", "V118"), ("plaintext_digest", "V32"), ("ciphertext_digest", "V32"),
        ("end", ">u8"), ("import_register", ">u8"), ("export_register", ">u8"), ("length", ">u4"),
    ]
)  # fmt: skip
"""A sealed series (211 bytes): its entry, its block's SHA-256 before and after encryption, where the meter stands."""

MIN_SHARE_SERIES = 64
"""Series that are worth a call of the guest on a thread of its own."""

_EDITED = b"\x00"
_OUTPUT_HEAD_BYTES = 5

Rows = NDArray[np.void]


@dataclass(frozen=True, slots=True, eq=False)
class OpenedBlocks:
    """Device blocks back to back, where each ends (big-endian u64), and their ``OPENED`` rows."""

    data: bytes = field(repr=False)
    ends: bytes = field(repr=False)
    rows: Rows

    @property
    def hold(self) -> bool:
        """Whether every block holds."""
        return not self.rows["verdict"].any()

    def part(self, share: slice) -> OpenedBlocks:
        """Some of the blocks, by their places."""
        ends = np.frombuffer(self.ends, dtype=">u8")
        if share == slice(0, len(ends)):
            return self
        first = int(ends[share.start - 1]) if share.start else 0
        data = self.data[first : int(ends[share.stop - 1])]
        return OpenedBlocks(data, (ends[share] - np.uint64(first)).astype(">u8").tobytes(), self.rows[share])


def runs_of(blocks: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Blocks in runs that one call of ``vee`` takes: as far as lengths tell, gaps filled by a day's grid."""
    start = records = 0
    for index, block in enumerate(blocks):
        most = _most_records(block) + MAX_VEE_RECORDS // MAX_VEE_JOBS
        if index > start and (records + most > MAX_VEE_RECORDS or index - start == MAX_VEE_JOBS):
            yield blocks[start:index]
            start, records = index, 0
        records += most
    if start < len(blocks):
        yield blocks[start:]


def _most_records(block: bytes) -> int:
    frame, row = DEVICE_BLOCK_FRAME_BYTES, DEVICE_RECORD_BYTES
    if block[:1] == bytes((GRID_BLOCK_VERSION,)):
        frame, row = GRID_BLOCK_FRAME_BYTES, GRID_ROW_BYTES
    return max(len(block) - frame, 0) // row


def open_device_blocks(blocks: Sequence[bytes], *, threads: int | None = None) -> OpenedBlocks:
    """Read and verify device blocks, signatures included; a block that does not hold gets a verdict, no error."""
    data = b"".join(blocks)
    ends = np.cumsum([len(block) for block in blocks], dtype=np.uint64).astype(">u8").tobytes()
    return OpenedBlocks(data, ends, np.frombuffer(native.open_device_blocks(data, ends, threads), dtype=OPENED))


def edit_in_columns(guest: Guest, opened: OpenedBlocks, previous: Rows, *, threads: int | None = None) -> bytes:
    """The guest's whole output for blocks that hold, as ``seal_in_columns`` takes it.

    ``previous`` are ``PREVIOUS`` rows; a refusal of the guest is an output, too. Every thread has a share of the meters
    and a call of its own: the guest answers for each as if it had come alone. Raises: GuestFailure.
    """

    def edit(share: slice) -> bytes:
        part = opened.part(share)
        data = native.vee_input(
            part.data,
            part.ends,
            part.rows.tobytes(),
            previous[share].tobytes(),
            GRID_S,
            MAX_INTERVAL_MILLIWATT_HOURS,
        )
        return guest.run(data, VEE_LIMITS).output

    count = len(opened.rows)
    size = max(MIN_SHARE_SERIES, -(-count // (threads or native.default_threads())))
    shares = [slice(start, min(count, start + size)) for start in range(0, count, size)]
    if len(shares) < 2:
        return edit(slice(0, count))
    with ThreadPoolExecutor(len(shares)) as pool:  # the engine runs without the interpreter's lock
        outputs = list(pool.map(edit, shares))
    refused = next((output for output in outputs if output[:1] != _EDITED), None)
    return refused if refused is not None else _joined(outputs)


def _joined(outputs: Sequence[bytes]) -> bytes:
    """Outputs of calls for a share each as that of one call for all (docs/spec/vee.md, "Many jobs")."""
    jobs = sum(int.from_bytes(output[1:_OUTPUT_HEAD_BYTES], "big") for output in outputs)
    head = _EDITED + (jobs & U32_MAX).to_bytes(4, "big")
    return b"".join([head, *(output[_OUTPUT_HEAD_BYTES:] for output in outputs)])


@dataclass(frozen=True, slots=True, eq=False)
class SealedRun:
    """``SEALED`` rows and the ciphertexts, in order; ``holds`` is false where any series did not."""

    rows: Rows
    blocks: list[bytes] = field(repr=False)

    @property
    def holds(self) -> bool:
        """Whether every series was sealed."""
        return not self.rows["verdict"].any()


def seal_in_columns(
    channel: bytes,
    sequence: int,
    opened: OpenedBlocks,
    edited: bytes,
    previous: Rows,
    names: Sequence[bytes],
    series_keys: Sequence[bytes],
    expected: Sequence[bytes] | None,
    *,
    threads: int | None = None,
) -> SealedRun:
    """Trees, entries and encrypted blocks of series whose blocks hold.

    ``expected`` are the plaintexts' digests (32 bytes each) of a batch that was sealed before: a series that differs is
    not encrypted. Raises: BufferRefused for ``edited`` that is no result of these blocks.
    """
    known = b"" if expected is None else b"".join(expected)
    columns = (opened.rows.tobytes(), edited, previous.tobytes(), b"".join(names), b"".join(series_keys), known)
    try:
        rows, data = native.seal_series(channel, sequence, *columns, threads)
    except native.Fault as fault:
        _, message, fields = fault.args
        raise BufferRefused(message, expected=fields.get("expected"), actual=fields.get("actual")) from None
    sealed = np.frombuffer(rows, dtype=SEALED)
    ends = np.cumsum(sealed["length"], dtype=np.int64).tolist()
    return SealedRun(sealed, [data[start:end] for start, end in zip([0, *ends], ends, strict=False)])
