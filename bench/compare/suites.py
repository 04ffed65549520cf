"""The named benchmarks: which work, which contenders, and how large.

Every row of one piece of work is measured in the same run. Where a peer builds another kind of tree, hashes with
another function or was measured at fewer leaves, its row says so: the figure is always for one leaf or one proof.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from compare.chain_commits import commit_rows
from compare.contract_gas import gas_rows
from compare.fleet_rows import fleet_work
from compare.rows import Row
from compare.runner import Contender, compete, node, python
from compare.seal_rows import seal_work

MRKLE, PYMERKLE, SHA3 = "python:mrkle", "python:pymerkle", "python:sha3"
LEAVES, QUICK_LEAVES = 1_000_000, 50_000
ROUNDS, QUICK_ROUNDS = 5, 3
_FEWER = "measured at a tenth of the leaves"


@dataclass(frozen=True, slots=True)
class Work:
    """A part of a benchmark that is measured as a whole; what is resumed is always a whole one."""

    name: str
    measure: Callable[[bool], list[Row]]


def tree_contenders(work: str) -> list[Contender]:
    """Everyone who builds, proves or verifies."""
    ours = {"merkle": "merkle", "proofs": "proofs", "verify": "verify"}[work]
    plain = "no tag before a leaf or node"
    contenders = [
        Contender("wattest", python("ours.py"), ours, "RFC 9162, Keccak-256, one call each" if work != "merkle" else
                  "RFC 9162, Keccak-256, one thread", reference=True),
        Contender("mrkle", python("peer_mrkle.py"), work, f"Keccak-256, {plain}", (MRKLE, SHA3),
                  small=10 if work != "merkle" else 1),
        Contender("pysha3 loop", python("loops.py", "sha3"), work,
                  "the same tree and root as wattest's; safe-pysha3: pysha3 does not build on Python 3.11", (SHA3,)),
        Contender("hashlib loop", python("loops.py", "hashlib"), work,
                  "SHA3-256: hashlib has no Keccak, the permutation is the same"),
        Contender("pymerkle", python("peer_pymerkle.py"), work,
                  f"the same tree and root as wattest's, with safe-pysha3; {_FEWER}", (PYMERKLE, SHA3), small=10),
        Contender("merkletreejs", node("merkletreejs"), work, f"Keccak-256 of ethereum-cryptography, {plain}; {_FEWER}",
                  ("npm:merkletreejs", "npm:ethereum-cryptography"), small=10),
        Contender("@openzeppelin/merkle-tree", node("openzeppelin"), work,
                  f"SimpleMerkleTree, pairs sorted, Keccak-256; {_FEWER}",
                  ("npm:@openzeppelin/merkle-tree", "npm:ethereum-cryptography"), small=10),
        Contender("@chainsafe/persistent-merkle-tree", node("chainsafe"), work,
                  f"SHA-256 (its own as-sha256), leaves hashed by node; {_FEWER}",
                  ("npm:@chainsafe/persistent-merkle-tree",), small=10),
    ]  # fmt: skip
    if work == "merkle":
        contenders.insert(1, Contender(
            "one permutation at a time", python("ours.py"), "one permutation",
            "2 n - 1 Keccak permutations of one long input: the scalar floor, no tree",
        ))  # fmt: skip
    return contenders


def _size(quick: bool) -> tuple[int, int]:
    return (QUICK_LEAVES, QUICK_ROUNDS) if quick else (LEAVES, ROUNDS)


def _trees(name: str, unit: str) -> Callable[[bool], list[Row]]:
    def measure(quick: bool) -> list[Row]:
        n, rounds = _size(quick)
        title = {
            "merkle": f"a tree of {n:,} leaves, each 112 bytes hashed, from a buffer",
            "proofs": f"one inclusion proof from a tree of {n:,} leaves",
            "verify": f"one inclusion proof verified, tree of {n:,} leaves",
        }[name]
        return compete(title, tree_contenders(name), n, rounds, unit)

    return measure


def _chain(quick: bool) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="wattest-bench-") as folder:
        return commit_rows(Path(folder), 80 if quick else 400, 2 if quick else 5)


def works(name: str) -> Iterator[Work]:
    """The pieces of one benchmark, in the order in which they are measured."""
    if name == "merkle":
        yield Work("build", _trees("merkle", "ns/leaf"))
    elif name == "proofs":
        yield Work("prove", _trees("proofs", "ns/proof"))
    elif name == "verify":
        yield Work("verify", _trees("verify", "ns/proof"))
        yield Work("contracts", gas_rows)
    elif name == "chain":
        yield Work("commits", _chain)
    elif name == "seal":
        yield from (Work(label, measure) for label, measure in seal_work())
    else:
        yield from (Work(label, measure) for label, measure in fleet_work())


BENCHMARKS = ("merkle", "proofs", "verify", "seal", "chain", "fleet")
