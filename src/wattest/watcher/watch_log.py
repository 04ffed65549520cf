"""What a watcher remembers: headers it saw, batches it judged, actions it took.

Decided here: the tables. Not decided here: what is done (``watcher``). Invariants: one verdict per batch and kind; an
action is written before it is sent and after it is done, so that a killed watcher takes it up again and never twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wattest.chain.referee_events import CommittedBatch, Place
from wattest.io.crash_points import CrashPoints
from wattest.metering.series_block import PreviousState
from wattest.store.belonging import BELONGING_TABLE, SqliteBelonging
from wattest.store.database import CURSOR_TABLE, JOURNAL_TABLE, CommittedTable, Database, SqliteCursors, SqliteJournal

MIGRATIONS = (
    JOURNAL_TABLE
    + CURSOR_TABLE
    + """
CREATE TABLE seen_commit (
    channel BLOB NOT NULL, operator BLOB NOT NULL, sequence INTEGER NOT NULL, header_digest BLOB NOT NULL,
    committed_at INTEGER NOT NULL, parameters_version INTEGER NOT NULL, block_number INTEGER NOT NULL,
    block_hash BLOB NOT NULL, transaction_hash BLOB NOT NULL, log_index INTEGER NOT NULL, state TEXT NOT NULL,
    PRIMARY KEY (channel, operator, sequence)
);
CREATE TABLE seen_header (
    channel BLOB NOT NULL, operator BLOB NOT NULL, sequence INTEGER NOT NULL, header_digest BLOB NOT NULL,
    header BLOB NOT NULL, signature BLOB NOT NULL, PRIMARY KEY (channel, operator, sequence, header_digest)
);
CREATE TABLE meter_state (
    channel BLOB NOT NULL, operator BLOB NOT NULL, sequence INTEGER NOT NULL, meter BLOB NOT NULL,
    last_interval_end INTEGER NOT NULL, import_register BLOB NOT NULL, export_register BLOB NOT NULL,
    PRIMARY KEY (channel, operator, meter)
);
CREATE TABLE action (
    intent TEXT PRIMARY KEY, kind TEXT NOT NULL, channel BLOB NOT NULL, operator BLOB NOT NULL,
    sequence INTEGER NOT NULL, position INTEGER, detail TEXT NOT NULL, state TEXT NOT NULL, deadline INTEGER
);
CREATE TABLE verdict (
    ordinal INTEGER PRIMARY KEY, channel BLOB NOT NULL, operator BLOB NOT NULL, sequence INTEGER NOT NULL,
    header_digest BLOB NOT NULL, body TEXT NOT NULL, UNIQUE (channel, operator, sequence, header_digest)
);
""",
    """
