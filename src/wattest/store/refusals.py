"""What an operator's tables refuse, whatever back end holds them."""

from __future__ import annotations

from wattest.errors import ProtocolError, VerificationError
from wattest.store.settlement import Settlement


class SecondHeader(VerificationError):
    """The enclave gave another header for a sequence that has one: it is not stored, and nothing is committed."""


class BlockConflict(VerificationError):
    """A meter sent two different blocks for one period; the first one counts."""


class WrongBatchState(ProtocolError):
    """A step that the batch's state does not allow."""


class UnknownStoredBatch(ProtocolError):
    """No batch of this sequence is stored."""


class WrongKeyState(ProtocolError):
    """A step that the enclave key's state does not allow."""


class SettledAlready(ProtocolError):
    """A period of which a part is settled, or being settled, in the same statement channel."""


def settled_already(known: Settlement) -> SettledAlready:
    """Why nothing else is settled over a part of this one's period."""
    return SettledAlready(
        "a part of this period is settled, or being settled, in other terms or other days",
        period_start=known.period_start,
        period_end=known.period_end,
        state=known.state.value,
        sequence=known.sequence,
        hint="see what is settled: wattest settle --status",
    )


class UnknownSettlement(ProtocolError):
    """No settlement of this sequence is stored."""


class WrongSettlementState(ProtocolError):
    """A step that the settlement's state does not allow."""
