"""What an answer is paid back, against what its transaction cost by the receipt: at many prices, padded, cold and warm.

Real transactions on anvil, cold as on any chain: nothing that forge assumes about gas is believed here.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any

import pytest
from protocol_chain import ChainExecutor
from protocol_scenarios import ENTRY_COUNT, Player, address_of
from waiting import until

from wattest.chain.anvil import Anvil

START = 1_780_272_000
GWEI = 10**9
MAX_GAS_PRICE_WEI = 1_000 * GWEI
CAP_WEI = 2 * 10**17
TERMS = {"base_bond_wei": CAP_WEI, "answer_gas_cap_wei": CAP_WEI, "max_gas_price_wei": MAX_GAS_PRICE_WEI}
PRICES_WEI = (2 * GWEI, 37 * GWEI, 999 * GWEI, 1_001 * GWEI, 9_000 * GWEI)
NEVER_PAID_GAS = 6_000
"""A transaction costs 21,000 today and is to cost 15,000: what is paid back holds under both."""
PADDINGS = (b"", bytes(4_000), b"\xff" * 700, bytes(31))


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Anvil]:
    with Anvil.create(tmp_path_factory.mktemp("refunds") / "chain", genesis_timestamp_s=START) as running:
        yield running


def answered(executor: ChainExecutor, sender: bytes, data: bytes, gas_price_wei: int) -> tuple[int, int]:
    """Gas used by the receipt, and wei paid back."""
    request = executor.chain.rpc.request
    account = "0x" + sender.hex()
    request("anvil_setBalance", account, hex(10**30))
    request("anvil_impersonateAccount", account)
    target = "0x" + executor.addresses["DirectedChallenges"].hex()
    call = {"from": account, "to": target, "data": "0x" + data.hex(), "gas": hex(2_000_000)}
    digest = request("eth_sendTransaction", {**call, "gasPrice": hex(gas_price_wei)})
    until(lambda: request("eth_getTransactionReceipt", digest) is not None, "an answer's block")
    receipt: dict[str, Any] = request("eth_getTransactionReceipt", digest)
    assert receipt["status"] == "0x1"
    assert int(receipt["effectiveGasPrice"], 16) == gas_price_wei
    abi = executor.abis["DirectedChallenges"]
    (event,) = [
        event
        for log in receipt["logs"]
        if (event := abi.decode_log([bytes.fromhex(t[2:]) for t in log["topics"]], bytes.fromhex(log["data"][2:])))
        and event.name == "ChallengeAnswered"
    ]
    return int(receipt["gasUsed"], 16), int(event.arguments["reimbursedWei"])


@pytest.mark.e2e
def test_a_refund_never_exceeds_what_the_answer_cost(chain: Anvil) -> None:
    player = Player(ChainExecutor(chain))
    executor = player.executor
    assert isinstance(executor, ChainExecutor)
    player.play(
        [
            {"do": "create_channel", "terms": TERMS},
            {"do": "roster", "period": 0, "count": ENTRY_COUNT},
            {"do": "deposit", "value": 10**19},
            {"do": "register"},
            *({"do": "commit", "label": f"day {day}", "period": day, "at": (day + 1) * 86_400} for day in range(4)),
            *(
                {"do": "challenge", "batch": f"day {day}", "index": index, "value": 4 * CAP_WEI}
                for day in range(4)
                for index in range(ENTRY_COUNT)
            ),
        ]
    )
    draw = random.Random(1)
    cases = list(itertools.product(PRICES_WEI, PADDINGS))
    paid = []
    for number, (price, padding) in enumerate(cases):
        day, index = divmod(number, ENTRY_COUNT)
        step = {"batch": f"day {day}", "index": index}
        arguments = player._header(step), player._entry(step)
        data = executor.abis["DirectedChallenges"].encode_call("answer", *arguments)
        sender = address_of("operator" if draw.random() < 0.5 else f"answerer {number}")
        gas, wei = answered(executor, sender, data + padding, price)
        assert wei <= (gas - NEVER_PAID_GAS) * price, (price, len(padding))
        assert wei <= gas * min(price, MAX_GAS_PRICE_WEI)
        assert wei <= CAP_WEI
        honest = gas - 4 * padding.count(0) - 16 * (len(padding) - padding.count(0))
        due = min(honest * min(price, MAX_GAS_PRICE_WEI), CAP_WEI)
        assert wei >= due * 9 // 10, "an answer is not answered at a loss of a tenth"
        paid.append((price, padding, wei))
    # Padding is never paid: the same price gives about the same, whatever stands behind the arguments.
    for price in PRICES_WEI:
        same = [wei for at, _, wei in paid if at == price]
        assert max(same) - min(same) <= 40_000 * min(price, MAX_GAS_PRICE_WEI)  # a first credit, a deeper path
