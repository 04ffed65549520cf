"""Claims of a settlement: what the active root promises an account, paid out.

Decided here: what a claim is made of. Not decided here: who sends it (anybody may), when a root is active
(``settler``).
"""

from __future__ import annotations

from dataclasses import dataclass

from wattest.chain.payouts_port import PayoutsPort
from wattest.crypto.signer import Signer
from wattest.settling.settler import payout_tree
from wattest.store.settlement import Settlement


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a claim paid, in the token's smallest units, and the gas of its transaction; zeros where nothing is due."""

    amount: int
    gas_used: int


def claim_for(payouts: PayoutsPort, signer: Signer, settlement: Settlement, account: bytes) -> Claimed:
    """Have an account (20 bytes) paid what the settlement's active root promises it beyond what it was paid.

    Raises: the contract's errors, as where the root is not active.
    """
    tree = payout_tree(settlement)
    if tree is None or all(payout.address != account for payout in tree.payouts):
        return Claimed(0, 0)
    payout, salt, proof = tree.prove(account)
    due = payout.cumulative_amount - payouts.paid_to(settlement.distribution, account)
    if due <= 0:
        return Claimed(0, 0)
    receipt = payouts.claim(
        signer,
        settlement.distribution,
        account=account,
        cumulative_amount=payout.cumulative_amount,
        salt=salt,
        leaf_index=proof.index,
        leaf_count=proof.size,
        path=proof.path,
        intent=f"claim:{settlement.distribution.hex()}:{account.hex()}:{payout.cumulative_amount}",
    )
    return Claimed(due, receipt.gas_used)
