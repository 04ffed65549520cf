"""What a demo run found out: the one object behind its table, its JSON and its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from wattest.receipt.link import Link
from wattest.settlement.bill import Bill
from wattest.settlement.tariff import Tariff
from wattest.units import INTERVALS_PER_DAY

Cheat = Literal["withhold", "forge", "equivocate", "rollback", "none"]
Outcome = Literal["slashed", "refused", "honest"]


@dataclass(frozen=True, slots=True)
class Slashing:
    """An operator that lost its stake; ``lost_wei`` is burned stake plus the catcher's reward.

    ``operator`` and ``caught_by`` are the names that people read, the addresses (20 bytes) what the chain knows.
    """

    operator: str
    operator_address: bytes
    cheat: str
    lost_wei: int
    caught_by: str
    catcher_address: bytes

    def as_dict(self) -> dict[str, str]:
        """JSON-ready form: addresses as 0x-hex, wei as a decimal string."""
        return {
            "operator": "0x" + self.operator_address.hex(),
            "cheat": self.cheat,
            "lost": str(self.lost_wei),
            "caught_by": "0x" + self.catcher_address.hex(),
        }


@dataclass(frozen=True, slots=True)
class QuarterHour:
    """The community in one quarter hour, in milliwatt-hours: what members drew, and where it came from."""

    start: int
    own_use_milliwatt_hours: int
    shared_milliwatt_hours: int
    exported_milliwatt_hours: int


@dataclass(frozen=True, slots=True)
class HouseholdBill:
    """A household's bill as the enclave made it, what it was paid on chain, and what a stranger found of its receipt.

    ``paid_out_token`` is in the token's smallest unit, which is one cent in the demo.
    """

    household: str
    bill: Bill
    paid_out_token: int
    checks: tuple[Link, ...] = ()

    @property
    def total_cents(self) -> int:
        """The bill's own total; negative: the household is paid."""
        return self.bill.total_cents


@dataclass(frozen=True, slots=True)
class DemoResult:
    """Everything a run reports; money on chain in the smallest unit, times in seconds of wall clock.

    ``judged_clean`` counts the honest operator's batches that the watcher computed again and found nothing in.
    """

    households: int
    days: int
    readings: int
    batches: int
    commit_gas: Sequence[int]
    cheat: Cheat
    outcome: Outcome
    slashed: Sequence[Slashing]
    bills: Sequence[HouseholdBill]
    tariff: Tariff
    paid_out: int
    receipts_verified: int
    judged_clean: int
    stages: Mapping[str, float]
    refusal: str | None = None
    quarter_hours: Sequence[QuarterHour] = field(default=())
    gas: Mapping[str, int] = field(default_factory=dict)

    @property
    def shared_milliwatt_hours(self) -> int:
        """What the community's members used of each other's solar power."""
        return sum(quarter.shared_milliwatt_hours for quarter in self.quarter_hours)

    @property
    def steady_commit_gas(self) -> int:
        """The median commit's gas: half of all commits cost at most this."""
        ordered = sorted(self.commit_gas)
        return ordered[len(ordered) // 2] if ordered else 0

    @property
    def gas_per_reading(self) -> float:
        """All gas of the community's commits, spread over its readings; imported files have commits of their own."""
        committed = self.households * self.days * INTERVALS_PER_DAY
        return sum(self.commit_gas) / committed if committed else 0.0

    def as_dict(self) -> dict[str, object]:
        """The object that ``--json`` prints."""
        return {
            "households": self.households,
            "readings": self.readings,
            "batches": self.batches,
            "commit_gas": self.steady_commit_gas,
            "gas_per_reading": round(self.gas_per_reading, 3),
            "cheat": self.cheat,
            "outcome": self.outcome,
            "slashed": [slashing.as_dict() for slashing in self.slashed],
            "refusal": self.refusal,
            "bills": len(self.bills),
            "paid_out": str(self.paid_out),
            "receipts_verified": self.receipts_verified,
            "judged_clean": self.judged_clean,
            "gas": dict(self.gas),
            "stages": {name: round(seconds, 3) for name, seconds in self.stages.items()},
        }
