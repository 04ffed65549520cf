"""An ERC-20 token, as far as payouts need it; the demonstration token's interface is no wider.

Source: ERC-20; contracts/src/dev/DemoToken.sol.
"""

from __future__ import annotations

from wattest.chain.abi import load_abi
from wattest.chain.client import ChainClient, Receipt
from wattest.crypto.signer import Signer


class DemoToken:
    """The token at one address of one chain; amounts are its smallest units."""

    def __init__(self, client: ChainClient, address: bytes) -> None:
        self.client = client
        self.address = address
        self.abi = load_abi("DemoToken")

    def approve(self, signer: Signer, spender: bytes, amount: int, *, intent: str | None = None) -> Receipt:
        """Let a spender move up to ``amount`` of the signer's tokens."""
        return self.client.send(signer, self.abi, self.address, "approve", spender, amount, intent=intent)

    def balance_of(self, account: bytes) -> int:
        """Tokens of an account."""
        return int(self.client.call(self.abi, self.address, "balanceOf", account)[0])

    def decimals(self) -> int:
        """How many decimals the token shows: one of it is 10**decimals of its smallest units."""
        return int(self.client.call(self.abi, self.address, "decimals")[0])
