"""Many transactions in flight over a chain of a few lines that drops, refuses, reorganises and prices as it is told to.

Time is the sleeper's: what takes seconds elsewhere takes none here. Whatever happens, every intent is mined exactly
once in the chain that stands at the end, and nonces leave no gap.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wattest.chain.pipeline as pipeline_module
import wattest.chain.sending as sending_module
from wattest.chain.abi import ContractAbi
from wattest.chain.pipeline import Pipeline
from wattest.chain.rpc import RpcFailed
from wattest.chain.sending import Sending
from wattest.chain.signer import LocalSigner
from wattest.chain.transactions import MemoryJournal, SentTransaction, TransactionRequest
from wattest.errors import WattestError

SIGNERS = [LocalSigner(bytes([number]) * 32) for number in (1, 2)]
PLAIN = ContractAbi("Plain", ())
CONFIRMATIONS = 2
METHODS = ("eth_chainId", "eth_getTransactionCount", "eth_getBlockByNumber", "eth_getTransactionReceipt")
FIELDS = ("number", "status", "blockNumber", "baseFeePerGas", "logs")


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

    url = "simulated"

    def __init__(self, journal: SpyJournal, actions: Sequence[str]) -> None:
        self.journal, self.actions = journal, list(actions)
        self.blocks: list[list[SentTransaction]] = [[]]
        self.salts = [0]
        self.pool: dict[tuple[bytes, int], SentTransaction] = {}
        self.refusing = False
        self.base_fee = 10
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        action = self.actions.pop(0) if self.actions else "mine"
        self.refusing = action == "refuse"
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


def request(number: int) -> TransactionRequest:
    return TransactionRequest(SIGNERS[number % 2], PLAIN, bytes(20), b"", 1, f"intent {number}", 21_000)


ACTIONS = st.lists(
    st.sampled_from(["mine", "mine", "empty", "drop", "dear", "cheap", "refuse", "reorganise", "wait", "restart"]),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(actions=ACTIONS, count=st.integers(1, 14), bound=st.integers(1, 6), forget=st.none() | st.integers(0, 5))
def test_every_intent_is_done_once(actions: list[str], count: int, bound: int, forget: int | None) -> None:
    told = types.SimpleNamespace(chain=None)
    with pytest.MonkeyPatch.context() as patch:
        module = types.SimpleNamespace(monotonic=lambda: told.chain.now, sleep=None)
        patch.setattr(pipeline_module, "time", module)
        patch.setattr(sending_module, "time", module)
        journal = SpyJournal()
        told.chain = chain = SimulatedChain(journal, actions)

        def pipeline() -> Pipeline:  # a new one each time is a process that was killed and started again
            sending = Sending(chain, 1, journal, chain.sleep)  # type: ignore[arg-type]
            return Pipeline(sending, confirmations=CONFIRMATIONS, timeout_s=1e6, in_flight=bound, sleep=chain.sleep)

        restarts = actions.count("restart")
        for _ in range(min(restarts, 3)):
            cut = pipeline()
            cut.submit([request(number) for number in range(min(count, bound))])
            chain.sleep(0.01)
        if forget is not None:
            journal.forget(SIGNERS[forget % 2].address, f"intent {forget}")
        running, done = pipeline(), []
        done += running.submit([request(number) for number in range(count)])
        done += list(running.drain())
        assert sorted(delivery.request.intent or "" for delivery in done) == sorted(f"intent {n}" for n in range(count))
        assert all(delivery.receipt is not None for delivery in done)
        chain.actions = ["reorganise"]
        chain.sleep(0.0)  # what was believed has more than one block above it
        for signer in SIGNERS:
            mined = [sent for sent in chain.mined() if sent.sender == signer.address]
            assert [sent.nonce for sent in mined] == list(range(len(mined)))
        if forget is None:
            intents = [sent.intent for sent in chain.mined() if not sent.intent.startswith("gap:")]
            assert sorted(intents) == sorted(f"intent {number}" for number in range(count))
            for signer in SIGNERS:
                own = [int(sent.intent.split()[1]) for sent in chain.mined()
                       if sent.sender == signer.address and not sent.intent.startswith("gap:")]  # fmt: skip
                assert own == sorted(own)


@settings(max_examples=100, deadline=None)
@given(
    method=st.sampled_from(METHODS),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["0x", "0x1", "0xzz"]),
        lambda inner: st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
        max_leaves=5,
    ),
)  # fmt: skip
def test_nonsense_from_a_node_is_typed(method: str, value: Any) -> None:
    journal = SpyJournal()
    chain = SimulatedChain(journal, [])
    honest = chain.answer
    chain.answer = lambda asked, *params: value if asked == method else honest(asked, *params)  # type: ignore[method-assign]
    sending = Sending(chain, 1, journal, chain.sleep)  # type: ignore[arg-type]
    pipeline = Pipeline(sending, confirmations=0, timeout_s=-1.0, in_flight=2, sleep=chain.sleep)
    try:
        pipeline.submit([request(0)])
        for delivery in pipeline.drain():
            assert delivery.receipt is not None or isinstance(delivery.failure, WattestError)
    except WattestError:
        pass
