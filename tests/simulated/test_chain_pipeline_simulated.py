"""Many transactions in flight over a chain of a few lines that drops, refuses, reorganises and prices as it is told to.

Time is the sleeper's: what takes seconds elsewhere takes none here. Whatever happens, every intent is mined exactly
once in the chain that stands at the end, and nonces leave no gap.
"""

from __future__ import annotations

import types
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_chain import CONFIRMATIONS, SIGNERS, SimulatedChain, SpyJournal

import wattest.chain.pipeline as pipeline_module
import wattest.chain.sending as sending_module
from wattest.chain.abi import ContractAbi
from wattest.chain.pipeline import Pipeline
from wattest.chain.sending import Sending
from wattest.chain.transactions import TransactionRequest
from wattest.errors import WattestError

PLAIN = ContractAbi("Plain", ())
METHODS = ("eth_chainId", "eth_getTransactionCount", "eth_getBlockByNumber", "eth_getTransactionReceipt")
FIELDS = ("number", "status", "blockNumber", "baseFeePerGas", "logs")


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
