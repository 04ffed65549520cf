"""The one way to a chain: reads, transactions that are never doubled, logs, and a watch for reorganisations.

Decided here: which chain is accepted, how a nonce is chosen, when a transaction is sent again, when it is believed. Not
decided here: the bytes on the wire (``rpc``), the meaning of calls (``referee`` and its neighbours). Invariants: an
*intent* (a name such as ``commit:<channel>:7``) is bound to one nonce from before its first broadcast until that nonce
is spent, so that sending it again after a crash, a timeout or a reorganisation cannot do it twice; a chain with another
id or genesis is refused, before every transaction too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from wattest.chain.abi import ContractAbi
from wattest.chain.rpc import JsonRpc, MalformedRpcResponse, RpcFailed
from wattest.chain.signer import LocalSigner, UnsignedTransaction
from wattest.chain.transactions import Block, Log, MemoryJournal, Receipt, SentTransaction, TransactionJournal
from wattest.config import ChainConfig
from wattest.errors import ConfigError, ProtocolError, TransportError

__all__ = [
    "AccountUnfunded",
    "Block",
    "ChainClient",
    "Log",
    "MemoryJournal",
    "Receipt",
    "Reorganised",
    "SentTransaction",
    "TransactionFailed",
    "TransactionJournal",
    "TransactionPending",
    "WrongChain",
]

TRANSACTION_GAS_LIMIT = 1 << 24  # EIP-7825
PRIORITY_FEE_WEI = 1_000_000_000
LOG_RANGE_BLOCKS = 5_000
_FIRST_POLL_S = 0.005
_LONGEST_POLL_S = 1.0
_NO_ABI = ContractAbi("", ())


class WrongChain(ConfigError):
    """The RPC address leads to another chain than the deployment's."""


class AccountUnfunded(ConfigError):
    """The sender cannot pay for the transaction and what it carries."""


class TransactionPending(TransportError):
    """Sent, but not mined or not deep enough yet; sending the same intent again continues to wait."""


class Reorganised(TransportError):
    """The chain dropped a block that was relied on; do the step again."""


class TransactionFailed(ProtocolError):
    """Mined and reverted, and the reason cannot be found by calling again."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A transaction as its sender wants it, before nonce and fee."""

    signer: LocalSigner
    abi: ContractAbi
    to: bytes | None
    data: bytes
    value_wei: int
    intent: str | None

    @property
    def request(self) -> dict[str, str]:
        """The call object for a trial."""
        shown = {"from": _hex(self.signer.address), "data": _hex(self.data), "value": hex(self.value_wei)}
        return shown if self.to is None else {**shown, "to": _hex(self.to)}


