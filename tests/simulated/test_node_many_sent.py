"""Many transactions and what became of each, over a chain that may drop them, refuse them or go away in the middle."""

from __future__ import annotations

import types

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_chain import CONFIRMATIONS, SIGNERS, SimulatedChain, SpyJournal

import wattest.chain.pipeline as pipeline_module
import wattest.chain.sending as sending_module
from wattest.chain.abi import ContractAbi
from wattest.chain.client import ChainClient, Receipt, TransactionRequest
from wattest.chain.many_sent import outcomes
from wattest.chain.rpc import ChainUnreachable

PLAIN = ContractAbi("Plain", ())
ACTIONS = st.lists(st.sampled_from(["mine", "empty", "drop", "refuse", "reorganise", "silent"]), max_size=20)


@settings(max_examples=100, deadline=None)
@given(actions=ACTIONS, count=st.integers(0, 12), in_flight=st.integers(1, 6))
def test_every_name_has_one_outcome_and_every_intent_is_done_once(
    actions: list[str], count: int, in_flight: int
) -> None:
    told = types.SimpleNamespace(chain=None)
    with pytest.MonkeyPatch.context() as patch:
        module = types.SimpleNamespace(monotonic=lambda: told.chain.now, sleep=None)
        patch.setattr(pipeline_module, "time", module)
        patch.setattr(sending_module, "time", module)
        journal = SpyJournal()
        told.chain = chain = SimulatedChain(journal, actions)
        client = ChainClient(
            chain,  # type: ignore[arg-type]
            chain_id=1, confirmations=CONFIRMATIONS, receipt_timeout_s=1e6, journal=journal, sleep=chain.sleep,
        )  # fmt: skip
        requests = {
            number: TransactionRequest(SIGNERS[0], PLAIN, bytes(20), b"", 1, f"intent {number}", 21_000)
            for number in range(count)
        }
        left = set(requests)
        for _ in range(len(actions) + 1):  # each try is a step of a node: what is not done is asked for again
            seen = []
            for number, outcome in outcomes(client, {at: requests[at] for at in sorted(left)}, in_flight=in_flight):
                seen.append(number)
                if isinstance(outcome, Receipt):
                    left.remove(number)
                else:
                    assert isinstance(outcome, ChainUnreachable)
            assert len(seen) == len(set(seen))
            if not left:
                break
            chain.sleep(1.0)  # until the next step
        assert not left
        intents = [sent.intent for sent in chain.mined() if not sent.intent.startswith("gap:")]
        assert sorted(intents) == sorted(f"intent {number}" for number in range(count))
