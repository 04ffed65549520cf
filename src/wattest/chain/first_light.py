"""The FirstLight contract: whether a key that is active in a channel signed a text's digest.

Source: contracts/src/interfaces/IFirstLight.sol.
"""

from __future__ import annotations

from wattest.chain.abi import load_abi
from wattest.chain.client import ChainClient, Receipt
from wattest.crypto.signer import Signer


class FirstLightContract:
    """The contract at one address of one chain."""

    def __init__(self, client: ChainClient, address: bytes) -> None:
        self.client = client
        self.address = address
        self.abi = load_abi("FirstLight")

    def verify(
        self, signer: Signer, referee: bytes, channel: bytes, text_digest: bytes, signature: bytes
    ) -> tuple[bool, Receipt]:
        """Ask by transaction, which the chain logs; returns the answer and what it cost."""
        receipt = self.client.send(signer, self.abi, self.address, "verify", referee, channel, text_digest, signature)
        events = (self.abi.decode_log(log.topics, log.data) for log in receipt.logs if log.address == self.address)
        return any(event is not None and event.arguments["accepted"] for event in events), receipt

    def check(self, referee: bytes, channel: bytes, text_digest: bytes, signature: bytes) -> tuple[bool, bytes]:
        """Ask without a transaction: the answer and the recovered signer, zero when there is none."""
        accepted, signer = self.client.call(self.abi, self.address, "check", referee, channel, text_digest, signature)
        return accepted, signer
