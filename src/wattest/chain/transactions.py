"""What a chain hands out, what is asked of it, and where sent transactions are remembered: values and a small port.

Decided here: their shape. Not decided here: how they are fetched (``client``), sent (``sending``) or waited for
(``pipeline``), how a node keeps its journal on disk (``store.database``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from wattest.chain.abi import ContractAbi
from wattest.crypto.signer import Signer


@dataclass(frozen=True, slots=True)
class Block:
    """A block as it is referred to: number, hash and parent hash (32 bytes), timestamp in unix seconds."""

    number: int
    hash: bytes
    parent_hash: bytes
    timestamp_s: int


@dataclass(frozen=True, slots=True)
class Log:
    """One log with its place in the chain."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes
    block_number: int
    block_hash: bytes
    transaction_hash: bytes
    log_index: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """A transaction that was mined and succeeded, with what it cost."""

    transaction_hash: bytes
    block_number: int
    block_hash: bytes
    gas_used: int
    gas_price_wei: int
    contract_address: bytes | None
    logs: tuple[Log, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class TransactionRequest:
    """A transaction as its sender wants it, before nonce and fee.

    ``to`` is None for a deployment. ``intent`` None means that nobody will ask for it again. ``gas`` is its limit; None
    lets the node estimate, against the chain as it is: a request that builds on another one in flight must state it.
    ``tried_at`` says on which block: ``pending`` where the time of the next block matters.
    """

    signer: Signer
    abi: ContractAbi
    to: bytes | None
    data: bytes = field(repr=False)
    value_wei: int = 0
    intent: str | None = None
    gas: int | None = None
    tried_at: str = "latest"

    @property
    def call(self) -> dict[str, str]:
        """The call object for a trial."""
        shown = {"from": _hex(self.signer.address), "data": _hex(self.data), "value": hex(self.value_wei)}
        return shown if self.to is None else {**shown, "to": _hex(self.to)}


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one request: a receipt, or why there is none."""

    request: TransactionRequest
    receipt: Receipt | None = None
    failure: Exception | None = None

    def unwrap(self) -> Receipt:
        """The receipt; raises the failure where there is none."""
        if self.failure is not None:
            raise self.failure
        assert self.receipt is not None
        return self.receipt


@dataclass(frozen=True, slots=True)
class SentTransaction:
    """One broadcast of an intent; with a raised fee an intent has several, all of one nonce."""

    intent: str
    sender: bytes
    nonce: int
    raw: bytes = field(repr=False)
    hash: bytes
    gas: int
    max_fee_wei: int


class TransactionJournal(Protocol):
    """Where sent transactions are remembered; ``record`` must be durable before it returns."""

    def find(self, sender: bytes, intent: str) -> Sequence[SentTransaction]:
        """Every broadcast of this intent, oldest first."""

    def record(self, transactions: Iterable[SentTransaction]) -> None:
        """Remember transactions that are about to be broadcast: all of them, or none."""

    def forget(self, sender: bytes, intent: str) -> None:
        """Drop an intent whose nonce was spent without doing it."""

    def outstanding(self, sender: bytes, from_nonce: int) -> Sequence[SentTransaction]:
        """The newest broadcast per nonce at or above ``from_nonce``, ascending by nonce."""


class MemoryJournal:
    """A journal for one process's life; nodes keep theirs on disk."""

    def __init__(self) -> None:
        self._sent: dict[tuple[bytes, str], list[SentTransaction]] = {}
        self._by_nonce: dict[bytes, dict[int, list[SentTransaction]]] = {}

    def find(self, sender: bytes, intent: str) -> Sequence[SentTransaction]:
        """Every broadcast of this intent, oldest first."""
        return tuple(self._sent.get((sender, intent), ()))

    def record(self, transactions: Iterable[SentTransaction]) -> None:
        """Remember transactions."""
        for sent in transactions:
            self._sent.setdefault((sent.sender, sent.intent), []).append(sent)
            self._by_nonce.setdefault(sent.sender, {}).setdefault(sent.nonce, []).append(sent)

    def forget(self, sender: bytes, intent: str) -> None:
        """Drop an intent."""
        for sent in self._sent.pop((sender, intent), ()):
            nonces = self._by_nonce[sender]
            nonces[sent.nonce].remove(sent)
            if not nonces[sent.nonce]:
                del nonces[sent.nonce]

    def outstanding(self, sender: bytes, from_nonce: int) -> Sequence[SentTransaction]:
        """The newest broadcast per nonce at or above ``from_nonce``."""
        nonces = self._by_nonce.get(sender, {})
        return [nonces[nonce][-1] for nonce in sorted(each for each in nonces if each >= from_nonce)]


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
