"""A chain of a few lines that drops, refuses, reorganises and prices as it is told to; its time is the sleeper's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from wattest.chain.local_signer import LocalSigner
from wattest.chain.rpc import ChainUnreachable, RpcFailed
from wattest.chain.transactions import MemoryJournal, SentTransaction

SIGNERS = [LocalSigner(bytes([number]) * 32) for number in (1, 2)]
CONFIRMATIONS = 2


class SpyJournal(MemoryJournal):
    """Knows the transaction of every raw bytes that may be broadcast."""

    def __init__(self) -> None:
        super().__init__()
        self.by_raw: dict[str, SentTransaction] = {}

    def record(self, transactions: Iterable[SentTransaction]) -> None:
        kept = list(transactions)
        self.by_raw.update({"0x" + sent.raw.hex(): sent for sent in kept})
        super().record(kept)


class SimulatedChain:
    """Answers as a node; ``actions`` are taken one at each sleep, then it only mines."""

    url = shown_url = "simulated"

    def __init__(self, journal: SpyJournal, actions: Sequence[str]) -> None:
        self.journal, self.actions = journal, list(actions)
        self.blocks: list[list[SentTransaction]] = [[]]
        self.salts = [0]
        self.pool: dict[tuple[bytes, int], SentTransaction] = {}
        self.refusing = self.silent = False
        self.base_fee = 10
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        action = self.actions.pop(0) if self.actions else "mine"
        self.refusing, self.silent = action == "refuse", action == "silent"
        if action == "mine":
            self.mine()
        elif action == "empty":
            self.append([])
        elif action == "drop":
            self.pool.clear()
        elif action == "dear":
            self.base_fee = min(self.base_fee * 1_000, 10**14)
        elif action == "cheap":
            self.base_fee = 10
        elif action == "wait":
            self.now += 3.0
        elif action == "reorganise" and len(self.blocks) > CONFIRMATIONS:
            gone = self.blocks.pop()
            self.salts.pop()
            self.append([])
            if len(gone) % 2:  # some nodes put what a lost block held back into the pool
                self.pool.update({(sent.sender, sent.nonce): sent for sent in gone})

    def append(self, transactions: list[SentTransaction]) -> None:
        self.blocks.append(transactions)
        self.salts.append(len(self.salts) * 1_000 + int(self.now * 1_000) % 997)

    def mine(self) -> None:
        taken: list[SentTransaction] = []
        for signer in SIGNERS:
            nonce = self.nonce(signer.address)
            while (sent := self.pool.get((signer.address, nonce))) and sent.max_fee_wei >= self.base_fee:
                taken.append(self.pool.pop((signer.address, nonce)))
                nonce += 1
        self.append(taken[:3])
        self.pool.update({(sent.sender, sent.nonce): sent for sent in taken[3:]})

    def mined(self) -> list[SentTransaction]:
        return [sent for block in self.blocks for sent in block]

    def nonce(self, sender: bytes) -> int:
        return sum(sent.sender == sender for sent in self.mined())

    def request(self, method: str, *params: object) -> Any:
        return self.batch([(method, params)])[0]

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        answers = self.settle(calls)
        for answer in answers:
            if isinstance(answer, RpcFailed):
                raise answer
        return answers

    def settle(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        if self.silent:
            raise ChainUnreachable("silent", retryable=True)
        return [self.answer(method, *params) for method, params in calls]

    def answer(self, method: str, *params: Any) -> Any:
        if method == "eth_chainId":
            return "0x1"
        if method == "eth_getTransactionCount":
            return hex(self.nonce(bytes.fromhex(params[0][2:])))
        if method == "eth_getBlockByNumber":
            number = len(self.blocks) - 1 if params[0] == "latest" else int(params[0], 16)
            shown = {"number": hex(number), "hash": hex_word(self.salts[number]), "baseFeePerGas": hex(self.base_fee)}
            return shown | {"parentHash": hex_word(0), "timestamp": "0x1"}
        if method == "eth_getTransactionReceipt":
            for number, block in enumerate(self.blocks):
                for sent in block:
                    if "0x" + sent.hash.hex() == params[0]:
                        return {
                            "status": "0x1", "transactionHash": params[0], "blockNumber": hex(number), "gasUsed": "0x1",
                            "blockHash": hex_word(self.salts[number]), "logs": [],
                        }  # fmt: skip
            return None
        assert method == "eth_sendRawTransaction"
        sent = self.journal.by_raw[params[0]]  # what is not in the journal must never be sent
        if self.refusing:
            return RpcFailed(method, -32000, "txpool is full", None)
        if sent.nonce < self.nonce(sent.sender):
            return RpcFailed(method, -32000, "nonce too low", None)
        held = self.pool.get((sent.sender, sent.nonce))
        if held is not None and held.hash != sent.hash and held.max_fee_wei >= sent.max_fee_wei:
            return RpcFailed(method, -32000, "replacement transaction underpriced", None)
        self.pool[sent.sender, sent.nonce] = sent
        return "0x" + sent.hash.hex()


def hex_word(number: int) -> str:
    return f"0x{number:064x}"
