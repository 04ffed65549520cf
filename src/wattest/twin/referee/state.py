"""All that the core stores, and the questions that every call asks of it.

Decided here: the state's shape, and how references to batches are checked. Invariants: a state is never changed in
place; what the contract would hold is always the sum of deposits and of what is owed (``RefereeState.held_wei``).
Twin of ``contracts/src/referee/RefereeState.sol``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias, TypeVar

from wattest.messages.channel import ChannelKind
from wattest.messages.eip712 import Domain
from wattest.messages.fields import ADDRESS_BYTES, ZERO_WORD, require_bytes, require_uint
from wattest.messages.header import BatchHeader
from wattest.twin.batch import (
    NO_MARK,
    BatchMark,
    BatchRecord,
    BatchReference,
    BatchRun,
    BatchState,
    state_at,
    verify_reference,
    verify_run,
)
from wattest.twin.errors import HeaderMismatch, HistoryStale, UnknownChannel
from wattest.twin.gwei import WEI_PER_GWEI
from wattest.twin.history_proof import RING, HistoryProof
from wattest.twin.modules import ModuleGrant, Power
from wattest.twin.operator import OperatorHead
from wattest.twin.parameters import ChannelParameters
from wattest.twin.purse import Purse

OperatorKey = tuple[bytes, bytes]  # channel, operator
BatchKey = tuple[bytes, bytes, int]  # channel, operator, sequence
TermsRule: TypeAlias = Callable[[ChannelKind, ChannelParameters, bytes], None]
"""What a module says to its terms: nothing, or it raises its own reason."""

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Call:
    """What a transaction brings besides its arguments: caller (20 bytes), block time (unix seconds), value (wei)."""

    caller: bytes
    now: int
    value_wei: int = 0

    def __post_init__(self) -> None:
        require_bytes("caller", self.caller, ADDRESS_BYTES)
        require_uint("now", self.now, 64)
        require_uint("value_wei", self.value_wei, 256)

    def by(self, contract: bytes) -> Call:
        """The call that a contract makes while it serves this one."""
        return Call(contract, self.now)


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a channel's parameters, and of each module's terms (32 bytes), in the order of the modules."""

    parameters: ChannelParameters
    terms: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class ChannelRecord:
    """A channel: manager, kind, modules, all versions, when and as what digest the next is queued, the roster count."""

    manager: bytes
    kind: ChannelKind
    modules: tuple[ModuleGrant, ...]
    versions: tuple[Version, ...]
    queued: tuple[int, bytes] | None = None
    roster_count: int = 0
    next_roster_count: int = 0
    next_roster_from: int = 0

    @property
    def version(self) -> int:
        """The current version, from 1."""
        return len(self.versions)

    @property
    def parameters(self) -> ChannelParameters:
        """The current parameters."""
        return self.versions[-1].parameters

    def parameters_of(self, version: int) -> ChannelParameters:
        """The parameters of one version, which must exist."""
        return self.versions[version - 1].parameters

    def powers_of(self, module: bytes) -> int:
        """What the channel grants the module; zero for whoever is none."""
        return next((grant.powers for grant in self.modules if grant.module == module), 0)

    def hold_place(self, module: bytes) -> int:
        """The place of a holder's holds in a batch's mark."""
        return [grant.module for grant in self.modules if grant.has(Power.HOLD)].index(module)


@dataclass(frozen=True, slots=True)
class OperatorBook:
    """All of one operator in one channel; ``history`` is the ring of words, that of size n at n % 8."""

    head: OperatorHead = field(default_factory=OperatorHead)
    history: tuple[bytes, ...] = (ZERO_WORD,) * RING
    withdrawable_at: int = 0
    marks: Mapping[int, BatchMark] = field(default_factory=dict)
    fined: frozenset[bytes] = frozenset()

    def word_of(self, size: int) -> bytes:
        """What is kept of the history of this size; zero unless it is among the last eight."""
        last = self.head.sequence
        return self.history[size % RING] if size <= last < size + RING else ZERO_WORD


