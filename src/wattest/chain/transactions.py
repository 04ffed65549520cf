"""What a chain hands out, and where sent transactions are remembered: plain values and a small port.

Decided here: their shape. Not decided here: how they are fetched or sent (``client``), how a node keeps its journal on
disk (``node.database``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


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

    def record(self, transaction: SentTransaction) -> None:
        """Remember a transaction that is about to be broadcast."""

    def forget(self, sender: bytes, intent: str) -> None:
        """Drop an intent whose nonce was spent without doing it."""

    def outstanding(self, sender: bytes, from_nonce: int) -> Sequence[SentTransaction]:
        """The newest broadcast per nonce at or above ``from_nonce``, ascending by nonce."""


class MemoryJournal:
    """A journal for one process's life; nodes keep theirs on disk."""

    def __init__(self) -> None:
        self._sent: list[SentTransaction] = []

    def find(self, sender: bytes, intent: str) -> Sequence[SentTransaction]:
        """Every broadcast of this intent, oldest first."""
        return [sent for sent in self._sent if (sent.sender, sent.intent) == (sender, intent)]

    def record(self, transaction: SentTransaction) -> None:
        """Remember a transaction."""
        self._sent.append(transaction)

    def forget(self, sender: bytes, intent: str) -> None:
        """Drop an intent."""
        self._sent = [sent for sent in self._sent if (sent.sender, sent.intent) != (sender, intent)]

    def outstanding(self, sender: bytes, from_nonce: int) -> Sequence[SentTransaction]:
        """The newest broadcast per nonce at or above ``from_nonce``."""
        newest = {s.nonce: s for s in self._sent if s.sender == sender and s.nonce >= from_nonce}
        return [newest[nonce] for nonce in sorted(newest)]
