"""A salted tree that grows: leaves join at its end, and any of them can be proved at any size.

Decided here: that whatever is handed out belongs to one moment (root, leaves and proofs together). Not decided here:
when a root is committed to. Invariant: at every size the root is that of a tree built over the same leaves at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattest.crypto import native
from wattest.merkle.errors import unusable
from wattest.merkle.groups import MultiProofBatch, ProvedGroups, ascending, index_groups, only_proof
from wattest.merkle.proof_batch import ProofBatch, ProvedLeaves, index_column
from wattest.merkle.proofs import made_inclusion
from wattest.merkle.tree import check_width

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Buffer

    from wattest.merkle.groups import IndexGroups
    from wattest.merkle.proofs import InclusionProof, MultiProof


class GrowingTree:
    """A tree of at most 2**32 - 1 salted leaves in memory; about 64 bytes for each. Threads may share it."""

    __slots__ = ("_tree",)

    def __init__(self) -> None:
        self._tree = native.GrowingTree()

    @property
    def size(self) -> int:
        """Leaves so far."""
        return self._tree.size

    @property
    def root(self) -> bytes:
        """The 32-byte root over the leaves so far.

        Raises:
            TreeInputInvalid: no leaf yet.
        """
        try:
            return self._tree.root
        except native.Fault as fault:
            raise unusable(fault) from None

    def append(self, payloads: Buffer, width: int, salts: Buffer, *, threads: int | None = None) -> None:
        """Takes leaves in, as ``MerkleTree.build`` does; all of them or, if refused, none.

        Costs two hashes a leaf and at most 32 more, whatever the size. ``threads`` is as for ``MerkleTree.build``: each
        takes half a mebibyte meanwhile; the GIL is released.

        Raises:
            TreeInputInvalid: as ``MerkleTree.build``, but no leaves are no error; more than 2**32 - 1 in all.
            ConfigError: ``ThreadsInvalid``, ``SimdUnavailable``.
        """
        check_width(width)
        try:
            self._tree.append(payloads, width, salts, threads)
        except native.Fault as fault:
            raise unusable(fault) from None

    def prove(self, index: int) -> InclusionProof:
        """The inclusion proof of one leaf in the tree as it is now.

        Raises:
            TreeInputInvalid: an index outside the tree.
        """
        proved = self.prove_each((index,)).proofs
        return made_inclusion(proved.indices[0], proved.size, proved.nodes)

    def prove_each(self, indices: Buffer | Iterable[int]) -> ProvedLeaves:
        """Root, leaves and a proof for each index, all of one moment; indices in any order, at most 2**20.

        Raises:
            TreeInputInvalid: no index, too many, one outside the tree, a buffer of other items.
        """
        column = index_column(indices)
        try:
            size, root, leaves, nodes = self._tree.prove(column)
        except native.Fault as fault:
            raise unusable(fault) from None
        return ProvedLeaves(root, leaves, ProofBatch(column, size, nodes))

    def prove_many(self, indices: Iterable[int]) -> MultiProof:
        """One multiproof of several leaves of the tree as it is now; indices in any order, repeated ones count once.

        Raises:
            TreeInputInvalid: no index, too many, or one outside the tree.
        """
        return only_proof(self.prove_groups((ascending(indices),)).proofs)

    def prove_groups(self, groups: IndexGroups | Iterable[Buffer | Iterable[int]]) -> ProvedGroups:
        """Root, leaves and a multiproof for each group of leaves, all of one moment.

        Each group is strictly ascending; at most 2**20 indices in all.

        Raises:
            TreeInputInvalid: as ``MerkleTree.prove_groups``.
        """
        wanted = index_groups(groups)
        try:
            size, root, leaves, nodes = self._tree.prove_groups(wanted.indices, wanted.ends)
        except native.Fault as fault:
            raise unusable(fault) from None
        return ProvedGroups(root, leaves, MultiProofBatch(wanted, size, nodes))

    def __repr__(self) -> str:
        return f"GrowingTree(size={self.size})"
