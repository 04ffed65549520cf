"""What an operator's tables refuse, whatever back end holds them."""

from __future__ import annotations

from wattest.errors import ProtocolError, VerificationError


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
