"""The port of what settling asks of the payout contract.

Decided here: what may be asked. Not decided here: the rules (``twin.payouts`` has them), who is owed what. The back end
is ``payouts.Payouts``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from wattest.chain.payouts import DistributionAccount, PendingRoot
from wattest.chain.transactions import Receipt
from wattest.crypto.signer import Signer
from wattest.messages.header import BatchHeader
from wattest.twin.batch import BatchCitation, EntryInclusion
from wattest.twin.payouts import DistributionTerms


class PayoutsPort(Protocol):
    """The payout contract, as settling asks it; distributions are 32 bytes, amounts the token's smallest units."""

    def terms_of(self, distribution: bytes) -> DistributionTerms:
        """What a distribution is fixed to; zeros where there is none."""

    def account_of(self, distribution: bytes) -> DistributionAccount:
        """A distribution's sums and active root."""

    def pending_root_of(self, distribution: bytes) -> PendingRoot:
        """The root that waits; zeros when none does."""

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

    def was_disabled(self, distribution: bytes, root: bytes) -> bool:
        """Whether a root was taken back while it waited, as the log tells it."""

    def paid_to(self, distribution: bytes, account: bytes) -> int:
        """Cumulative amount paid to an account."""
