"""What a contract owes, credited first and pulled later.

Decided here: credit and withdrawal. Burning is owing to an address that nobody holds a key of.
Source: contracts/src/purse/Purse.sol.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from wattest.twin.errors import NothingOwed

BURN_ADDRESS = bytes.fromhex("000000000000000000000000000000000000dead")


@dataclass(frozen=True, slots=True)
class Purse:
    """Wei by account (20 bytes)."""

    owed: Mapping[bytes, int] = field(default_factory=dict)

    def of(self, account: bytes) -> int:
        """What the account can withdraw, wei."""
        return self.owed.get(account, 0)

    @property
    def burned_wei(self) -> int:
        """What was burned and nobody sent away yet."""
        return self.of(BURN_ADDRESS)

    @property
    def total_wei(self) -> int:
        """All that is owed."""
        return sum(self.owed.values())

    def owing(self, account: bytes, amount_wei: int) -> Purse:
        """The purse that owes the account so much more."""
        return self if amount_wei == 0 else Purse({**self.owed, account: self.of(account) + amount_wei})

    def burning(self, amount_wei: int) -> Purse:
        """The purse that burned so much more."""
        return self.owing(BURN_ADDRESS, amount_wei)

    def paid(self, account: bytes) -> Purse:
        """The purse that paid the account all it owed.

        Raises: NothingOwed.
        """
        if self.of(account) == 0:
            raise NothingOwed(account)
        return Purse({**self.owed, account: 0})
