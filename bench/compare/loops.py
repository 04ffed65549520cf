"""Hash functions in a Python loop: what a user writes who takes no tree library. python loops.py sha3|hashlib"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable

from contender import PATH_QUERIES, VERIFIED, VERIFIED_AGAIN, Work, altered, leaf_inputs, queries, require, serve

Hash = Callable[[bytes], bytes]


def hash_of(name: str) -> Hash:
    """Keccak-256 of safe-pysha3, or SHA3-256 of hashlib, which has no Keccak: the same permutation, other padding."""
    if name == "sha3":
        import sha3

        return lambda data: bytes(sha3.keccak_256(data).digest())
    return lambda data: hashlib.sha3_256(data).digest()


def levels_of(hashed: Hash, inputs: list[bytes]) -> list[list[bytes]]:
    """Every level of the RFC 9162 tree, from leaves to root."""
    level = [hashed(b"\x00" + data) for data in inputs]
    levels = [level]
    while len(level) > 1:
        above = [hashed(b"\x01" + level[at] + level[at + 1]) for at in range(0, len(level) - 1, 2)]
        level = above + level[len(level) & ~1 :]
        levels.append(level)
    return levels


def path_of(levels: list[list[bytes]], index: int) -> list[tuple[bool, bytes]]:
    """Siblings from leaf to root, and whether each stands left."""
    path = []
    for level in levels[:-1]:
        sibling = index ^ 1
        if sibling < len(level):
            path.append((sibling < index, level[sibling]))
        index >>= 1
    return path


def is_included(hashed: Hash, root: bytes, leaf: bytes, path: list[tuple[bool, bytes]]) -> bool:
    """Hash up."""
    for is_left, sibling in path:
        leaf = hashed(b"\x01" + sibling + leaf if is_left else b"\x01" + leaf + sibling)
    return leaf == root


def works(hashed: Hash, compared: bool) -> dict[str, type[Work]]:
    """The three pieces of work with one hash."""

    class Build(Work):
        def __init__(self, n: int) -> None:
            super().__init__(n)
            self.inputs = leaf_inputs(n)

        def run(self) -> object:
            return levels_of(hashed, self.inputs)

        def check(self, result: object) -> str:
            assert isinstance(result, list)
            return str(result[-1][0].hex()) if compared else ""

    class Prove(Work):
        def __init__(self, n: int) -> None:
            super().__init__(n)
            self.levels = levels_of(hashed, leaf_inputs(n))
            self.asked = queries(PATH_QUERIES, n)

        items = PATH_QUERIES

        def run(self) -> object:
            return [path_of(self.levels, index) for index in self.asked]

    class Verify(Prove):
        def __init__(self, n: int) -> None:
            super().__init__(n)
            self.root = self.levels[-1][0]
            self.proofs = [(self.levels[0][index], path_of(self.levels, index)) for index in self.asked[:VERIFIED]]
            leaf, path = self.proofs[0]
            require(not is_included(hashed, self.root, altered(leaf), path), "takes an altered leaf")

        def run(self) -> object:
            for leaf, path in self.proofs * VERIFIED_AGAIN:
                require(is_included(hashed, self.root, leaf, path), "refuses its own proof")
            return None

    return {"merkle": Build, "proofs": Prove, "verify": Verify}


if __name__ == "__main__":
    serve(dict(works(hash_of(sys.argv[1]), compared=sys.argv[1] == "sha3")))
