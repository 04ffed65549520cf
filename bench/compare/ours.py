"""wattest's own contenders, through the interfaces that its rooms use. python ours.py"""

from __future__ import annotations

import numpy as np
from contender import (
    PATH_QUERIES,
    PAYLOAD_BYTES,
    VERIFIED,
    VERIFIED_AGAIN,
    Work,
    altered,
    leaves,
    queries,
    require,
    serve,
)

from wattest.crypto import native
from wattest.errors import VerificationError
from wattest.merkle import (
    IndexGroups,
    MerkleTree,
    index_column,
    verify_batch,
    verify_inclusion,
    verify_multiproofs,
)

BULK = 1 << 16
GROUPS, GROUP_LEAVES = 1 << 13, 8


class Build(Work):
    """From a buffer to a kept tree."""

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self.payloads, self.salts = leaves(n)

    def run(self) -> object:
        return MerkleTree.build(self.payloads, PAYLOAD_BYTES, self.salts)

    def check(self, result: object) -> str:
        assert isinstance(result, MerkleTree)
        return result.root.hex()


class Limit(Work):
    """As many permutations as a tree of n leaves has, in the kernel's full lanes, with nothing read or written."""

    def run(self) -> object:
        return native.keccak_permutations(2 * self.n - 1)


class ProveOne(Work):
    """One call for each proof."""

    items = PATH_QUERIES

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self.tree = Build(n).run()
        assert isinstance(self.tree, MerkleTree)
        self.asked = queries(PATH_QUERIES, n)

    def run(self) -> object:
        assert isinstance(self.tree, MerkleTree)
        return [self.tree.prove(index) for index in self.asked]


class VerifyOne(ProveOne):
    """One call for each verification."""

    def __init__(self, n: int) -> None:
        super().__init__(n)
        assert isinstance(self.tree, MerkleTree)
        self.root = self.tree.root
        self.proofs = [(self.tree.leaf(index), self.tree.prove(index)) for index in self.asked[:VERIFIED]]
        leaf, proof = self.proofs[0]
        try:
            verify_inclusion(self.root, altered(leaf), proof)
        except VerificationError:
            return
        require(False, "takes an altered leaf")

    def run(self) -> object:
        for leaf, proof in self.proofs * VERIFIED_AGAIN:
            verify_inclusion(self.root, leaf, proof)
        return None


class ProveBulk(Work):
    """One call for many proofs."""

    items = BULK

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self.tree = MerkleTree.build(*_buffers(n))
        self.asked = np.array(queries(BULK, n), np.uint64)

    def run(self) -> object:
        return self.tree.prove_each(self.asked)


class VerifyBulk(ProveBulk):
    """One call for many verifications."""

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self.proofs, self.leaves, self.root = (
            self.tree.prove_each(self.asked),
            self.tree.leaves(self.asked),
            self.tree.root,
        )
        try:
            verify_batch(self.root, altered(self.leaves), self.proofs)
        except VerificationError:
            return
        require(False, "takes an altered leaf")

    def run(self) -> object:
        return verify_batch(self.root, self.leaves, self.proofs)


class ProveGroups(Work):
    """One call for many multiproofs."""

    items = GROUPS

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self.tree = MerkleTree.build(*_buffers(n))
        drawn = np.sort(np.array(queries(2 * GROUPS * GROUP_LEAVES, n), np.uint64).reshape(2 * GROUPS, GROUP_LEAVES))
        apart = drawn[np.all(np.diff(drawn), axis=1)][:GROUPS]
        require(len(apart) == GROUPS, "was asked for too small a tree")
        ends = np.arange(GROUP_LEAVES, (GROUPS + 1) * GROUP_LEAVES, GROUP_LEAVES, np.uint64)
        self.groups = IndexGroups(index_column(apart.reshape(-1)), index_column(ends))

    def run(self) -> object:
        return self.tree.prove_groups(self.groups)


class VerifyGroups(ProveGroups):
    """One call for the verification of many multiproofs."""

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self.proofs, self.root = self.tree.prove_groups(self.groups), self.tree.root
        self.leaves = self.tree.leaves(self.groups.indices)
        try:
            verify_multiproofs(self.root, altered(self.leaves), self.proofs)
        except VerificationError:
            return
        require(False, "takes an altered leaf")

    def run(self) -> object:
        return verify_multiproofs(self.root, self.leaves, self.proofs)


def _buffers(n: int) -> tuple[bytes, int, bytes]:
    payloads, salts = leaves(n)
    return payloads, PAYLOAD_BYTES, salts


WORKS: dict[str, type[Work]] = {
    "merkle": Build,
    "limit": Limit,
    "proofs": ProveOne,
    "proofs in bulk": ProveBulk,
    "proofs of groups": ProveGroups,
    "verify": VerifyOne,
    "verify in bulk": VerifyBulk,
    "verify of groups": VerifyGroups,
}

if __name__ == "__main__":
    serve(dict(WORKS))