@dataclass(frozen=True, slots=True)
class RefereeState:
    """The core's storage; ``deployed`` says which addresses are modules, and what each asks of its terms."""

    domain: Domain
    deployed: Mapping[bytes, TermsRule] = field(default_factory=dict)
    channels: Mapping[bytes, ChannelRecord] = field(default_factory=dict)
    books: Mapping[OperatorKey, OperatorBook] = field(default_factory=dict)
    purse: Purse = field(default_factory=Purse)

    @property
    def referee(self) -> bytes:
        """The contract's 20-byte address."""
        return self.domain.verifying_contract

    @property
    def held_wei(self) -> int:
        """What the contract holds: deposits, and what is owed."""
        return sum(book.head.deposit_gwei for book in self.books.values()) * WEI_PER_GWEI + self.purse.total_wei

    def book_of(self, channel: bytes, operator: bytes) -> OperatorBook:
        """All of the operator in the channel, all zero if there is nothing."""
        return self.books.get((channel, operator), OperatorBook())

    def head_of(self, channel: bytes, operator: bytes) -> OperatorHead:
        """The operator's head, all zero if there is none."""
        return self.book_of(channel, operator).head

    def mark_of(self, channel: bytes, operator: bytes, sequence: int) -> BatchMark:
        """What happened to a batch after its commit."""
        return self.book_of(channel, operator).marks.get(sequence, NO_MARK)

    def terms_of(self, channel: bytes, version: int, module: bytes) -> bytes:
        """A module's terms in one version; zero if there are none."""
        found = self.channels.get(channel)
        if found is None or not 0 < version <= found.version:
            return ZERO_WORD
        named = zip(found.modules, found.versions[version - 1].terms, strict=True)
        return next((terms for grant, terms in named if grant.module == module), ZERO_WORD)

    def with_book(self, key: OperatorKey, book: OperatorBook) -> RefereeState:
        """The state with one operator's book replaced."""
        return replace(self, books=put(self.books, key, book))

    def with_head(self, key: OperatorKey, head: OperatorHead) -> RefereeState:
        """The state with one operator's head replaced."""
        return self.with_book(key, replace(self.book_of(*key), head=head))


def put(mapping: Mapping[K, V], key: K, value: V) -> Mapping[K, V]:
    """A copy of the mapping with one entry set."""
    return {**mapping, key: value}


def require_channel(state: RefereeState, channel: bytes) -> ChannelRecord:
    """The channel's record.

    Raises: UnknownChannel.
    """
    record = state.channels.get(channel)
    if record is None:
        raise UnknownChannel(channel)
    return record


def require_batch(state: RefereeState, batch: BatchReference) -> OperatorBook:
    """Check that the record is the batch's; returns its operator's book.

    Raises: HistoryStale, HistoryMismatch, NodeCountWrong, UnknownBatch.
    """
    book = state.book_of(batch.channel, batch.operator)
    verify_reference(batch, _kept(book, batch.history))
    return book


def require_run(state: RefereeState, run: BatchRun) -> OperatorBook:
    """Check that all records are those of the run's batches; returns their operator's book.

    Raises: HistoryStale, HistoryMismatch, NodeCountWrong, UnknownBatch.
    """
    book = state.book_of(run.channel, run.operator)
    verify_run(run, _kept(book, run.history))
    return book


def state_of(state: RefereeState, batch: BatchReference, now: int) -> BatchState:
    """Where the batch stands at ``now``.

    Raises: those of ``require_batch``.
    """
    return known_state(state, require_batch(state, batch), batch.channel, batch.sequence, batch.record, now)


def final_count(state: RefereeState, run: BatchRun, now: int) -> int:
    """How many batches of the run are final at ``now``, up to the first that is not.

    Raises: those of ``require_run``.
    """
    book = require_run(state, run)
    for count, record in enumerate(run.records):
        sequence = run.first_sequence + count
        if known_state(state, book, run.channel, sequence, record, now) is not BatchState.FINAL:
            return count
    return len(run.records)


def known_state(
    state: RefereeState, book: OperatorBook, channel: bytes, sequence: int, record: BatchRecord, now: int
) -> BatchState:
    """Where a batch stands whose record was checked."""
    parameters = state.channels[channel].parameters_of(record.parameters_version)
    return state_at(record, parameters, book.marks.get(sequence, NO_MARK), now)


def require_header(state: RefereeState, header: BatchHeader, record: BatchRecord) -> bytes:
    """The digest of ``header``, which is the one that the record names; whether the record is a batch's is not asked.

    Raises: HeaderMismatch.
    """
    digest = header.digest(state.domain)
    if digest != record.header_digest:
        raise HeaderMismatch(record.header_digest, digest)
    return digest


def _kept(book: OperatorBook, proof: HistoryProof) -> bytes:
    """The word that the proof is to be compared with; of a size that is not kept there is none.

    A word hashes its size, so that comparing words is enough: the size gives the reason.
    """
    last = book.head.sequence
    if not proof.size <= last < proof.size + RING:
        raise HistoryStale(proof.size, last)
    return book.history[proof.size % RING]
