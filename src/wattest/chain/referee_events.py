"""What happened to batches on chain, as the logs of the referee and of its modules tell it.

Decided here: which log is which event. Not decided here: what an event means to a node (``operator``, ``watcher``).
Invariant: a log of another contract, or of another kind, is no event of a batch.

Source: contracts/src/interfaces/IReferee.sol, IDirectedChallenges.sol.
"""

from __future__ import annotations

from dataclasses import dataclass

from wattest.chain.abi import AbiEvent
from wattest.chain.client import Log
from wattest.twin.batch import BatchCitation, BatchRecord, record_of_stamp
from wattest.twin.cause import cause_text
from wattest.twin.challenge import ChallengeState

_ENDS = {
    "ChallengeAnswered": (ChallengeState.ANSWERED, "answerer"),
    "ChallengeExpired": (ChallengeState.EXPIRED, "challenger"),
    "ChallengeRefunded": (ChallengeState.REFUNDED, "challenger"),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where on the chain something happened: block number and hash, transaction hash, index of the log."""

    block_number: int
    block_hash: bytes
    transaction_hash: bytes
    log_index: int


@dataclass(frozen=True, slots=True)
class CommittedBatch:
    """A ``BatchCommitted`` log."""

    channel: bytes
    operator: bytes
    sequence: int
    header_digest: bytes
    committed_at: int
    parameters_version: int
    stake_gwei: int
    place: Place

    @property
    def record(self) -> BatchRecord:
        """The record that is a leaf of the operator's history."""
        return BatchRecord(self.header_digest, self.committed_at, self.parameters_version, self.stake_gwei)

    @property
    def citation(self) -> BatchCitation:
        """The batch and where it lies, as calls name it."""
        return BatchCitation(self.channel, self.operator, self.sequence, self.record)


@dataclass(frozen=True, slots=True)
class OpenedChallenge:
    """A ``ChallengeOpened`` log; ``deadline`` in unix seconds, ``bond_wei`` what the challenger paid."""

    channel: bytes
    operator: bytes
    sequence: int
    entry_index: int
    challenger: bytes
    ordinal: int
    deadline: int
    bond_wei: int
    place: Place


@dataclass(frozen=True, slots=True)
class ClosedChallenge:
    """A challenge's end: answered, expired or refunded; ``account`` is who answered or challenged."""

    channel: bytes
    operator: bytes
    sequence: int
    entry_index: int
    state: ChallengeState
    account: bytes
    place: Place


@dataclass(frozen=True, slots=True)
class SlashedBatch:
    """A ``Slashed`` log: which module convicted and for what, what was burned and what the catcher is owed, wei."""

    channel: bytes
    operator: bytes
    sequence: int
    module: bytes
    cause: str
    catcher: bytes
    burned_wei: int
    reward_wei: int
    place: Place


@dataclass(frozen=True, slots=True)
class FinedOperator:
    """A ``Fined`` log: an operator lost what no open batch binds, once for a matter (32 bytes)."""

    channel: bytes
    operator: bytes
    matter: bytes
    module: bytes
    cause: str
    catcher: bytes
    burned_wei: int
    reward_wei: int
    place: Place


RefereeEvent = CommittedBatch | OpenedChallenge | ClosedChallenge | SlashedBatch | FinedOperator


def committed_batch(value: AbiEvent, log: Log) -> CommittedBatch:
    """The event of a ``BatchCommitted`` log."""
    named = value.arguments
    record = record_of_stamp(named["headerDigest"], named["stamp"])
    return CommittedBatch(
        named["channel"], named["operator"], named["sequence"], record.header_digest, record.committed_at,
        record.parameters_version, record.stake_gwei, place_of(log),
    )  # fmt: skip


def core_event(value: AbiEvent, log: Log) -> RefereeEvent | None:
    """What an event of the referee means for batches; None when nothing."""
    named, at = value.arguments, place_of(log)
    match value.name:
        case "BatchCommitted":
            return committed_batch(value, log)
        case "Slashed":
            return SlashedBatch(
                named["channel"], named["operator"], named["sequence"], named["module"], cause_text(named["cause"]),
                named["catcher"], named["burnedWei"], named["rewardWei"], at,
            )  # fmt: skip
        case "Fined":
            return FinedOperator(
                named["channel"], named["operator"], named["matter"], named["module"], cause_text(named["cause"]),
                named["catcher"], named["burnedWei"], named["rewardWei"], at,
            )  # fmt: skip
    return None


def challenge_event(value: AbiEvent, log: Log) -> RefereeEvent | None:
    """What an event of the module of directed challenges means for batches; None when nothing."""
    named, at = value.arguments, place_of(log)
    if value.name == "ChallengeOpened":
        return OpenedChallenge(
            named["channel"], named["operator"], named["sequence"], named["entryIndex"], named["challenger"],
            named["ordinal"], named["deadline"], named["bondWei"], at,
        )  # fmt: skip
    if value.name in _ENDS:
        state, who = _ENDS[value.name]
        batch = (named["channel"], named["operator"], named["sequence"])
        return ClosedChallenge(*batch, named["entryIndex"], state, named[who], at)
    return None


def place_of(log: Log) -> Place:
    """Where a log lies."""
    return Place(log.block_number, log.block_hash, log.transaction_hash, log.log_index)
