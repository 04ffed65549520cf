"""What one look at an operator's enclave keys did, and what it could not do.

Decided here: the values that the keeper of keys writes into, and the error that says that a channel stands still. The
operator's own report is one of these (``operator.step_report``); how it is shown: ``apps.actions.operator_run``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from wattest.collateral.collateral_outlook import CollateralWarning
from wattest.errors import ProtocolError, WattestError
from wattest.keys.key_life import ExpiryWarning


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
class KeyReport:
    """What was done for keys, what is to be said, and what failed and will be tried again."""

    keys: list[KeyChange] = field(default_factory=list)
    warnings: list[ExpiryWarning] = field(default_factory=list)
    collateral: list[CollateralWarning] = field(default_factory=list)
    errors: list[WattestError] = field(default_factory=list)
