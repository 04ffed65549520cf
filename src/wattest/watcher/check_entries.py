"""The entries of a served batch: opened with the reader's keys and judged, many at a time.

Decided here: what is said of an entry that is not served, does not open, or does not hold, and how the work is spread
over runs and cores. Not decided here: what makes a batch of entries (``check``), any rule of a series
(``metering.series_block``, ``sealing``). Invariants: what holds in columns is taken from there, whatever does not goes
the plain way, which says why; findings and their order are those of the plain way alone; what is held at once is
bounded by runs, not by the batch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from wattest.crypto import native
from wattest.crypto.hashing import sha256
from wattest.crypto.hpke import ReaderPrivateKey
from wattest.errors import InputError, VerificationError, WattestError
from wattest.messages.header import BatchHeader
from wattest.messages.member_list import SignedMemberList
from wattest.metering.device_block import DeviceSignatureInvalid
from wattest.metering.entry import ENTRY_BYTES, EntryKind, parse_entry
from wattest.metering.series_block import (
    PreviousState,
    SeriesBlock,
    device_block_of,
    parse_series_block,
    verify_series_block,
)
from wattest.sealing.bundle import open_block
from wattest.sealing.checked_columns import (
    MAX_RUN_SERIES,
    MAX_SIGNED_CIPHERTEXT_BYTES,
    CheckedRun,
    check_blocks,
    edited_again,
    runs_of_blocks,
)
from wattest.sealing.edited_series import EditingMismatch, last_measured, verify_edited
from wattest.sealing.statement_block import is_payout_entry, verify_payout_block
from wattest.sealing.wrapped_keys import SeriesKeyOpener
from wattest.twin.challenge import EvidenceOpening
from wattest.watcher.finding import Finding, FindingKind, inconsistent, withheld
from wattest.workload.engine import Guest

MIN_RUN_SERIES = 16
"""Series that are worth a call of the guest of their own."""


@dataclass(frozen=True, slots=True)
class ServedBatch:
    """What an operator served of a batch; what it did not serve is None or missing."""

    manifest: bytes | None
    blocks: Mapping[int, bytes] = field(repr=False)
    entries: bytes | None = field(repr=False)
    wrapped_keys: Mapping[int, bytes] = field(repr=False)
    roster: bytes | None = field(repr=False)
    members: SignedMemberList | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class OpenedEntry:
    """An entry that opened, its series key, and what is kept of its block.

    ``meter`` is the SHA-256 of the block's public key (empty without one), ``previous`` and ``after`` are where its
    meter stood and stands.
    """

    payload: bytes
    series_key: bytes = field(repr=False)
    meter: bytes
    previous: PreviousState | None = field(repr=False)
    after: PreviousState | None = field(repr=False)

    @property
    def name(self) -> bytes:
        """The blinded meter or job id, which entries ascend by."""
        return self.payload[2:34]


@dataclass(frozen=True, slots=True)
class _Served:
    """An entry as it was served, with the key that its reader unwrapped."""

    position: int
    payload: bytes
    series_key: bytes = field(repr=False)
    ciphertext: bytes = field(repr=False)

    @property
    def is_for_columns(self) -> bool:
        """Whether it may hold in columns: of kind 1, and no longer than such a block can be."""
        is_signed = self.payload[1] == EntryKind.SIGNED_DEVICE_BLOCK
        return is_signed and len(self.ciphertext) <= MAX_SIGNED_CIPHERTEXT_BYTES


@dataclass(slots=True)
class CheckedEntries:
    """What became of entries, by position: opened, not opened and why, opened and bad."""

    opened: dict[int, OpenedEntry] = field(default_factory=dict)
    unopened: dict[int, Finding] = field(default_factory=dict)
    bad: dict[int, Finding] = field(default_factory=dict)

    @property
    def findings(self) -> list[Finding]:
        """What does not open, then what is bad, each in the order of entries."""
        return [of[position] for of in (self.unopened, self.bad) for position in sorted(of)]


def check_entries(
    header: BatchHeader,
    served: ServedBatch,
    reader: ReaderPrivateKey | None,
    vee: Guest,
    digests: tuple[bytes, ...],
) -> CheckedEntries:
    """Open and judge every entry, run by run: in columns what a meter signed and holds, the plain way whatever else.

    ``digests`` are the manifest's, one for each entry that the header counts. Without a ``reader`` only the blocks are
    compared with them.
    """
    entries = CheckedEntries()
    lengths = [len(served.blocks.get(position, b"")) for position in range(header.entry_count)]
    opener = SeriesKeyOpener(reader, header.channel) if reader is not None else None
    threads = native.default_threads()
    # A small batch is cut finer, so that each core has a part of it.
    most = min(MAX_RUN_SERIES, max(MIN_RUN_SERIES, -(-header.entry_count // threads)))
    waiting: deque[tuple[list[_Served], Future[CheckedRun]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for run in runs_of_blocks(lengths, most):
            present = [at for at in run if _is_kept(served, digests, at, entries)]
            if opener is None:
                continue
            given = _unwrap(header, served, opener, present, entries)
            waiting.append((given, pool.submit(_check_run, header, vee, given)))
            if len(waiting) > threads:  # what is held at once is bounded
                _take_run(header, vee, *waiting.popleft(), entries)
        while waiting:
            _take_run(header, vee, *waiting.popleft(), entries)
    return entries


def _is_kept(served: ServedBatch, digests: tuple[bytes, ...], position: int, entries: CheckedEntries) -> bool:
    ciphertext = served.blocks.get(position)
    if ciphertext is None or sha256(ciphertext) != digests[position]:
        entries.unopened[position] = withheld(
            position, "BlockMissing", "the block that the manifest names is not served"
        )
        return False
    return True


def _unwrap(
    header: BatchHeader, served: ServedBatch, opener: SeriesKeyOpener, positions: list[int], entries: CheckedEntries
) -> list[_Served]:
    """The entries at these positions whose keys open for the reader."""
    given: list[_Served] = []
    for position in positions:
        wrapped = served.wrapped_keys.get(position)
        start = position * ENTRY_BYTES
        payload = b"" if served.entries is None else served.entries[start : start + ENTRY_BYTES]
        if wrapped is None or len(payload) != ENTRY_BYTES:
            entries.unopened[position] = withheld(position, "KeyMissing", "the entry or its wrapped key is not served")
            continue
        try:
            name = parse_entry(payload).name
            key = opener.unwrap(wrapped, header.sequence, position, name)
        except (InputError, VerificationError) as error:
            entries.unopened[position] = _unopened(position, error)
            continue
        given.append(_Served(position, payload, key, served.blocks[position]))
    return given


def _check_run(header: BatchHeader, vee: Guest, given: list[_Served]) -> CheckedRun:
    """What may hold in columns, on this thread: other runs have the other cores."""
    signed = [one for one in given if one.is_for_columns]
    run = check_blocks(
        header.channel,
        header.sequence,
        [one.payload for one in signed],
        [one.series_key for one in signed],
        [one.ciphertext for one in signed],
        threads=1,
    )
    return edited_again(vee, run)


def _take_run(
    header: BatchHeader, vee: Guest, given: list[_Served], checked: Future[CheckedRun], entries: CheckedEntries
) -> None:
    """What holds in columns is taken from there; whatever does not goes the plain way, which says why."""
    run = checked.result()
    meters = run.rows["meter"].tolist()
    held = run.held_of([one.position for one in given if one.is_for_columns])
    for one in given:
        place = held.get(one.position)
        if place is None:
            _open_and_judge(header, vee, one, entries)
        else:
            entries.opened[one.position] = OpenedEntry(one.payload, one.series_key, meters[place], *run.standing(place))


def _open_and_judge(header: BatchHeader, vee: Guest, one: _Served, entries: CheckedEntries) -> None:
    """One entry by the plain rules."""
    position = one.position
    try:
        name = parse_entry(one.payload).name
        plaintext = open_block(one.series_key, header.channel, header.sequence, name, one.ciphertext)
    except (InputError, VerificationError) as error:
        entries.unopened[position] = _unopened(position, error)
        return
    try:
        block = parse_series_block(plaintext)
    except (InputError, VerificationError) as error:
        entries.unopened[position] = inconsistent(error.code, f"the block does not parse: {error.message}", position)
        return
    if block.entry.pack() != one.payload:
        # The block is fixed by the header, the served entry is not: it is the operator that shows another one.
        entries.unopened[position] = withheld(position, "EntryForeign", "the served entry is not the one in its block")
        return
    meter = sha256(block.public_key) if block.public_key else b""
    entries.opened[position] = OpenedEntry(one.payload, one.series_key, meter, block.previous, _state_after(block))
    finding = _judge(vee, header.channel, position, block, one.series_key)
    if finding is not None:
        entries.bad[position] = finding


def _judge(vee: Guest, channel: bytes, position: int, block: SeriesBlock, series_key: bytes) -> Finding | None:
    try:
        if is_payout_entry(block.entry, channel):
            verify_payout_block(block, series_key)
            return None
        verify_series_block(block, series_key)
        verify_edited(vee, block)
    except DeviceSignatureInvalid as error:
        if block.entry.kind != EntryKind.SIGNED_DEVICE_BLOCK:
            return inconsistent(error.code, error.message, position)
        device_block = device_block_of(block)
        opening = EvidenceOpening(device_block.digest, device_block.signature, device_block.public_key)
        return Finding(FindingKind.INVALID_EVIDENCE, position, error.code, error.message, opening)
    except WattestError as error:
        return inconsistent(error.code, error.message, position)
    return None


def _state_after(block: SeriesBlock) -> PreviousState | None:
    if block.records.shape[0] == 0:
        return block.previous
    try:
        return last_measured(block.records)
    except EditingMismatch:  # judged where the series is; nothing moved the meter
        return block.previous


def _unopened(position: int, error: WattestError) -> Finding:
    return withheld(position, error.code, f"the entry does not open: {error.message}")
