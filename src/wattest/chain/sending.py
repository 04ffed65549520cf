"""Sending transactions so that none is done twice: nonces, fees, the journal before the wire, what was lost sent again.

Decided here: which nonce a request gets, when bytes are sent again and when with a higher fee, what fills a gap. Not
decided here: when a transaction is believed (``pipeline``), the bytes on the wire (``rpc``). Invariants: a request's
nonce is in the journal, durably, before its first broadcast, and stays its own until the chain shows that something
else spent it; nonces of one sender are given out by one thread at a time, lowest free one first; the chain id is read
again before anything is signed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from wattest.chain.abi import ContractAbi
from wattest.chain.errors import TransactionFailed, TransactionPending, WrongChain
from wattest.chain.rpc import JsonRpc, RpcFailed
from wattest.chain.signed_transaction import UnsignedTransaction, sign_transaction
from wattest.chain.transactions import Delivery, SentTransaction, TransactionJournal, TransactionRequest
from wattest.chain.wire import field_of, hex_data, is_known_already, parse_data, parse_quantity, refusal_of
from wattest.crypto.signer import Signer

TRANSACTION_GAS_LIMIT = 1 << 24  # EIP-7825
PRIORITY_FEE_WEI = 1_000_000_000
MAX_OUTSTANDING = 4_096
"""Transactions of one sender that may wait for a block at once; nodes hold fewer, and drop the rest."""
TRANSFER_GAS = 21_000
_OUTLOOK_LIFE_S = 0.5
_LATE_RECEIPT_POLLS_S = (0.0, 0.1, 0.3)
_NO_ABI = ContractAbi("", ())


@dataclass(slots=True)
class Flight:
    """A request with its nonce, and everything that was broadcast for it; all of one nonce."""

    request: TransactionRequest
    broadcasts: list[SentTransaction]
    refusal: RpcFailed | None = field(default=None, repr=False)

    @property
    def sender(self) -> bytes:
        """Who pays."""
        return self.request.signer.address

    @property
    def newest(self) -> SentTransaction:
        """The broadcast with the highest fee."""
        return self.broadcasts[-1]


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the right chain said of these senders, and when: their spent nonces, the base fee, the head."""

    base_fee_wei: int
    spent: dict[bytes, int]
    head: int
    read_at: float

    def serves(self, senders: Iterable[bytes]) -> bool:
        """Whether it is young enough to sign by, for these."""
        return time.monotonic() - self.read_at < _OUTLOOK_LIFE_S and all(sender in self.spent for sender in senders)


