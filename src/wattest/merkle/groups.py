"""Many multiproofs in flat buffers: groups of leaves of one tree, each under a multiproof of its own.

Decided here: how groups come in, and a batch's parts. Not decided here: the walk itself, which the native core does in
all lanes and on every core. Invariant: indices and nodes of the groups stand one after the other; how many nodes a
group has follows from its indices and the size (``docs/spec/merkle.md``, section 6), so no offsets are kept.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from wattest.crypto import native
from wattest.merkle.errors import ProofMalformed, TreeInputInvalid, refusal
from wattest.merkle.hashes import HASH_BYTES
from wattest.merkle.proof_batch import PROOFS_MAX, index_column
from wattest.merkle.proofs import MultiProof, made_multiproof
from wattest.units import U64_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Buffer


@dataclass(frozen=True, slots=True)
class IndexGroups:
    """Groups of leaf indices in two columns: each ends at its place in ``ends`` and begins where the one before ends.

    Both are read-only views of unsigned 64-bit integers, as ``index_column`` makes them. Whoever proves or verifies
    wants each group strictly ascending, and refuses ends that go back or end elsewhere than the indices.

    Raises:
        ProofMalformed: no such views, more than 2**20 indices or groups.
    """

    indices: memoryview
    ends: memoryview

    def __post_init__(self) -> None:
        for view in (self.indices, self.ends):
            if not isinstance(view, memoryview) or view.format != "Q" or view.ndim != 1 or not view.readonly:
                raise ProofMalformed("indices and ends are read-only views of unsigned 64-bit integers")
            if len(view) > PROOFS_MAX:
                raise ProofMalformed("more leaves than a batch holds", maximum=PROOFS_MAX, actual=len(view))

    def __len__(self) -> int:
        return len(self.ends)

    def group(self, position: int) -> memoryview:
        """The indices of one group.

        Raises:
            TreeInputInvalid: a position outside.
        """
        if not 0 <= position < len(self):
            raise TreeInputInvalid("no group has this position", position=position, groups=len(self))
        return self.indices[self.ends[position - 1] if position else 0 : self.ends[position]]


@dataclass(frozen=True, slots=True)
class MultiProofBatch:
    """Multiproofs of many groups of leaves of one tree: the groups, the tree's size, all nodes in one buffer.

    A single multiproof in flat form is a batch of one group. ``nodes`` are 32 bytes each.

    Raises:
        ProofMalformed: groups that are none, a size that is no unsigned 64-bit integer, nodes that are not ``bytes`` in
            whole 32s.
    """

    groups: IndexGroups
    size: int
    nodes: bytes

    def __post_init__(self) -> None:
        if not isinstance(self.groups, IndexGroups):
            raise ProofMalformed("groups are IndexGroups", actual=type(self.groups).__name__)
        if type(self.size) is not int or not 0 <= self.size <= U64_MAX:
            raise ProofMalformed("a size is an unsigned 64-bit integer", actual=repr(self.size)[:40])
        if not isinstance(self.nodes, bytes) or len(self.nodes) % HASH_BYTES:
            raise ProofMalformed("a node has 32 bytes", expected=HASH_BYTES)

    def __len__(self) -> int:
        return len(self.groups)

    def proof(self, position: int) -> MultiProof:
        """The multiproof at a position of the batch, by itself.

        Raises:
            TreeInputInvalid: a position outside the batch.
            InclusionRefused: indices that no multiproof of this size has, missing nodes.
        """
        indices, ends = self.groups.group(position), self.groups.ends
        try:
            start = 0
            if position:
                before = self.groups.indices[: ends[position - 1]]
                start = native.multiproof_node_count(before, ends[:position], self.size)
            stop = start + native.multiproof_node_count(indices, (len(indices),), self.size)
        except native.Fault as fault:
            raise refusal(fault) from None
        nodes = self.nodes[start * HASH_BYTES : stop * HASH_BYTES]
        return made_multiproof(tuple(indices), self.size, nodes)

    @classmethod
    def of(cls, proofs: Sequence[MultiProof]) -> MultiProofBatch:
        """Multiproofs of one tree, made apart, as one batch.

        Raises:
            TreeInputInvalid: no multiproof, or another size in one of them.
            ProofMalformed: more than 2**20 leaves.
        """
        sizes = {proof.size for proof in proofs}
        if len(sizes) != 1:
            raise TreeInputInvalid("a batch has multiproofs of one tree", sizes=sorted(sizes)[:2])
        groups = index_groups(proof.indices for proof in proofs)
        return cls(groups, sizes.pop(), b"".join(node for proof in proofs for node in proof.nodes))


@dataclass(frozen=True, slots=True)
class ProvedGroups:
    """Groups of leaves of a growing tree at one moment: its root, leaf hashes (32 bytes each), their multiproofs."""

    root: bytes
    leaves: bytes
    proofs: MultiProofBatch


def index_groups(groups: IndexGroups | Iterable[Buffer | Iterable[int]]) -> IndexGroups:
    """Groups as two columns; a group is what ``index_column`` takes, and a two-dimensional array has one in each row.

    Raises:
        TreeInputInvalid: as ``index_column``; ``ProofMalformed`` for more than 2**20 indices or groups.
    """
    if isinstance(groups, IndexGroups):
        return groups
    try:
        columns = [index_column(group) for group in groups]
    except TypeError:
        raise TreeInputInvalid("groups are lists of leaf indices") from None
    ends = array("Q", accumulate(len(column) for column in columns))
    return IndexGroups(memoryview(b"".join(columns)).cast("Q"), memoryview(ends.tobytes()).cast("Q"))


def ascending(indices: Iterable[int]) -> list[int]:
    """Indices in any order as one group has them; repeated ones count once.

    Raises:
        TreeInputInvalid: no index, numbers that are no unsigned 64-bit integers.
    """
    try:
        ordered = sorted(set(indices))
    except TypeError:
        raise TreeInputInvalid("indices are unsigned 64-bit integers") from None
    if not ordered:
        raise TreeInputInvalid("a multiproof needs at least one leaf index")
    return ordered


def only_proof(batch: MultiProofBatch) -> MultiProof:
    """The multiproof of a batch of one group that the core has just made."""
    return made_multiproof(tuple(batch.groups.indices), batch.size, batch.nodes)


def verify_multiproofs(root: bytes, leaves: Buffer, proofs: MultiProofBatch, *, threads: int | None = None) -> None:
    """Checks that the 32-byte leaf hashes of each group stand at its indices under the 32-byte root.

    ``leaves`` is one flat buffer in the order of all indices; ``threads`` is 1 to 256, by default every core. The GIL
    is released.

    Raises:
        InclusionRefused: its subclass says why, in the order EmptyTree, TreeTooLarge, NoIndices, LeavesMismatch, then
            for each group NoIndices, IndicesNotAscending, IndexOutOfRange, then NodeCountWrong, RootMismatch;
            ``position`` names the first group refused. The class itself for a root that is not 32 bytes, and for ends
            that go back.
        ConfigError: ``ThreadsInvalid``, ``SimdUnavailable``.
    """
    groups = proofs.groups
    try:
        native.verify_multiproofs(root, proofs.size, groups.indices, groups.ends, leaves, proofs.nodes, threads)
    except native.Fault as fault:
        raise refusal(fault) from None
