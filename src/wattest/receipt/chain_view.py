"""What a verifier asks of the chain: a small port, answered by ``chain`` over RPC or by a test from memory.

Decided here: the questions and the shape of the answers. Not decided here: how they are fetched. Invariant: an answer
carries the time of its own block (unix seconds), so that each link is judged at the time when it was made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from wattest.twin.batch import BatchState


@dataclass(frozen=True, slots=True)
class CommittedBatchView:
    """A batch on chain: digest of its header, when it was committed, its present state, whether it is final now."""

    header_digest: bytes
    committed_at: int
    state: BatchState

    @property
    def is_final(self) -> bool:
        """Whether nobody can dispute the batch any more."""
        return self.state.name == "FINAL"  # the twin stays out of a process that asks no chain


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
        """Every registration of the key, for whatever channel, oldest first: a verdict's digest tells them apart."""

    def payout_root(self, distribution: bytes, root: bytes, total: int) -> PayoutRootView | None:
        """When that root with that total was posted to the distribution, if it was."""


class RememberedChainView:
    """The same answers, each asked for once: a receipt asks the same of a chain several times, and so do many."""

    def __init__(self, view: ChainView) -> None:
        self._view = view
        self._batches: dict[tuple[bytes, bytes, int], CommittedBatchView | None] = {}
        self._registrations: dict[bytes, Sequence[RegistrationView]] = {}
        self._payout_roots: dict[tuple[bytes, bytes, int], PayoutRootView | None] = {}

    def chain_id(self) -> int:
        """The chain's id."""
        return self._view.chain_id()

    def genesis_hash(self) -> bytes:
        """The hash of block 0, 32 bytes."""
        return self._view.genesis_hash()

    def batch(self, channel: bytes, operator: bytes, sequence: int) -> CommittedBatchView | None:
        """The batch that the referee holds there, if any."""
        key = (channel, operator, sequence)
        if key not in self._batches:
            self._batches[key] = self._view.batch(channel, operator, sequence)
        return self._batches[key]

    def registrations(self, enclave_key: bytes) -> Sequence[RegistrationView]:
        """Every registration of the key, oldest first."""
        if enclave_key not in self._registrations:
            self._registrations[enclave_key] = self._view.registrations(enclave_key)
        return self._registrations[enclave_key]

    def payout_root(self, distribution: bytes, root: bytes, total: int) -> PayoutRootView | None:
        """When that root with that total was posted to the distribution, if it was."""
        key = (distribution, root, total)
        if key not in self._payout_roots:
            self._payout_roots[key] = self._view.payout_root(distribution, root, total)
        return self._payout_roots[key]
