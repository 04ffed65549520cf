"""The ports of what an operator keeps: typed protocols, and the errors that belong to them.

Decided here: what operator, keys and witness may ask of a store, and what every back end promises. Not decided here:
which back ends there are (``back_ends``), what is accepted (``operator.ingest``), when a step is taken (``operator``).
Every back end passes the suites in ``tests/support/*_conformance.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from wattest.errors import InputError

MAX_BLOCK_BYTES = 16 * 1024 * 1024
"""Of one device block, as it came."""


class BlockTooLarge(InputError):
    """A device block over the size limit."""


class InboxFull(InputError):
    """More blocks wait than the inbox may hold."""


class BlockInbox(Protocol):
    """Blocks that wait for the operator's one writer: left by many threads or programs, taken by one.

    A block waits under a name within its channel (32 bytes) until it is taken or set aside.
    """

    def put(self, channel: bytes, body: bytes) -> str:
        """Leave a block; it waits, durable where the back end is, when this returns. The same block twice is one.

        The name it waits under. Raises ``BlockTooLarge``, ``InboxFull``; then nothing was left.
        """

    def waiting(self, channel: bytes) -> Sequence[str]:
        """The names of what waits, ascending."""

    def body(self, channel: bytes, name: str) -> bytes:
        """A waiting block, whole up to ``MAX_BLOCK_BYTES``; of a larger one that much and one byte."""

    def taken(self, channel: bytes, name: str) -> None:
        """Remove a block that the operator keeps, or kept before."""

    def set_aside(self, channel: bytes, name: str, reason: Mapping[str, object]) -> None:
        """Keep a refused block out of the way, with the reason beside it; it waits no more."""
