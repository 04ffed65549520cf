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
from itertools import pairwise

from wattest.crypto.hashing import sha256
from wattest.crypto.hpke import ReaderPrivateKey
from wattest.errors import InputError, VerificationError
from wattest.merkle import MerkleTree, sha256_root
from wattest.messages.header import BatchHeader
from wattest.messages.roster import ROSTER_ITEM_BYTES, RosterRowsInvalid, parse_roster_rows, roster_items
from wattest.metering.entry import ENTRY_BYTES, EntryKind
from wattest.metering.series import STATE_BYTES, state_payloads
from wattest.metering.series_block import PreviousState
from wattest.metering.series_key import entry_salt, entry_salts, state_salts
from wattest.sealing.bundle import parse_manifest
from wattest.twin.batch import EntryInclusion
from wattest.watcher.check_entries import OpenedEntry, ServedBatch, check_entries
from wattest.watcher.finding import Finding, inconsistent, withheld
from wattest.workload.engine import Guest

_ZERO = bytes(32)


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
        findings.append(inconsistent("WorkloadUnknown", "the header names a workload that is not known here"))
    digests = _block_digests(header, served, findings)
    opened: dict[int, OpenedEntry] = {}
    if digests is not None:
        entries = check_entries(header, served, reader if granted else None, vee, digests)
        opened = entries.opened
        findings += entries.findings
    _check_order(opened, findings)
    meters = dict(meters_before or {})
    if len(opened) == header.entry_count:
        _check_root(header, opened, findings)
        if header.state != _ZERO:
            _check_state(header, opened, findings)
    if header.roster != _ZERO and served.members is None:
        findings.append(withheld(None, "MembersMissing", "the manager's member list is not served"))
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
        findings.append(withheld(0, "ManifestMissing", "the manifest that the header names is not served"))
        return None
    try:
        manifest = parse_manifest(served.manifest)
    except (InputError, VerificationError) as error:
        findings.append(inconsistent(error.code, f"the enclave signed a manifest that does not hold: {error.message}"))
        return None
    place = (manifest.channel, manifest.period_start, manifest.period_end, len(manifest.block_digests))
    if place != (header.channel, header.period_start, header.period_end, header.entry_count):
        findings.append(inconsistent("ManifestForeign", "the manifest is of another channel, period or count"))
        return None
    return manifest.block_digests


def _check_order(opened: Mapping[int, OpenedEntry], findings: list[Finding]) -> None:
    for before, after in pairwise(sorted(opened)):
        if opened[before].name >= opened[after].name:
            findings.append(inconsistent("EntriesNotAscending", "entries do not ascend strictly", after))


def _check_root(header: BatchHeader, opened: Mapping[int, OpenedEntry], findings: list[Finding]) -> None:
    ordered = [opened[at] for at in range(header.entry_count)]
    salts = entry_salts([entry.series_key for entry in ordered])
    root = MerkleTree.build(b"".join(entry.payload for entry in ordered), ENTRY_BYTES, salts).root
    if root != header.root:
        findings.append(inconsistent("RootMismatch", "the entries do not lead to the header's root"))


def _check_state(header: BatchHeader, opened: Mapping[int, OpenedEntry], findings: list[Finding]) -> None:
    ordered = [opened[at] for at in range(header.entry_count)]
    states = [entry.after or PreviousState(0, 0, 0) for entry in ordered]
    leaves = state_payloads(
        [entry.name for entry in ordered],
        [(state.last_interval_end, state.import_register, state.export_register) for state in states],
    )
    if MerkleTree.build(leaves, STATE_BYTES, state_salts([entry.series_key for entry in ordered])).root != header.state:
        findings.append(inconsistent("StateMismatch", "the meters' states do not lead to the header's state root"))


def _check_roster(
    header: BatchHeader, served: ServedBatch, opened: Mapping[int, OpenedEntry], findings: list[Finding]
) -> None:
    if served.members is None or served.roster is None:
        findings.append(withheld(None, "RosterMissing", "the roster or the member list is not served"))
        return
    members = served.members.member_list.members
    try:
        places, salts = parse_roster_rows(served.roster, header.entry_count, len(members))
    except RosterRowsInvalid as error:
        findings.append(withheld(None, "RosterMissing", f"no roster is served: {error.message}"))
        return
    keys = [members[place].public_key for place in places]
    if len(opened) == header.entry_count:
        items = roster_items((opened[at].name for at in range(header.entry_count)), salts, keys)
        if sha256_root(items, ROSTER_ITEM_BYTES) != header.roster:
            words = "the served roster, over the manager's member list, is not the header's"
            findings.append(withheld(None, "RosterMismatch", words))
            return
    if len(set(places)) != len(members):
        findings.append(inconsistent("RosterForeign", "the roster is not the manager's member list"))
    for position, entry in opened.items():
        if entry.meter and entry.meter != sha256(keys[position]):
            findings.append(inconsistent("MeterForeign", "the block is of another meter than the roster's", position))


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
            inconsistent("ContinuityBroken", "the series does not continue from the batch before", position)
        )
    if entry.after is not None:
        meters[entry.meter] = entry.after
