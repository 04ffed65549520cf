"""What an operator keeps: device blocks, batches with their state, wrapped keys, challenges.

Decided here: the tables, the states of a batch on its way to the chain and which may follow which. Not decided here:
when a step is taken (``operator``), the ciphertexts (``bundle``), the SQLite file itself (``database``). Invariants:
one block per meter and period, whatever is ingested twice; one batch per (channel, sequence); a header once stored is
never replaced by another; an entry's wrapped keys and the device block behind it are gone for good after ``erase``,
and that needs a final batch.

States: collected -> sealing -> sealed -> stored -> committing -> committed -> final, and slashed or missed as ends. A
reorganisation takes a committed batch back to committing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from wattest.attestation.evidence import parse_evidence
from wattest.crypto.hashing import sha256
from wattest.io.crash_points import CrashPoints
from wattest.messages.header import BatchHeader, parse_header
from wattest.store.batch_state import NEXT_STATES, StoredBatch, StoredState, stored_batch
from wattest.store.belonging import BELONGING_TABLE, SqliteBelonging
from wattest.store.block_filing import Filed, file_anew
from wattest.store.database import CURSOR_TABLE, JOURNAL_TABLE, CommittedTable, Database, SqliteCursors, SqliteJournal
from wattest.store.duty import Duty
from wattest.store.entry_rows import SqliteEntryRows
from wattest.store.key_store import KEY_TABLES, SqliteKeyStore
from wattest.store.refusals import BlockConflict, SecondHeader, UnknownStoredBatch, WrongBatchState
from wattest.store.settlement_store import SETTLEMENT_TABLE, SqliteSettlementStore
from wattest.twin.batch import BatchRecord

MIGRATIONS = (
    JOURNAL_TABLE
    + CURSOR_TABLE
    + """
