"""Checking a batch again, from the header on chain down to every reading.

Decided here: what is recomputed from what an operator served, and which of three findings a fault is: *withheld* (an
entry that is not served or does not open), *invalid evidence* (a meter signature that does not hold, provable on
chain), *inconsistent* (anything else that the enclave should never have signed). Not decided here: fetching
(``remote``), what to do about a finding (``watcher``). Pure: bytes in, findings out.

Invariant: nothing the operator served is trusted beyond its hash in the header; a fault of the operator's server is
never called a fault of the enclave.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise

from wattest.crypto import native
from wattest.crypto.hashing import sha256
from wattest.crypto.hpke import ReaderPrivateKey
from wattest.errors import InputError, VerificationError, WattestError
from wattest.merkle import MerkleTree, sha256_root
from wattest.metering.device_block import DeviceSignatureInvalid
from wattest.metering.entry import ENTRY_BYTES, EntryKind, SeriesEntry, StatementEntry, parse_entry
from wattest.metering.series import STATE_BYTES, entry_salt, state_payload, state_salt
from wattest.metering.series_block import (
    PreviousState,
    SeriesBlock,
    device_block_of,
    parse_series_block,
    verify_series_block,
)
from wattest.protocol.batch import EntryInclusion
from wattest.protocol.bundle import open_block, parse_manifest, unwrap_series_key
from wattest.protocol.challenge import EvidenceOpening
from wattest.protocol.checked_columns import (
    MAX_RUN_SERIES,
    MAX_SIGNED_CIPHERTEXT_BYTES,
    CheckedRun,
    check_blocks,
    edited_again,
    runs_of_blocks,
)
from wattest.protocol.edited_series import EditingMismatch, last_measured, verify_edited
from wattest.protocol.header import BatchHeader
from wattest.protocol.member_list import SignedMemberList
from wattest.protocol.statement import is_payout_entry, verify_payout_block
from wattest.workload.engine import Guest

DIGEST_BYTES = 32
MIN_RUN_SERIES = 16
"""Series that are worth a call of the guest of their own."""

_ZERO = bytes(32)


class FindingKind(Enum):
    """What kind of fault was found."""

    WITHHELD = "withheld"
    INVALID_EVIDENCE = "invalid evidence"
    INCONSISTENT = "inconsistent"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: its kind, the entry it is about (None: the whole batch), the error's name and words."""

    kind: FindingKind
    position: int | None
    code: str
    reason: str
    opening: EvidenceOpening | None = None


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
class _Entries:
    """What became of entries, by position: opened, not opened and why, opened and bad."""

    opened: dict[int, OpenedEntry] = field(default_factory=dict)
    unopened: dict[int, Finding] = field(default_factory=dict)
    bad: dict[int, Finding] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judgement:
    """The outcome: every finding, the entries that opened, and where each meter (key id) stands after the batch."""

    findings: tuple[Finding, ...]
    opened: Mapping[int, OpenedEntry] = field(repr=False)
    meters: Mapping[bytes, PreviousState] = field(repr=False)
    was_granted: bool = True

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def inclusion(self, header: BatchHeader, position: int) -> EntryInclusion | None:
        """The path of an entry, when every entry opened and they lead to the header's root."""
        if len(self.opened) != header.entry_count:
            return None
        ordered = [self.opened[at] for at in range(header.entry_count)]
        salts = [entry_salt(entry.series_key) for entry in ordered]
        tree = MerkleTree.from_payloads([entry.payload for entry in ordered], salts)
        if tree.root != header.root:
            return None
        return EntryInclusion(position, salts[position], ordered[position].payload, tuple(tree.prove(position).path))


def check_batch(
    header: BatchHeader,
    served: ServedBatch,
    reader: ReaderPrivateKey,
    vee: Guest,
    *,
    workloads: frozenset[bytes],
    meters_before: Mapping[bytes, PreviousState] | None,
) -> Judgement:
    """Recompute everything that the reader's key opens.

    ``workloads`` are the digests that a header may carry. ``meters_before`` is where meters stood after the batch
    before, None when that is not known: then continuity is not judged. A reader whom the channel's manager granted
    nothing checks only that the blocks are kept, and says so (``was_granted``); an operator that shows no member list
    withholds it, since nobody could tell whom it owes keys.
    """
    findings: list[Finding] = []
    granted = is_granted(served, reader.public_key)
    if header.workload not in workloads:
        findings.append(_inconsistent("WorkloadUnknown", "the header names a workload that is not known here"))
    digests = _block_digests(header, served, findings)
    entries = _Entries()
    if digests is not None:
        _check_entries(header, served, reader if granted else None, vee, digests, entries)
    opened = entries.opened
    findings += [entries.unopened[at] for at in sorted(entries.unopened)]
    findings += [entries.bad[at] for at in sorted(entries.bad)]
    _check_order(opened, findings)
    meters = dict(meters_before or {})
    if len(opened) == header.entry_count:
        _check_root(header, opened, findings)
        if header.state != _ZERO:
            _check_state(header, opened, findings)
    if header.roster != _ZERO and served.members is None:
        findings.append(_withheld(None, "MembersMissing", "the manager's member list is not served"))
    elif header.roster != _ZERO and granted:
        _check_roster(header, served, opened, findings)
    for position, entry in opened.items():
        _follow_meter(position, entry, meters_before, meters, findings)
    return Judgement(tuple(findings), opened, meters, granted)


