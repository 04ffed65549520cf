"""The ports of where an operator's blocks wait and its bundles lie, and of how far a node has read the chain.

Decided here: what operator, server and witness may ask, and what every back end promises. Not decided here: the tables
(``operator_port``), which back ends there are (``back_ends``), what is accepted (``operator.ingest``), when a step is
taken (``operator``). Every back end passes the suites in ``tests/support/*_conformance.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import BinaryIO, Protocol, Self

from wattest.errors import InputError
from wattest.io.crash_points import CrashPoints

MAX_BLOCK_BYTES = 16 * 1024 * 1024
"""Of one device block, as it came."""


class BlockTooLarge(InputError):
    """A device block over the size limit."""


class InboxFull(InputError):
    """More blocks wait than the inbox may hold."""


class BundleMissing(InputError):
    """No bundle with this content id is stored."""


class BlockIndexInvalid(InputError):
    """A block index outside the bundle."""


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

    def take_back(self, channel: bytes, code: str, may_return: Callable[[bytes], bool]) -> int:
        """Let blocks wait again that were set aside with this ``error``, where ``may_return`` says yes; how many."""


class OpenBundle(Protocol):
    """A stored bundle that is being read; each block is checked against its CID whenever it is read.

    Raises ``BlockDigestMismatch`` for what was altered.
    """

    @property
    def content_id(self) -> bytes:
        """SHA-256 of the manifest, 32 bytes."""

    @property
    def block_count(self) -> int:
        """Number of ciphertexts, the manifest not counted."""

    def manifest(self) -> bytes:
        """The manifest's bytes."""

    def block(self, index: int) -> bytes:
        """The ciphertext of entry ``index``; raises ``BlockIndexInvalid``."""

    def blocks(self) -> Iterator[bytes]:
        """Every ciphertext in the entries' order."""


class BundleGroup(Protocol):
    """Bundles on their way into a store, which become durable together; a context manager that drops what was not."""

    @property
    def is_full(self) -> bool:
        """Whether it should be stored before more is added."""

    def add(self, manifest: bytes, blocks: Iterable[bytes]) -> bytes:
        """Take a bundle in and return its content id; nothing finds it in the store yet.

        One that is stored, or in the group, is not written again. Raises ``DiskFailed``.
        """

    def store(self) -> None:
        """Make the group durable and found, every bundle whole; the group is empty then.

        Raises ``DiskFailed``: what is not found then is gone, and what is found may be added again.
        """

    def discard(self) -> None:
        """Drop what is not stored."""

    def __enter__(self) -> Self:
        """Use as a context manager."""

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Drop what was not stored."""


class BundleStore(Protocol):
    """Bundles by content id (32 bytes): added by one writer, read by any number, never changed, never removed."""

    def has(self, content_id: bytes) -> bool:
        """Whether a bundle of this content id is stored; raises ``BundleMissing`` for an id of another length."""

    def open(self, content_id: bytes) -> AbstractContextManager[OpenBundle]:
        """Open a stored bundle; raises ``BundleMissing``."""

    def block(self, content_id: bytes, index: int) -> bytes:
        """One ciphertext, at a cost that does not grow with the bundle once it was asked before.

        Raises ``BundleMissing``, ``BlockIndexInvalid``; ``BlockDigestMismatch`` for what was altered.
        """

    def open_car(self, content_id: bytes) -> tuple[int, BinaryIO]:
        """The bundle as one CARv1 file: its bytes' number, and where they are read from, which the caller closes.

        Raises ``BundleMissing``.
        """

    def group(self, faults: CrashPoints | None = None) -> BundleGroup:
        """An empty group for this store's writer."""

    def remove_unfinished(self) -> int:
        """Remove what a crash left half written, for the one writer before it begins; how many pieces."""


class Cursors(Protocol):
    """How far a node has read the chain: a block number and hash (32 bytes) per name."""

    def get(self, name: str) -> tuple[int, bytes] | None:
        """The last block that was read, None before the first."""

    def set(self, name: str, block_number: int, block_hash: bytes) -> None:
        """Remember the last block that was read; inside the transaction that stores what was read."""