CREATE TABLE device_block (
    channel BLOB NOT NULL, meter BLOB NOT NULL, period_start INTEGER NOT NULL, period_end INTEGER NOT NULL,
    digest BLOB NOT NULL, body BLOB NOT NULL, sequence INTEGER, refused TEXT,
    PRIMARY KEY (channel, meter, period_start)
);
CREATE INDEX device_block_by_period ON device_block (channel, period_start);
CREATE TABLE batch (
    channel BLOB NOT NULL, sequence INTEGER NOT NULL, period_start INTEGER NOT NULL, period_end INTEGER NOT NULL,
    state TEXT NOT NULL, header BLOB, header_digest BLOB, signature BLOB, content_id BLOB, roster BLOB,
    committed_at INTEGER, parameters_version INTEGER, block_number INTEGER, block_hash BLOB, transaction_hash BLOB,
    gas_used INTEGER, released INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (channel, sequence)
);
CREATE INDEX batch_by_content ON batch (content_id);
CREATE TABLE entry (
    channel BLOB NOT NULL, sequence INTEGER NOT NULL, position INTEGER NOT NULL, payload BLOB NOT NULL,
    salt BLOB NOT NULL, PRIMARY KEY (channel, sequence, position),
    FOREIGN KEY (channel, sequence) REFERENCES batch
) WITHOUT ROWID;
CREATE TABLE wrapped_key (
    channel BLOB NOT NULL, sequence INTEGER NOT NULL, position INTEGER NOT NULL, reader BLOB NOT NULL,
    wrapped BLOB NOT NULL, PRIMARY KEY (channel, sequence, reader, position),
    FOREIGN KEY (channel, sequence) REFERENCES batch
) WITHOUT ROWID;
CREATE TABLE challenge (
    channel BLOB NOT NULL, sequence INTEGER NOT NULL, position INTEGER NOT NULL, deadline INTEGER NOT NULL,
    state TEXT NOT NULL, PRIMARY KEY (channel, sequence, position)
);
CREATE TABLE document (channel BLOB NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (channel, name));
""",
    KEY_TABLES,
    BELONGING_TABLE,
    SETTLEMENT_TABLE,
    "ALTER TABLE batch ADD COLUMN stake_gwei INTEGER;",
)
COMMITTED = CommittedTable("batch", stake_since=len(MIGRATIONS))


_S = StoredState


class SqliteOperatorStore:
    """The operator's database; open it once to write (``read_only`` False), as often as needed to read.

    ``database`` opens it: a file's, unless said otherwise.
    """

    def __init__(
        self,
        path: Path,
        *,
        read_only: bool = False,
        faults: CrashPoints | None = None,
        database: type[Database] = Database,
    ) -> None:
        self.database = database(path, MIGRATIONS, committed=COMMITTED, read_only=read_only)
        self.journal = SqliteJournal(self.database, faults)
        self.cursors = SqliteCursors(self.database)
        self.belonging = SqliteBelonging(self.database, self._sealed_by)
        self.keys = SqliteKeyStore(self.database)
        self.entry_rows = SqliteEntryRows(self.database)
        self.settlements = SqliteSettlementStore(self.database)

    @property
    def cache_folder(self) -> Path:
        """The folder that the file is in."""
        return self.database.path.parent

    def transaction(self) -> AbstractContextManager[None]:
        """All changes inside, or none; durable when the outermost one ends."""
        return self.database.transaction()

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def _sealed_by(self) -> bytes | None:
        """Who sealed last, 20 bytes."""
        rows: list[Any] = self.database.rows(
            "SELECT header FROM batch WHERE header IS NOT NULL ORDER BY period_end DESC, sequence DESC LIMIT 1"
        )
        return parse_header(rows[0][0]).operator if rows else None

    # device blocks

    def add_block(self, channel: bytes, meter: bytes, period: tuple[int, int], digest: bytes, body: bytes) -> bool:
        """Keep a device block; False when the very same one is kept already. Raises ``BlockConflict``."""
        kept = self.database.run(
            "INSERT INTO device_block VALUES (?, ?, ?, ?, ?, ?, NULL, NULL)"
            " ON CONFLICT (channel, meter, period_start) DO NOTHING",
            channel,
            meter,
            *period,
            digest,
            body,
        )
        if not kept and not self.has_block(channel, meter, period[0], digest):
            rows = self.database.rows(
                "SELECT digest FROM device_block WHERE channel = ? AND meter = ? AND period_start = ?",
                channel,
                meter,
                period[0],
            )
            raise BlockConflict(
                "the meter sent another block for this period before",
                meter=meter,
                period_start=period[0],
                expected=rows[0][0],
                actual=digest,
            )
        return bool(kept)

    def has_block(self, channel: bytes, meter: bytes, period_start: int, digest: bytes) -> bool:
        """Whether this very block is kept."""
        return bool(
            self.database.rows(
                "SELECT 1 FROM device_block WHERE channel = ? AND meter = ? AND period_start = ? AND digest = ?",
                channel,
                meter,
                period_start,
                digest,
            )
        )

    def meters_with_block(self, channel: bytes, period_start: int) -> int:
        """How many meters have a block for the period."""
        return _int(
            self.database.rows(
                "SELECT COUNT(*) FROM device_block WHERE channel = ? AND period_start = ?", channel, period_start
            )[0][0]
        )

    def blocks_of(self, channel: bytes, sequence: int) -> Iterator[bytes]:
        """The blocks collected for a batch, ascending by meter: the same ones in the same order every time."""
        for (meter,) in self.database.rows(
            "SELECT meter FROM device_block WHERE channel = ? AND sequence = ? ORDER BY meter", channel, sequence
        ):
            yield self.database.rows(  # type: ignore[misc]
                "SELECT body FROM device_block WHERE channel = ? AND sequence = ? AND meter = ?",
                channel,
                sequence,
                meter,
            )[0][0]

    def refuse_block(self, channel: bytes, sequence: int, meter: bytes, reason: str) -> None:
        """Leave a block out of a batch that is not sealed yet; its meter becomes an absent entry."""
        with self.database.transaction():
            state = self.batch(channel, sequence).state
            if state not in {_S.COLLECTED, _S.SEALING}:
                raise WrongBatchState(
                    "the batch is sealed", sequence=sequence, expected=_S.SEALING.value, actual=state.value
                )
            self.database.run(
                "UPDATE device_block SET sequence = NULL, refused = ? WHERE channel = ? AND sequence = ? AND meter = ?",
                reason,
                channel,
                sequence,
                meter,
            )

    def file_anew(self, duty: Duty, sequence: int, due_from: int) -> Filed:
        """Take the blocks of a batch out of it, to the periods that the channel has."""
        return file_anew(self.database, duty, sequence, due_from)

    # batches

    def collect(self, channel: bytes, sequence: int, period: tuple[int, int]) -> StoredBatch:
        """Begin a new batch with the blocks of its period. Again, it changes nothing."""
        with self.database.transaction():
            known = self.find_batch(channel, sequence)
            if known is not None:
                if (known.period_start, known.period_end) != period:
                    raise WrongBatchState(
                        "the sequence is taken by another period",
                        sequence=sequence,
                        expected=known.period_start,
                        actual=period[0],
                    )
                return known
            self.database.run(
                "INSERT INTO batch (channel, sequence, period_start, period_end, state) VALUES (?, ?, ?, ?, ?)",
                channel,
                sequence,
                *period,
                _S.COLLECTED.value,
            )
            self._gather(channel, sequence, period)
        return self.batch(channel, sequence)

    def _gather(self, channel: bytes, sequence: int, period: tuple[int, int]) -> None:
        self.database.run(
            "UPDATE device_block SET sequence = ? WHERE channel = ? AND period_start = ? AND period_end = ?"
            " AND sequence IS NULL AND refused IS NULL",
            sequence,
            channel,
            *period,
        )

    def mark(self, channel: bytes, sequence: int, state: StoredState) -> None:
        """Move a batch to its next state; the state it is in already is no move."""
        with self.database.transaction():
            self._move(channel, sequence, state)

    def mark_if_before_sealed(self, channel: bytes, sequence: int) -> None:
        """Note that the enclave is asked, with what came since; a batch that was sealed before stays as it is."""
        with self.database.transaction():
            batch = self.batch(channel, sequence)
            if batch.state is _S.COLLECTED:
                self._gather(channel, sequence, (batch.period_start, batch.period_end))
                self.mark(channel, sequence, _S.SEALING)

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
        channel, sequence = header.channel, header.sequence
        with self.database.transaction():
            known = self.batch(channel, sequence)
            if known.header_digest is not None:
                if known.header_digest != header_digest:
                    raise SecondHeader(
                        "the enclave released another header for this sequence",
                        sequence=sequence,
                        expected=known.header_digest,
                        actual=header_digest,
                        hint="stop and find out why: committing both would lose the deposit",
                    )
                return
            self._move(channel, sequence, _S.SEALED)
            self.database.run(
                "UPDATE batch SET header = ?, header_digest = ?, signature = ?, content_id = ?, roster = ?"
                " WHERE channel = ? AND sequence = ?",
                header.to_bytes(),
                header_digest,
                signature,
                header.content_id,
                roster,
                channel,
                sequence,
            )
            self.database.run_many(
                "INSERT INTO entry VALUES (?, ?, ?, ?, ?)",
                ((channel, sequence, at, entries[at], salts[at]) for at in range(len(entries))),
            )
            self.database.run_many(
                "INSERT INTO wrapped_key VALUES (?, ?, ?, ?, ?)",
                (
                    (channel, sequence, at, reader, wrapped)
                    for at, keys in enumerate(wrapped_keys)
                    for reader, wrapped in keys.items()
                ),
            )

    def save_committed(
        self, channel: bytes, sequence: int, record: BatchRecord, place: tuple[int, bytes, bytes], gas_used: int | None
    ) -> None:
        """Keep where a batch was committed: its record, (block number, block hash, transaction hash), gas."""
        with self.database.transaction():
            self._move(channel, sequence, _S.COMMITTED)
            self.database.run(
                "UPDATE batch SET committed_at = ?, parameters_version = ?, stake_gwei = ?, block_number = ?,"
                " block_hash = ?, transaction_hash = ?, gas_used = COALESCE(?, gas_used)"
                " WHERE channel = ? AND sequence = ?",
                record.committed_at,
                record.parameters_version,
                record.stake_gwei,
                *place,
                gas_used,
                channel,
                sequence,
            )

    def mark_released(self, channel: bytes, up_to: int) -> None:
        """Note that batches up to and with a sequence no longer count in the exposure."""
        self.database.run("UPDATE batch SET released = 1 WHERE channel = ? AND sequence <= ?", channel, up_to)

    def find_batch(self, channel: bytes, sequence: int) -> StoredBatch | None:
        """A batch, or None."""
        found = self._batches("WHERE channel = ? AND sequence = ?", channel, sequence)
        return found[0] if found else None

    def batch(self, channel: bytes, sequence: int) -> StoredBatch:
        """A batch; raises ``UnknownStoredBatch``."""
        found = self.find_batch(channel, sequence)
        if found is None:
            raise UnknownStoredBatch("no such batch", channel=channel, sequence=sequence)
        return found

    def batches(
        self,
        channel: bytes,
        *,
        states: Sequence[StoredState] = tuple(StoredState),
        from_sequence: int = 0,
        limit: int = 1 << 32,
    ) -> list[StoredBatch]:
        """Batches of a channel in the given states, ascending by sequence."""
        marks = ",".join("?" * len(states))
        return self._batches(
            f"WHERE channel = ? AND sequence >= ? AND state IN ({marks}) ORDER BY sequence LIMIT ?",
            channel,
            from_sequence,
            *[state.value for state in states],
            limit,
        )

    def last_batch(self, channel: bytes) -> StoredBatch | None:
        """The batch of the highest sequence, None before the first."""
        found = self._batches("WHERE channel = ? ORDER BY sequence DESC LIMIT 1", channel)
        return found[0] if found else None

    def channels(self) -> list[bytes]:
        """Channels that have a batch."""
        return [row[0] for row in self.database.rows("SELECT DISTINCT channel FROM batch ORDER BY channel")]  # type: ignore[misc]

    def entries(self, channel: bytes, sequence: int) -> tuple[list[bytes], list[bytes]]:
        """Payloads and salts of a batch's entries, in order."""
        rows: list[Any] = self.database.rows(
            "SELECT payload, salt FROM entry WHERE channel = ? AND sequence = ? ORDER BY position", channel, sequence
        )
        return [row[0] for row in rows], [row[1] for row in rows]

    def roster(self, channel: bytes, sequence: int) -> bytes:
        """SHA-256 of each entry's meter key, 32 bytes each, back to back; empty in an open channel."""
        rows = self.database.rows("SELECT roster FROM batch WHERE channel = ? AND sequence = ?", channel, sequence)
        return rows[0][0] or b"" if rows else b""  # type: ignore[return-value]

    # wrapped keys

    def wrapped_keys(
        self, channel: bytes, sequence: int, reader: bytes, *, first: int = 0, limit: int = 1 << 20
    ) -> dict[int, bytes]:
        """Wrapped series keys of one reader, by entry position."""
        rows: list[Any] = self.database.rows(
            "SELECT position, wrapped FROM wrapped_key WHERE channel = ? AND sequence = ? AND reader = ?"
            " AND position >= ? ORDER BY position LIMIT ?",
            channel,
            sequence,
            reader,
            first,
            limit,
        )
        return dict(rows)

    def erase(self, channel: bytes, sequence: int, position: int) -> int:
        """Delete every wrapped key of one entry of a final batch, and the readings its meter had sent for it.

        The number of keys deleted. The block's digest stays, so that nothing else is taken in its place. Raises
        ``WrongBatchState``.
        """
        with self.database.transaction():
            batch = self.batch(channel, sequence)
            state = batch.state
            if state is not _S.FINAL:
                raise WrongBatchState(
                    "keys are erased after finality only",
                    sequence=sequence,
                    expected=_S.FINAL.value,
                    actual=state.value,
                    hint="wait until the challenge window is over",
                )
            erased = self.database.run(
                "DELETE FROM wrapped_key WHERE channel = ? AND sequence = ? AND position = ?",
                channel,
                sequence,
                position,
            )
            self.database.run(
                "UPDATE device_block SET body = zeroblob(0) WHERE channel = ? AND meter = ? AND period_start = ?",
                channel,
                self.roster(channel, sequence)[32 * position : 32 * position + 32],  # empty, and no meter, if open
                batch.period_start,
            )
        self.database.run("PRAGMA wal_checkpoint(TRUNCATE)")  # the log may still hold what was deleted
        return erased

    # challenges

    def save_challenge(self, channel: bytes, sequence: int, position: int, deadline: int, state: str) -> None:
        """Keep a challenge as the chain's log tells it; told again, it changes nothing."""
        self.database.run(
            "INSERT INTO challenge VALUES (?, ?, ?, ?, ?) ON CONFLICT (channel, sequence, position)"
            " DO UPDATE SET state = excluded.state, deadline = MAX(deadline, excluded.deadline)",
            channel,
            sequence,
            position,
            deadline,
            state,
        )

    def challenges(self, channel: bytes, state: str) -> list[tuple[int, int, int]]:
        """(sequence, position, deadline) of challenges in a state, most urgent first."""
        return self.database.rows(  # type: ignore[return-value]
            "SELECT sequence, position, deadline FROM challenge WHERE channel = ? AND state = ? ORDER BY deadline",
            channel,
            state,
        )

    # documents

    def put_document(self, channel: bytes, name: str, body: bytes) -> None:
        """Keep a document of a channel (evidence, endorsements, member list), replacing the one before."""
        self.database.run(
            "INSERT INTO document VALUES (?, ?, ?) ON CONFLICT (channel, name) DO UPDATE SET body = excluded.body",
            channel,
            name,
            body,
        )

    def keep_evidence(self, channel: bytes, evidence: bytes, endorsements: bytes) -> None:
        """Keep what a registration is judged from under the digests that its verdict names, for good.

        Whoever appraises again may come when the next registration is the newest.
        """
        for name, digest, body in (
            ("evidence", parse_evidence(evidence).digest, evidence),
            ("endorsements", sha256(endorsements), endorsements),
        ):
            self.put_document(channel, f"{name}-{digest.hex()}", body)

    def document(self, channel: bytes, name: str) -> bytes | None:
        """A document of a channel, None when there is none."""
        rows = self.database.rows("SELECT body FROM document WHERE channel = ? AND name = ?", channel, name)
        return rows[0][0] if rows else None  # type: ignore[return-value]

    def _move(self, channel: bytes, sequence: int, state: StoredState) -> None:
        current = self.batch(channel, sequence).state
        if current is state:
            return
        if state not in NEXT_STATES[current]:
            raise WrongBatchState(
                "the batch cannot take this step", sequence=sequence, expected=current.value, actual=state.value
            )
        self.database.run(
            "UPDATE batch SET state = ? WHERE channel = ? AND sequence = ?", state.value, channel, sequence
        )

    def _batches(self, condition: str, *values: object) -> list[StoredBatch]:
        rows: list[Any] = self.database.rows(
            "SELECT channel, sequence, period_start, period_end, state, header, header_digest, signature, content_id,"  # noqa: S608
            " committed_at, parameters_version, block_number, block_hash, transaction_hash, gas_used, released,"
            " stake_gwei"
            f" FROM batch {condition}",
            *values,
        )
        return [stored_batch(row) for row in rows]


def _int(value: object) -> int:
    return int(str(value))
