"""Where an operator keeps its settlements, step by step.

Decided here: the table, and that no time of a metering channel is settled twice in one statement channel. Not decided
here: when a step is taken (``settling.settler``). Invariants: what a settlement began with never changes; what the
enclave gave is kept in the transaction that keeps its header.
"""

from __future__ import annotations

from typing import Any

from wattest.messages.member_list import parse_signed_member_list
from wattest.messages.settlement_terms import SignedTerms
from wattest.store.database import Database
from wattest.store.refusals import SettledAlready, UnknownSettlement, WrongSettlementState, settled_already
from wattest.store.settlement import ENDED, NEXT_SETTLEMENT_STATES, SettledPayouts, Settlement, SettlementState

SETTLEMENT_TABLE = """
CREATE TABLE settlement (
    statement_channel BLOB NOT NULL, sequence INTEGER NOT NULL, previous BLOB NOT NULL,
    metering_channel BLOB NOT NULL, period_start INTEGER NOT NULL, period_end INTEGER NOT NULL,
    first_cited INTEGER NOT NULL, last_cited INTEGER NOT NULL, zone TEXT NOT NULL, distribution BLOB NOT NULL,
    members BLOB NOT NULL, payees BLOB NOT NULL, tariff BLOB NOT NULL, allocation BLOB NOT NULL,
    terms_from INTEGER NOT NULL, terms_until INTEGER NOT NULL, terms_signature BLOB NOT NULL,
    previous_payouts BLOB NOT NULL, state TEXT NOT NULL,
    member_of BLOB, bills BLOB, payout_entry INTEGER, payout_root BLOB, payout_total BLOB, payout_list BLOB,
    payout_salts BLOB,
    PRIMARY KEY (statement_channel, sequence)
);
"""
_COLUMNS = (
    "statement_channel, sequence, previous, metering_channel, period_start, period_end, first_cited, last_cited, zone,"
    " distribution, members, payees, tariff, allocation, terms_from, terms_until, terms_signature, previous_payouts,"
    " state, member_of, bills, payout_entry, payout_root, payout_total, payout_list, payout_salts"
)
_ADDRESS_BYTES, _BILL_BYTES = 20, 353


