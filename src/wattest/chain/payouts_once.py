"""Calls of payouts and token that people make by command, each done once however often the command is killed.

Decided here: the intent of each call. Not decided here: what the calls mean (``payouts``, ``token``). Invariant: an
intent names contract, distribution and what is wanted, so that the same wish has the same one and another has not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wattest.chain.client import Receipt
from wattest.chain.payouts import Payouts
from wattest.chain.token import DemoToken
from wattest.crypto.signer import Signer
from wattest.twin.payouts import DistributionTerms


@dataclass(frozen=True, slots=True)
class PayoutsOnce:
    """Payouts and their token for one signer; ``done`` is told each intent once the chain has it."""

    payouts: Payouts
    token: DemoToken
    signer: Signer
    done: Callable[[str], None]

    def create_distribution(self, distribution: bytes, salt: bytes, terms: DistributionTerms) -> Receipt:
        """Create a distribution."""
        intent = self._intent("create-distribution", distribution)
        receipt = self.payouts.create_distribution(self.signer, salt, terms, intent=intent)
        self.done(intent)
        return receipt

    def fund(self, distribution: bytes, held: int, amount: int) -> Receipt:
        """Add to the escrow, of which ``held`` is there now."""
        approval = self._intent(f"approve:{held}:{amount}", distribution)
        funding = self._intent(f"fund:{held}:{amount}", distribution)
        self.token.approve(self.signer, self.payouts.address, amount, intent=approval)
        receipt = self.payouts.fund(self.signer, distribution, amount, intent=funding)
        for intent in (approval, funding):
            self.done(intent)
        return receipt

    def claim(
        self, distribution: bytes, account: bytes, amount: int, salt: bytes, index: int, count: int,
        path: Sequence[bytes],
    ) -> Receipt:  # fmt: skip
        """Have an account paid up to the cumulative ``amount``."""
        intent = self._intent(f"claim:{account.hex()}:{amount}", distribution)
        receipt = self.payouts.claim(
            self.signer, distribution, account=account, cumulative_amount=amount, salt=salt, leaf_index=index,
            leaf_count=count, path=path, intent=intent,
        )  # fmt: skip
        self.done(intent)
        return receipt

    def _intent(self, wish: str, distribution: bytes) -> str:
        return f"{wish}:{self.payouts.address.hex()}:{distribution.hex()}"
