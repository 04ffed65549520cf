"""A salted tree, built once over flat buffers, that proves its leaves.

Decided here: which buffers make a tree. Not decided here: what a payload means, or where a salt comes from. Invariant:
``nodes`` is the flat array of ``docs/spec/merkle.md``, section 2: leaves first, root last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattest.crypto import native
from wattest.merkle.errors import TreeInputInvalid, unusable
from wattest.merkle.hashes import HASH_BYTES
from wattest.merkle.proofs import InclusionProof, MultiProof, split_nodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Buffer


class MerkleTree:
    """An immutable tree of 1 to 2**32 - 1 salted leaves (RFC 9162 shape)."""

    __slots__ = ("_nodes", "size")

    def __init__(self, nodes: bytes, size: int) -> None:
        self._nodes = nodes
        self.size = size

    @classmethod
    def build(cls, payloads: Buffer, width: int, salts: Buffer) -> MerkleTree:
        """Builds over payloads of ``width`` bytes (1 to 118) and salts of 16 bytes, each in one flat buffer.

        Buffers are ``bytes`` or C-contiguous buffers of single bytes (numpy: ``records.view("u1")``). About 64 bytes of
        memory per leaf; the GIL is released.

        Raises:
            TreeInputInvalid: no leaves, lengths that do not agree, strided or wider-than-byte buffers;
                ``PayloadTooLong`` for a width over 118.
        """
        _check_width(width)
        try:
            nodes = native.build_tree(payloads, width, salts)
        except native.Fault as fault:
            raise unusable(fault) from None
        return cls(nodes, memoryview(salts).nbytes // 16)

    @classmethod
    def from_payloads(cls, payloads: Sequence[Buffer], salts: Sequence[Buffer]) -> MerkleTree:
        """Builds over payloads of 0 to 118 bytes each, unequal lengths allowed, one 16-byte salt to each.

        Raises:
            TreeInputInvalid: no payloads, another number of salts, a salt that is not 16 bytes; ``PayloadTooLong``.
        """
        try:
            nodes = native.build_tree_unequal(payloads, salts)
        except native.Fault as fault:
            raise unusable(fault) from None
        return cls(nodes, len(payloads))

    @property
    def root(self) -> bytes:
        """The 32-byte root."""
        return self._nodes[-HASH_BYTES:]

    def leaf(self, index: int) -> bytes:
        """The 32-byte leaf hash at an index.

        Raises:
            TreeInputInvalid: an index outside the tree.
        """
        check_index(index, self.size)
        return self._nodes[index * HASH_BYTES : (index + 1) * HASH_BYTES]

    def prove(self, index: int) -> InclusionProof:
        """The inclusion proof of one leaf.

        Raises:
            TreeInputInvalid: an index outside the tree.
        """
        check_index(index, self.size)
        return InclusionProof(index, self.size, split_nodes(native.inclusion_path(self._nodes, self.size, index)))

    def prove_many(self, indices: Iterable[int]) -> MultiProof:
        """One multiproof of several leaves; indices in any order, repeated ones count once.

        Raises:
            TreeInputInvalid: no index, or one outside the tree.
        """
        ascending = tuple(sorted(set(indices)))
        if not ascending:
            raise TreeInputInvalid("a multiproof needs at least one leaf index")
        check_index(ascending[0], self.size)
        check_index(ascending[-1], self.size)
        return MultiProof(ascending, self.size, split_nodes(native.multiproof_nodes(self._nodes, self.size, ascending)))

    def __repr__(self) -> str:
        return f"MerkleTree(size={self.size}, root={self.root.hex()})"


def check_index(index: int, size: int) -> None:
    """Refuses an index outside a tree of one's own."""
    if not 0 <= index < size:
        raise TreeInputInvalid("no leaf has this index", index=index, size=size, hint=f"indices run to {size - 1}")


def _check_width(width: int) -> None:
    if not 0 <= width < 2**32:
        raise TreeInputInvalid("a payload's width is 1 to 118 bytes", expected="1..118", actual=width)
