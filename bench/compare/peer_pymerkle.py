"""pymerkle: RFC 9162 trees in Python, with the Keccak of safe-pysha3."""

from __future__ import annotations

from contender import PATH_QUERIES, VERIFIED, VERIFIED_AGAIN, Work, altered, leaf_inputs, queries, require, serve
from pymerkle import InmemoryTree, InvalidProof, verify_inclusion

ALGORITHM = "keccak_256"


class Build(Work):
    def __init__(self, n: int) -> None:
        super().__init__(n)
        self.inputs = leaf_inputs(n)

    def run(self) -> object:
        tree = InmemoryTree.init_from_entries(self.inputs, algorithm=ALGORITHM)
        return tree, tree.get_root()

    def check(self, result: object) -> str:
        assert isinstance(result, tuple)
        return str(result[1].hex())


class Prove(Work):
    items = PATH_QUERIES

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self.tree = InmemoryTree.init_from_entries(leaf_inputs(n), algorithm=ALGORITHM)
        self.asked = [index + 1 for index in queries(PATH_QUERIES, n)]

    def run(self) -> object:
        return [self.tree.prove_inclusion(index) for index in self.asked]


class Verify(Prove):
    def __init__(self, n: int) -> None:
        super().__init__(n)
        self.root = self.tree.get_root()
        self.proofs = [(self.tree.get_leaf(index), self.tree.prove_inclusion(index)) for index in self.asked[:VERIFIED]]
        leaf, proof = self.proofs[0]
        try:
            verify_inclusion(altered(leaf), self.root, proof)
        except InvalidProof:
            return
        require(False, "takes an altered leaf")

    def run(self) -> object:
        for leaf, proof in self.proofs * VERIFIED_AGAIN:
            verify_inclusion(leaf, self.root, proof)
        return None


if __name__ == "__main__":
    serve({"merkle": Build, "proofs": Prove, "verify": Verify})
