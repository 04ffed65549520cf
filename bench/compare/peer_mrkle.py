"""mrkle: a tree library in Rust for Python; its trees hash plain concatenations."""

from __future__ import annotations

import hashlib

from contender import LEAF_BYTES, VERIFIED, VERIFIED_AGAIN, Work, altered, octets, queries, require, serve
from mrkle import MrkleTree

QUERIES = 8
"""One of its proofs from a large tree takes a good part of a second."""


def made(n: int) -> tuple[list[bytes], MrkleTree]:
    """Leaves of 112 bytes, and their tree."""
    data = octets(LEAF_BYTES * n)
    inputs = [data[LEAF_BYTES * at : LEAF_BYTES * (at + 1)] for at in range(n)]
    return inputs, MrkleTree.from_leaves(inputs, name="keccak256")


class Build(Work):
    def __init__(self, n: int) -> None:
        super().__init__(n)
        data = octets(LEAF_BYTES * n)
        self.inputs = [data[LEAF_BYTES * at : LEAF_BYTES * (at + 1)] for at in range(n)]

    def run(self) -> object:
        return MrkleTree.from_leaves(self.inputs, name="keccak256")


class Prove(Work):
    items = QUERIES

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self.inputs, self.tree = made(n)
        self.asked = queries(QUERIES, n)

    def run(self) -> object:
        return [self.tree.generate_proof(index) for index in self.asked]


class Verify(Prove):
    def __init__(self, n: int) -> None:
        import sha3

        super().__init__(n)
        self.proofs = [
            (bytes(sha3.keccak_256(self.inputs[index]).digest()), self.tree.generate_proof(index))
            for index in queries(VERIFIED, n)
        ]
        leaf, proof = self.proofs[0]
        require(not proof.verify(altered(leaf)), "takes an altered leaf")
        require(not proof.verify(hashlib.sha256(leaf).digest()), "takes another leaf")

    items = VERIFIED * VERIFIED_AGAIN

    def run(self) -> object:
        for leaf, proof in self.proofs * VERIFIED_AGAIN:
            require(proof.verify(leaf), "refuses its own proof")
        return None


if __name__ == "__main__":
    serve({"merkle": Build, "proofs": Prove, "verify": Verify})
