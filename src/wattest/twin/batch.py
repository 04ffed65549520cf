"""A batch on chain: its record, where it lies, what happened to it, and where it stands at a time.

Decided here: the record and its leaf, references to one batch and to a run of them, the mark, the transition table, and
finality as a function of time. Not decided here: who may cause a transition (``referee``), how a proof is made
(``history``). Invariants: a record never changes; Slashed and Final are ends; Final is never stored, so no transaction
makes a batch final and none can be withheld to keep it from being so.
Source: contracts/src/types/BatchRecord.sol, types/Module.sol; docs/spec/lifecycles.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, IntEnum

from wattest.crypto.hashing import keccak256
from wattest.merkle import InclusionProof, leaf_hash, verify_inclusion
from wattest.messages.fields import ADDRESS_BYTES, WORD, ZERO_WORD, require_bytes, require_uint
from wattest.twin.errors import HistoryMismatch, UnknownBatch
from wattest.twin.gwei import WEI_PER_GWEI
from wattest.twin.history_proof import NO_HISTORY, HistoryProof, includes, includes_run
from wattest.twin.modules import MAX_HOLDERS
from wattest.twin.parameters import ChannelParameters

ENTRY_BYTES = 118
SALT_BYTES = 16


class BatchState(IntEnum):
    """Where a batch stands; FINAL is COMMITTED with the challenge window over and no hold running."""

    NONE = 0
    COMMITTED = 1
    FINAL = 2
    SLASHED = 3


class BatchEvent(Enum):
    """What can happen to a batch; TIME is the end of the window and of every hold."""

    COMMIT = "commit"
    CONVICT = "convict"
    TIME = "time"


TRANSITIONS: dict[tuple[BatchState, BatchEvent], BatchState] = {
    (BatchState.NONE, BatchEvent.COMMIT): BatchState.COMMITTED,
    (BatchState.COMMITTED, BatchEvent.CONVICT): BatchState.SLASHED,
    (BatchState.COMMITTED, BatchEvent.TIME): BatchState.FINAL,
}


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """All that the chain remembers of a batch, as a leaf of its operator's history.

    ``header_digest`` 32 bytes, ``committed_at`` unix seconds of the block, ``parameters_version`` from 1,
    ``stake_gwei`` what is burned when this batch is slashed.
    """

    header_digest: bytes
    committed_at: int
    parameters_version: int
    stake_gwei: int

    def __post_init__(self) -> None:
        require_bytes("header_digest", self.header_digest, WORD)
        require_uint("committed_at", self.committed_at, 64)
        require_uint("parameters_version", self.parameters_version, 16)
        require_uint("stake_gwei", self.stake_gwei, 64)

    @property
    def stamp(self) -> int:
        """The fields after the digest, 144 bits, as BatchCommitted has them."""
        return self.committed_at << 80 | self.parameters_version << 64 | self.stake_gwei

    @property
    def stake_wei(self) -> int:
        """The same stake in wei."""
        return self.stake_gwei * WEI_PER_GWEI

    def leaf(self, sequence: int) -> bytes:
        """keccak256(0x00 || u64 sequence || digest || u64 committed at || u16 version || u64 stake), of 59 bytes."""
        return keccak256(b"\x00" + sequence.to_bytes(8, "big") + self.header_digest + self.stamp.to_bytes(18, "big"))


def record_of_stamp(header_digest: bytes, stamp: int) -> BatchRecord:
    """The record of a BatchCommitted event's two words of data.

    Raises: FieldInvalid.
    """
    require_uint("stamp", stamp, 144)
    return BatchRecord(header_digest, stamp >> 80, stamp >> 64 & 0xFFFF, stamp & (1 << 64) - 1)


EMPTY_RECORD = BatchRecord(ZERO_WORD, 0, 0, 0)


def _require_place(channel: bytes, operator: bytes, sequence: int) -> None:
    require_bytes("channel", channel, WORD)
    require_bytes("operator", operator, ADDRESS_BYTES)
    require_uint("sequence", sequence, 64)


@dataclass(frozen=True, slots=True)
class BatchCitation:
    """A batch and where it lies, without a proof: channel (32 bytes), operator (20), sequence, record."""

    channel: bytes
    operator: bytes
    sequence: int
    record: BatchRecord

    def __post_init__(self) -> None:
        _require_place(self.channel, self.operator, self.sequence)


@dataclass(frozen=True, slots=True)
class BatchReference:
    """One batch, all that the chain remembers of it, and that it does; channel 32 bytes, operator 20."""

    channel: bytes
    operator: bytes
    sequence: int
    record: BatchRecord
    history: HistoryProof

    def __post_init__(self) -> None:
        _require_place(self.channel, self.operator, self.sequence)


NO_BATCH = BatchReference(ZERO_WORD, bytes(ADDRESS_BYTES), 0, EMPTY_RECORD, NO_HISTORY)
"""Stands where a call takes a reference and there is no batch."""


@dataclass(frozen=True, slots=True)
class BatchRun:
    """Consecutive batches of one operator under one proof, the first with ``first_sequence``."""

    channel: bytes
    operator: bytes
    first_sequence: int
    records: tuple[BatchRecord, ...]
    history: HistoryProof

    def __post_init__(self) -> None:
        _require_place(self.channel, self.operator, self.first_sequence)


def verify_reference(batch: BatchReference, kept: bytes) -> None:
    """Check a batch against the word that the chain keeps of the history of the proof's size.

    Raises: HistoryMismatch, NodeCountWrong, UnknownBatch.
    """
    proof, sequence = batch.history, batch.sequence
    _require_word(proof, kept)
    if not 0 < sequence <= proof.size or not includes(batch.record.leaf(sequence), sequence - 1, proof):
        raise UnknownBatch(batch.channel, batch.operator, sequence)


def verify_run(run: BatchRun, kept: bytes) -> None:
    """Check all batches of a run, as ``verify_reference`` does one; an empty run is no batch.

    Raises: HistoryMismatch, NodeCountWrong, UnknownBatch.
    """
    proof, first, count = run.history, run.first_sequence, len(run.records)
    _require_word(proof, kept)
    if first and count and first - 1 + count <= proof.size:
        leaves = [record.leaf(first + at) for at, record in enumerate(run.records)]
        if includes_run(leaves, first - 1, proof):
            return
    raise UnknownBatch(run.channel, run.operator, first)


@dataclass(frozen=True, slots=True)
class BatchMark:
    """What happened to a batch after its commit.

    ``held_until`` for each holder of the channel, in the order of its modules: not final before then, unix seconds.
    """

    is_slashed: bool = False
    held_until: tuple[int, ...] = (0,) * MAX_HOLDERS

    def is_held(self, now: int) -> bool:
        """Whether a holder says at ``now`` that the batch is not final yet."""
        return any(until > now for until in self.held_until)

    def with_hold(self, place: int, until: int) -> BatchMark:
        """The mark with one holder's hold ending at ``until``."""
        held = list(self.held_until)
        held[place] = until
        return replace(self, held_until=tuple(held))


