"""The contracts on an anvil chain, called side by side with the pure twin."""

from __future__ import annotations

from typing import Any

from protocol_scenarios import ACCOUNTS, APPRAISERS, THRESHOLD, WORKLOAD, TwinExecutor, address_of, observed
from waiting import until

from wattest.chain.abi import ContractReverted, load_abi
from wattest.chain.anvil import Anvil
from wattest.messages.eip712 import Domain

GAS_PRICE = 10**10


class ChainExecutor:
    """The contracts on an anvil chain, one deployment; every call also goes to the twin."""

    def __init__(self, chain: Anvil) -> None:
        self.chain = chain
        self.unlocked: set[str] = set()
        self.abis = {name: load_abi(name) for name in ("AppraiserQuorum", "EnclaveRegistry", "Referee")}
        appraisers = sorted(address_of(f"appraiser {n}") for n in range(APPRAISERS))
        quorum = self.deploy("AppraiserQuorum", appraisers, THRESHOLD)
        self.registry_address = self.deploy("EnclaveRegistry", quorum, 30 * 86_400)
        self.referee_address = self.deploy("Referee", self.registry_address)
        self.domain = Domain(chain.chain_id, self.referee_address)
        self.registry_domain = Domain(chain.chain_id, self.registry_address)
        self.start = (chain.now() // 86_400 + 1) * 86_400
        self.twin = TwinExecutor(self.domain, self.registry_domain, self.start)

    def recent_block(self) -> tuple[int, bytes]:
        block = self.chain.rpc.request("eth_getBlockByNumber", "latest", False)
        number, block_hash = int(block["number"], 16), bytes.fromhex(block["hash"][2:])
        self.twin.blocks = {**self.twin.blocks, number: block_hash}
        return number, block_hash

    def run(self, call: str, caller: bytes, now: int, value: int, arguments: tuple[Any, ...]) -> str | None:
        of_twin = self.twin.run(call, caller, now, value, arguments)
        in_registry = call in ("register", "revoke", "revokeWithEvidence")
        name = "EnclaveRegistry" if in_registry else "Referee"
        target = self.registry_address if in_registry else self.referee_address
        sent = arguments[:1] if call == "revoke" else arguments
        if call == "proveInvalidEvidence":
            opening = sent[3]
            words = (opening.signature[:32], opening.signature[32:], opening.public_key[:32], opening.public_key[32:])
            sent = (*sent[:3], (opening.message_digest, *words))
        data = self.abis[name].encode_call(call, *sent)
        output = self.send(caller, now, value, target, data)
        of_chain = None if output is None else self.name_of(output)
        assert of_chain == of_twin, f"{call}: the contract says {of_chain}, the twin {of_twin}"
        self._compare()
        return of_twin

    def name_of(self, output: bytes) -> str:
        """The custom error's name; the registry's callee, the quorum, reverts with errors of its own ABI."""
        errors = [abi.error_from(output) for abi in self.abis.values()]
        names = [str(e.fields["reason"]) if isinstance(e, ContractReverted) else e.code for e in errors]
        return next((name for name in names if not name.startswith("0x")), names[0])

    def _compare(self) -> None:
        for channel in self.twin.state.channels:
            wanted = observed(self.twin.state, self.twin.registry, channel)
            asked: list[tuple[str, str, tuple[Any, ...]]] = [("burned", "burned", ())]
            for account in ACCOUNTS:
                address = address_of(account)
                asked += [
                    (f"head {account}", "operatorHead", (channel, address)),
                    (f"extra {account}", "operatorExtra", (channel, address)),
                    (f"owed {account}", "owed", (address,)),
                    (f"key {account}", "activeKey", (self.referee_address, channel, address, WORKLOAD)),
                ]
            calls = []
            for _, function, arguments in asked:
                registry = function == "activeKey"
                abi = self.abis["EnclaveRegistry" if registry else "Referee"]
                to = self.registry_address if registry else self.referee_address
                data = "0x" + abi.encode_call(function, *arguments).hex()
                calls.append(("eth_call", [{"to": "0x" + to.hex(), "data": data}, "latest"]))
            calls.append(("eth_getBalance", ["0x" + self.referee_address.hex(), "latest"]))
            answers = self.chain.rpc.batch(calls)
            assert int(answers[-1], 16) == wanted["held"]
            for (label, function, _), answer in zip(asked, answers, strict=False):
                abi = self.abis["EnclaveRegistry" if function == "activeKey" else "Referee"]
                values = abi.decode_result(function, bytes.fromhex(answer[2:]))
                found = values[0] if len(values) == 1 else values
                assert found == wanted[label], label
        for (channel, operator, sequence), digest in self.twin.state.batches.items():
            data = self.abis["Referee"].encode_call("recordDigestOf", channel, operator, sequence)
            request = {"to": "0x" + self.referee_address.hex(), "data": "0x" + data.hex()}
            assert self.chain.rpc.request("eth_call", request, "latest") == "0x" + digest.hex()

    def deploy(self, name: str, *arguments: Any) -> bytes:
        deployer = address_of("deployer")
        data = self.abis[name].encode_deployment(*arguments)
        receipt = self._transact(deployer, self.chain.now() + 1, 0, None, data)
        assert receipt["status"] == "0x1"
        return bytes.fromhex(receipt["contractAddress"][2:])

    def send(self, caller: bytes, now: int, value: int, target: bytes, data: bytes) -> bytes | None:
        receipt = self._transact(caller, now, value, target, data)
        if receipt["status"] == "0x1":
            return None
        trace = self.chain.rpc.request("debug_traceTransaction", receipt["transactionHash"], {"tracer": "callTracer"})
        return bytes.fromhex(trace.get("output", "0x")[2:])

    def _transact(self, caller: bytes, now: int, value: int, target: bytes | None, data: bytes) -> dict[str, Any]:
        sender = "0x" + caller.hex()
        transaction = {
            "from": sender,
            "value": hex(value),
            "data": "0x" + data.hex(),
            "gas": hex(12_000_000),
            "gasPrice": hex(GAS_PRICE),
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
