"""Where an operator keeps its enclave keys, their registrations, and what was asked for.

Decided here: the tables, and that a switch from one key to the next is one change on disk. Not decided here: when a
step is taken (``key_keeper``). Invariants: at most one key of a channel is active and at most one is created; a
registration is whole on disk, evidence included, before its transaction is sent; the header of an abandoned batch is
kept for ever, its readers' keys are not.
"""

from __future__ import annotations

from typing import Any

from wattest.messages.evidence_verdict import EvidenceVerdict, parse_verdict
from wattest.store.batch_state import StoredBatch
from wattest.store.database import Database
from wattest.store.enclave_key import (
    NEXT_KEY_STATES,
    PREPARED,
    REGISTERED,
    VOID,
    AbandonedBatch,
    Cause,
    EnclaveKey,
    KeyState,
    PreparedRegistration,
)
from wattest.store.refusals import WrongKeyState

KEY_TABLES = """
CREATE TABLE enclave_key (
    channel BLOB NOT NULL, slot INTEGER NOT NULL, address BLOB NOT NULL, state TEXT NOT NULL, cause TEXT NOT NULL,
    start_sequence INTEGER NOT NULL, start_digest BLOB NOT NULL, created_at INTEGER NOT NULL, carried INTEGER NOT NULL,
    PRIMARY KEY (channel, address)
);
CREATE UNIQUE INDEX one_active_key ON enclave_key (channel) WHERE state = 'active';
CREATE UNIQUE INDEX one_created_key ON enclave_key (channel) WHERE state = 'created';
CREATE TABLE registration (
    channel BLOB NOT NULL, ordinal INTEGER NOT NULL, enclave_key BLOB NOT NULL, state TEXT NOT NULL,
    verdict BLOB NOT NULL, proof BLOB NOT NULL, evidence BLOB NOT NULL, endorsements BLOB NOT NULL,
    PRIMARY KEY (channel, ordinal)
);
CREATE TABLE succession (channel BLOB PRIMARY KEY, cause TEXT NOT NULL, ordered_at INTEGER NOT NULL);
CREATE TABLE abandoned_batch (
    channel BLOB NOT NULL, sequence INTEGER NOT NULL, period_start INTEGER NOT NULL, period_end INTEGER NOT NULL,
    header BLOB NOT NULL, header_digest BLOB NOT NULL, signature BLOB NOT NULL, content_id BLOB NOT NULL,
    cause TEXT NOT NULL, PRIMARY KEY (channel, sequence, header_digest)
);
"""


