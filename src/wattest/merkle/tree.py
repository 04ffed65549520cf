"""A salted tree, built once over flat buffers, that proves its leaves.

Decided here: which buffers make a tree. Not decided here: what a payload means, or where a salt comes from. The
nodes themselves stay in the native core.
"""

from __future__ import annotations

from operator import index as op_index
from typing import TYPE_CHECKING

from wattest.crypto import native
from wattest.merkle.errors import TreeInputInvalid, unusable
from wattest.merkle.groups import IndexGroups, MultiProofBatch, ascending, index_groups, only_proof
from wattest.merkle.proof_batch import ProofBatch, index_column
from wattest.merkle.proofs import InclusionProof, made_inclusion

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Buffer

    from wattest.merkle.proofs import MultiProof


class MerkleTree:
    """An immutable tree of 1 to 2**32 - 1 salted leaves (RFC 9162 shape); about 64 bytes of memory for each."""

    __slots__ = ("_tree", "size")

    def __init__(self, tree: native.Tree) -> None:
        self._tree = tree
        self.size = tree.size

    @classmethod
    def build(cls, payloads: Buffer, width: int, salts: Buffer, *, threads: int | None = None) -> MerkleTree:
        """Builds over payloads of ``width`` bytes (1 to 118) and salts of 16 bytes, each in one flat buffer.

        Buffers are ``bytes``, which are read in place, or C-contiguous buffers of single bytes (numpy:
        ``records.view("u1")``), of which a share at a time is copied: one that is changed meanwhile gives a tree over
        old and new bytes; ``bytes(buffer)`` gives one of a moment. ``threads`` is 1 to 256, by default
        ``WATTEST_THREADS`` or every core; the GIL is released.

        Raises:
            TreeInputInvalid: no leaves, lengths that do not agree, strided or wider-than-byte buffers;
                ``PayloadTooLong`` for a width over 118.
            ConfigError: ``ThreadsInvalid``, ``SimdUnavailable``.
        """
        check_width(width)
        try:
            return cls(native.Tree.build(payloads, width, salts, threads))
        except native.Fault as fault:
            raise unusable(fault) from None

    @classmethod
    def from_payloads(cls, payloads: Sequence[Buffer], salts: Sequence[Buffer]) -> MerkleTree:
        """Builds over payloads of 0 to 118 bytes each, unequal lengths allowed, one 16-byte salt to each.

        Raises:
            TreeInputInvalid: no payloads, another number of salts, a salt that is not 16 bytes; ``PayloadTooLong``.
        """
        try:
            return cls(native.Tree.from_payloads(payloads, salts))
        except native.Fault as fault:
            raise unusable(fault) from None

    @property
    def root(self) -> bytes:
        """The 32-byte root."""
        return self._tree.root

    @property
    def nodes(self) -> bytes:
        """A copy of the flat array of ``docs/spec/merkle.md``, section 2: leaves first, root last."""
        return self._tree.nodes()

    def leaf(self, index: int) -> bytes:
        """The 32-byte leaf hash at an index.

        Raises:
            TreeInputInvalid: an index outside the tree.
        """
        check_index(index, self.size)
        return self._tree.leaf(index)

    def leaves(self, indices: Buffer | Iterable[int]) -> bytes:
        """The leaf hashes at indices, one after the other, in their order.

        Raises:
            TreeInputInvalid: as ``prove_each``.
        """
        try:
            return self._tree.leaves(index_column(indices))
        except native.Fault as fault:
            raise unusable(fault) from None

    def prove(self, index: int) -> InclusionProof:
        """The inclusion proof of one leaf.

        Raises:
            TreeInputInvalid: an index outside the tree.
        """
        try:
            nodes = self._tree.path(index)
        except (native.Fault, OverflowError):
            check_index(index, self.size)
            raise
        return made_inclusion(index if type(index) is int else op_index(index), self.size, nodes)

    def prove_each(self, indices: Buffer | Iterable[int]) -> ProofBatch:
        """An inclusion proof for each index, in flat buffers; indices in any order, at most 2**20.

        Indices are integers, or a buffer of 64-bit ones (numpy: ``uint64``, ``int64``). The GIL is released.

        Raises:
            TreeInputInvalid: no index, too many, one outside the tree, a buffer of other items.
        """
        column = index_column(indices)
        try:
            return ProofBatch(column, self.size, self._tree.paths(column))
        except native.Fault as fault:
            raise unusable(fault) from None

    def prove_many(self, indices: Iterable[int]) -> MultiProof:
        """One multiproof of several leaves; indices in any order, repeated ones count once.

        Raises:
            TreeInputInvalid: no index, too many, or one outside the tree.
        """
        ordered = ascending(indices)
        check_index(ordered[0], self.size)
        check_index(ordered[-1], self.size)
        return only_proof(self.prove_groups((ordered,)))

    def prove_groups(self, groups: IndexGroups | Iterable[Buffer | Iterable[int]]) -> MultiProofBatch:
        """A multiproof for each group of leaves, in flat buffers; each group strictly ascending, at most 2**20 in all.

        A group is what ``prove_each`` takes; ``IndexGroups`` are two columns. The GIL is released.

        Raises:
            TreeInputInvalid: no group, an empty one, one out of order, too many indices, one outside the tree, a buffer
                of other items.
        """
        wanted = index_groups(groups)
        try:
            return MultiProofBatch(wanted, self.size, self._tree.multiproofs(wanted.indices, wanted.ends))
        except native.Fault as fault:
            raise unusable(fault) from None

    def __repr__(self) -> str:
        return f"MerkleTree(size={self.size}, root={self.root.hex()})"


def check_index(index: int, size: int) -> None:
    """Refuses an index outside a tree of one's own."""
    if not 0 <= index < size:
        raise TreeInputInvalid("no leaf has this index", index=index, size=size, hint=f"indices run to {size - 1}")


def check_width(width: int) -> None:
    """Refuses a width that is no small number; the core knows the upper limit."""
    if not 1 <= width < 2**32:
        raise TreeInputInvalid("a payload's width is 1 to 118 bytes", expected="1..118", actual=width)
