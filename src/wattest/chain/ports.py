"""The ports of what the loops ask of a chain: the chain itself, the referee, and the registry of enclave keys.

Decided here: what operator, keys and watcher may ask, and that nobody who asks knows an operator's history: a batch is
named with its record, and whoever answers finds or makes the proof. Not decided here: the rules (``twin`` has them),
how transactions survive (``sending``). Two back ends: the contracts on a chain (``referee``, ``registry``), and their
twin in memory (``simulated``, ``simulated_referee``); both pass ``tests/support/referee_conformance.py``. A refused
call raises the error of ``twin.errors`` that has the contract's name for it, in both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from wattest.chain.referee import CommittedHeader, ReleasedRun, SignedCommit
from wattest.chain.referee_core import ChannelHead
from wattest.chain.referee_events import CommittedBatch, RefereeEvent
from wattest.chain.registry import RegisteredVerdict, Registration
from wattest.chain.transactions import Block, Delivery, Receipt, TransactionRequest
from wattest.crypto.signer import Signer
from wattest.errors import WattestError
from wattest.messages.eip712 import Domain
from wattest.messages.evidence_verdict import EvidenceVerdict
from wattest.messages.header import BatchHeader
from wattest.twin.batch import BatchCitation, BatchState, EntryInclusion
from wattest.twin.challenge import DirectedChallenge, EvidenceOpening
from wattest.twin.operator import OperatorHead
from wattest.twin.parameters import ChannelParameters
from wattest.twin.registry import Binding


class ChainPort(Protocol):
    """A chain: its blocks, its clock, and transactions in flight."""

    @property
    def chain_id(self) -> int:
        """EIP-155's number of the chain."""

    @property
    def confirmations(self) -> int:
        """Blocks on top before anything is believed."""

    def block(self, number: int | str = "latest") -> Block:
        """A block by number, or the latest; raises ``Reorganised`` when there is none."""

    def is_canonical(self, block_number: int, block_hash: bytes) -> bool:
        """Whether the chain still holds this block."""

    def now(self) -> int:
        """The latest block's timestamp, unix seconds: the clock that every window is measured by."""

    def send_many(self, requests: Iterable[TransactionRequest], *, in_flight: int = ...) -> Iterator[Delivery]:
        """Send all of these and hand each out as it lands; one that fails does not stop the others.

        The same intent of the same signer again is the same transaction, whatever became of it.
        """


