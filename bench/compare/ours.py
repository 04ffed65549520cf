"""wattest's own contenders, through the interfaces that its rooms use. python ours.py"""

from __future__ import annotations

from contender import PATH_QUERIES, PAYLOAD_BYTES, Work, altered, leaves, queries, require, serve

from wattest.crypto.hashing import keccak256
from wattest.errors import VerificationError
from wattest.merkle import MerkleTree, verify_inclusion

PERMUTATION_BYTES = 136


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


class OnePermutation(Work):
    """As many permutations as a tree of n leaves has, one after the other, of one long input."""

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self.data = bytes(PERMUTATION_BYTES * (2 * n - 1))

    def run(self) -> object:
        return keccak256(self.data)


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
        self.proofs = [(self.tree.leaf(index), self.tree.prove(index)) for index in self.asked]
        leaf, proof = self.proofs[0]
        try:
            verify_inclusion(self.root, altered(leaf), proof)
        except VerificationError:
            return
        require(False, "takes an altered leaf")

    def run(self) -> object:
        for leaf, proof in self.proofs:
            verify_inclusion(self.root, leaf, proof)
        return None


WORKS: dict[str, type[Work]] = {
    "merkle": Build,
    "one permutation": OnePermutation,
    "proofs": ProveOne,
    "verify": VerifyOne,
}

if __name__ == "__main__":
    serve(dict(WORKS))