class SqliteKeyStore:
    """The key tables of an operator's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # keys

    def channels(self) -> list[bytes]:
        """Channels that have a key."""
        return [row[0] for row in self._database.rows("SELECT DISTINCT channel FROM enclave_key")]  # type: ignore[misc]

    def keys(self, channel: bytes) -> list[EnclaveKey]:
        """Every key of a channel, oldest first."""
        return self._keys("WHERE channel = ? ORDER BY slot, rowid", channel)

    def key_in(self, channel: bytes, state: KeyState) -> EnclaveKey | None:
        """The newest key in a state, None when there is none."""
        found = self._keys("WHERE channel = ? AND state = ? ORDER BY slot DESC LIMIT 1", channel, state.value)
        return found[0] if found else None

    def retired(self, channel: bytes) -> list[EnclaveKey]:
        """Keys that are replaced and not revoked yet."""
        return self._keys("WHERE channel = ? AND state = ? ORDER BY slot", channel, KeyState.RETIRED.value)

    def add(self, key: EnclaveKey) -> None:
        """Keep a new key; the same one again changes nothing."""
        self._database.run(
            "INSERT INTO enclave_key VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (channel, address) DO NOTHING",
            key.channel,
            key.slot,
            key.address,
            key.state.value,
            key.cause.value,
            *key.start,
            key.created_at,
            key.carried,
        )

    def forget(self, key: EnclaveKey) -> None:
        """Drop a key that was never registered, with whatever was prepared for it."""
        with self._database.transaction():
            self._database.run(
                "DELETE FROM enclave_key WHERE channel = ? AND address = ? AND state = ?",
                key.channel,
                key.address,
                KeyState.CREATED.value,
            )
            self._database.run(
                "UPDATE registration SET state = ? WHERE channel = ? AND enclave_key = ? AND state = ?",
                VOID,
                key.channel,
                key.address,
                PREPARED,
            )

    def mark(self, key: EnclaveKey, state: KeyState) -> None:
        """Move a key to its next state; raises ``WrongKeyState``."""
        with self._database.transaction():
            found = self._keys("WHERE channel = ? AND address = ?", key.channel, key.address)
            if found and found[0].state is state:
                return
            if not found or state not in NEXT_KEY_STATES[found[0].state]:
                raise WrongKeyState(
                    "the enclave key cannot take this step",
                    enclave_key=key.address,
                    expected=found[0].state.value if found else None,
                    actual=state.value,
                )
            self._database.run(
                "UPDATE enclave_key SET state = ? WHERE channel = ? AND address = ?",
                state.value,
                key.channel,
                key.address,
            )

    def switch(self, key: EnclaveKey) -> None:
        """Make a created key the active one, retire the one before, and see what was asked for as done."""
        with self._database.transaction():
            before = self.key_in(key.channel, KeyState.ACTIVE)
            if before is not None and before.address != key.address:
                self.mark(before, KeyState.RETIRED)
            self.mark(key, KeyState.ACTIVE)
            self._database.run("DELETE FROM succession WHERE channel = ?", key.channel)

    # registrations

    def prepare(
        self, key: EnclaveKey, verdict: EvidenceVerdict, proof: bytes, evidence: bytes, endorsements: bytes
    ) -> PreparedRegistration:
        """Keep a registration before it is sent."""
        with self._database.transaction():
            rows: list[Any] = self._database.rows(
                "SELECT COALESCE(MAX(ordinal), 0) FROM registration WHERE channel = ?", key.channel
            )
            self._database.run(
                "INSERT INTO registration VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                key.channel,
                rows[0][0] + 1,
                key.address,
                PREPARED,
                verdict.to_bytes(),
                proof,
                evidence,
                endorsements,
            )
        found = self.prepared(key)
        assert found is not None  # it was just written
        return found

    def prepared(self, key: EnclaveKey) -> PreparedRegistration | None:
        """The key's registration that is prepared and not known to be mined or refused."""
        found = self._registrations("AND enclave_key = ? AND state = ?", key.channel, key.address, PREPARED)
        return found[-1] if found else None

    def is_registering(self, key: EnclaveKey) -> bool:
        """Whether a registration of the key was sent, or mined."""
        found = self._registrations("AND enclave_key = ? AND state != ?", key.channel, key.address, VOID)
        return bool(found)

    def registered(self, channel: bytes) -> PreparedRegistration | None:
        """The newest registration that was mined."""
        found = self._registrations("AND state = ?", channel, REGISTERED)
        return found[-1] if found else None

    def conclude(self, registration: PreparedRegistration, state: str) -> None:
        """Note that a prepared registration was mined, or can never be."""
        self._database.run(
            "UPDATE registration SET state = ? WHERE channel = ? AND ordinal = ?",
            state,
            registration.channel,
            registration.ordinal,
        )

    # what was asked for

    def order(self, channel: bytes, cause: Cause, now: int) -> None:
        """Ask for a successor; a more pressing cause replaces the one that was asked for.

        ``planned`` gives way to any other, and one that takes the state of the enclave before along to one that does
        not: an owner who finds the enclave lost must not wait for it to give its state.
        """
        with self._database.transaction():
            known = self.ordered(channel)
            if known is None:
                self._database.run("INSERT INTO succession VALUES (?, ?, ?)", channel, cause.value, now)
            elif known is Cause.PLANNED or (known.carries and not cause.carries):
                self._database.run("UPDATE succession SET cause = ? WHERE channel = ?", cause.value, channel)

    def ordered(self, channel: bytes) -> Cause | None:
        """Why a successor was asked for, None when none was."""
        rows: list[Any] = self._database.rows("SELECT cause FROM succession WHERE channel = ?", channel)
        return Cause(rows[0][0]) if rows else None

    def withdraw_order(self, channel: bytes) -> None:
        """Take back what was asked for and cannot be done."""
        self._database.run("DELETE FROM succession WHERE channel = ?", channel)

    # abandoned batches

    def abandoned(self, channel: bytes) -> list[AbandonedBatch]:
        """Batches whose header was released and never committed, ascending by sequence."""
        rows: list[Any] = self._database.rows(
            "SELECT sequence, period_start, period_end, header_digest, cause FROM abandoned_batch WHERE channel = ?"
            " ORDER BY sequence, period_start",
            channel,
        )
        return [AbandonedBatch(a, b, c, d, Cause(e)) for a, b, c, d, e in rows]

    def commit_intent(self, channel: bytes, sequence: int) -> str:
        """The name of a commit's transaction: another one for each header that the sequence ever had."""
        before = sum(one.sequence == sequence for one in self.abandoned(channel))
        return f"commit:{channel.hex()}:{sequence}" + (f":{before}" if before else "")

    def abandon(self, batch: StoredBatch, cause: Cause, *, past_deadline: bool) -> None:
        """Set a released header aside that can never be committed: its sequence is free for another key's.

        The header stays on record; entries and wrapped keys go. The blocks behind it are collected again, or left out
        when the deadline is over.
        """
        assert batch.header is not None  # only released batches are abandoned
        with self._database.transaction():
            self._database.run(
                "INSERT INTO abandoned_batch VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                batch.channel,
                batch.sequence,
                batch.period_start,
                batch.period_end,
                batch.header.to_bytes(),
                batch.header_digest,
                batch.signature,
                batch.content_id,
                cause.value,
            )
            self._drop(batch, past_deadline=past_deadline)

    def leave_out(self, batch: StoredBatch) -> None:
        """Drop a batch for which nothing was signed and whose deadline is over."""
        self._drop(batch, past_deadline=True)

    def _drop(self, batch: StoredBatch, *, past_deadline: bool) -> None:
        place = (batch.channel, batch.sequence)
        with self._database.transaction():
            for table in ("wrapped_key", "entry", "batch"):
                self._database.run(f"DELETE FROM {table} WHERE channel = ? AND sequence = ?", *place)  # noqa: S608 - our own tables
            self._database.run(
                "UPDATE device_block SET sequence = NULL, refused = ? WHERE channel = ? AND sequence = ?",
                "the batch of the period missed its commit deadline" if past_deadline else None,
                *place,
            )

    def _keys(self, condition: str, *values: object) -> list[EnclaveKey]:
        rows: list[Any] = self._database.rows(
            "SELECT channel, slot, address, state, cause, start_sequence, start_digest, created_at, carried"  # noqa: S608
            f" FROM enclave_key {condition}",
            *values,
        )
        return [
            EnclaveKey(channel, slot, address, KeyState(state), Cause(cause), (sequence, digest), made, bool(carried))
            for channel, slot, address, state, cause, sequence, digest, made, carried in rows
        ]

    def _registrations(self, condition: str, of_channel: bytes, *values: object) -> list[PreparedRegistration]:
        rows: list[Any] = self._database.rows(
            "SELECT channel, ordinal, enclave_key, state, verdict, proof, evidence, endorsements FROM registration"  # noqa: S608
            f" WHERE channel = ? {condition} ORDER BY ordinal",
            of_channel,
            *values,
        )
        return [
            PreparedRegistration(channel, ordinal, key, state, parse_verdict(verdict), proof, evidence, endorsements)
            for channel, ordinal, key, state, verdict, proof, evidence, endorsements in rows
        ]
