"""The one way to a chain: reads, transactions that are never doubled, logs, and a watch for reorganisations.

Decided here: which chain is accepted, what can be asked of it. Not decided here: the bytes on the wire (``rpc``), how a
nonce is chosen and when a transaction is sent again (``sending``), when it is believed (``pipeline``), the meaning of
calls (``referee`` and its neighbours). Invariants: an
*intent* (a name such as ``commit:<channel>:7``) is bound to one nonce from before its first broadcast until that nonce
is spent, so that sending it again after a crash, a timeout or a reorganisation cannot do it twice; a chain with another
id or genesis is refused, before every transaction too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from wattest.chain.abi import ContractAbi
from wattest.chain.errors import (
    AccountUnfunded,
    IntentRepeated,
    Reorganised,
    TransactionFailed,
    TransactionPending,
    WrongChain,
)
from wattest.chain.pipeline import DEFAULT_IN_FLIGHT, Pipeline
from wattest.chain.rpc import JsonRpc, RpcFailed
from wattest.chain.sending import Sending
from wattest.chain.transactions import (
    Block,
    Delivery,
    Log,
    MemoryJournal,
    Receipt,
    SentTransaction,
    TransactionJournal,
    TransactionRequest,
)
from wattest.chain.wire import (
    field_of,
    has_succeeded,
    hex_data,
    items_of,
    parse_block,
    parse_data,
    parse_log,
    parse_quantity,
    parse_receipt,
    refusal_of,
)
from wattest.config import ChainConfig
from wattest.crypto.signer import Signer

__all__ = [
    "AccountUnfunded",
    "Block",
    "ChainClient",
    "Delivery",
    "IntentRepeated",
    "Log",
    "MemoryJournal",
    "Pipeline",
    "Receipt",
    "Reorganised",
    "SentTransaction",
    "TransactionFailed",
    "TransactionJournal",
    "TransactionPending",
    "TransactionRequest",
    "WrongChain",
]

LOG_RANGE_BLOCKS = 5_000
_NO_ABI = ContractAbi("", ())


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
        self._sleep = sleep
        self._sending = Sending(rpc, chain_id, journal or MemoryJournal(), sleep)

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
        actual = parse_quantity(rpc.request("eth_chainId"))
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
        self._sending.require_chain_id(parse_quantity(self.rpc.request("eth_chainId")))
        if self.genesis_hash is not None:
            actual = self.block(0).hash
            if actual != self.genesis_hash:
                raise WrongChain(
                    "this chain has another genesis",
                    expected=self.genesis_hash,
                    actual=actual,
                    url=self.rpc.shown_url,
                    hint="the chain id is right, the chain is not: check the RPC address",
                )

    def block(self, number: int | str = "latest") -> Block:
        """A block by number or tag (``latest``, ``safe``, ``finalized``); raises ``Reorganised`` when there is none."""
        value = self.rpc.request("eth_getBlockByNumber", hex(number) if isinstance(number, int) else number, False)
        if value is None:
            raise Reorganised("the chain has no such block", retryable=True, block=number)
        return parse_block(value)

    def is_canonical(self, block_number: int, block_hash: bytes) -> bool:
        """Whether the chain still holds this block."""
        value = self.rpc.request("eth_getBlockByNumber", hex(block_number), False)
        return value is not None and parse_data(field_of(value, "hash")) == block_hash

    def now(self) -> int:
        """The latest block's timestamp: the clock that every window is measured by."""
        return self.block().timestamp_s

    def balance(self, address: bytes) -> int:
        """Wei held by an address."""
        return parse_quantity(self.rpc.request("eth_getBalance", hex_data(address), "latest"))

    def code(self, address: bytes) -> bytes:
        """The code at an address, empty when it is no contract."""
        return parse_data(self.rpc.request("eth_getCode", hex_data(address), "latest"))

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
        request = {"to": hex_data(to), "data": hex_data(abi.encode_call(function, *arguments))}
        if sender is not None:
            request["from"] = hex_data(sender)
        answer = self._refusable(abi, "eth_call", request, hex(block) if isinstance(block, int) else block)
        return abi.decode_result(function, parse_data(answer))

    def call_many(
        self, abi: ContractAbi, to: bytes, calls: Sequence[tuple[str, Sequence[object]]]
    ) -> list[tuple[Any, ...]]:
        """Several views in one round trip."""
        batch = [
            ("eth_call", [{"to": hex_data(to), "data": hex_data(abi.encode_call(function, *arguments))}, "latest"])
            for function, arguments in calls
        ]
        try:
            answers = self.rpc.batch(batch)
        except RpcFailed as error:
            raise refusal_of(abi, error) from error
        return [
            abi.decode_result(function, parse_data(answer))
            for (function, _), answer in zip(calls, answers, strict=True)
        ]

    def logs(
        self, address: bytes | Sequence[bytes], topics: Sequence[bytes | None], from_block: int, to_block: int
    ) -> list[Log]:
        """Logs of one or of several contracts in a closed range of blocks, in chain order.

        Asked for in pieces of 5,000 blocks.
        """
        found: list[Log] = []
        where = hex_data(address) if isinstance(address, bytes) else [hex_data(one) for one in address]
        shown = [None if topic is None else hex_data(topic) for topic in topics]
        for start in range(from_block, to_block + 1, LOG_RANGE_BLOCKS):
            end = min(start + LOG_RANGE_BLOCKS - 1, to_block)
            query = {"address": where, "topics": shown, "fromBlock": hex(start), "toBlock": hex(end)}
            found += [parse_log(item) for item in items_of(self.rpc.request("eth_getLogs", query))]
        return sorted(found, key=lambda log: (log.block_number, log.log_index))

    def transaction_input(self, transaction_hash: bytes) -> bytes:
        """The calldata of a mined transaction; raises ``Reorganised`` when the chain no longer holds it."""
        value = self.rpc.request("eth_getTransactionByHash", hex_data(transaction_hash))
        if value is None or field_of(value, "blockHash") is None:
            raise Reorganised(
                "the chain no longer holds this transaction", retryable=True, transaction=transaction_hash
            )
        return parse_data(field_of(value, "input"))

    def receipt(self, transaction_hash: bytes) -> Receipt | None:
        """The receipt of a mined transaction that succeeded; None while it is not mined.

        Raises ``TransactionFailed`` when it was mined and reverted.
        """
        value = self.rpc.request("eth_getTransactionReceipt", hex_data(transaction_hash))
        if value is None:
            return None
        if not has_succeeded(value):
            raise TransactionFailed(
                "a transaction was mined and reverted",
                transaction=transaction_hash,
                block=parse_quantity(field_of(value, "blockNumber")),
                gas_used=parse_quantity(field_of(value, "gasUsed")),
            )
        return parse_receipt(value)

    def deploy(self, signer: Signer, abi: ContractAbi, *arguments: object, intent: str | None = None) -> Receipt:
        """Deploy a contract; the receipt's ``contract_address`` is where it lies."""
        return self.deliver(TransactionRequest(signer, abi, None, abi.encode_deployment(*arguments), intent=intent))

    def send(
        self,
        signer: Signer,
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
        return self.deliver(self.request(signer, abi, to, function, *arguments, value_wei=value_wei, intent=intent))

    def request(
        self,
        signer: Signer,
        abi: ContractAbi,
        to: bytes,
        function: str,
        *arguments: object,
        value_wei: int = 0,
        intent: str | None = None,
        gas: int | None = None,
    ) -> TransactionRequest:
        """A call of a contract's function, for ``send_many`` or a ``pipeline``."""
        return TransactionRequest(signer, abi, to, abi.encode_call(function, *arguments), value_wei, intent, gas)

    def transfer(self, signer: Signer, to: bytes, value_wei: int) -> Receipt:
        """Send the chain's own coin."""
        return self.deliver(TransactionRequest(signer, _NO_ABI, to, b"", value_wei))

    def send_many(
        self, requests: Iterable[TransactionRequest], *, in_flight: int = DEFAULT_IN_FLIGHT
    ) -> Iterator[Delivery]:
        """Send all of these, at most ``in_flight`` at once, and hand each out as it lands.

        ``requests`` is read only as fast as the chain takes it. One that fails does not stop the others. Where the next
        request depends on a delivery, use ``pipeline``.
        """
        source, pipeline = iter(requests), self.pipeline(in_flight=in_flight)
        while batch := list(islice(source, max(1, pipeline.room))):
            yield from pipeline.submit(batch)
            if 3 * pipeline.room < in_flight:  # a third at once: few round trips for many, while the others are mined
                yield from pipeline.collect(at_least=(in_flight + 2) // 3)
        yield from pipeline.drain()

    def pipeline(self, *, in_flight: int = DEFAULT_IN_FLIGHT) -> Pipeline:
        """A way to keep many transactions in flight."""
        return Pipeline(
            self._sending,
            confirmations=self.confirmations,
            timeout_s=self._receipt_timeout_s,
            in_flight=in_flight,
            sleep=self._sleep,
        )

    def deliver(self, request: TransactionRequest) -> Receipt:
        """``send`` for a call that is a request already."""
        pipeline = self.pipeline(in_flight=1)
        pipeline.submit([request])
        (delivery,) = pipeline.drain()
        return delivery.unwrap()

    def _refusable(self, abi: ContractAbi, method: str, *params: object) -> Any:
        try:
            return self.rpc.request(method, *params)
        except RpcFailed as error:
            sender = params[0].get("from") if isinstance(params[0], dict) else None
            raise refusal_of(abi, error, sender) from error
