"""All that the referee stores, and the questions that every call asks of it.

Decided here: the state's shape and how records are checked. Invariants: a state is never changed in place; what the
contract would hold is always the sum of deposits, open bonds and what is owed (``RefereeState.held_wei``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from wattest.messages.channel import ChannelKind
from wattest.messages.eip712 import Domain
from wattest.messages.fields import ADDRESS_BYTES, ZERO_WORD, require_bytes, require_uint
from wattest.messages.header import BatchHeader
from wattest.twin.batch import BatchRecord
from wattest.twin.challenge import ChallengeState, DirectedChallenge
from wattest.twin.errors import HeaderMismatch, UnknownBatch
from wattest.twin.operator import OperatorExtra, OperatorHead
from wattest.twin.parameters import ChannelParameters

BURN_ADDRESS = bytes.fromhex("000000000000000000000000000000000000dead")

OperatorKey = tuple[bytes, bytes]  # channel, operator
BatchKey = tuple[bytes, bytes, int]  # channel, operator, sequence
ChallengeKey = tuple[bytes, bytes, int, int]  # channel, operator, sequence, entry index

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


@dataclass(frozen=True, slots=True)
class ChannelRecord:
    """A channel: manager, kind, all versions of its parameters, the queued ones, and the roster count by period."""

    manager: bytes
    kind: ChannelKind
    versions: tuple[ChannelParameters, ...]
    queued: tuple[int, ChannelParameters] | None = None
    roster_count: int = 0
    next_roster_count: int = 0
    next_roster_from: int = 0

    @property
    def version(self) -> int:
        """The current version of the parameters, from 1."""
        return len(self.versions)

    @property
    def parameters(self) -> ChannelParameters:
        """The current parameters."""
        return self.versions[-1]

    def parameters_of(self, version: int) -> ChannelParameters:
        """The parameters of one version, which must exist."""
        return self.versions[version - 1]


@dataclass(frozen=True, slots=True)
class RefereeState:
    """The contract's storage; ``batches`` maps to record digests, amounts are wei."""

    domain: Domain
    channels: Mapping[bytes, ChannelRecord] = field(default_factory=dict)
    heads: Mapping[OperatorKey, OperatorHead] = field(default_factory=dict)
    extras: Mapping[OperatorKey, OperatorExtra] = field(default_factory=dict)
    batches: Mapping[BatchKey, bytes] = field(default_factory=dict)
    challenges: Mapping[ChallengeKey, DirectedChallenge] = field(default_factory=dict)
    bonds: Mapping[ChallengeKey, int] = field(default_factory=dict)
    open_on_batch: Mapping[BatchKey, int] = field(default_factory=dict)
    convicted: frozenset[BatchKey] = frozenset()
    owed: Mapping[bytes, int] = field(default_factory=dict)
    burned_wei: int = 0

    @property
    def referee(self) -> bytes:
        """The contract's 20-byte address."""
        return self.domain.verifying_contract

    @property
    def held_wei(self) -> int:
        """What the contract holds: deposits, bonds of open challenges, and what is owed."""
        bonds = sum(bond for key, bond in self.bonds.items() if self.challenges[key].state is ChallengeState.OPEN)
        return sum(head.deposit_wei for head in self.heads.values()) + bonds + sum(self.owed.values())

    def head_of(self, channel: bytes, operator: bytes) -> OperatorHead:
        """The operator's head, all zero if there is none."""
        return self.heads.get((channel, operator), OperatorHead())

    def extra_of(self, channel: bytes, operator: bytes) -> OperatorExtra:
        """The operator's other numbers, zero if there are none."""
        return self.extras.get((channel, operator), OperatorExtra())


def put(mapping: Mapping[K, V], key: K, value: V) -> Mapping[K, V]:
    """A copy of the mapping with one entry set."""
    return {**mapping, key: value}


def owe(state: RefereeState, account: bytes, amount_wei: int) -> RefereeState:
    """Credit an account, to be pulled later."""
    if amount_wei == 0:
        return state
    return replace(state, owed=put(state.owed, account, state.owed.get(account, 0) + amount_wei))


def burn(state: RefereeState, amount_wei: int) -> RefereeState:
    """Send an amount out of the world; the burn address is a plain account, so that sending never fails."""
    return replace(state, burned_wei=state.burned_wei + amount_wei)


def require_record(state: RefereeState, channel: bytes, operator: bytes, sequence: int, record: BatchRecord) -> None:
    """Check that ``record`` is the current preimage of the batch's slot.

    Raises: UnknownBatch.
    """
    if state.batches.get((channel, operator, sequence), ZERO_WORD) != record.digest:
        raise UnknownBatch(channel, operator, sequence)


def require_header(state: RefereeState, header: BatchHeader, record: BatchRecord) -> BatchKey:
    """Check the record and that ``header`` is the one that was committed; returns the batch's key.

    Raises: UnknownBatch, HeaderMismatch.
    """
    require_record(state, header.channel, header.operator, header.sequence, record)
    digest = header.digest(state.domain)
    if digest != record.header_digest:
        raise HeaderMismatch(record.header_digest, digest)
    return header.channel, header.operator, header.sequence
