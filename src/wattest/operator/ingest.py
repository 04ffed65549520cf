"""Taking device blocks in: checked, kept once, whatever the way they came.

Decided here: which blocks an operator accepts for a channel, the inbox folder that HTTP and files share, and what
happens to what is refused. Not decided here: the batch that takes them (``operator``). Invariants: a block is on disk
before it is acknowledged; the database's one writer moves it from the inbox; a refused file is kept with the reason;
blocks are verified in columns, on all cores, and what does not hold there goes the plain way, which says why (ADR 18).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from wattest.crypto.hashing import sha256
from wattest.errors import InputError, VerificationError, WattestError
from wattest.io.crash_points import CrashPoints
from wattest.io.files import write_atomically
from wattest.metering.device_block import parse_device_block, verify_device_block
from wattest.metering.meter import meter_key_id
from wattest.sealing.series_columns import open_device_blocks
from wattest.store.duty import Duty, ForeignMeter
from wattest.store.operator_store import OperatorStore

MAX_INBOX_FILE_BYTES = 16 * 1024 * 1024
MAX_INBOX_FILES = 100_000
BLOCKS_PER_COUNT = 1_000
BLOCKS_PER_TRANSACTION = 512
BYTES_AT_ONCE = 32 * 1024 * 1024
"""Of blocks in memory together, before the last of them."""


class PeriodMismatch(VerificationError):
    """A block that lies in no one period of the channel, or in one that is collected already."""


class BlockTooLarge(InputError):
    """A device block over the size limit."""


class InboxFull(InputError):
    """More files wait than the inbox may hold."""


def keep_block(store: OperatorStore, duty: Duty, body: bytes) -> bool:
    """Check a device block and keep it, the plain way; False when it is kept already.

    Raises what parsing and verification raise, ``ForeignMeter``, ``PeriodMismatch``, ``BlockConflict``.
    """
    if len(body) > MAX_INBOX_FILE_BYTES:
        raise BlockTooLarge("a device block is too large", expected=MAX_INBOX_FILE_BYTES, actual=len(body))
    block = parse_device_block(body)
    period = duty.period_of(block.period_start)
    if block.period_end > period[1]:
        raise PeriodMismatch(
            "a block lies in one period", expected=period[1], actual=block.period_end, period_start=block.period_start
        )
    last = store.last_batch(duty.channel.id)
    digest = sha256(body)
    meter = meter_key_id(block.public_key)
    if last is not None and period[0] <= last.period_start:
        if store.has_block(duty.channel.id, meter, period[0], digest):
            return False
        raise PeriodMismatch(
            "the period is collected already",
            period_start=period[0],
            hint="late readings belong into an open channel",
        )
    if not duty.has_member(block.public_key, period[0]):
        raise ForeignMeter("the meter is no member of the channel", meter=meter)
    verify_device_block(block)
    return store.add_block(duty.channel.id, meter, period, digest, body)


def keep_blocks(store: OperatorStore, duty: Duty, bodies: Iterable[bytes]) -> list[bool | WattestError]:
    """The same for many blocks, in their order and in one transaction: what ``keep_block`` gives, or would raise.

    All signatures are verified at once. A block that is kept here holds, is a member's and lies in a period that is not
    collected; every other one goes through ``keep_block``.
    """
    outcomes: list[bool | WattestError] = []
    with store.database.transaction():
        last = store.last_batch(duty.channel.id)
        free_from = 0 if last is None else last.period_start + 1
        for run in _runs(bodies):
            rows = open_device_blocks(run).rows
            columns = (rows[name].tolist() for name in ("verdict", "public_key", "meter", "period_start", "period_end"))
            for body, verdict, key, meter, start, end in zip(run, *columns, strict=True):
                period = duty.period_of(start)
                try:
                    if not verdict and end <= period[1] and period[0] >= free_from and duty.has_member(key, period[0]):
                        outcomes.append(store.add_block(duty.channel.id, meter, period, sha256(body), body))
                    else:
                        outcomes.append(keep_block(store, duty, body))
                except (InputError, VerificationError) as error:
                    outcomes.append(error)
    return outcomes


def verify_member_block(duty: Duty, body: bytes) -> None:
    """Check that a device block is a member's and holds, as whoever leaves it in the inbox for somebody must.

    Most of it without the interpreter's lock, so that many requests are checked on all cores. Raises what parsing and
    verification raise, ``ForeignMeter``.
    """
    (row,) = open_device_blocks([body], threads=1).rows.tolist()
    verdict, key, _, start, *_ = row
    if not verdict and duty.has_member(key, duty.period_of(start)[0]):
        return
    block = parse_device_block(body)  # the plain way says why
    if not duty.has_member(block.public_key, duty.period_of(block.period_start)[0]):
        raise ForeignMeter("the meter is no member of the channel")
    verify_device_block(block)


def _runs(bodies: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Blocks as many as may lie in memory together."""
    run: list[bytes] = []
    size = 0
    for body in bodies:
        run.append(body)
        size += len(body)
        if size >= BYTES_AT_ONCE or len(run) == BLOCKS_PER_TRANSACTION:
            yield run
            run, size = [], 0
    if run:
        yield run


