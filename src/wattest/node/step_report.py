"""What one step of an operator did, and what it could not do.

Decided here: the values that the loop and the keeper of keys write into, and the error that says that a channel stands
still. Not decided here: how they are shown (``apps.actions.operator_run``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from wattest.chain.client import Receipt
from wattest.errors import ProtocolError, WattestError
from wattest.node.collateral_outlook import CollateralWarning
from wattest.node.key_life import ExpiryWarning
from wattest.node.standby import ReplicaLag


class OperatorStopped(ProtocolError):
    """The operator can no longer commit in this channel: banned, exiting, its key revoked, or a deadline missed."""


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A step in a key's life: ``renewed``, ``active`` (with its cause) or ``revoked``."""

    change: str
    channel: bytes
    enclave_key: bytes
    cause: str | None = None


@dataclass(slots=True)
class StepReport:
    """What one step did, and what it could not do and will try again.

    ``missed`` are sequences whose header was released and whose deadline passed; their periods are left out.
    """

    ingested: int = 0
    sealed: list[int] = field(default_factory=list)
    committed: list[Receipt] = field(default_factory=list)
    answered: list[Receipt] = field(default_factory=list)
    finalised: list[int] = field(default_factory=list)
    missed: list[int] = field(default_factory=list)
    keys: list[KeyChange] = field(default_factory=list)
    warnings: list[ExpiryWarning] = field(default_factory=list)
    collateral: list[CollateralWarning] = field(default_factory=list)
    lags: list[ReplicaLag] = field(default_factory=list)
    errors: list[WattestError] = field(default_factory=list)

    @property
    def is_idle(self) -> bool:
        """Whether nothing was done."""
        return not (self.ingested or self.sealed or self.committed or self.answered or self.finalised or self.keys)

    def raise_first(self) -> None:
        """Raise the first error, if there is one."""
        if self.errors:
            raise self.errors[0]
