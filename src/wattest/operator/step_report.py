"""What one step of an operator did, and what it could not do.

Decided here: the values that the loop writes into, beside what the keeper of keys does (``keys.key_report``). Not
decided here: how they are shown (``apps.actions.operator_run``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from wattest.chain.client import Receipt
from wattest.keys.key_report import KeyReport
from wattest.keys.standby import ReplicaLag
from wattest.settling.settler import SettlingReport


@dataclass(slots=True)
class StepReport(KeyReport):
    """What one step did, and what it could not do and will try again.

    ``missed`` are sequences whose header was released and whose deadline passed; their periods are left out.
    """

    ingested: int = 0
    sealed: list[int] = field(default_factory=list)
    committed: list[Receipt] = field(default_factory=list)
    answered: list[Receipt] = field(default_factory=list)
    finalised: list[int] = field(default_factory=list)
    missed: list[int] = field(default_factory=list)
    lags: list[ReplicaLag] = field(default_factory=list)
    settling: SettlingReport = field(default_factory=SettlingReport)

    @property
    def is_idle(self) -> bool:
        """Whether nothing was done."""
        done = self.ingested or self.sealed or self.committed or self.answered or self.finalised or self.keys
        return not (done or self.settling.steps)

    def raise_first(self) -> None:
        """Raise the first error, if there is one."""
        if self.errors:
            raise self.errors[0]