class Inbox:
    """A folder of waiting blocks: ``<channel in hex>/<anything>.block``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._room: dict[Path, int] = {}
        self._counting = threading.Lock()

    def put(self, channel: bytes, body: bytes) -> Path:
        """Leave a block to be taken in; durable when it returns, and the same block twice is one file."""
        if len(body) > MAX_INBOX_FILE_BYTES:
            raise BlockTooLarge("a device block is too large", expected=MAX_INBOX_FILE_BYTES, actual=len(body))
        folder = self.folder / channel.hex()
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{sha256(body).hex()}.block"
        if not path.exists():
            self._take_room(folder)
            write_atomically(path, body, mode=0o600)  # a reading in plain text
        return path

    def _take_room(self, folder: Path) -> None:
        """Find room for one more block; what waits is counted once for many, so that a full inbox slows nobody."""
        with self._counting:
            room = self._room.get(folder, 0)
            if not room:
                room = min(MAX_INBOX_FILES - sum(1 for _ in folder.iterdir()), BLOCKS_PER_COUNT)
            if room <= 0:
                raise InboxFull("too many blocks wait", expected=MAX_INBOX_FILES, hint="try again later")
            self._room[folder] = room - 1

    def take_in(self, store: OperatorStore, duty: Duty, faults: CrashPoints) -> tuple[int, list[WattestError]]:
        """Move every waiting block of a channel into the store; how many were new, and why others were refused."""
        folder = self.folder / duty.channel.id.hex()
        paths = sorted(folder.glob("*.block")) if folder.is_dir() else []
        kept = 0
        refusals: list[WattestError] = []
        for first in range(0, len(paths), BLOCKS_PER_TRANSACTION):
            group = paths[first : first + BLOCKS_PER_TRANSACTION]
            outcomes = keep_blocks(store, duty, (_read(path) for path in group))
            faults.reach("block.kept")
            for path, outcome in zip(group, outcomes, strict=True):
                if isinstance(outcome, WattestError):
                    self._set_aside(duty, path, outcome)
                    refusals.append(outcome)
                else:
                    path.unlink()
                    kept += outcome
        return kept, refusals

    def _set_aside(self, duty: Duty, path: Path, error: WattestError) -> None:
        """Keep a refused file with the reason beside it."""
        folder = self.folder / "refused" / duty.channel.id.hex()
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / f"{path.stem}.json", json.dumps(error.as_dict()).encode())
        path.replace(folder / path.name)


def _read(path: Path) -> bytes:
    """A waiting block, and no more of what is too large than shows it."""
    with path.open("rb") as file:
        return file.read(MAX_INBOX_FILE_BYTES + 1)
