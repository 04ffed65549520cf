"""The ports of an operator's tables: device blocks, batches with their state, wrapped keys, challenges, enclave keys.

Decided here: what operator, keys, server and witness may ask, and what every back end promises. Not decided here: which
back ends there are (``back_ends``), when a step is taken (``operator``, ``keys``). Invariants of every back end: one
block per meter and period, whatever is ingested twice; one batch per (channel, sequence), moved by ``NEXT_STATES``
alone; a header once stored is never replaced by another; an entry's wrapped keys and the device block behind it are
gone for good after ``erase``, and that needs a final batch; at most one enclave key of a channel is active and at most
one is created.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from wattest.chain.transactions import TransactionJournal
from wattest.messages.evidence_verdict import EvidenceVerdict
from wattest.messages.header import BatchHeader
from wattest.store.batch_state import StoredBatch, StoredState
from wattest.store.belonging import Owner
from wattest.store.block_filing import Filed
from wattest.store.duty import Duty
from wattest.store.enclave_key import AbandonedBatch, Cause, EnclaveKey, KeyState, PreparedRegistration
from wattest.store.ports import Cursors
from wattest.store.settlement import SettledPayouts, Settlement, SettlementState
from wattest.twin.batch import BatchRecord


class EntryRows(Protocol):
    """The entries of stored batches, read without the others: one by itself, or all of them in runs."""

    def one(self, channel: bytes, sequence: int, position: int) -> tuple[bytes, bytes] | None:
        """Payload (118 bytes) and salt (16) of one entry, None where the batch has no such."""

    def runs(self, channel: bytes, sequence: int, count: int) -> Iterator[tuple[bytes, bytes]]:
        """Payloads and salts of a batch's entries in order, each back to back, ``count`` entries at a time."""


class KeyStore(Protocol):
    """An operator's enclave keys, their registrations, what was asked for, and what was abandoned."""

    def channels(self) -> list[bytes]:
        """Channels that have a key."""

    def keys(self, channel: bytes) -> list[EnclaveKey]:
        """Every key of a channel, oldest first."""

    def key_in(self, channel: bytes, state: KeyState) -> EnclaveKey | None:
        """The newest key in a state, None when there is none."""

    def retired(self, channel: bytes) -> list[EnclaveKey]:
        """Keys that are replaced and not revoked yet."""

    def add(self, key: EnclaveKey) -> None:
        """Keep a new key; the same one again changes nothing."""

    def forget(self, key: EnclaveKey) -> None:
        """Drop a key that was never registered, with whatever was prepared for it."""

    def mark(self, key: EnclaveKey, state: KeyState) -> None:
        """Move a key to its next state; raises ``WrongKeyState``."""

    def switch(self, key: EnclaveKey) -> None:
        """Make a created key the active one, retire the one before, and see what was asked for as done."""

    def prepare(
        self, key: EnclaveKey, verdict: EvidenceVerdict, proof: bytes, evidence: bytes, endorsements: bytes
    ) -> PreparedRegistration:
        """Keep a registration before it is sent."""

    def prepared(self, key: EnclaveKey) -> PreparedRegistration | None:
        """The key's registration that is prepared and not known to be mined or refused."""

    def is_registering(self, key: EnclaveKey) -> bool:
        """Whether a registration of the key was sent, or mined."""

    def registered(self, channel: bytes) -> PreparedRegistration | None:
        """The newest registration that was mined."""

    def conclude(self, registration: PreparedRegistration, state: str) -> None:
        """Note that a prepared registration was mined, or can never be."""

    def order(self, channel: bytes, cause: Cause, now: int) -> None:
        """Ask for a successor; a more pressing cause replaces the one that was asked for."""

    def ordered(self, channel: bytes) -> Cause | None:
        """Why a successor was asked for, None when none was."""

    def withdraw_order(self, channel: bytes) -> None:
        """Take back what was asked for and cannot be done."""

    def abandoned(self, channel: bytes) -> list[AbandonedBatch]:
        """Batches whose header was released and never committed, ascending by sequence."""

    def commit_intent(self, channel: bytes, sequence: int) -> str:
        """The name of a commit's transaction: another one for each header that the sequence ever had."""

    def abandon(self, batch: StoredBatch, cause: Cause, *, past_deadline: bool) -> None:
        """Set a released header aside that can never be committed: its sequence is free for another key's.

        The header stays on record; entries and wrapped keys go. The blocks behind it are collected again, or left out
        when the deadline is over.
        """

    def leave_out(self, batch: StoredBatch) -> None:
        """Drop a batch for which nothing was signed and whose deadline is over."""