class ChainClient:
    """A chain seen through one RPC endpoint; safe to share between threads.

    ``confirmations`` counts blocks on top of a transaction's own before it is believed; ``receipt_timeout_s`` is how
    long ``send`` waits before it raises ``TransactionPending``.
    """

    def __init__(
        self,
        rpc: JsonRpc,
        *,
        chain_id: int,
        genesis_hash: bytes | None = None,
        confirmations: int = 1,
        receipt_timeout_s: float = 60.0,
        journal: TransactionJournal | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.rpc = rpc
        self.chain_id = chain_id
        self.genesis_hash = genesis_hash
        self.confirmations = confirmations
        self._receipt_timeout_s = receipt_timeout_s
        self._journal = journal or MemoryJournal()
        self._sleep = sleep
        self._send_lock = threading.Lock()

    @classmethod
    def connect(
        cls,
        url: str,
        *,
        chain_id: int | None = None,
        genesis_hash: bytes | None = None,
        config: ChainConfig | None = None,
        journal: TransactionJournal | None = None,
        receipt_timeout_s: float = 60.0,
    ) -> ChainClient:
        """Reach the chain at ``url`` and check its id and genesis; raises ``WrongChain``."""
        settings = config or ChainConfig()
        rpc = JsonRpc(url, timeout_s=settings.request_timeout_s, max_attempts=settings.max_attempts)
        expected = chain_id if chain_id is not None else settings.chain_id
        actual = _quantity(rpc.request("eth_chainId"))
        client = cls(
            rpc,
            chain_id=actual if expected is None else expected,
            genesis_hash=genesis_hash,
            confirmations=settings.confirmations,
            journal=journal,
            receipt_timeout_s=receipt_timeout_s,
        )
        client.verify_chain()
        return client

    def verify_chain(self) -> None:
        """Check chain id and, where known, genesis; raises ``WrongChain``."""
        self._require_chain_id(_quantity(self.rpc.request("eth_chainId")))
        if self.genesis_hash is not None:
            actual = self.block(0).hash
            if actual != self.genesis_hash:
                raise WrongChain(
                    "this chain has another genesis",
                    expected=self.genesis_hash,
                    actual=actual,
                    url=self.rpc.url,
                    hint="the chain id is right, the chain is not: check the RPC address",
                )

    def block(self, number: int | str = "latest") -> Block:
        """A block by number or tag (``latest``, ``safe``, ``finalized``); raises ``Reorganised`` when there is none."""
        value = self.rpc.request("eth_getBlockByNumber", hex(number) if isinstance(number, int) else number, False)
        if value is None:
            raise Reorganised("the chain has no such block", retryable=True, block=number)
        return Block(
            _quantity(_field(value, "number")),
            _data(_field(value, "hash")),
            _data(_field(value, "parentHash")),
            _quantity(_field(value, "timestamp")),
        )

    def is_canonical(self, block_number: int, block_hash: bytes) -> bool:
        """Whether the chain still holds this block."""
        value = self.rpc.request("eth_getBlockByNumber", hex(block_number), False)
        return value is not None and _data(_field(value, "hash")) == block_hash

    def now(self) -> int:
        """The latest block's timestamp: the clock that every window is measured by."""
        return self.block().timestamp_s

    def balance(self, address: bytes) -> int:
        """Wei held by an address."""
        return _quantity(self.rpc.request("eth_getBalance", _hex(address), "latest"))

    def code(self, address: bytes) -> bytes:
        """The code at an address, empty when it is no contract."""
        return _data(self.rpc.request("eth_getCode", _hex(address), "latest"))

    def call(
        self,
        abi: ContractAbi,
        to: bytes,
        function: str,
        *arguments: object,
        block: int | str = "latest",
        sender: bytes | None = None,
    ) -> tuple[Any, ...]:
        """Call a view; custom errors are raised as the ``ProtocolError`` of the same name."""
        request = {"to": _hex(to), "data": _hex(abi.encode_call(function, *arguments))}
        if sender is not None:
            request["from"] = _hex(sender)
        answer = self._refusable(abi, "eth_call", request, hex(block) if isinstance(block, int) else block)
        return abi.decode_result(function, _data(answer))

    def call_many(
        self, abi: ContractAbi, to: bytes, calls: Sequence[tuple[str, Sequence[object]]]
    ) -> list[tuple[Any, ...]]:
        """Several views in one round trip."""
        batch = [
            ("eth_call", [{"to": _hex(to), "data": _hex(abi.encode_call(function, *arguments))}, "latest"])
            for function, arguments in calls
        ]
        try:
            answers = self.rpc.batch(batch)
        except RpcFailed as error:
            raise _refusal(abi, error) from error
        return [
            abi.decode_result(function, _data(answer)) for (function, _), answer in zip(calls, answers, strict=True)
        ]

    def logs(self, address: bytes, topics: Sequence[bytes | None], from_block: int, to_block: int) -> list[Log]:
        """Logs of one contract in a closed range of blocks, in chain order, asked for in pieces of 5,000 blocks."""
        found: list[Log] = []
        shown = [None if topic is None else _hex(topic) for topic in topics]
        for start in range(from_block, to_block + 1, LOG_RANGE_BLOCKS):
            end = min(start + LOG_RANGE_BLOCKS - 1, to_block)
            query = {"address": _hex(address), "topics": shown, "fromBlock": hex(start), "toBlock": hex(end)}
            found += [_log(item) for item in _items(self.rpc.request("eth_getLogs", query))]
        return sorted(found, key=lambda log: (log.block_number, log.log_index))

    def transaction_input(self, transaction_hash: bytes) -> bytes:
        """The calldata of a mined transaction; raises ``Reorganised`` when the chain no longer holds it."""
        value = self.rpc.request("eth_getTransactionByHash", _hex(transaction_hash))
        if value is None or _field(value, "blockHash") is None:
            raise Reorganised(
                "the chain no longer holds this transaction", retryable=True, transaction=transaction_hash
            )
        return _data(_field(value, "input"))

    def receipt(self, transaction_hash: bytes) -> Receipt | None:
        """The receipt of a mined transaction that succeeded; None while it is not mined.

        Raises ``TransactionFailed`` when it was mined and reverted.
        """
        value = self.rpc.request("eth_getTransactionReceipt", _hex(transaction_hash))
        if value is None:
            return None
        if _quantity(_field(value, "status")) != 1:
            raise TransactionFailed(
                "a transaction was mined and reverted",
                transaction=transaction_hash,
                block=_quantity(_field(value, "blockNumber")),
                gas_used=_quantity(_field(value, "gasUsed")),
            )
        address = value.get("contractAddress")
        return Receipt(
            _data(_field(value, "transactionHash")),
            _quantity(_field(value, "blockNumber")),
            _data(_field(value, "blockHash")),
            _quantity(_field(value, "gasUsed")),
            _quantity(value.get("effectiveGasPrice", "0x0")),
            None if address is None else _data(address),
            tuple(_log(item) for item in _items(_field(value, "logs"))),
        )

    def deploy(self, signer: LocalSigner, abi: ContractAbi, *arguments: object) -> Receipt:
        """Deploy a contract; the receipt's ``contract_address`` is where it lies."""
        return self._send(_Wanted(signer, abi, None, abi.encode_deployment(*arguments), 0, None))

    def send(
        self,
        signer: LocalSigner,
        abi: ContractAbi,
        to: bytes,
        function: str,
        *arguments: object,
        value_wei: int = 0,
        intent: str | None = None,
    ) -> Receipt:
        """Send a transaction and wait until it is mined and deep enough.

        The same ``intent`` again continues with what was sent before. Raises the ``ProtocolError`` that the contract
        names, ``TransactionPending`` after the timeout, ``TransportError`` when the chain cannot be reached.
        """
        return self._send(_Wanted(signer, abi, to, abi.encode_call(function, *arguments), value_wei, intent))

    def transfer(self, signer: LocalSigner, to: bytes, value_wei: int) -> Receipt:
        """Send the chain's own coin."""
        return self._send(_Wanted(signer, _NO_ABI, to, b"", value_wei, None))

    def _send(self, wanted: _Wanted) -> Receipt:
        with self._send_lock:
            sent = self._resumed(wanted)
            if sent and self._mined(sent) is None:
                sent = self._rebroadcast(wanted, sent)
            if not sent:
                sent = [self._broadcast_new(wanted)]
        try:
            return self._await(sent)
        except TransactionFailed as failure:
            self._journal.forget(wanted.signer.address, sent[0].intent)
            block = failure.fields.get("block")
            at = hex(block) if isinstance(block, int) else "latest"
            self._refusable(wanted.abi, "eth_call", wanted.request, at)  # says why, in the contract's own words
            raise

    def _resumed(self, wanted: _Wanted) -> list[SentTransaction]:
        sender = wanted.signer.address
        sent = list(self._journal.find(sender, wanted.intent)) if wanted.intent is not None else []
        if not sent or wanted.intent is None:
            return []
        # The nonce is read first: a receipt that appears in between is then seen, never missed.
        spent = _quantity(self.rpc.request("eth_getTransactionCount", _hex(sender), "latest"))
        if spent <= sent[0].nonce or self._mined(sent) is not None:
            return sent
        self._journal.forget(sender, wanted.intent)  # another transaction took the nonce: this one is never mined
        return []

    def _mined(self, sent: Sequence[SentTransaction]) -> SentTransaction | None:
        receipts = self.rpc.batch([("eth_getTransactionReceipt", [_hex(one.hash)]) for one in sent])
        return next((one for one, receipt in zip(sent, receipts, strict=True) if receipt), None)

    def _rebroadcast(self, wanted: _Wanted, sent: list[SentTransaction]) -> list[SentTransaction]:
        newest = sent[-1]
        chain_id, latest = self.rpc.batch([("eth_chainId", []), ("eth_getBlockByNumber", ["latest", False])])
        self._require_chain_id(_quantity(chain_id))
        base_fee_wei = _quantity(_field(latest, "baseFeePerGas"))
        if base_fee_wei <= newest.max_fee_wei:
            self._broadcast(newest.raw)
            return sent
        fee_wei = max(2 * base_fee_wei + 2 * PRIORITY_FEE_WEI, 2 * newest.max_fee_wei)
        again = self._signed(wanted, newest.nonce, newest.gas, fee_wei, 2 * PRIORITY_FEE_WEI)
        self._journal.record(again)
        self._broadcast(again.raw)
        return [*sent, again]

    def _broadcast_new(self, wanted: _Wanted) -> SentTransaction:
        sender = wanted.signer.address
        estimate = _quantity(self._refusable(wanted.abi, "eth_estimateGas", wanted.request, "latest"))
        chain_id, spent, latest = self.rpc.batch(
            [
                ("eth_chainId", []),
                ("eth_getTransactionCount", [_hex(sender), "latest"]),
                ("eth_getBlockByNumber", ["latest", False]),
            ]
        )
        self._require_chain_id(_quantity(chain_id))
        nonce = _quantity(spent)
        for earlier in self._journal.outstanding(sender, nonce):
            self._broadcast(earlier.raw)  # a reorganisation or a crash may have taken it out of the node's pool
            if earlier.nonce == nonce:
                nonce += 1
        fee_wei = 2 * _quantity(_field(latest, "baseFeePerGas")) + PRIORITY_FEE_WEI
        gas = min(estimate + estimate // 4 + 10_000, TRANSACTION_GAS_LIMIT)
        sent = self._signed(wanted, nonce, gas, fee_wei, PRIORITY_FEE_WEI)
        self._journal.record(sent)
        self._broadcast(sent.raw)
        return sent

    def _signed(self, wanted: _Wanted, nonce: int, gas: int, fee_wei: int, priority_fee_wei: int) -> SentTransaction:
        signed = wanted.signer.sign(
            UnsignedTransaction(
                self.chain_id, nonce, wanted.to, wanted.data, wanted.value_wei, gas, fee_wei, priority_fee_wei
            )
        )
        intent = wanted.intent or f"{nonce}:{signed.hash.hex()}"
        return SentTransaction(intent, wanted.signer.address, nonce, signed.raw, signed.hash, gas, fee_wei)

    def _broadcast(self, raw: bytes) -> None:
        try:
            self.rpc.request("eth_sendRawTransaction", _hex(raw))
        except RpcFailed as error:
            if not _is_known_already(error):
                raise TransactionPending(
                    "the node did not take the transaction", retryable=True, reason=error.rpc_message
                ) from error

    def _await(self, sent: Sequence[SentTransaction]) -> Receipt:
        deadline = time.monotonic() + self._receipt_timeout_s
        wait_s = _FIRST_POLL_S
        while True:
            mined = self._mined(sent)
            receipt = self.receipt(mined.hash) if mined is not None else None
            if receipt is not None and self._is_deep_enough(receipt):
                return receipt
            if time.monotonic() > deadline:
                raise TransactionPending(
                    "the transaction is not mined, or not deep enough yet",
                    retryable=True,
                    transaction=sent[-1].hash,
                    waited_s=self._receipt_timeout_s,
                    confirmations=self.confirmations,
                )
            self._sleep(wait_s)
            wait_s = min(wait_s * 2, _LONGEST_POLL_S)

    def _is_deep_enough(self, receipt: Receipt) -> bool:
        if self.confirmations == 0:
            return True
        head = self.block()
        return head.number >= receipt.block_number + self.confirmations and self.is_canonical(
            receipt.block_number, receipt.block_hash
        )

    def _refusable(self, abi: ContractAbi, method: str, *params: object) -> Any:
        try:
            return self.rpc.request(method, *params)
        except RpcFailed as error:
            if "insufficient funds" in error.rpc_message.lower():
                sender = params[0].get("from") if isinstance(params[0], dict) else None
                raise AccountUnfunded(
                    "the account cannot pay for the transaction",
                    account=sender,
                    reason=error.rpc_message,
                    hint="send it some of the chain's coin, for gas and for the stake or bond",
                ) from error
            raise _refusal(abi, error) from error

    def _require_chain_id(self, actual: int) -> None:
        if actual != self.chain_id:
            raise WrongChain(
                "this is another chain",
                expected=self.chain_id,
                actual=actual,
                url=self.rpc.url,
                hint="check the RPC address and the deployment file",
            )


def _refusal(abi: ContractAbi, error: RpcFailed) -> Exception:
    data = error.data
    if isinstance(data, dict):
        data = data.get("data")
    if isinstance(data, str) and data.startswith("0x") and len(data) >= 10:
        return abi.error_from(_data(data))
    if "revert" in error.rpc_message.lower():
        return abi.error_from(b"")
    return error


def _is_known_already(error: RpcFailed) -> bool:
    text = error.rpc_message.lower()
    return any(
        words in text
        for words in (
            "already known",
            "already imported",
            "known transaction",
            "nonce too low",
            "already in the pool",
            "transaction already",
        )
    )


def _log(value: object) -> Log:
    return Log(
        _data(_field(value, "address")),
        tuple(_data(topic) for topic in _items(_field(value, "topics"))),
        _data(_field(value, "data")),
        _quantity(_field(value, "blockNumber")),
        _data(_field(value, "blockHash")),
        _data(_field(value, "transactionHash")),
        _quantity(_field(value, "logIndex")),
    )


def _field(value: object, name: str) -> Any:
    if not isinstance(value, dict) or name not in value:
        raise MalformedRpcResponse("the node's answer lacks a field", retryable=False, field=name)
    return value[name]


def _items(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise MalformedRpcResponse("the node's answer is no list", retryable=False, actual=type(value).__name__)
    return value


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _data(text: object) -> bytes:
    if not isinstance(text, str) or not text.startswith("0x"):
        raise MalformedRpcResponse("the node answered no hex string", retryable=False, actual=str(text)[:80])
    try:
        return bytes.fromhex(text[2:])
    except ValueError as error:
        raise MalformedRpcResponse("the node answered malformed hex", retryable=False, actual=text[:80]) from error


def _quantity(text: object) -> int:
    try:
        return int(str(text), 16)
    except ValueError as error:
        raise MalformedRpcResponse("the node answered no number", retryable=False, actual=str(text)[:80]) from error
