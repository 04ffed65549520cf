"""Amounts of the chain's own coin as the contracts keep them: whole gwei, 10^9 wei each."""

from __future__ import annotations

WEI_PER_GWEI = 1_000_000_000


def is_whole_gwei(amount_wei: int) -> bool:
    """Whether the amount is a whole number of gwei, so that a contract takes it."""
    return amount_wei % WEI_PER_GWEI == 0
