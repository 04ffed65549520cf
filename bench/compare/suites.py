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
from compare.runner import ONE_THREAD, Contender, Run, compete, node, python
from compare.seal_rows import seal_work
from compare.targets import TARGETS, judged
from wattest.crypto import native

MRKLE, PYMERKLE, SHA3 = "python:mrkle", "python:pymerkle", "python:sha3"
LEAVES, QUICK_LEAVES = 1_000_000, 50_000
ROUNDS, QUICK_ROUNDS = 6, 2
CHAIN_LANES, CHAIN_ROUNDS = 400, 9
_FEWER = "measured at a tenth of the leaves"


@dataclass(frozen=True, slots=True)
class Work:
    """A part of a benchmark that is measured as a whole; what is resumed is always a whole one."""

    name: str
    measure: Callable[[Run], list[Row]]


def tree_contenders(work: str) -> list[Contender]:
    """Everyone who builds, proves or verifies."""
    how = "one call each" if work != "merkle" else f"one thread, kernel {native.simd_kernels()[0]}"
    plain = "no tag before a leaf or node"
    contenders = [
        Contender("wattest", python("ours.py"), work, f"RFC 9162, Keccak-256, {how}", environment=ONE_THREAD,
                  reference=True),
        Contender("mrkle", python("peer_mrkle.py"), work, f"Keccak-256, {plain}", (MRKLE, SHA3)),
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
    return [contenders[0], *_ours_besides(work), *contenders[1:]]


def _ours_besides(work: str) -> list[Contender]:
    """Our other ways to do the work, and the limit of this processor."""
    if work != "merkle":
        return [
            Contender("wattest, in bulk", python("ours.py"), f"{work} in bulk", "65,536 in one call, one thread",
                      environment=ONE_THREAD),
            Contender("wattest, multiproofs in bulk", python("ours.py"), f"{work} of groups",
                      "8,192 multiproofs of 8 leaves in one call, one thread; for one multiproof",
                      environment=ONE_THREAD),
        ]  # fmt: skip
    contenders = [
        Contender("limit: permutations alone", python("ours.py"), "limit",
                  "2 n - 1 Keccak permutations in the kernel's full lanes, nothing read or written",
                  environment=ONE_THREAD),
        Contender("wattest, two threads", python("ours.py"), "merkle", "on the wall", clock="wall",
                  environment={"WATTEST_THREADS": "2"}),
    ]  # fmt: skip
    chosen, *others = native.simd_kernels()
    return contenders + [
        Contender(f"wattest, {kernel}", python("ours.py"), "merkle", f"kernel forced by WATTEST_SIMD={kernel}",
                  environment={**ONE_THREAD, "WATTEST_SIMD": kernel})
        for kernel in dict.fromkeys(others) if kernel != chosen
    ]  # fmt: skip


def _size(quick: bool) -> tuple[int, int]:
    return (QUICK_LEAVES, QUICK_ROUNDS) if quick else (LEAVES, ROUNDS)


def _trees(name: str, unit: str) -> Callable[[Run], list[Row]]:
    def measure(run: Run) -> list[Row]:
        n, rounds = _size(run.quick)
        title = {
            "merkle": f"a tree of {n:,} leaves, each 112 bytes hashed, from a buffer",
            "proofs": f"one inclusion proof from a tree of {n:,} leaves",
            "verify": f"one inclusion proof verified, tree of {n:,} leaves",
        }[name]
        rows = compete(title, tree_contenders(name), n, rounds, unit)
        return [*rows, *judged(rows, () if run.quick else TARGETS[name])]

    return measure


def _chain(run: Run) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="wattest-bench-") as folder:
        return commit_rows(Path(folder), *((80, 2) if run.quick else (CHAIN_LANES, CHAIN_ROUNDS)))


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
