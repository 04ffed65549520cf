"""Payouts of a simulated chain: the contract's twin behind the port that settling asks.

Decided here: which call is which function of the twin. Not decided here: any rule (``twin.payouts``), blocks and time
(``simulated``). No token moves: what is funded arrives, what is claimed is paid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from wattest.chain.abi import load_abi
from wattest.chain.payouts import DistributionAccount, PendingRoot
from wattest.chain.simulated import Noted, SimulatedChain, SimulatedRequest, World
from wattest.chain.transactions import Receipt
from wattest.crypto.signer import Signer
from wattest.merkle import InclusionProof
from wattest.messages.header import BatchHeader
from wattest.twin import payouts as rules
from wattest.twin.batch import BatchCitation, BatchReference, BatchRun, EntryInclusion
from wattest.twin.payouts import Distribution, DistributionTerms, PayoutsState
from wattest.twin.referee.state import Call, RefereeState

PAYOUTS = b"\xfb" * 20
_NOBODY, _NOTHING = bytes(20), bytes(32)
_NONE = Distribution(DistributionTerms(_NOBODY, _NOBODY, _NOBODY, _NOBODY, _NOTHING, _NOBODY, 0, (), ()))
_Rule = Callable[[PayoutsState, Call, RefereeState], PayoutsState]


@dataclass(frozen=True, slots=True)
class _Disabled:
    """A root that was taken back, in the log."""

    distribution: bytes
    root: bytes


class SimulatedPayouts:
    """``chain.payouts_port.PayoutsPort`` over the twin; also what a distribution's creator and its funder do."""

    def __init__(self, chain: SimulatedChain) -> None:
        self.client = chain
        self.abi = load_abi("Payouts")

    def create_distribution(
        self, signer: Signer, salt: bytes, terms: DistributionTerms, *, intent: str | None = None
    ) -> Receipt:
        """Create the distribution ``twin.payouts.distribution_id(signer.address, salt)``."""
        return self._send(
            signer, lambda s, call, _: rules.apply_create_distribution(s, call, salt, terms), intent=intent
        )

    def fund(self, signer: Signer, distribution: bytes, amount: int, *, intent: str | None = None) -> Receipt:
        """Add to the escrow."""
        return self._send(signer, lambda s, _call, _: rules.apply_fund(s, distribution, amount), intent=intent)

    def post_root(
        self,
        signer: Signer,
        distribution: bytes,
        *,
        root: bytes,
        total: int,
        header: BatchHeader,
        statement: BatchCitation,
        entry: EntryInclusion,
        cited: Sequence[BatchCitation],
        intent: str | None = None,
    ) -> Receipt:
        """Post the root that a statement entry carries."""
        return self._send(
            signer,
            lambda s, call, referee: rules.apply_post_root(
                s, call, referee, distribution, root, total, header, self._shown(statement), entry, self._runs(cited)
            ),
            intent=intent,
        )

    def activate_root(
        self,
        signer: Signer,
        distribution: bytes,
        statement: BatchCitation,
        cited: Sequence[BatchCitation],
        *,
        intent: str | None = None,
    ) -> Receipt:
        """Make the waiting root active."""
        return self._send(
            signer,
            lambda s, call, referee: rules.apply_activate_root(
                s, call, referee, distribution, self._shown(statement), self._runs(cited)
            ),
            intent=intent,
        )

    def disable_root(self, signer: Signer, distribution: bytes) -> Receipt:
        """Drop the waiting root."""
        noted = _Disabled(distribution, self.pending_root_of(distribution).root)
        return self._send(signer, lambda s, call, _: rules.apply_disable_root(s, call, distribution), noted=noted)

    def claim(
        self,
        signer: Signer,
        distribution: bytes,
        *,
        account: bytes,
        cumulative_amount: int,
        salt: bytes,
        leaf_index: int,
        leaf_count: int,
        path: Sequence[bytes],
        intent: str | None = None,
    ) -> Receipt:
        """Pay an account what the active root promises beyond what it was paid."""
        proof = InclusionProof(leaf_index, leaf_count, tuple(path))
        return self._send(
            signer,
            lambda s, _call, _: rules.apply_claim(s, distribution, account, cumulative_amount, salt, proof),
            intent=intent,
        )

    def terms_of(self, distribution: bytes) -> DistributionTerms:
        """What a distribution is fixed to; zeros where there is none."""
        return self._known(distribution).terms

    def account_of(self, distribution: bytes) -> DistributionAccount:
        """A distribution's sums and active root."""
        known = self._known(distribution)
        return DistributionAccount(
            known.funded, known.reclaimed, known.paid, known.active_total, known.active_root, known.active_sequence
        )

    def pending_root_of(self, distribution: bytes) -> PendingRoot:
        """The root that waits; zeros when none does."""
        pending = self._known(distribution).pending
        if pending is None:
            return PendingRoot(bytes(32), 0, 0, 0, bytes(32))
        return PendingRoot(
            pending.root, pending.total, pending.sequence, pending.activatable_at, pending.citations_digest
        )

    def was_disabled(self, distribution: bytes, root: bytes) -> bool:
        """Whether a root was taken back while it waited, as the log tells it."""
        return _Disabled(distribution, root) in self.client.log(0, self.client.block().number)

    def paid_to(self, distribution: bytes, account: bytes) -> int:
        """Cumulative amount paid to an account."""
        return self._known(distribution).paid_to.get(account, 0)

    def _shown(self, batch: BatchCitation) -> BatchReference:
        return self.client.histories.reference(batch)

    def _runs(self, batches: Sequence[BatchCitation]) -> list[BatchRun]:
        return self.client.histories.runs(batches)

    def _known(self, distribution: bytes) -> Distribution:
        return self.client.world.payouts.distributions.get(distribution, _NONE)

    def _send(
        self, signer: Signer, rule: _Rule, *, intent: str | None = None, noted: _Disabled | None = None
    ) -> Receipt:
        def change(world: World, call: Call, _chain: SimulatedChain) -> tuple[World, Noted]:
            notes: Noted = [] if noted is None else [lambda _mined, _at: noted]
            return replace(world, payouts=rule(world.payouts, call, world.referee)), notes

        request = SimulatedRequest(signer, self.abi, PAYOUTS, b"", intent=intent, change=change)
        return self.client.deliver(request)
