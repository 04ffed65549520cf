"""Payouts: the cumulative list, its tree, and what the payout entry commits to.

Decided here: how a statement's list becomes a root and a claim. Not decided here: when a root is active and who has
claimed (``twin.payouts`` and the contract). docs/spec/settlement.md, "Payouts"
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from wattest.crypto.hashing import keccak256
from wattest.errors import InputError
from wattest.merkle import InclusionProof, MerkleTree
from wattest.units import U128_MAX
from wattest.workload.settle import Payout

__all__ = ["Payout", "PayoutTree", "PayoutsInvalid", "merge_payouts", "payout_result_digest"]

_NOBODY = bytes(20)


class PayoutsInvalid(InputError):
    """A payout list that is empty, unordered or out of range, or an address that is not in it."""


@dataclass(frozen=True, slots=True)
class PayoutTree:
    """The tree over a payout list: one leaf per address, ascending, each with its own 16-byte salt."""

    payouts: tuple[Payout, ...]
    salts: tuple[bytes, ...]
    tree: MerkleTree

    @classmethod
    def build(cls, payouts: Sequence[Payout], salts: Sequence[bytes]) -> PayoutTree:
        """Build it. Raises ``PayoutsInvalid``, and ``merkle``'s errors for salts of another length."""
        if not payouts or len(payouts) != len(salts):
            raise PayoutsInvalid(
                "a payout tree has leaves, and a salt for each", expected=len(payouts), actual=len(salts)
            )
        before = _NOBODY
        for payout in payouts:
            if len(payout.address) != 20 or payout.address <= before or not 0 < payout.cumulative_amount <= U128_MAX:
                raise PayoutsInvalid("payouts are not ascending by address, or hold a zero", actual=payout.address)
            before = payout.address
        tree = MerkleTree.from_payloads([payout.leaf_payload() for payout in payouts], list(salts))
        return cls(tuple(payouts), tuple(salts), tree)

    @property
    def root(self) -> bytes:
        """Root over the leaves, 32 bytes."""
        return self.tree.root

    @property
    def total(self) -> int:
        """Sum of all cumulative amounts, the token's smallest units."""
        return sum(payout.cumulative_amount for payout in self.payouts)

    @property
    def result_digest(self) -> bytes:
        """The result digest of the payout entry, 32 bytes."""
        return payout_result_digest(self.root, self.total)

    def prove(self, address: bytes) -> tuple[Payout, bytes, InclusionProof]:
        """What a claim needs: the payout, its salt, its place and path. Raises ``PayoutsInvalid``."""
        for index, payout in enumerate(self.payouts):
            if payout.address == address:
                return payout, self.salts[index], self.tree.prove(index)
        raise PayoutsInvalid("the address has no payout", actual=address)


def payout_result_digest(root: bytes, total: int) -> bytes:
    """keccak256(abi.encode(root, total)), as the contract checks it."""
    return keccak256(root + total.to_bytes(32, "big"))


def merge_payouts(previous: Iterable[Payout], owed: Iterable[tuple[bytes, int]]) -> list[Payout]:
    """The next cumulative list: ``previous`` plus (address, amount) pairs; zero addresses and amounts drop out.

    Raises ``PayoutsInvalid`` where a sum reaches 2**128.
    """
    sums = {payout.address: payout.cumulative_amount for payout in previous}
    for address, amount in owed:
        if address != _NOBODY and amount > 0:
            sums[address] = sums.get(address, 0) + amount
            if sums[address] > U128_MAX:
                raise PayoutsInvalid("a payout is out of range", expected=U128_MAX, actual=sums[address])
    return [Payout(address, sums[address]) for address in sorted(sums)]
