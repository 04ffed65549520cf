"""A batch on chain: its record, its lifecycle, and when it is final.

Decided here: the record whose hash is the batch's storage slot, the transition table of a batch, and finality as a
function of time. Not decided here: who may cause a transition (``referee``). Invariant: Slashed is an end; finality is
never stored, so no transaction makes a batch final and none can be withheld to keep it from being so.
Source: contracts/src/types/BatchRecord.sol; docs/spec/lifecycles.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, IntEnum

from wattest.crypto.hashing import keccak256
from wattest.merkle import InclusionProof, leaf_hash, verify_inclusion
from wattest.messages.fields import ADDRESS_BYTES, WORD, ZERO_WORD, FieldInvalid, require_bytes, require_uint, uint_word
from wattest.twin.parameters import ChannelParameters

ENTRY_BYTES = 118
SALT_BYTES = 16


class BatchState(IntEnum):
    """What is stored of a batch's state; NONE only in the all-zero record."""

    NONE = 0
    COMMITTED = 1
    SLASHED = 2


class BatchEvent(Enum):
    """What can happen to a batch."""

    COMMIT = "commit"
    SLASH = "slash"


TRANSITIONS: dict[tuple[BatchState, BatchEvent], BatchState] = {
    (BatchState.NONE, BatchEvent.COMMIT): BatchState.COMMITTED,
    (BatchState.COMMITTED, BatchEvent.SLASH): BatchState.SLASHED,
}


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """All that the chain remembers of a batch; storage holds only its hash.

    ``header_digest`` 32 bytes, ``committed_at`` unix seconds of the block, ``parameters_version`` from 1.
    """

    header_digest: bytes
    committed_at: int
    parameters_version: int
    state: BatchState

    def __post_init__(self) -> None:
        require_bytes("header_digest", self.header_digest, WORD)
        require_uint("committed_at", self.committed_at, 64)
        require_uint("parameters_version", self.parameters_version, 16)
        if not isinstance(self.state, BatchState):
            raise FieldInvalid("unknown batch state", field="state", expected="0, 1 or 2", actual=self.state)

    @property
    def digest(self) -> bytes:
        """keccak256 over the record's four ABI words: the batch's storage slot."""
        words = (self.committed_at, self.parameters_version, int(self.state))
        return keccak256(self.header_digest + b"".join(uint_word(word) for word in words))

    def slashed(self) -> BatchRecord:
        """The record after a slash; only a committed one has such a successor."""
        return replace(self, state=TRANSITIONS[self.state, BatchEvent.SLASH])


EMPTY_RECORD = BatchRecord(ZERO_WORD, 0, 0, BatchState.NONE)


@dataclass(frozen=True, slots=True)
class BatchCitation:
    """A batch and where it lies: channel (32 bytes), operator (20), sequence, record."""

    channel: bytes
    operator: bytes
    sequence: int
    record: BatchRecord

    def __post_init__(self) -> None:
        require_bytes("channel", self.channel, WORD)
        require_bytes("operator", self.operator, ADDRESS_BYTES)
        require_uint("sequence", self.sequence, 64)


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


def challenge_window_end(record: BatchRecord, parameters: ChannelParameters) -> int:
    """The first second (unix) in which the batch can no longer be challenged, and so can be final."""
    return record.committed_at + parameters.challenge_window_s


def is_final(record: BatchRecord, parameters: ChannelParameters, open_challenges: int, now: int) -> bool:
    """Whether the batch is final at ``now``: committed, window over, no challenge open on it."""
    return (
        record.state is BatchState.COMMITTED
        and now >= challenge_window_end(record, parameters)
        and open_challenges == 0
    )