class SqliteSettlementStore:
    """The settlement table of an operator's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, settlement: Settlement) -> Settlement:
        """Begin a settlement; the very same one again is the one that is there.

        Raises: SettledAlready where another one has a part of the period, or the sequence.
        """
        with self._database.transaction():
            for known in self.all(settlement.statement_channel):
                if known.is_same_work(settlement):
                    return known
                if known.overlaps(settlement):
                    raise settled_already(known)
                if known.sequence == settlement.sequence:
                    raise SettledAlready(
                        "another period is being settled",
                        sequence=known.sequence,
                        state=known.state.value,
                        hint="go on with it: wattest settle --continue",
                    )
            marks = ", ".join("?" * 19)
            self._database.run(
                f"INSERT INTO settlement ({_COLUMNS}) VALUES ({marks}{', NULL' * 7})",  # noqa: S608 - our own names
                settlement.statement_channel,
                settlement.sequence,
                settlement.previous,
                settlement.metering_channel,
                settlement.period_start,
                settlement.period_end,
                *settlement.cited,
                settlement.zone,
                settlement.distribution,
                settlement.members.to_bytes(),
                b"".join(settlement.payees),
                settlement.tariff,
                settlement.allocation,
                settlement.terms.valid_from,
                settlement.terms.valid_until,
                settlement.terms.signature,
                settlement.previous_payouts,
                SettlementState.PLANNED.value,
            )
        return self.one(settlement.statement_channel, settlement.sequence)

    def drop(self, settlement: Settlement) -> None:
        """Forget one for which nothing was signed. Raises ``WrongSettlementState`` for any other."""
        with self._database.transaction():
            self._require(settlement, SettlementState.PLANNED)
            self._database.run(
                "DELETE FROM settlement WHERE statement_channel = ? AND sequence = ?",
                settlement.statement_channel,
                settlement.sequence,
            )

    def save_sealed(
        self, settlement: Settlement, member_of: tuple[int, ...], bills: tuple[bytes, ...], payouts: SettledPayouts
    ) -> None:
        """Keep what the enclave gave; kept before, it changes nothing."""
        with self._database.transaction():
            if self.one(settlement.statement_channel, settlement.sequence).state is not SettlementState.PLANNED:
                return
            self.mark(settlement, SettlementState.SEALED)
            self._database.run(
                "UPDATE settlement SET member_of = ?, bills = ?, payout_entry = ?, payout_root = ?, payout_total = ?,"
                " payout_list = ?, payout_salts = ? WHERE statement_channel = ? AND sequence = ?",
                b"".join(member.to_bytes(4, "big", signed=True) for member in member_of),
                b"".join(bills),
                payouts.entry,
                payouts.root,
                payouts.total.to_bytes(32, "big"),
                payouts.listed,
                payouts.salts,
                settlement.statement_channel,
                settlement.sequence,
            )

    def mark(self, settlement: Settlement, state: SettlementState) -> None:
        """Move a settlement to its next state; the state it is in is no move. Raises ``WrongSettlementState``."""
        with self._database.transaction():
            current = self.one(settlement.statement_channel, settlement.sequence).state
            if current is state:
                return
            if state not in NEXT_SETTLEMENT_STATES[current]:
                raise WrongSettlementState(
                    "the settlement cannot take this step",
                    sequence=settlement.sequence,
                    expected=current.value,
                    actual=state.value,
                )
            self._database.run(
                "UPDATE settlement SET state = ? WHERE statement_channel = ? AND sequence = ?",
                state.value,
                settlement.statement_channel,
                settlement.sequence,
            )

    def one(self, statement_channel: bytes, sequence: int) -> Settlement:
        """A settlement; raises ``UnknownSettlement``."""
        found = self._select("WHERE statement_channel = ? AND sequence = ?", statement_channel, sequence)
        if not found:
            raise UnknownSettlement("no such settlement", channel=statement_channel, sequence=sequence)
        return found[0]

    def all(self, statement_channel: bytes | None = None) -> list[Settlement]:
        """Every settlement, or those of one statement channel, ascending by sequence."""
        if statement_channel is None:
            return self._select("ORDER BY statement_channel, sequence")
        return self._select("WHERE statement_channel = ? ORDER BY sequence", statement_channel)

    def unfinished(self) -> list[Settlement]:
        """Settlements with something left to do, ascending by channel and sequence."""
        ended = [state.value for state in ENDED]
        marks = ",".join("?" * len(ended))
        return self._select(f"WHERE state NOT IN ({marks}) ORDER BY statement_channel, sequence", *ended)

    def _require(self, settlement: Settlement, state: SettlementState) -> None:
        actual = self.one(settlement.statement_channel, settlement.sequence).state
        if actual is not state:
            raise WrongSettlementState(
                "the settlement cannot take this step",
                sequence=settlement.sequence,
                expected=state.value,
                actual=actual.value,
            )

    def _select(self, condition: str, *values: object) -> list[Settlement]:
        rows: list[Any] = self._database.rows(f"SELECT {_COLUMNS} FROM settlement {condition}", *values)  # noqa: S608
        return [_settlement(row) for row in rows]


def _settlement(row: Any) -> Settlement:
    state, member_of, bills, entry, root, total, listed, salts = row[18:]
    return Settlement(
        statement_channel=row[0],
        sequence=row[1],
        previous=row[2],
        metering_channel=row[3],
        period_start=row[4],
        period_end=row[5],
        cited=(row[6], row[7]),
        zone=row[8],
        distribution=row[9],
        members=parse_signed_member_list(row[10]),
        payees=_cut(row[11], _ADDRESS_BYTES),
        tariff=row[12],
        allocation=row[13],
        terms=SignedTerms(row[14], row[15], row[16]),
        previous_payouts=row[17],
        state=SettlementState(state),
        member_of=tuple(int.from_bytes(one, "big", signed=True) for one in _cut(member_of or b"", 4)),
        bills=_cut(bills or b"", _BILL_BYTES),
        payouts=None if entry is None else SettledPayouts(entry, root, int.from_bytes(total, "big"), listed, salts),
    )


def _cut(data: bytes, size: int) -> tuple[bytes, ...]:
    return tuple(data[at : at + size] for at in range(0, len(data), size))
