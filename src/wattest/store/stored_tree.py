"""A growing salted tree in a file, larger than memory if need be (``docs/spec/stored-tree.md``).

Decided here: how the core's refusals are named. Not decided here: the file's layout, and when it is durable, which the
native core keeps. Invariants: a proof is handed out only once it leads to the tree's root; one process writes, any
number read; what was not committed is as if it had never been appended.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from wattest.crypto import native
from wattest.errors import ConfigError, InputError, TransportError, VerificationError
from wattest.merkle import MultiProofBatch, ProofBatch, ProvedGroups, ProvedLeaves, index_column, index_groups
from wattest.merkle.errors import unusable
from wattest.merkle.groups import ascending, only_proof
from wattest.merkle.proofs import made_inclusion
from wattest.merkle.tree import check_width

if TYPE_CHECKING:
    from collections.abc import Iterable
    from os import PathLike

    from typing_extensions import Buffer

    from wattest.errors import WattestError
    from wattest.merkle import InclusionProof, IndexGroups, MultiProof


class StoredTreeMalformed(InputError):
    """A file that is no stored tree of a known version."""


class StoredTreeTruncated(InputError):
    """A file with fewer bytes than its header says."""


class StoredTreeAltered(VerificationError):
    """Nodes in a file that do not lead to its root, or a root other than the one expected."""


class StoredTreeBusy(ConfigError):
    """Another writer holds the file."""


class StoredTreeReadOnly(ConfigError):
    """A tree opened for reading was to be written."""


class StoredTreeExists(ConfigError):
    """A file stands where a new tree should be."""


class StorageFailed(TransportError):
    """The operating system could not read or write the file."""


_FAULTS: dict[str, tuple[type[WattestError], str]] = {
    "StoredTreeMalformed": (StoredTreeMalformed, "check the path; restore the file from a copy"),
    "StoredTreeTruncated": (StoredTreeTruncated, "restore the file from a copy, or build it again"),
    "StoredTreeAltered": (StoredTreeAltered, "restore the file from a copy, or build it again"),
    "StoredTreeBusy": (StoredTreeBusy, "close the other writer, or open the tree for reading"),
    "StoredTreeReadOnly": (StoredTreeReadOnly, "open the tree with writable=True"),
    "StoredTreeExists": (StoredTreeExists, "open the tree that is there, or choose another path"),
}


class StoredTree:
    """A tree of at most 2**32 - 1 salted leaves in a file: 64 bytes for each, of which a proof reads a few pages."""

    __slots__ = ("_is_lost", "_opened_by", "_tree")

    def __init__(self, tree: native.StoredTree) -> None:
        self._tree = tree
        self._opened_by = os.getpid()
        self._is_lost = False

    @classmethod
    def create(cls, path: str | PathLike[str]) -> StoredTree:
        """A new, empty tree in a new file, opened for writing.

        Raises:
            StoredTreeExists: a file is there already.
            StorageFailed: the folder cannot be written.
        """
        try:
            return cls(native.StoredTree.create(path))
        except native.Fault as fault:
            raise _refused(fault) from None

    @classmethod
    def open(cls, path: str | PathLike[str], *, writable: bool = False, root: bytes | None = None) -> StoredTree:
        """The tree in a file as it was last committed; ``root`` (32 bytes) is what it must be, if known from elsewhere.

        Without ``root`` a file put back to an earlier commit is taken for what it is: an earlier tree.

        Raises:
            StoredTreeMalformed, StoredTreeTruncated, StoredTreeAltered: another file, a shorter one, another root.
            StoredTreeBusy: another writer holds it.
            StorageFailed: it cannot be read.
        """
        try:
            tree = cls(native.StoredTree.open(path, writable))
        except native.Fault as fault:
            raise _refused(fault) from None
        if root is not None and (tree.size == 0 or tree.root != root):
            actual = tree.root if tree.size else None
            raise StoredTreeAltered("the stored tree has another root", expected=root, actual=actual)
        return tree

    @property
    def size(self) -> int:
        """Leaves so far, committed or not."""
        return self._tree.size

    @property
    def committed_size(self) -> int:
        """Leaves that would be there after a crash."""
        return self._tree.committed_size

    @property
    def root(self) -> bytes:
        """The 32-byte root over the leaves so far.

        Raises:
            TreeInputInvalid: no leaf yet.
        """
        try:
            return self._tree.root
        except native.Fault as fault:
            raise _refused(fault) from None

    def append(self, payloads: Buffer, width: int, salts: Buffer, *, threads: int | None = None) -> None:
        """Writes leaves, as ``MerkleTree.build`` takes them, on as many threads; durable once ``commit`` returns.

        Raises:
            TreeInputInvalid: as ``MerkleTree.build``, but no leaves are no error; more than 2**32 - 1 in all.
            ConfigError: ``ThreadsInvalid``, ``SimdUnavailable``.
            StoredTreeReadOnly: it was opened for reading.
            StoredTreeBusy: another process opened it, of which this one is a fork.
            StorageFailed: the disk is full, or failed; the tree is as it was. A commit failed before.
        """
        check_width(width)
        self._check_writer()
        try:
            self._tree.append(payloads, width, salts, threads)
        except native.Fault as fault:
            raise _refused(fault) from None

    def commit(self) -> None:
        """Makes everything appended durable at once: afterwards a crash loses none of it, before it all.

        Raises:
            StoredTreeReadOnly: it was opened for reading.
            StoredTreeBusy: another process opened it, of which this one is a fork.
            StorageFailed: the disk failed, now or in a commit before; what was not committed must be appended again.
        """
        self._check_writer()
        try:
            self._tree.commit()
        except native.Fault as fault:
            # What the system could not write it may forget and call written: a second try would believe it.
            self._is_lost = fault.args[0] == "StorageFailed"
            raise _refused(fault) from None

    def prove(self, index: int) -> InclusionProof:
        """The inclusion proof of one leaf, checked against the root.

        Raises:
            TreeInputInvalid: an index outside the tree.
            StoredTreeMalformed, StoredTreeAltered: the file was cut short or altered since.
        """
        proved = self.prove_each((index,)).proofs
        return made_inclusion(proved.indices[0], proved.size, proved.nodes)

    def prove_each(self, indices: Buffer | Iterable[int]) -> ProvedLeaves:
        """Root, leaves and a proof for each index, all of one moment and checked; at most 2**20 indices in any order.

        Raises:
            TreeInputInvalid: no index, too many, one outside the tree, a buffer of other items.
            StoredTreeMalformed, StoredTreeAltered: the file was cut short or altered since.
            StorageFailed: the disk failed.
        """
        column = index_column(indices)
        try:
            size, root, leaves, nodes = self._tree.prove(column)
        except native.Fault as fault:
            raise _refused(fault) from None
        return ProvedLeaves(root, leaves, ProofBatch(column, size, nodes))

    def prove_many(self, indices: Iterable[int]) -> MultiProof:
        """One multiproof of several leaves of the tree as it is now; indices in any order, repeated ones count once.

        Raises:
            TreeInputInvalid: no index, too many, or one outside the tree.
            StoredTreeMalformed, StoredTreeAltered, StorageFailed: as ``prove_each``.
        """
        return only_proof(self.prove_groups((ascending(indices),)).proofs)

    def prove_groups(self, groups: IndexGroups | Iterable[Buffer | Iterable[int]]) -> ProvedGroups:
        """Root, leaves and a multiproof for each group of leaves, all of one moment and checked.

        Each group is strictly ascending; at most 2**20 indices in all.

        Raises:
            TreeInputInvalid: as ``MerkleTree.prove_groups``.
            StoredTreeMalformed, StoredTreeAltered, StorageFailed: as ``prove_each``.
        """
        wanted = index_groups(groups)
        try:
            size, root, leaves, nodes = self._tree.prove_groups(wanted.indices, wanted.ends)
        except native.Fault as fault:
            raise _refused(fault) from None
        return ProvedGroups(root, leaves, MultiProofBatch(wanted, size, nodes))

    def _check_writer(self) -> None:
        if os.getpid() != self._opened_by:  # the lock came along in the fork: it does not keep two writers apart
            raise StoredTreeBusy(
                "the tree was opened by another process, of which this one is a fork",
                hint="open it in the process that writes",
                expected=self._opened_by,
                actual=os.getpid(),
            )
        if self._is_lost:
            raise StorageFailed(
                "an earlier commit failed: what was appended since the last good one may be lost",
                retryable=False,
                hint="open the tree again and append from its committed size on",
            )

    def __repr__(self) -> str:
        return f"StoredTree(size={self.size})"


def _refused(fault: native.Fault) -> WattestError:
    name, message, fields = fault.args
    if name == "StorageFailed":
        return StorageFailed(message, retryable=False, hint="check the disk and the file's rights", **fields)
    if name in _FAULTS:
        kind, hint = _FAULTS[name]
        return kind(message, hint=hint, **fields)
    return unusable(fault)
