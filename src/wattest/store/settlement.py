"""A billing period's settlement on its way: its states, which may follow which, and what is known of it.

A reorganisation that drops a posted root takes a settlement back to committed.

Decided here: the transition table, and what is fixed when a settlement begins. Not decided here: when a step is taken
(``settling.settler``), how it is kept (``settlement_store``). docs/spec/lifecycles.md, section "Settlement"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from wattest.messages.member_list import SignedMemberList
from wattest.messages.settlement_terms import SignedTerms


class SettlementState(Enum):
    """How far a settlement is."""

    PLANNED = "planned"
    SEALED = "sealed"
    COMMITTED = "committed"
    POSTED = "posted"
    ACTIVATED = "activated"
    NOTHING_OWED = "nothing owed"
    DISABLED = "disabled"
    VOID = "void"


_S = SettlementState
NEXT_SETTLEMENT_STATES: Mapping[SettlementState, frozenset[SettlementState]] = {
    _S.PLANNED: frozenset({_S.SEALED}),
    _S.SEALED: frozenset({_S.COMMITTED, _S.VOID}),
    _S.COMMITTED: frozenset({_S.POSTED, _S.NOTHING_OWED, _S.VOID}),
    _S.POSTED: frozenset({_S.COMMITTED, _S.ACTIVATED, _S.DISABLED, _S.VOID}),
    _S.ACTIVATED: frozenset(),
    _S.NOTHING_OWED: frozenset(),
    _S.DISABLED: frozenset(),
    _S.VOID: frozenset(),
}
ENDED = frozenset(state for state, following in NEXT_SETTLEMENT_STATES.items() if not following)
"""States in which nothing is left to do."""
SEALED_STATES = frozenset(SettlementState) - {_S.PLANNED}


@dataclass(frozen=True, slots=True)
class SettledPayouts:
    """What a sealed statement owes: its entry, root (32 bytes, zero for an empty list), total, list and salts.

    ``listed`` is the cumulative list, 52 bytes each, ``salts`` 16 bytes each in its order.
    """

    entry: int
    root: bytes
    total: int
    listed: bytes = field(repr=False)
    salts: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Settlement:
    """One billing period of a metering channel in its statement channel; times unix seconds, half-open.

    ``sequence`` and ``previous`` (32 bytes) are the statement batch's; ``cited`` the first and the last metering batch;
    ``zone`` the IANA zone that the period was named in; ``previous_payouts`` the payout list that it continues. Once it
    is sealed ``member_of`` gives each entry's member (-1 for the payouts' entry), ``bills`` each member's bill without
    its intervals (353 bytes, in member order), and ``payouts`` what is owed.
    """

    statement_channel: bytes
    sequence: int
    previous: bytes
    metering_channel: bytes
    period_start: int
    period_end: int
    cited: tuple[int, int]
    zone: str
    distribution: bytes
    members: SignedMemberList = field(repr=False)
    payees: tuple[bytes, ...] = field(repr=False)
    tariff: bytes = field(repr=False)
    allocation: bytes = field(repr=False)
    terms: SignedTerms = field(repr=False)
    previous_payouts: bytes = field(repr=False)
    state: SettlementState = SettlementState.PLANNED
    member_of: tuple[int, ...] = field(default=(), repr=False)
    bills: tuple[bytes, ...] = field(default=(), repr=False)
    payouts: SettledPayouts | None = field(default=None, repr=False)

    @property
    def cited_sequences(self) -> range:
        """The metering batches that it is computed from."""
        return range(self.cited[0], self.cited[1] + 1)

    def is_same_work(self, other: Settlement) -> bool:
        """Whether another one settles the very same thing."""
        return self._work == other._work

    def overlaps(self, other: Settlement) -> bool:
        """Whether both are over a common time of one metering channel."""
        apart = self.period_end <= other.period_start or other.period_end <= self.period_start
        return self.metering_channel == other.metering_channel and not apart

    @property
    def _work(self) -> tuple[object, ...]:
        return (
            self.statement_channel, self.metering_channel, self.period_start, self.period_end, self.cited,
            self.distribution, self.members.to_bytes(), self.payees, self.tariff, self.allocation,
        )  # fmt: skip
