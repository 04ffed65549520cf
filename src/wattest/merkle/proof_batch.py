"""Many inclusion proofs in flat buffers: what bulk proving gives and bulk verification takes.

Decided here: how indices come in, and a batch's parts. Not decided here: the walk itself, which the native core does
in all lanes. Invariant: the paths stand one after the other in the order of the indices; how long each is follows from
index and size (``docs/spec/merkle.md``, section 5), so no offsets are kept.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from wattest.crypto import native
from wattest.merkle.errors import ProofMalformed, TreeInputInvalid, refusal
from wattest.merkle.hashes import HASH_BYTES
from wattest.merkle.proofs import made_inclusion
from wattest.units import U64_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Buffer

    from wattest.merkle.proofs import InclusionProof

PROOFS_MAX = 2**20
INDEX_BYTES = 8


@dataclass(frozen=True, slots=True)
class ProofBatch:
    """Inclusion proofs of many leaves of one tree: their indices, the tree's size, all paths in one buffer.

    ``indices`` is a read-only view of unsigned 64-bit integers, ``nodes`` 32 bytes for each node.

    Raises:
        ProofMalformed: a size that is no unsigned 64-bit integer, indices that are no such view, nodes that are not
            ``bytes`` in whole 32s, more than 2**20 proofs.
    """

    indices: memoryview
    size: int
    nodes: bytes

    def __post_init__(self) -> None:
        if type(self.size) is not int or not 0 <= self.size <= U64_MAX:
            raise ProofMalformed("a size is an unsigned 64-bit integer", actual=repr(self.size)[:40])
        view = self.indices
        if not isinstance(view, memoryview) or view.format != "Q" or view.ndim != 1 or not view.readonly:
            raise ProofMalformed("indices are a read-only view of unsigned 64-bit integers")
        if len(view) > PROOFS_MAX:
            raise ProofMalformed("more proofs than a batch holds", maximum=PROOFS_MAX, actual=len(view))
        if not isinstance(self.nodes, bytes) or len(self.nodes) % HASH_BYTES:
            raise ProofMalformed("a node has 32 bytes", expected=HASH_BYTES)

    def __len__(self) -> int:
        return len(self.indices)

    def proof(self, position: int) -> InclusionProof:
        """The proof at a position of the batch, by itself.

        Raises:
            TreeInputInvalid: a position outside the batch.
            InclusionRefused: an index outside the tree, missing nodes.
        """
        if not 0 <= position < len(self):
            raise TreeInputInvalid("no proof has this position", position=position, proofs=len(self))
        try:
            start = native.batch_node_count(self.indices[:position], self.size) if position else 0
            stop = start + native.batch_node_count(self.indices[position : position + 1], self.size)
        except native.Fault as fault:
            raise refusal(fault) from None
        return made_inclusion(self.indices[position], self.size, self.nodes[start * HASH_BYTES : stop * HASH_BYTES])


@dataclass(frozen=True, slots=True)
class ProvedLeaves:
    """Leaves of a growing tree as it was at one moment: its root, the leaf hashes (32 bytes each), their proofs."""

    root: bytes
    leaves: bytes
    proofs: ProofBatch


def verify_batch(root: bytes, leaves: Buffer, proofs: ProofBatch, *, threads: int | None = None) -> None:
    """Checks that each 32-byte leaf hash stands at its proof's index under the 32-byte root.

    ``leaves`` is one flat buffer in the order of the proofs; ``threads`` is 1 to 256, by default every core. The GIL is
    released.

    Raises:
        InclusionRefused: its subclass says why, in the order EmptyTree, TreeTooLarge, NoIndices, LeavesMismatch,
            IndexOutOfRange, NodeCountWrong, RootMismatch; ``position`` names the first proof refused.
        ConfigError: ``ThreadsInvalid``, ``SimdUnavailable``.
    """
    try:
        native.verify_batch(root, proofs.size, proofs.indices, leaves, proofs.nodes, threads)
    except native.Fault as fault:
        raise refusal(fault) from None


def index_column(indices: Buffer | Iterable[int]) -> memoryview:
    """Indices as a read-only view of unsigned 64-bit integers; a buffer is copied, so that nobody changes it later.

    Raises:
        TreeInputInvalid: a buffer of other items, strided or not flat; numbers that are no unsigned 64-bit integers.
    """
    try:
        view = memoryview(indices)  # type: ignore[arg-type]
    except TypeError:
        try:
            # One more than a batch holds is refused as too many, so that what never ends does not fill the memory.
            few = islice(indices, PROOFS_MAX + 1)  # type: ignore[arg-type]
            return memoryview(array("Q", few).tobytes()).cast("Q")
        except (TypeError, OverflowError, ValueError):
            raise TreeInputInvalid("indices are unsigned 64-bit integers") from None
    # A negative number reads as one above every size, and is refused as such.
    if view.format not in {"Q", "q", "L", "l"} or view.itemsize != INDEX_BYTES or view.ndim != 1:
        raise TreeInputInvalid(
            "a buffer of indices has 64-bit integers, one after the other",
            format=view.format,
            hint="hand over an array of uint64 or int64, or a list",
        )
    return memoryview(view.tobytes()).cast("Q")
