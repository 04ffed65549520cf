"""A development node to measure gas on, and contracts called with plain values: anvil's prices, geth's coming ones.

Not the node's own client: what is measured here is the contracts, on nodes that the client need not know. geth is found
in ``WATTEST_TEST_GETH`` or PATH; docs/howto/run-the-benchmarks.md says how it is built.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measure import REPOSITORY

from wattest.chain.abi import ContractAbi, load_abi
from wattest.chain.local_signer import LocalSigner
from wattest.chain.rpc import ChainUnreachable, JsonRpc, RpcFailed
from wattest.chain.signed_transaction import UnsignedTransaction, sign_transaction

ETHER, GWEI = 10**18, 10**9
START_TIMEOUT_S = 60.0
RECEIPT_ATTEMPTS = 600
GAS_LIMIT = 16_000_000
BLOCK_GAS = 60_000_000
GAS_PRICE_WEI = 10 * GWEI


class NodeMissing(Exception):
    """There is no such program here."""


class TransactionFailed(Exception):
    """A transaction of the benchmark was mined and reverted."""


def native_anvil() -> Path:
    """Anvil itself, from npm."""
    beside = sorted(REPOSITORY.glob("node_modules/@foundry-rs/anvil-*/bin/anvil"))
    if not beside:
        raise NodeMissing("anvil is not installed: make setup-dev")
    return beside[0]


def found_geth() -> Path:
    """geth, named by the environment or in PATH."""
    named = os.environ.get("WATTEST_TEST_GETH") or shutil.which("geth")
    if not named or not Path(named).is_file():
        raise NodeMissing(
            "geth is not here: build it (docs/howto/run-the-benchmarks.md) and name it in WATTEST_TEST_GETH"
        )
    return Path(named)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: Sequence[str], url: str) -> Iterator[JsonRpc]:
    """The node while the context lasts."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        rpc = JsonRpc(url, max_attempts=1, timeout_s=60.0)
        begun = time.monotonic()
        while True:
            try:
                rpc.request("eth_chainId")
                break
            except ChainUnreachable:
                if process.poll() is not None or time.monotonic() - begun > START_TIMEOUT_S:
                    raise
                time.sleep(0.1)
        yield rpc
    finally:
        process.terminate()
        process.wait()


@dataclass(frozen=True)
class Called:
    """A mined transaction: what it used, where a deployment lies, the block's time."""

    gas: int
    address: bytes
    timestamp: int
    logs: tuple[Any, ...]