def is_granted(served: ServedBatch, reader_public_key: bytes) -> bool:
    """Whether the reader is owed the series keys: by the member list, or, without one, because some were served."""
    if served.members is not None:
        return reader_public_key in served.members.member_list.watcher_reader_keys
    return bool(served.wrapped_keys) or served.roster is not None


def _block_digests(header: BatchHeader, served: ServedBatch, findings: list[Finding]) -> tuple[bytes, ...] | None:
    """The manifest's block digests; an operator that serves no true manifest withholds everything, entry 0 first."""
    if served.manifest is None or sha256(served.manifest) != header.content_id:
        findings.append(_withheld(0, "ManifestMissing", "the manifest that the header names is not served"))
        return None
    try:
        manifest = parse_manifest(served.manifest)
    except (InputError, VerificationError) as error:
        findings.append(_inconsistent(error.code, f"the enclave signed a manifest that does not hold: {error.message}"))
        return None
    place = (manifest.channel, manifest.period_start, manifest.period_end, len(manifest.block_digests))
    if place != (header.channel, header.period_start, header.period_end, header.entry_count):
        findings.append(_inconsistent("ManifestForeign", "the manifest is of another channel, period or count"))
        return None
    return manifest.block_digests


def _check_entries(
    header: BatchHeader,
    served: ServedBatch,
    reader: ReaderPrivateKey | None,
    vee: Guest,
    digests: tuple[bytes, ...],
    entries: _Entries,
) -> None:
    """Open and judge every entry, run by run: in columns what a meter signed and holds, the plain way whatever else."""
    lengths = [len(served.blocks.get(position, b"")) for position in range(header.entry_count)]
    threads = native.default_threads()
    # A small batch is cut finer, so that each core has a part of it.
    most = min(MAX_RUN_SERIES, max(MIN_RUN_SERIES, -(-header.entry_count // threads)))
    waiting: deque[tuple[list[_Served], Future[CheckedRun]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for run in runs_of_blocks(lengths, most):
            present = [at for at in run if _is_kept(served, digests, at, entries)]
            if reader is None:
                continue
            given = _unwrap(header, served, reader, present, entries)
            waiting.append((given, pool.submit(_check_run, header, vee, given)))
            if len(waiting) > threads:  # what is held at once is bounded
                _take_run(header, vee, *waiting.popleft(), entries)
        while waiting:
            _take_run(header, vee, *waiting.popleft(), entries)


def _is_kept(served: ServedBatch, digests: tuple[bytes, ...], position: int, entries: _Entries) -> bool:
    ciphertext = served.blocks.get(position)
    if ciphertext is None or sha256(ciphertext) != digests[position]:
        entries.unopened[position] = _withheld(
            position, "BlockMissing", "the block that the manifest names is not served"
        )
        return False
    return True


def _unwrap(
    header: BatchHeader, served: ServedBatch, reader: ReaderPrivateKey, positions: list[int], entries: _Entries
) -> list[_Served]:
    """The entries at these positions whose keys open for the reader."""
    given: list[_Served] = []
    place = (header.channel, header.sequence)
    for position in positions:
        wrapped = served.wrapped_keys.get(position)
        start = position * ENTRY_BYTES
        payload = b"" if served.entries is None else served.entries[start : start + ENTRY_BYTES]
        if wrapped is None or len(payload) != ENTRY_BYTES:
            entries.unopened[position] = _withheld(position, "KeyMissing", "the entry or its wrapped key is not served")
            continue
        try:
            name = _name(payload)
            key = unwrap_series_key(reader, wrapped, *place, name)
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
    header: BatchHeader, vee: Guest, given: list[_Served], checked: Future[CheckedRun], entries: _Entries
) -> None:
    """What holds in columns is taken from there; whatever does not goes the plain way, which says why."""
    run = checked.result()
    signed = [one for one in given if one.is_for_columns]
    meters = run.rows["meter"].tolist()
    held = {signed[place].position: place for place in run.held}
    for one in given:
        place = held.get(one.position)
        if place is None:
            _open_and_judge(header, vee, one, entries)
        else:
            entries.opened[one.position] = OpenedEntry(one.payload, one.series_key, meters[place], *run.standing(place))


def _open_and_judge(header: BatchHeader, vee: Guest, one: _Served, entries: _Entries) -> None:
    """One entry by the plain rules."""
    position = one.position
    try:
        name = _name(one.payload)
        plaintext = open_block(one.series_key, header.channel, header.sequence, name, one.ciphertext)
    except (InputError, VerificationError) as error:
        entries.unopened[position] = _unopened(position, error)
        return
    try:
        block = parse_series_block(plaintext)
    except (InputError, VerificationError) as error:
        entries.unopened[position] = _inconsistent(error.code, f"the block does not parse: {error.message}", position)
        return
    if block.entry.pack() != one.payload:
        # The block is fixed by the header, the served entry is not: it is the operator that shows another one.
        entries.unopened[position] = _withheld(position, "EntryForeign", "the served entry is not the one in its block")
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
            return _inconsistent(error.code, error.message, position)
        device_block = device_block_of(block)
        opening = EvidenceOpening(device_block.digest, device_block.signature, device_block.public_key)
        return Finding(FindingKind.INVALID_EVIDENCE, position, error.code, error.message, opening)
    except WattestError as error:
        return _inconsistent(error.code, error.message, position)
    return None


def _check_order(opened: Mapping[int, OpenedEntry], findings: list[Finding]) -> None:
    for before, after in pairwise(sorted(opened)):
        if _name(opened[before].payload) >= _name(opened[after].payload):
            findings.append(_inconsistent("EntriesNotAscending", "entries do not ascend strictly", after))


def _check_root(header: BatchHeader, opened: Mapping[int, OpenedEntry], findings: list[Finding]) -> None:
    ordered = [opened[at] for at in range(header.entry_count)]
    salts = b"".join(entry_salt(entry.series_key) for entry in ordered)
    root = MerkleTree.build(b"".join(entry.payload for entry in ordered), ENTRY_BYTES, salts).root
    if root != header.root:
        findings.append(_inconsistent("RootMismatch", "the entries do not lead to the header's root"))


def _check_state(header: BatchHeader, opened: Mapping[int, OpenedEntry], findings: list[Finding]) -> None:
    leaves: list[bytes] = []
    for at in range(header.entry_count):
        stands = opened[at].after or PreviousState(0, 0, 0)
        registers = (stands.last_interval_end, stands.import_register, stands.export_register)
        leaves.append(state_payload(_name(opened[at].payload), *registers))
    salts = b"".join(state_salt(opened[at].series_key) for at in range(header.entry_count))
    if MerkleTree.build(b"".join(leaves), STATE_BYTES, salts).root != header.state:
        findings.append(_inconsistent("StateMismatch", "the meters' states do not lead to the header's state root"))


def _check_roster(
    header: BatchHeader, served: ServedBatch, opened: Mapping[int, OpenedEntry], findings: list[Finding]
) -> None:
    if served.members is None or served.roster is None or len(served.roster) != DIGEST_BYTES * header.entry_count:
        findings.append(_withheld(None, "RosterMissing", "the roster or the member list is not served"))
        return
    keys = [served.roster[at : at + DIGEST_BYTES] for at in range(0, len(served.roster), DIGEST_BYTES)]
    if len(opened) == header.entry_count:
        items = b"".join(_name(opened[at].payload) + keys[at] for at in range(header.entry_count))
        if sha256_root(items, 2 * DIGEST_BYTES) != header.roster:
            findings.append(_withheld(None, "RosterMismatch", "the served roster is not the header's"))
            return
    if sorted(keys) != sorted(sha256(member.public_key) for member in served.members.member_list.members):
        findings.append(_inconsistent("RosterForeign", "the roster is not the manager's member list"))
    for position, entry in opened.items():
        if entry.meter and entry.meter != keys[position]:
            findings.append(_inconsistent("MeterForeign", "the block is of another meter than the roster's", position))


def _follow_meter(
    position: int,
    entry: OpenedEntry,
    before: Mapping[bytes, PreviousState] | None,
    meters: dict[bytes, PreviousState],
    findings: list[Finding],
) -> None:
    if entry.payload[1] != EntryKind.SIGNED_DEVICE_BLOCK:
        return
    if before is not None and before.get(entry.meter) != entry.previous:
        findings.append(
            _inconsistent("ContinuityBroken", "the series does not continue from the batch before", position)
        )
    if entry.after is not None:
        meters[entry.meter] = entry.after


def _state_after(block: SeriesBlock) -> PreviousState | None:
    if block.records.shape[0] == 0:
        return block.previous
    try:
        return last_measured(block.records)
    except EditingMismatch:  # judged where the series is; nothing moved the meter
        return block.previous


def _name(payload: bytes) -> bytes:
    entry = parse_entry(payload)
    if isinstance(entry, SeriesEntry):
        return entry.blinded_meter
    assert isinstance(entry, StatementEntry)
    return entry.job_id


def _unopened(position: int, error: WattestError) -> Finding:
    return _withheld(position, error.code, f"the entry does not open: {error.message}")


def _withheld(position: int | None, code: str, reason: str) -> Finding:
    return Finding(FindingKind.WITHHELD, position, code, reason)


def _inconsistent(code: str, reason: str, position: int | None = None) -> Finding:
    return Finding(FindingKind.INCONSISTENT, position, code, reason)
