"""What a verifier asks of the chain: a small port, answered by ``chain`` over RPC or by a test from memory.

Decided here: the questions and the shape of the answers. Not decided here: how they are fetched. Invariant: an answer
carries the time of its own block (unix seconds), so that each link is judged at the time when it was made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from wattest.protocol.batch import BatchState


@dataclass(frozen=True, slots=True)
class CommittedBatchView:
    """A batch on chain: digest of its header, when it was committed, its present state, whether it is final now."""

    header_digest: bytes
    committed_at: int
    state: BatchState
    is_final: bool


@dataclass(frozen=True, slots=True)
class RegistrationView:
    """One registration of an enclave key: digest of the verdict, when registered, when it ends.

    ``revoked_at`` is None unless the key was revoked, then that block's time.
    """

    verdict_digest: bytes
    registered_at: int
    expires_at: int
    revoked_at: int | None


@dataclass(frozen=True, slots=True)
class PayoutRootView:
    """A root that was posted to a distribution; ``activated_at`` and ``disabled_at`` None unless that happened."""

    posted_at: int
    activated_at: int | None
    disabled_at: int | None


class ChainView(Protocol):
    """Read-only answers about one deployment; every method may raise TransportError."""

    def chain_id(self) -> int:
        """The chain's id."""

    def genesis_hash(self) -> bytes:
        """The hash of block 0, 32 bytes."""

    def batch(self, channel: bytes, operator: bytes, sequence: int) -> CommittedBatchView | None:
        """The batch that the referee holds there, if any."""

    def registrations(self, enclave_key: bytes) -> Sequence[RegistrationView]:
        """Every registration of the key, oldest first."""

    def payout_root(self, distribution: bytes, root: bytes, total: int) -> PayoutRootView | None:
        """When that root with that total was posted to the distribution, if it was."""