NO_MARK = BatchMark()


def challenge_window_end(record: BatchRecord, parameters: ChannelParameters) -> int:
    """The first second (unix) in which the batch can no longer be challenged, and so can be final."""
    return record.committed_at + parameters.challenge_window_s


def state_at(record: BatchRecord, parameters: ChannelParameters, mark: BatchMark, now: int) -> BatchState:
    """Where a committed batch stands at ``now``; ``parameters`` are those of its version."""
    if mark.is_slashed:
        return BatchState.SLASHED
    if now < challenge_window_end(record, parameters) or mark.is_held(now):
        return BatchState.COMMITTED
    return BatchState.FINAL


@dataclass(frozen=True, slots=True)
class EntryInclusion:
    """An entry (payload of any length here; calls ask for 118 bytes), its 16-byte salt, and its path to the root."""

    index: int
    salt: bytes
    payload: bytes
    path: tuple[bytes, ...]

    def __post_init__(self) -> None:
        require_uint("index", self.index, 32)
        require_bytes("salt", self.salt, SALT_BYTES)
        for sibling in self.path:
            require_bytes("sibling", sibling, WORD)


def verify_entry_inclusion(root: bytes, entry_count: int, entry: EntryInclusion) -> None:
    """Check that the entry lies at its index in the batch tree of ``entry_count`` entries.

    Raises: the merkle room's VerificationError or InputError.
    """
    proof = InclusionProof(entry.index, entry_count, entry.path)
    verify_inclusion(root, leaf_hash(entry.salt, entry.payload), proof)


def _require_word(proof: HistoryProof, kept: bytes) -> None:
    if proof.word != kept:
        raise HistoryMismatch(kept, proof.word)
