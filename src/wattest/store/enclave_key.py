"""An operator's enclave key on its way: its states, which may follow which, why it was made, how it is registered.

Decided here: the transition table. Not decided here: when a step is taken (``keys.key_keeper``), how it is kept
(``key_store``). docs/spec/lifecycles.md, section "Enclave key, as its operator keeps it"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from wattest.messages.evidence_verdict import EvidenceVerdict

PREPARED, REGISTERED, VOID = "prepared", "registered", "void"
"""A registration's states."""


class KeyState(Enum):
    """How far an enclave key is in its life."""

    CREATED = "created"
    ACTIVE = "active"
    RETIRED = "retired"
    REVOKED = "revoked"


_K = KeyState
NEXT_KEY_STATES: Mapping[KeyState, frozenset[KeyState]] = {
    _K.CREATED: frozenset({_K.ACTIVE, _K.REVOKED}),
    _K.ACTIVE: frozenset({_K.RETIRED, _K.REVOKED}),
    _K.RETIRED: frozenset({_K.REVOKED}),
    _K.REVOKED: frozenset(),
}


class Cause(Enum):
    """Why a key was made."""

    FIRST = "first"
    PLANNED = "planned"
    MISSED = "missed"  # a sealed batch missed its deadline
    GIVEN_UP = "given up"  # its operator gave a sealed batch up that can never be committed
    REVOKED = "revoked"
    LOST = "lost"  # the enclave's state is gone, rolled back, forked or does not open
    UPGRADE = "upgrade"
    TAKE_OVER = "take_over"  # a standby's, whose primary is dead

    @property
    def carries(self) -> bool:
        """Whether the enclave before may still give its state: not when it is lost, or not to be believed."""
        return self in {Cause.PLANNED, Cause.MISSED, Cause.GIVEN_UP, Cause.UPGRADE}

    @property
    def waits(self) -> bool:
        """Whether a batch that is being sealed is waited for: only where its enclave can still seal it."""
        return self is Cause.PLANNED


@dataclass(frozen=True, slots=True)
class EnclaveKey:
    """One key: in which slot its enclave's state lies, its 20-byte address, the chain's head that it started at.

    ``carried``: it takes over the state of the enclave before, instead of starting with none.
    """

    channel: bytes
    slot: int
    address: bytes
    state: KeyState
    cause: Cause
    start: tuple[int, bytes]
    created_at: int
    carried: bool = False


@dataclass(frozen=True, slots=True)
class PreparedRegistration:
    """A registration as it is sent: the verdict, what proves it to the registry, and what it was made from."""

    channel: bytes
    ordinal: int
    enclave_key: bytes
    state: str
    verdict: EvidenceVerdict
    proof: bytes
    evidence: bytes
    endorsements: bytes

    @property
    def intent(self) -> str:
        """The name that its transaction goes by."""
        return f"register:{self.channel.hex()}:{self.ordinal}"


@dataclass(frozen=True, slots=True)
class AbandonedBatch:
    """A header that was released and can never be committed."""

    sequence: int
    period_start: int
    period_end: int
    header_digest: bytes
    cause: Cause