class SettlementStore(Protocol):
    """An operator's settlements, one for each billing period that was begun."""

    def add(self, settlement: Settlement) -> Settlement:
        """Begin a settlement; the very same one again is the one that is there.

        Raises: SettledAlready where another one has a part of the period, or the sequence.
        """

    def drop(self, settlement: Settlement) -> None:
        """Forget one for which nothing was signed. Raises ``WrongSettlementState`` for any other."""

    def save_sealed(
        self, settlement: Settlement, member_of: tuple[int, ...], bills: tuple[bytes, ...], payouts: SettledPayouts
    ) -> None:
        """Keep what the enclave gave; kept before, it changes nothing."""

    def mark(self, settlement: Settlement, state: SettlementState) -> None:
        """Move a settlement to its next state; the state it is in is no move. Raises ``WrongSettlementState``."""

    def one(self, statement_channel: bytes, sequence: int) -> Settlement:
        """A settlement; raises ``UnknownSettlement``."""

    def all(self, statement_channel: bytes | None = None) -> list[Settlement]:
        """Every settlement, or those of one statement channel, ascending by sequence."""

    def unfinished(self) -> list[Settlement]:
        """Settlements with something left to do, ascending by channel and sequence."""


class Belonging(Protocol):
    """Whose data this is: noted once, compared from then on; until then the newest sealed header names the account."""

    def require(self, owner: Owner) -> None:
        """Refuse another's data; changes nothing. Raises ``DataOfAnother``, with everything that differs."""

    def claim(self, owner: Owner) -> None:
        """Note whose data this is, at the first time; later it is only compared. Raises as ``require``."""


class OperatorView(Protocol):
    """What is read of an operator's tables, by the server and by whoever asks where it stands; one thread uses it."""

    @property
    def keys(self) -> KeyStore:
        """The enclave keys."""

    @property
    def belonging(self) -> Belonging:
        """Whose data this is."""

    @property
    def entry_rows(self) -> EntryRows:
        """The entries, one by one or in runs."""

    @property
    def settlements(self) -> SettlementStore:
        """The settlements."""

    def find_batch(self, channel: bytes, sequence: int) -> StoredBatch | None:
        """A batch, or None."""

    def batch(self, channel: bytes, sequence: int) -> StoredBatch:
        """A batch; raises ``UnknownStoredBatch``."""

    def batches(
        self,
        channel: bytes,
        *,
        states: Sequence[StoredState] = tuple(StoredState),
        from_sequence: int = 0,
        limit: int = 1 << 32,
    ) -> list[StoredBatch]:
        """Batches of a channel in the given states, ascending by sequence."""

    def last_batch(self, channel: bytes) -> StoredBatch | None:
        """The batch of the highest sequence, None before the first."""

    def channels(self) -> list[bytes]:
        """Channels that have a batch, ascending."""

    def entries(self, channel: bytes, sequence: int) -> tuple[list[bytes], list[bytes]]:
        """Payloads and salts of a batch's entries, in order."""

    def roster(self, channel: bytes, sequence: int) -> bytes:
        """SHA-256 of each entry's meter key, 32 bytes each, back to back; empty in an open channel."""

    def wrapped_keys(
        self, channel: bytes, sequence: int, reader: bytes, *, first: int = 0, limit: int = 1 << 20
    ) -> dict[int, bytes]:
        """Wrapped series keys of one reader, by entry position."""

    def challenges(self, channel: bytes, state: str) -> list[tuple[int, int, int]]:
        """(sequence, position, deadline) of challenges in a state, most urgent first."""

    def document(self, channel: bytes, name: str) -> bytes | None:
        """A document of a channel, None when there is none."""

    def close(self) -> None:
        """Give up what is held; safe to call twice."""


