"""The contracts on an anvil chain, called side by side with the pure twin."""

from __future__ import annotations

from typing import Any

from protocol_scenarios import APPRAISERS, GAS_PRICE_WEI, IDLE_MODULES, THRESHOLD, address_of, bytes_of
from protocol_twin import TwinExecutor, conserves_value, observed
from waiting import until

from wattest.chain.abi import ContractReverted, load_abi
from wattest.chain.anvil import Anvil
from wattest.messages.eip712 import Domain

CONTRACTS = ("AppraiserQuorum", "EnclaveRegistry", "Referee", "DirectedChallenges", "FraudProofs")
CALLED = {
    **dict.fromkeys(("register", "revoke", "revokeWithEvidence"), "EnclaveRegistry"),
    **dict.fromkeys(("challenge", "answer", "expire", "refund"), "DirectedChallenges"),
    **dict.fromkeys(("proveEquivocation", "proveInvalidEvidence"), "FraudProofs"),
}
SAYS_NOTHING = "0x00"
"""Code that stops: a contract, and content with any terms."""


class ChainExecutor:
    """The contracts on an anvil chain, one deployment; every call also goes to the twin."""

    def __init__(self, chain: Anvil) -> None:
        self.chain = chain
        self.unlocked: set[str] = set()
        self.abis = {name: load_abi(name) for name in CONTRACTS}
        appraisers = sorted(address_of(f"appraiser {n}") for n in range(APPRAISERS))
        quorum = self.deploy("AppraiserQuorum", appraisers, THRESHOLD)
        registry = self.deploy("EnclaveRegistry", quorum, 30 * 86_400)
        self.referee_address = self.deploy("Referee", registry)
        self.addresses = {
            "EnclaveRegistry": registry,
            "Referee": self.referee_address,
            "DirectedChallenges": self.deploy("DirectedChallenges", self.referee_address),
            "FraudProofs": self.deploy("FraudProofs", self.referee_address),
        }
        self.modules = {
            "challenges": self.addresses["DirectedChallenges"],
            "fraud proofs": self.addresses["FraudProofs"],
            **{name: bytes_of("module " + name, 20) for name in ("auditor", *IDLE_MODULES)},
        }
        for name in ("auditor", *IDLE_MODULES):
            self.chain.rpc.request("anvil_setCode", "0x" + self.modules[name].hex(), SAYS_NOTHING)
        self.domain = Domain(chain.chain_id, self.referee_address)
        self.registry_domain = Domain(chain.chain_id, registry)
        self.start = (chain.now() // 86_400 + 1) * 86_400
        self.twin = TwinExecutor(self.domain, self.registry_domain, self.start, self.modules)

    def recent_block(self) -> tuple[int, bytes]:
        block = self.chain.rpc.request("eth_getBlockByNumber", "latest", False)
        number, block_hash = int(block["number"], 16), bytes.fromhex(block["hash"][2:])
        self.twin.blocks = {**self.twin.blocks, number: block_hash}
        return number, block_hash

    def run(self, call: str, caller: bytes, now: int, value: int, arguments: tuple[Any, ...]) -> str | None:
        name = CALLED.get(call, "Referee")
        sent = arguments[:1] if call == "revoke" else arguments
        if call in ("withdrawOwed", "withdrawBurned"):
            name, sent = ("Referee" if sent[0] == "referee" else "DirectedChallenges"), sent[1:]
        if call == "proveInvalidEvidence":
            opening = sent[3]
            words = (opening.signature[:32], opening.signature[32:], opening.public_key[:32], opening.public_key[32:])
            sent = (*sent[:3], (opening.message_digest, *words))
        data = self.abis[name].encode_call(call, *sent)
        receipt = self._transact(caller, now, value, self.addresses[name], data)
        of_chain = None if receipt["status"] == "0x1" else self.name_of(self._output(receipt))
        if call == "answer" and of_chain is None:
            self.twin.gas_cost_wei = self._reimbursed(receipt)
        of_twin = self.twin.run(call, caller, now, value, arguments)
        assert of_chain == of_twin, f"{call}: the contract says {of_chain}, the twin {of_twin}"
        conserves_value(self.twin)
        self._compare()
        return of_twin

    def name_of(self, output: bytes) -> str:
        """The custom error's name; a callee reverts with errors of its own ABI."""
        errors = [abi.error_from(output) for abi in self.abis.values()]
        names = [str(e.fields["reason"]) if isinstance(e, ContractReverted) else e.code for e in errors]
        return next((name for name in names if not name.startswith("0x")), names[0])

    def _reimbursed(self, receipt: dict[str, Any]) -> int:
        """What the answer was paid back, which is never more than it cost: only the chain knows its gas."""
        abi = self.abis["DirectedChallenges"]
        decoded = [
            abi.decode_log([bytes.fromhex(topic[2:]) for topic in log["topics"]], bytes.fromhex(log["data"][2:]))
            for log in receipt["logs"]
        ]
        (answered,) = [event for event in decoded if event is not None and event.name == "ChallengeAnswered"]
        paid = int(answered.arguments["reimbursedWei"])
        assert 0 < paid <= int(receipt["gasUsed"], 16) * GAS_PRICE_WEI
        return paid

    def _compare(self) -> None:
        for channel in self.twin.state.channels:
            wanted = observed(self.twin, channel)
            calls = []
            for name, function, arguments in wanted:
                data = "0x" + self.abis[name].encode_call(function, *arguments).hex()
                calls.append(("eth_call", [{"to": "0x" + self.addresses[name].hex(), "data": data}, "latest"]))
            for question, answer in zip(wanted, self.chain.rpc.batch(calls), strict=True):
                name, function, _ = question
                values = self.abis[name].decode_result(function, bytes.fromhex(answer[2:]))
                assert (values[0] if len(values) == 1 else values) == wanted[question], question
        for name, held in (("Referee", self.twin.state), ("DirectedChallenges", self.twin.challenges)):
            balance = self.chain.rpc.request("eth_getBalance", "0x" + self.addresses[name].hex(), "latest")
            assert int(balance, 16) == held.held_wei, name

    def deploy(self, name: str, *arguments: Any) -> bytes:
        deployer = address_of("deployer")
        data = self.abis[name].encode_deployment(*arguments)
        receipt = self._transact(deployer, self.chain.now() + 1, 0, None, data)
        assert receipt["status"] == "0x1"
        return bytes.fromhex(receipt["contractAddress"][2:])

    def send(self, caller: bytes, now: int, value: int, target: bytes, data: bytes) -> bytes | None:
        """What the call reverted with, None if it did not."""
        receipt = self._transact(caller, now, value, target, data)
        return None if receipt["status"] == "0x1" else self._output(receipt)

    def _output(self, receipt: dict[str, Any]) -> bytes:
        trace = self.chain.rpc.request("debug_traceTransaction", receipt["transactionHash"], {"tracer": "callTracer"})
        return bytes.fromhex(trace.get("output", "0x")[2:])

    def _transact(self, caller: bytes, now: int, value: int, target: bytes | None, data: bytes) -> dict[str, Any]:
        sender = "0x" + caller.hex()
        transaction = {
            "from": sender,
            "value": hex(value),
            "data": "0x" + data.hex(),
            "gas": hex(12_000_000),
            "gasPrice": hex(GAS_PRICE_WEI),
        }
        if target is not None:
            transaction["to"] = "0x" + target.hex()
        request = self.chain.rpc.request
        if sender not in self.unlocked:
            request("anvil_setBalance", sender, hex(10**30))
            request("anvil_impersonateAccount", sender)
            self.unlocked.add(sender)
        request("evm_setNextBlockTimestamp", now)
        digest = request("eth_sendTransaction", transaction)
        until(lambda: request("eth_getTransactionReceipt", digest) is not None, "a transaction's block")
        receipt: dict[str, Any] = request("eth_getTransactionReceipt", digest)
        block = self.chain.rpc.request("eth_getBlockByNumber", receipt["blockNumber"], False)
        assert int(block["timestamp"], 16) == now
        return receipt