class GasNode:
    """One node, blocks mined as transactions come, a second or more between the blocks that matter."""

    def __init__(self, name: str, rpc: JsonRpc) -> None:
        self.name = name
        self.rpc = rpc
        self.chain_id = int(rpc.request("eth_chainId"), 16)
        self._nonces: dict[bytes, int] = {}

    @classmethod
    def anvil(cls, stack: ExitStack) -> GasNode:
        """Today's prices: Osaka."""
        port = free_port()
        command = [str(native_anvil()), "--hardfork", "osaka", "--port", str(port), "--gas-limit", str(BLOCK_GAS)]
        return cls("anvil", stack.enter_context(running(command, f"http://127.0.0.1:{port}")))

    @classmethod
    def geth(cls, stack: ExitStack) -> GasNode:
        """The coming prices: geth's development chain has them from its first block."""
        folder, port = stack.enter_context(tempfile.TemporaryDirectory(prefix="wattest-geth-")), free_port()
        command = [
            str(found_geth()), "--dev", "--datadir", folder, "--http", "--http.port", str(port), "--http.api",
            "eth,debug", "--nodiscover", "--ipcdisable", "--port", "0", "--authrpc.port", str(free_port()),
            "--dev.gaslimit", str(BLOCK_GAS), "--verbosity", "1",
        ]  # fmt: skip
        return cls("geth", stack.enter_context(running(command, f"http://127.0.0.1:{port}")))

    def fund(self, address: bytes, amount_wei: int = 500 * ETHER) -> None:
        """Coins from the node's own account."""
        rich = self.rpc.request("eth_accounts")[0]
        value = {"from": rich, "to": hexed(address), "value": hex(amount_wei), "gas": hex(200_000)}
        self._receipt(self.rpc.request("eth_sendTransaction", value))

    def block(self) -> dict[str, Any]:
        """The latest block."""
        return self.rpc.request("eth_getBlockByNumber", "latest", False)  # type: ignore[no-any-return]

    def send(self, signer: LocalSigner, to: bytes | None, data: bytes, value_wei: int = 0) -> Called:
        """Mine one transaction; raises TransactionFailed with the node's word for a reverted one."""
        nonce = self._nonces.get(signer.address)
        if nonce is None:
            nonce = int(self.rpc.request("eth_getTransactionCount", hexed(signer.address), "latest"), 16)
        unsigned = UnsignedTransaction(
            self.chain_id, nonce, to, data, value_wei, GAS_LIMIT, GAS_PRICE_WEI, min(GAS_PRICE_WEI, GWEI)
        )
        self._nonces[signer.address] = nonce + 1
        raw = sign_transaction(signer, unsigned).raw
        receipt = self._receipt(self.rpc.request("eth_sendRawTransaction", hexed(raw)))
        if int(receipt["status"], 16) != 1:
            raise TransactionFailed(self._reason(signer, to, data, value_wei, receipt))
        block = self.rpc.request("eth_getBlockByNumber", receipt["blockNumber"], False)
        created = receipt.get("contractAddress")
        return Called(
            int(receipt["gasUsed"], 16),
            bytes.fromhex(created[2:]) if created else b"",
            int(block["timestamp"], 16),
            tuple(receipt["logs"]),
        )

    def wait_until(self, timestamp: int) -> None:
        """Wait for the clock that blocks follow."""
        while time.time() < timestamp:
            time.sleep(0.05)

    def _receipt(self, transaction: str) -> dict[str, Any]:
        for _ in range(RECEIPT_ATTEMPTS):
            # one at a time, with the error in the answer's place: geth refuses while it indexes its first blocks
            (receipt,) = self.rpc.settle([("eth_getTransactionReceipt", (transaction,))])
            if receipt and not isinstance(receipt, RpcFailed):
                return receipt  # type: ignore[no-any-return]
            time.sleep(0.05)
        raise TransactionFailed(f"{transaction} was not mined")

    def _reason(self, signer: LocalSigner, to: bytes | None, data: bytes, value_wei: int, receipt: Any) -> str:
        call = {"from": hexed(signer.address), "to": to and hexed(to), "data": hexed(data), "value": hex(value_wei)}
        try:
            self.rpc.request("eth_call", call, receipt["blockNumber"])
        except RpcFailed as failed:
            return f"{failed.rpc_message} {failed.data}"
        return f"reverted after {int(receipt['gasUsed'], 16)} gas"


def hexed(data: bytes) -> str:
    """Bytes as a node takes them."""
    return "0x" + data.hex()


class Deployed:
    """One contract on one node, called by name with plain values."""

    def __init__(self, node: GasNode, signer: LocalSigner, contract: str | ContractAbi, *arguments: object) -> None:
        self.node, self.abi = node, load_abi(contract) if isinstance(contract, str) else contract
        called = node.send(signer, None, self.abi.encode_deployment(*arguments))
        self.address, self.deployment_gas = called.address, called.gas

    def send(self, signer: LocalSigner, function: str, *arguments: object, value_wei: int = 0) -> Called:
        """One transaction to the contract."""
        return self.node.send(signer, self.address, self.abi.encode_call(function, *arguments), value_wei)

    def call(self, function: str, *arguments: object) -> tuple[Any, ...]:
        """A view."""
        data = self.abi.encode_call(function, *arguments)
        answer = self.node.rpc.request("eth_call", {"to": hexed(self.address), "data": hexed(data)}, "latest")
        return self.abi.decode_result(function, bytes.fromhex(answer[2:]))