class OperatorData(Protocol):
    """An operator's data, for whoever opens views of it in threads of its own."""

    @property
    def folder(self) -> Path:
        """A folder of this host, for what can be made again from the tables."""

    def view(self) -> OperatorView:
        """Another view of the tables, for the thread that asks."""


class OperatorStore(OperatorView, Protocol):
    """An operator's tables, open for their one writer."""

    @property
    def journal(self) -> TransactionJournal:
        """Where sent transactions are remembered."""

    @property
    def cursors(self) -> Cursors:
        """How far the chain was read."""

    @property
    def cache_folder(self) -> Path:
        """A folder of this host, for what can be made again from the store."""

    def transaction(self) -> AbstractContextManager[None]:
        """All changes inside, or none, also where one block lies in another; durable when the outermost one ends."""

    def add_block(self, channel: bytes, meter: bytes, period: tuple[int, int], digest: bytes, body: bytes) -> bool:
        """Keep a device block; False when the very same one is kept already. Raises ``BlockConflict``."""

    def has_block(self, channel: bytes, meter: bytes, period_start: int, digest: bytes) -> bool:
        """Whether this very block is kept."""

    def meters_with_block(self, channel: bytes, period_start: int) -> int:
        """How many meters have a block for the period."""

    def blocks_of(self, channel: bytes, sequence: int) -> Iterator[bytes]:
        """The blocks collected for a batch, ascending by meter: the same ones in the same order every time."""

    def refuse_block(self, channel: bytes, sequence: int, meter: bytes, reason: str) -> None:
        """Leave a block out of a batch that is not sealed yet; its meter becomes an absent entry.

        Raises ``WrongBatchState``.
        """

    def file_anew(self, duty: Duty, sequence: int, due_from: int) -> Filed:
        """Take a batch's blocks out of it, and whatever lies under a period that the channel has not.

        Each waits for the period it belongs to, or stays with the reason. ``due_from``: the first period that can still
        be committed. Again, it changes nothing.
        """

    def collect(self, channel: bytes, sequence: int, period: tuple[int, int]) -> StoredBatch:
        """Begin a new batch with the blocks of its period; what comes later joins until the enclave is asked.

        Again, it changes nothing. Raises ``WrongBatchState`` where another period has the sequence.
        """

    def mark(self, channel: bytes, sequence: int, state: StoredState) -> None:
        """Move a batch to its next state; the state it is in already is no move. Raises ``WrongBatchState``."""

    def mark_if_before_sealed(self, channel: bytes, sequence: int) -> None:
        """Note that the enclave is asked: blocks of the period that came since join, and no later ones.

        A batch that was sealed before stays as it is.
        """

    def save_sealed(
        self,
        header: BatchHeader,
        header_digest: bytes,
        signature: bytes,
        *,
        entries: Sequence[bytes],
        salts: Sequence[bytes],
        wrapped_keys: Sequence[Mapping[bytes, bytes]],
        roster: bytes,
    ) -> None:
        """Keep what the enclave released, all in one; a second, different header is refused with ``SecondHeader``."""

    def save_committed(
        self, channel: bytes, sequence: int, record: BatchRecord, place: tuple[int, bytes, bytes], gas_used: int | None
    ) -> None:
        """Keep where a batch was committed: its record, (block number, block hash, transaction hash), gas.

        None for the gas leaves what is known of it.
        """

    def mark_released(self, channel: bytes, up_to: int) -> None:
        """Note that batches up to and with a sequence no longer count in the exposure."""

    def erase(self, channel: bytes, sequence: int, position: int) -> int:
        """Delete every wrapped key of one entry of a final batch, and the readings its meter had sent for it.

        The number of keys deleted. The block's digest stays, so that nothing else is taken in its place. Raises
        ``WrongBatchState``.
        """

    def save_challenge(self, channel: bytes, sequence: int, position: int, deadline: int, state: str) -> None:
        """Keep a challenge as the chain's log tells it; told again, it changes nothing; a deadline never goes back."""

    def put_document(self, channel: bytes, name: str, body: bytes) -> None:
        """Keep a document of a channel (evidence, endorsements, member list), replacing the one before."""

    def keep_evidence(self, channel: bytes, evidence: bytes, endorsements: bytes) -> None:
        """Keep what a registration is judged from under the digests that its verdict names, for good."""