CREATE TABLE member_list (
    channel BLOB NOT NULL, valid_from INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (channel, valid_from)
);
""",
    BELONGING_TABLE,
    "ALTER TABLE seen_commit ADD COLUMN stake_gwei INTEGER;",
)
COMMITTED = CommittedTable("seen_commit", stake_since=len(MIGRATIONS))
_COLUMNS = (
    "channel, operator, sequence, header_digest, committed_at, parameters_version, block_number, block_hash,"
    " transaction_hash, log_index, stake_gwei"
)
_MAX_INTEGER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Action:
    """Something a watcher does on chain: kind, batch, entry, what it needs, how far it is."""

    intent: str
    kind: str
    channel: bytes
    operator: bytes
    sequence: int
    position: int | None
    detail: Mapping[str, Any]
    state: str
    deadline: int | None


class WatchLog:
    """The watcher's database."""

    def __init__(self, path: Path, *, faults: CrashPoints | None = None) -> None:
        self.database = Database(path, MIGRATIONS, committed=COMMITTED)
        self.journal = SqliteJournal(self.database, faults)
        self.cursors = SqliteCursors(self.database)
        self.belonging = SqliteBelonging(self.database)

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def note_commit(self, row: tuple[object, ...]) -> bool:
        """Keep a commit (the columns of ``commit``), to be judged; False when this very one is known.

        After a reorganisation another header may stand in its place: then it is judged anew.
        """
        with self.database.transaction():
            known = self.database.rows(
                "SELECT header_digest FROM seen_commit WHERE channel = ? AND operator = ? AND sequence = ?", *row[:3]
            )
            if known and known[0][0] == row[3]:
                self.database.run(
                    "UPDATE seen_commit SET committed_at = ?, parameters_version = ?, block_number = ?, block_hash = ?,"
                    " transaction_hash = ?, log_index = ?, stake_gwei = ? WHERE channel = ? AND operator = ?"
                    " AND sequence = ?",
                    *row[4:11],
                    *row[:3],
                )
                return False
            self.database.run(
                f"INSERT OR REPLACE INTO seen_commit ({_COLUMNS}, state)"  # noqa: S608
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'seen')",
                *row,
            )
        return True

    def commits(self, state: str) -> list[tuple[Any, ...]]:
        """Commits in a state (``seen``, ``judged``), in chain order."""
        return self.database.rows(
            f"SELECT {_COLUMNS} FROM seen_commit WHERE state = ?"  # noqa: S608
            " ORDER BY block_number, log_index",
            state,
        )

    def commit(self, channel: bytes, operator: bytes, sequence: int) -> tuple[Any, ...] | None:
        """One commit, None when it was not seen."""
        rows = self.database.rows(
            f"SELECT {_COLUMNS} FROM seen_commit"  # noqa: S608
            " WHERE channel = ? AND operator = ? AND sequence = ?",
            channel,
            operator,
            sequence,
        )
        return rows[0] if rows else None

    def note_header(self, key: tuple[bytes, bytes, int], digest: bytes, header: bytes, signature: bytes) -> None:
        """Keep a signed header, wherever it was seen."""
        self.database.run(
            "INSERT OR IGNORE INTO seen_header VALUES (?, ?, ?, ?, ?, ?)", *key, digest, header, signature
        )

    def headers(self, key: tuple[bytes, bytes, int]) -> list[tuple[Any, ...]]:
        """(digest, header, signature) of every header seen for a sequence."""
        return self.database.rows(
            "SELECT header_digest, header, signature FROM seen_header"
            " WHERE channel = ? AND operator = ? AND sequence = ? ORDER BY rowid",
            *key,
        )

    def meters(self, channel: bytes, operator: bytes, sequence: int) -> dict[bytes, PreviousState] | None:
        """Where meters stand after the batch of this sequence; None when that one was not judged clean here."""
        if sequence == 0:
            return {}
        rows: list[Any] = self.database.rows(
            "SELECT meter, last_interval_end, import_register, export_register FROM meter_state"
            " WHERE channel = ? AND operator = ? AND sequence = ?",
            channel,
            operator,
            sequence,
        )
        if not rows:
            return None
        return {r[0]: PreviousState(r[1], int.from_bytes(r[2], "big"), int.from_bytes(r[3], "big")) for r in rows}

    def note_members(self, channel: bytes, valid_from: int, body: bytes) -> None:
        """Keep a member list that the channel's manager signed; one that begins after SQLite's integers never holds."""
        if valid_from <= _MAX_INTEGER:
            self.database.run("INSERT OR IGNORE INTO member_list VALUES (?, ?, ?)", channel, valid_from, body)

    def members(self, channel: bytes, period_start: int) -> bytes | None:
        """The kept list with the latest beginning not after a period's start."""
        rows: list[Any] = self.database.rows(
            "SELECT body FROM member_list WHERE channel = ? AND valid_from <= ? ORDER BY valid_from DESC LIMIT 1",
            channel,
            min(period_start, _MAX_INTEGER),
        )
        return rows[0][0] if rows else None

    def save_judgement(
        self,
        row: tuple[Any, ...],
        verdict: Mapping[str, object],
        meters: Mapping[bytes, PreviousState] | None,
        actions: list[Action],
    ) -> bool:
        """Keep a verdict with the actions it leads to, all in one; False when it was given before."""
        channel, operator, sequence, digest = row[:4]
        with self.database.transaction():
            fresh = self.database.run(
                "INSERT OR IGNORE INTO verdict (channel, operator, sequence, header_digest, body)"
                " VALUES (?, ?, ?, ?, ?)",
                channel,
                operator,
                sequence,
                digest,
                json.dumps(verdict, sort_keys=True),
            )
            self.database.run(
                "UPDATE seen_commit SET state = 'judged' WHERE channel = ? AND operator = ? AND sequence = ?",
                channel,
                operator,
                sequence,
            )
            if meters is not None:
                self.database.run("DELETE FROM meter_state WHERE channel = ? AND operator = ?", channel, operator)
                self.database.run_many(
                    "INSERT INTO meter_state VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        (
                            channel,
                            operator,
                            sequence,
                            meter,
                            s.last_interval_end,
                            s.import_register.to_bytes(8, "big"),
                            s.export_register.to_bytes(8, "big"),
                        )
                        for meter, s in meters.items()
                    ),
                )
            for action in actions:
                self.add_action(action)
        return bool(fresh)

    def add_action(self, action: Action) -> None:
        """Plan an action; the same one again changes nothing."""
        self.database.run(
            "INSERT OR IGNORE INTO action VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            action.intent,
            action.kind,
            action.channel,
            action.operator,
            action.sequence,
            action.position,
            json.dumps(action.detail, sort_keys=True),
            action.state,
            action.deadline,
        )

    def actions(self, *states: str) -> list[Action]:
        """Actions in these states, oldest first."""
        marks = ",".join("?" * len(states))
        rows: list[Any] = self.database.rows(
            f"SELECT intent, kind, channel, operator, sequence, position, detail, state, deadline FROM action"  # noqa: S608
            f" WHERE state IN ({marks}) ORDER BY rowid",
            *states,
        )
        return [Action(a, b, c, d, e, f, json.loads(g), h, i) for a, b, c, d, e, f, g, h, i in rows]

    def set_action(self, intent: str, state: str, deadline: int | None = None) -> None:
        """Note how far an action is."""
        self.database.run(
            "UPDATE action SET state = ?, deadline = COALESCE(?, deadline) WHERE intent = ?", state, deadline, intent
        )

    def close_challenge(self, key: tuple[bytes, bytes, int], position: int, state: str) -> None:
        """Note that a challenge of ours ended."""
        self.database.run(
            "UPDATE action SET state = ? WHERE kind = 'challenge' AND channel = ? AND operator = ? AND sequence = ?"
            " AND position = ? AND state IN ('planned', 'open')",
            state,
            *key,
            position,
        )

    def verdicts(self) -> list[dict[str, Any]]:
        """Every verdict, oldest first."""
        return [json.loads(str(row[0])) for row in self.database.rows("SELECT body FROM verdict ORDER BY ordinal")]


def commit_of(row: tuple[Any, ...]) -> CommittedBatch:
    """The commit that a row of ``WatchLog.commits`` tells."""
    channel, operator, sequence, digest, committed_at, version, *place, stake_gwei = row
    return CommittedBatch(channel, operator, sequence, digest, committed_at, version, stake_gwei, Place(*place))
