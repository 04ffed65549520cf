"""What the faces of contracts share: one contract at one address, asked and sent to.

Decided here: nothing but how a call becomes a request. Not decided here: which functions there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wattest.chain.abi import load_abi
from wattest.chain.transactions import Receipt, TransactionRequest
from wattest.crypto.signer import Signer

if TYPE_CHECKING:
    from wattest.chain.client import ChainClient


class ContractFace:
    """One contract at one address of one chain."""

    contract: str
    """The artefact's name."""

    def __init__(self, client: ChainClient, address: bytes) -> None:
        self.client = client
        self.address = address
        self.abi = load_abi(self.contract)

    def _one(self, function: str, *arguments: object) -> Any:
        return self.client.call(self.abi, self.address, function, *arguments)[0]

    def _send(self, signer: Signer, function: str, *arguments: object, **options: Any) -> Receipt:
        return self.client.deliver(self._request(signer, function, *arguments, **options))

    def _request(
        self,
        signer: Signer,
        function: str,
        *arguments: object,
        value_wei: int = 0,
        intent: str | None = None,
        gas: int | None = None,
    ) -> TransactionRequest:
        return self.client.request(
            signer, self.abi, self.address, function, *arguments, value_wei=value_wei, intent=intent, gas=gas
        )