class Sending:
    """The sending half of a client; safe to share between threads, one at a time for each sender."""

    def __init__(
        self,
        rpc: JsonRpc,
        chain_id: int,
        journal: TransactionJournal,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.rpc = rpc
        self.chain_id = chain_id
        self.journal = journal
        self._sleep = sleep
        self._locks: dict[bytes, threading.Lock] = {}
        self._locks_lock = threading.Lock()
        self._in_pool: set[bytes] = set()  # taken by the node from this process, and not seen mined since

    def admit(self, requests: Sequence[TransactionRequest], outlook: Outlook | None = None) -> list[Flight | Delivery]:
        """Bind every request to a nonce, remember all of them, then broadcast; in the order of ``requests``.

        What the contract or the account refuses comes back as a ``Delivery`` with its failure. An intent that was sent
        before continues with what the journal holds. A young ``outlook`` saves asking again. Raises
        ``ChainUnreachable``, ``WrongChain``.
        """
        senders = list(dict.fromkeys(request.signer.address for request in requests))
        with self._alone(senders):
            young = outlook is not None and outlook.serves(senders)
            return self._admit(requests, senders, outlook if outlook and young else self.outlook(senders))

    def revive(self, flights: Sequence[Flight]) -> list[Flight]:
        """Bring back what the chain or the pool dropped, for the senders of ``flights``; those whose nonce is lost.

        Every outstanding transaction is broadcast again in the order of nonces, with a higher fee where the base fee
        outgrew the old one; a nonce that nothing is bound to is spent on a transfer of nothing to its own sender, since
        all that follow would wait for it.
        """
        senders = {flight.sender: flight.request.signer for flight in flights}
        with self._alone(senders):
            outlook = self.outlook(senders)
            lost = [
                flight
                for flight in flights
                if flight.newest.nonce < outlook.spent[flight.sender] and self._is_taken(flight.broadcasts)
            ]
            alive = [flight for flight in flights if flight.newest.nonce >= outlook.spent[flight.sender]]
            self._raise_fees(alive, outlook)
            fillers = [filler for signer in senders.values() for filler in self._fillers(signer, outlook)]
            self.journal.record(fillers)
            again = [sent for sender in senders for sent in self.journal.outstanding(sender, outlook.spent[sender])]
            self._broadcast(again, {flight.newest.hash: flight for flight in alive})
            for flight in lost:
                self.journal.forget(flight.sender, flight.newest.intent)
        return lost

    def outlook(self, senders: Iterable[bytes]) -> Outlook:
        """Ask the chain; raises ``WrongChain``."""
        wanted, read_at = list(senders), time.monotonic()
        chain_id, latest, *counts = self.rpc.batch(
            [
                ("eth_chainId", []),
                ("eth_getBlockByNumber", ["latest", False]),
                *(("eth_getTransactionCount", [hex_data(sender), "latest"]) for sender in wanted),
            ]
        )
        self.require_chain_id(parse_quantity(chain_id))
        base_fee_wei = parse_quantity(field_of(latest, "baseFeePerGas"))
        spent = dict(zip(wanted, map(parse_quantity, counts), strict=True))
        return Outlook(base_fee_wei, spent, parse_quantity(field_of(latest, "number")), read_at)

    def has_landed(self, flight: Flight) -> None:
        """Take note that a flight is mined: if its nonce is free again, the chain dropped it."""
        self._in_pool.difference_update(sent.hash for sent in flight.broadcasts)

    def failure_of(self, flight: Flight, receipt: dict[str, Any]) -> Exception:
        """Why a mined transaction did nothing, in the contract's own words if it repeats them; its intent ends."""
        self.journal.forget(flight.sender, flight.newest.intent)
        block = field_of(receipt, "blockNumber")
        (answer,) = self.rpc.settle([("eth_call", [flight.request.call, block])])
        if isinstance(answer, RpcFailed):
            return refusal_of(flight.request.abi, answer, hex_data(flight.sender))
        return TransactionFailed(
            "a transaction was mined and reverted",
            transaction=parse_data(field_of(receipt, "transactionHash")),
            block=parse_quantity(block),
            gas_used=parse_quantity(field_of(receipt, "gasUsed")),
        )

    def require_chain_id(self, actual: int) -> None:
        """Raises ``WrongChain`` for another one."""
        if actual != self.chain_id:
            raise WrongChain(
                "this is another chain",
                expected=self.chain_id,
                actual=actual,
                url=self.rpc.shown_url,
                hint="check the RPC address and the deployment file",
            )

    def _admit(
        self, requests: Sequence[TransactionRequest], senders: Sequence[bytes], outlook: Outlook
    ) -> list[Flight | Delivery]:
        outcomes: list[Flight | Delivery | None] = [self._resumed(request, outlook) for request in requests]
        self._raise_fees([flight for flight in outcomes if isinstance(flight, Flight)], outlook)
        fresh = [at for at, outcome in enumerate(outcomes) if outcome is None]
        limits = self._gas_limits([requests[at] for at in fresh])
        free = {sender: self._free_nonces(sender, outlook.spent[sender]) for sender in senders}
        for at, gas in zip(fresh, limits, strict=True):
            request = requests[at]
            if isinstance(gas, Exception):
                outcomes[at] = Delivery(request, failure=gas)
            elif (nonce := next(free[request.signer.address], None)) is None:
                outcomes[at] = Delivery(request, failure=_too_many(request))
            else:
                fee_wei = 2 * outlook.base_fee_wei + PRIORITY_FEE_WEI
                outcomes[at] = Flight(request, [self._signed(request, nonce, gas, fee_wei, PRIORITY_FEE_WEI)])
        bound = [outcomes[at] for at in fresh]
        self.journal.record([flight.newest for flight in bound if isinstance(flight, Flight)])
        flights = [outcome for outcome in outcomes if isinstance(outcome, Flight)]
        waiting = [
            sent
            for sender in senders
            for sent in self.journal.outstanding(sender, outlook.spent[sender])
            if sent.hash not in self._in_pool  # a reorganisation or a crash may have taken it out of the node's pool
        ]
        self._broadcast(waiting, {flight.newest.hash: flight for flight in flights})
        return [outcome for outcome in outcomes if outcome is not None]

    def _resumed(self, request: TransactionRequest, outlook: Outlook) -> Flight | None:
        sender = request.signer.address
        if request.intent is None or not (sent := list(self.journal.find(sender, request.intent))):
            return None
        # The nonce was read before: a receipt that appeared in between is seen, never missed.
        if sent[0].nonce < outlook.spent[sender] and self._is_taken(sent):
            self.journal.forget(sender, request.intent)
            return None
        self._in_pool.discard(sent[-1].hash)  # nobody asks again for what goes well: the node gets it once more
        return Flight(request, sent)

    def _is_taken(self, sent: Sequence[SentTransaction]) -> bool:
        """Whether a nonce that is spent was spent by none of these; a node may show a receipt a moment late."""
        for wait_s in _LATE_RECEIPT_POLLS_S:
            if wait_s:
                self._sleep(wait_s)
            if any(self.rpc.batch([("eth_getTransactionReceipt", [hex_data(one.hash)]) for one in sent])):
                return False
        return True

    def _gas_limits(self, requests: Sequence[TransactionRequest]) -> list[int | Exception]:
        asked = [request for request in requests if request.gas is None]
        answers = iter(self.rpc.settle([("eth_estimateGas", [request.call, request.tried_at]) for request in asked]))
        limits: list[int | Exception] = []
        for request in requests:
            answer = hex(request.gas) if request.gas is not None else next(answers)
            if isinstance(answer, RpcFailed):
                limits.append(refusal_of(request.abi, answer, hex_data(request.signer.address)))
            elif request.gas is not None:
                limits.append(min(request.gas, TRANSACTION_GAS_LIMIT))
            else:
                estimate = parse_quantity(answer)
                limits.append(min(estimate + estimate // 4 + 10_000, TRANSACTION_GAS_LIMIT))
        return limits

    def _free_nonces(self, sender: bytes, spent: int) -> Iterator[int]:
        taken = {sent.nonce for sent in self.journal.outstanding(sender, spent)}
        return (nonce for nonce in range(spent, spent + MAX_OUTSTANDING) if nonce not in taken)

    def _raise_fees(self, flights: Iterable[Flight], outlook: Outlook) -> None:
        for flight in flights:
            newest, base_fee_wei = flight.newest, outlook.base_fee_wei
            if base_fee_wei <= newest.max_fee_wei or newest.nonce < outlook.spent[flight.sender]:
                continue
            fee_wei = max(2 * base_fee_wei + 2 * PRIORITY_FEE_WEI, 2 * newest.max_fee_wei)
            again = self._signed(flight.request, newest.nonce, newest.gas, fee_wei, 2 * PRIORITY_FEE_WEI)
            again = replace(again, intent=newest.intent)
            self.journal.record([again])
            flight.broadcasts.append(again)

    def _fillers(self, signer: Signer, outlook: Outlook) -> list[SentTransaction]:
        spent = outlook.spent[signer.address]
        bound = [sent.nonce for sent in self.journal.outstanding(signer.address, spent)]
        fee_wei = 2 * outlook.base_fee_wei + PRIORITY_FEE_WEI
        fillers = []
        for nonce in sorted(set(range(spent, max(bound, default=spent))) - set(bound)):
            nothing = TransactionRequest(signer, _NO_ABI, signer.address, b"", intent=f"gap:{nonce}")
            fillers.append(self._signed(nothing, nonce, TRANSFER_GAS, fee_wei, PRIORITY_FEE_WEI))
        return fillers

    def _signed(
        self, request: TransactionRequest, nonce: int, gas: int, fee_wei: int, priority_fee_wei: int
    ) -> SentTransaction:
        signed = sign_transaction(
            request.signer,
            UnsignedTransaction(
                self.chain_id, nonce, request.to, request.data, request.value_wei, gas, fee_wei, priority_fee_wei
            ),
        )
        intent = request.intent or f"{nonce}:{signed.hash.hex()}"
        return SentTransaction(intent, request.signer.address, nonce, signed.raw, signed.hash, gas, fee_wei)

    def _broadcast(self, transactions: Sequence[SentTransaction], flights: Mapping[bytes, Flight]) -> None:
        answers = self.rpc.settle([("eth_sendRawTransaction", [hex_data(sent.raw)]) for sent in transactions])
        for sent, answer in zip(transactions, answers, strict=True):
            refused = isinstance(answer, RpcFailed) and not is_known_already(answer)
            if not refused:
                self._in_pool.add(sent.hash)
            if sent.hash in flights:
                flights[sent.hash].refusal = answer if refused else None

    @contextmanager
    def _alone(self, senders: Iterable[bytes]) -> Iterator[None]:
        """Hold these senders' locks, taken in the order of addresses so that no two threads wait for each other."""
        with ExitStack() as stack:
            for sender in sorted(set(senders)):
                with self._locks_lock:
                    lock = self._locks.setdefault(sender, threading.Lock())
                stack.enter_context(lock)
            yield


def _too_many(request: TransactionRequest) -> TransactionPending:
    return TransactionPending(
        "too many transactions of this account wait to be mined",
        retryable=True,
        account=request.signer.address,
        limit=MAX_OUTSTANDING,
    )