class RefereePort(Protocol):
    """The referee, as operator and watcher ask it; addresses 20 bytes, channels 32, sums in wei."""

    @property
    def client(self) -> ChainPort:
        """The chain that it is on."""

    @property
    def address(self) -> bytes:
        """Its address."""

    @property
    def deployed_at_block(self) -> int:
        """No log of it lies before this block."""

    @property
    def domain(self) -> Domain:
        """The EIP-712 domain that headers are signed for."""

    def channel_head(self, channel: bytes) -> ChannelHead:
        """The channel's current values."""

    def parameters_of(self, channel: bytes, version: int) -> ChannelParameters:
        """One version of a channel's parameters, from 1."""

    def operator_head(self, channel: bytes, operator: bytes) -> OperatorHead:
        """State, last sequence, exposure and deposit of an operator."""

    def heads_of(self, channels: Sequence[bytes], operator: bytes) -> dict[bytes, tuple[ChannelHead, OperatorHead]]:
        """``channel_head`` and ``operator_head`` of many channels."""

    def state_of(self, batch: BatchCitation) -> BatchState:
        """Where a batch stands now; NONE where the chain does not hold this record at this sequence."""

    def states_of(self, batches: Sequence[BatchCitation]) -> list[BatchState]:
        """``state_of`` many batches; raises ``Reorganised`` while a node's log and state do not agree."""

    def committed_batch(self, channel: bytes, operator: bytes, sequence: int) -> CommittedBatch | None:
        """The commit of one sequence as the log tells it, None when there is none."""

    def committed_header(self, batch: CommittedBatch) -> CommittedHeader:
        """The header and signature that a commit carried; raises ``UnexpectedContractAnswer`` where it is hidden."""

    def commit_request(
        self, signer: Signer, header: BatchHeader, signature: bytes, *, intent: str | None = None, gas: int | None = ...
    ) -> TransactionRequest:
        """A commit, after the last batch of its operator; with ``gas`` None a refusal costs nothing."""

    def commit_requests(
        self, signer: Signer, commits: Sequence[SignedCommit], *, gas: int | None = None
    ) -> list[TransactionRequest | WattestError]:
        """Commits of many channels; what keeps one of them alone stands in its place."""

    def release_request(
        self, signer: Signer, batches: Sequence[BatchCitation], *, intent: str | None = None
    ) -> TransactionRequest:
        """Drop consecutive batches, final or slashed, from their operator's exposure."""

    def release_requests(self, signer: Signer, runs: Sequence[ReleasedRun]) -> list[TransactionRequest | WattestError]:
        """The same for many channels; what keeps one of them alone stands in its place."""

    def answer_request(
        self, signer: Signer, header: BatchHeader, entry: EntryInclusion, *, intent: str | None = None
    ) -> TransactionRequest:
        """Show a demanded entry."""

    def bond_for(self, channel: bytes, operator: bytes, parameters_version: int) -> int:
        """The bond of the next challenge on an operator."""

    def challenge(
        self,
        signer: Signer,
        header: BatchHeader,
        batch: BatchCitation,
        entry_index: int,
        bond_wei: int,
        *,
        intent: str | None = None,
    ) -> Receipt:
        """Demand one entry of a batch."""

    def expire(self, signer: Signer, batch: BatchCitation, entry_index: int, *, intent: str | None = None) -> Receipt:
        """Slash a batch for a challenge that was not answered in time."""

    def refund(self, signer: Signer, batch: BatchCitation, entry_index: int, *, intent: str | None = None) -> Receipt:
        """Return the bond of a challenge whose batch was slashed for something else, or became final."""

    def challenge_of(self, header_digest: bytes, entry_index: int) -> DirectedChallenge:
        """A challenge as stored, by the digest of the batch's header; state NONE when there is none."""

    def prove_equivocation(
        self,
        signer: Signer,
        first: CommittedHeader,
        second: CommittedHeader,
        batch: BatchCitation | None,
        *,
        intent: str | None = None,
    ) -> Receipt:
        """Show two headers of one key for one sequence; ``batch`` is the committed one, None where there is none."""

    def prove_invalid_evidence(
        self,
        signer: Signer,
        header: BatchHeader,
        batch: BatchCitation,
        entry: EntryInclusion,
        opening: EvidenceOpening,
        *,
        intent: str | None = None,
    ) -> Receipt:
        """Show that an entry's meter signature does not verify."""

    def is_convicted(self, channel: bytes, operator: bytes, sequence: int) -> bool:
        """Whether equivocation at this sequence was proved."""

    def owed(self, account: bytes) -> int:
        """What the account can withdraw from the referee and its modules."""

    def withdraw_owed(self, signer: Signer, to: bytes) -> list[Receipt]:
        """Take what the referee and its modules owe the signer; raises ``NothingOwed`` where none does."""

    def events(self, from_block: int, to_block: int, channel: bytes | None = None) -> list[RefereeEvent]:
        """What happened to batches in a closed range of blocks, in order."""

    def events_of(self, receipt: Receipt) -> list[RefereeEvent]:
        """What one transaction made happen to batches."""


class RegistryPort(Protocol):
    """The registry of enclave keys, as the key keeper and watchers ask it."""

    @property
    def client(self) -> ChainPort:
        """The chain that it is on."""

    @property
    def address(self) -> bytes:
        """Its address."""

    @property
    def domain(self) -> Domain:
        """The EIP-712 domain that verdicts are signed for."""

    def recent_nonce(self) -> Block:
        """A block whose hash can be the nonce of new evidence."""

    def register(
        self, signer: Signer, verdict: EvidenceVerdict, signatures: Sequence[bytes], *, intent: str | None = None
    ) -> Receipt:
        """Register a key; ``signatures`` are the appraisers', ascending by signer, or one item of evidence."""

    def revoke(self, signer: Signer, binding: Binding, enclave_key: bytes, *, intent: str | None = None) -> Receipt:
        """Revoke a key at once, as its operator or its channel's manager."""

    def active_key(self, referee: bytes, channel: bytes, operator: bytes, workload: bytes) -> tuple[bytes, int]:
        """The active key of a binding and when it expires; zeros when there is none."""

    def active_keys(
        self, referee: bytes, operator: bytes, wanted: Sequence[tuple[bytes, bytes]]
    ) -> list[tuple[bytes, int]]:
        """``active_key`` of many (channel, workload) of an operator."""

    def was_registered(self, referee: bytes, channel: bytes, operator: bytes, enclave_key: bytes) -> bool:
        """Whether the key was ever registered for the binding."""

    def registration_of(self, binding: Binding, enclave_key: bytes) -> Registration:
        """What is known of a key in its binding; unknown where it was never registered."""

    def registered_verdicts(self, binding: Binding, enclave_key: bytes) -> list[RegisteredVerdict]:
        """Every registration of a key in its binding, oldest first."""
