"""Checking a batch again, from the header on chain down to every reading.

Decided here: what is recomputed from what an operator served, and which of three findings a fault is: *withheld* (an
entry that is not served or does not open), *invalid evidence* (a meter signature that does not hold, provable on
chain), *inconsistent* (anything else that the enclave should never have signed). Not decided here: fetching
(``remote``), what to do about a finding (``watcher``). Pure: bytes in, findings out.

Invariant: nothing the operator served is trusted beyond its hash in the header; a fault of the operator's server is
never called a fault of the enclave.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise

from wattest.crypto.hashing import sha256
from wattest.crypto.hpke import ReaderPrivateKey
from wattest.errors import InputError, VerificationError, WattestError
from wattest.merkle import MerkleTree, sha256_root
from wattest.metering.device_block import DeviceSignatureInvalid
from wattest.metering.entry import ENTRY_BYTES, EntryKind, SeriesEntry, StatementEntry, parse_entry
from wattest.metering.meter import meter_key_id
from wattest.metering.series import STATE_BYTES, entry_salt, state_payload, state_salt
from wattest.metering.series_block import (
    PreviousState,
    SeriesBlock,
    device_block_of,
    parse_series_block,
    verify_series_block,
)
from wattest.protocol.batch import EntryInclusion
from wattest.protocol.bundle import open_block, parse_manifest
from wattest.protocol.challenge import EvidenceOpening
from wattest.protocol.edited_series import EditingMismatch, last_measured, verify_edited
from wattest.protocol.header import BatchHeader
from wattest.protocol.member_list import SignedMemberList
from wattest.protocol.statement import is_payout_entry, verify_payout_block
from wattest.protocol.wrapped_keys import SeriesKeyOpener
from wattest.workload.engine import Guest

DIGEST_BYTES = 32
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
    """An entry that opened: its payload, its series key, and the block behind it."""

    payload: bytes
    series_key: bytes = field(repr=False)
    block: SeriesBlock = field(repr=False)


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
    opened: dict[int, OpenedEntry] = {}
    if digests is not None:
        opener = SeriesKeyOpener(reader, header.channel) if granted else None
        for position in range(header.entry_count):
            _open(header, served, opener, digests, position, findings, opened)
    for position, entry in opened.items():
        _judge(vee, header.channel, position, entry, findings)
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


def _open(
    header: BatchHeader,
    served: ServedBatch,
    opener: SeriesKeyOpener | None,
    digests: tuple[bytes, ...],
    position: int,
    findings: list[Finding],
    opened: dict[int, OpenedEntry],
) -> None:
    ciphertext, wrapped = served.blocks.get(position), served.wrapped_keys.get(position)
    payload = b"" if served.entries is None else served.entries[position * ENTRY_BYTES : (position + 1) * ENTRY_BYTES]
    if ciphertext is None or sha256(ciphertext) != digests[position]:
        findings.append(_withheld(position, "BlockMissing", "the block that the manifest names is not served"))
        return
    if opener is None:
        return
    if wrapped is None or len(payload) != ENTRY_BYTES:
        findings.append(_withheld(position, "KeyMissing", "the entry or its wrapped key is not served"))
        return
    place = (header.channel, header.sequence)
    try:
        name = _name(payload)
        key = opener.unwrap(wrapped, header.sequence, position, name)
        plaintext = open_block(key, *place, name, ciphertext)
    except (InputError, VerificationError) as error:
        findings.append(_withheld(position, error.code, f"the entry does not open: {error.message}"))
        return
    try:
        block = parse_series_block(plaintext)
    except (InputError, VerificationError) as error:
        findings.append(_inconsistent(error.code, f"the block does not parse: {error.message}", position))
        return
    if block.entry.pack() != payload:
        # The block is fixed by the header, the served entry is not: it is the operator that shows another one.
        findings.append(_withheld(position, "EntryForeign", "the served entry is not the one in its block"))
        return
    opened[position] = OpenedEntry(payload, key, block)


def _judge(vee: Guest, channel: bytes, position: int, entry: OpenedEntry, findings: list[Finding]) -> None:
    try:
        if is_payout_entry(entry.block.entry, channel):
            verify_payout_block(entry.block, entry.series_key)
            return
        verify_series_block(entry.block, entry.series_key)
        verify_edited(vee, entry.block)
    except DeviceSignatureInvalid as error:
        if entry.block.entry.kind != EntryKind.SIGNED_DEVICE_BLOCK:
            findings.append(_inconsistent(error.code, error.message, position))
            return
        block = device_block_of(entry.block)
        opening = EvidenceOpening(block.digest, block.signature, block.public_key)
        findings.append(Finding(FindingKind.INVALID_EVIDENCE, position, error.code, error.message, opening))
    except WattestError as error:
        findings.append(_inconsistent(error.code, error.message, position))


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
        stands = _state_after(opened[at].block) or PreviousState(0, 0, 0)
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
        if entry.block.public_key and meter_key_id(entry.block.public_key) != keys[position]:
            findings.append(_inconsistent("MeterForeign", "the block is of another meter than the roster's", position))


def _follow_meter(
    position: int,
    entry: OpenedEntry,
    before: Mapping[bytes, PreviousState] | None,
    meters: dict[bytes, PreviousState],
    findings: list[Finding],
) -> None:
    block = entry.block
    if block.entry.kind != EntryKind.SIGNED_DEVICE_BLOCK:
        return
    meter = meter_key_id(block.public_key)
    if before is not None and before.get(meter) != block.previous:
        findings.append(
            _inconsistent("ContinuityBroken", "the series does not continue from the batch before", position)
        )
    after = _state_after(block)
    if after is not None:
        meters[meter] = after


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


def _withheld(position: int | None, code: str, reason: str) -> Finding:
    return Finding(FindingKind.WITHHELD, position, code, reason)


def _inconsistent(code: str, reason: str, position: int | None = None) -> Finding:
    return Finding(FindingKind.INCONSISTENT, position, code, reason)
