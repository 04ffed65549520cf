"""The Payouts contract with protocol types: escrow, roots with a delay, claims.

Decided here: how its functions map to protocol values, how citations are cut into runs, and that their proofs are made
when a call is.
Not decided here: what a payout list is (``settlement.payout``), when a root may become active (the contract).

Source: contracts/src/interfaces/IPayouts.sol.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattest.chain.contract_face import ContractFace
from wattest.chain.histories import Histories, with_fresh_proofs
from wattest.chain.transactions import Receipt
from wattest.crypto.signer import Signer
from wattest.messages.header import BatchHeader
from wattest.twin.batch import BatchCitation, EntryInclusion
from wattest.twin.payouts import DistributionTerms

if TYPE_CHECKING:
    from wattest.chain.client import ChainClient


@dataclass(frozen=True, slots=True)
class DistributionAccount:
    """A distribution's sums in the token's smallest units, its active root (zero: none) and that root's statement."""

    funded_amount: int
    reclaimed_amount: int
    paid_amount: int
    active_total: int
    active_root: bytes
    active_sequence: int


@dataclass(frozen=True, slots=True)
class PendingRoot:
    """A root that waits; ``activatable_at`` is zero when none does."""

    root: bytes
    total: int
    sequence: int
    activatable_at: int
    citations_digest: bytes


class Payouts(ContractFace):
    """The payouts contract at one address of one chain; ``histories`` are of the referee that its batches are in."""

    contract = "Payouts"

    def __init__(
        self, client: ChainClient, address: bytes, histories: Histories, *, deployed_at_block: int = 0
    ) -> None:
        """``deployed_at_block``: no log of the contract lies before it."""
        super().__init__(client, address)
        self.deployed_at_block = deployed_at_block
        self._histories = histories

    def create_distribution(
        self, signer: Signer, salt: bytes, terms: DistributionTerms, *, intent: str | None = None
    ) -> Receipt:
        """Create the distribution ``twin.payouts.distribution_id(signer.address, salt)``."""
        return self._send(signer, "createDistribution", salt, terms, intent=intent)

    def fund(self, signer: Signer, distribution: bytes, amount: int, *, intent: str | None = None) -> Receipt:
        """Move the signer's tokens into escrow; an allowance is needed."""
        return self._send(signer, "fund", distribution, amount, intent=intent)

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
        """Post the root that a statement entry carries; ``cited`` in the order of the header's ``inputs``."""
        return with_fresh_proofs(
            lambda: self._send(
                signer, "postRoot", distribution, root, total, header, *self._proved(statement, cited, entry),
                intent=intent,
            )
        )  # fmt: skip

    def activate_root(
        self,
        signer: Signer,
        distribution: bytes,
        statement: BatchCitation,
        cited: Sequence[BatchCitation],
        *,
        intent: str | None = None,
    ) -> Receipt:
        """Make the waiting root active once its delay is over and everything behind it is final."""
        return with_fresh_proofs(
            lambda: self._send(signer, "activateRoot", distribution, *self._proved(statement, cited), intent=intent)
        )

    def disable_root(self, signer: Signer, distribution: bytes) -> Receipt:
        """Drop the waiting root."""
        return self._send(signer, "disableRoot", distribution)

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
        """Pay an account what the active root promises beyond what it was paid; anyone may send it."""
        return self._send(
            signer,
            "claim",
            distribution,
            account,
            cumulative_amount,
            salt,
            leaf_index,
            leaf_count,
            list(path),
            intent=intent,
        )

    def reclaim(self, signer: Signer, distribution: bytes, amount: int, to: bytes) -> Receipt:
        """Take back escrow that no root promises."""
        return self._send(signer, "reclaim", distribution, amount, to)

    def terms_of(self, distribution: bytes) -> DistributionTerms:
        """What a distribution is fixed to."""
        return DistributionTerms(*self._one("termsOf", distribution))

    def account_of(self, distribution: bytes) -> DistributionAccount:
        """A distribution's sums and active root."""
        return DistributionAccount(*self._one("accountOf", distribution))

    def pending_root_of(self, distribution: bytes) -> PendingRoot:
        """The root that waits."""
        return PendingRoot(*self._one("pendingRootOf", distribution))

    def was_disabled(self, distribution: bytes, root: bytes) -> bool:
        """Whether a root (32 bytes) was taken back while it waited, as the log tells it."""
        topics = [self.abi.event_topic("RootDisabled"), distribution]
        logs = self.client.logs(self.address, topics, self.deployed_at_block, self.client.block().number)
        events = (self.abi.decode_log(log.topics, log.data) for log in logs)
        return any(event is not None and event.arguments["root"] == root for event in events)

    def paid_to(self, distribution: bytes, account: bytes) -> int:
        """Cumulative amount paid to an account."""
        return int(self._one("paidTo", distribution, account))

    def _proved(
        self, statement: BatchCitation, cited: Sequence[BatchCitation], *between: EntryInclusion
    ) -> tuple[object, ...]:
        """The statement's batch, what stands between, and the cited batches as runs, all with proofs of this moment."""
        known = self._histories.follow_all((batch.channel, batch.operator) for batch in (statement, *cited))
        runs = [known[run[0].channel, run[0].operator].run(run) for run in runs_of(cited)]
        return known[statement.channel, statement.operator].reference(statement), *between, runs


def runs_of(cited: Sequence[BatchCitation]) -> list[tuple[BatchCitation, ...]]:
    """Citations cut where another channel, another operator, or no next sequence follows."""
    runs: list[list[BatchCitation]] = []
    for batch in cited:
        last = runs[-1][-1] if runs else None
        follows = last is not None and (batch.channel, batch.operator, batch.sequence) == (
            last.channel, last.operator, last.sequence + 1,
        )  # fmt: skip
        if follows:
            runs[-1].append(batch)
        else:
            runs.append([batch])
    return [tuple(run) for run in runs]
