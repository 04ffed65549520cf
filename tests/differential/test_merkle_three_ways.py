"""One judgement in Rust (through Python), in Solidity (through forge) and by the recursive reference, on random proofs.

The cases follow from a seed; a failure names the case, and the seed is in the test's name. Forge reads them through the
same contract that checks ``vectors/merkle``.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import merkle_reference as reference
import pytest
from waiting import finished

from wattest.merkle import (
    InclusionProof,
    InclusionRefused,
    MerkleTree,
    MultiProof,
    leaf_hash,
    verify_inclusion,
    verify_multiproof,
)

ROOT = Path(__file__).resolve().parents[2]
# The platform's own binary: npm's wrapper around it drops the exit code.
FORGE = next(iter((ROOT / "node_modules" / "@foundry-rs").glob("forge-*/bin/forge")), None)
Case = dict[str, Any]


@pytest.fixture
def readable() -> Iterator[Path]:
    """A folder for one test's cases; forge lets a contract read nothing outside ``vectors`` and its own output."""
    output = ROOT / "contracts" / "out"
    output.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="three-ways-", dir=output) as folder:
        yield Path(folder)


@pytest.mark.parametrize("seed", [9162])
def test_three_ways(seed: int, readable: Path) -> None:
    compare(seed, 150, readable)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(20))
def test_three_ways_deep(seed: int, readable: Path) -> None:
    compare(seed, 1500, readable)


def compare(seed: int, count: int, folder: Path) -> None:
    source = random.Random(seed)
    inclusions = [inclusion(source, at) for at in range(count)]
    multiproofs = [multiproof(source, at) for at in range(count)]
    for case in inclusions:
        proof = InclusionProof(case["index"], case["size"], tuple(case["path"]))
        assert judged(lambda: verify_inclusion(case["root"], case["leaf"], proof)) == case["outcome"], case  # noqa: B023
    for case in multiproofs:
        many = MultiProof(tuple(case["indices"]), case["size"], tuple(case["nodes"]))
        named = dict(zip(case["indices"], case["leaves"], strict=False))
        if len(case["leaves"]) != len(case["indices"]):
            named[2**40] = bytes(32)  # a mapping cannot hold a surplus leaf otherwise
        assert judged(lambda: verify_multiproof(case["root"], named, many)) == case["outcome"], case  # noqa: B023
    seen = Counter(case["outcome"] for case in inclusions + multiproofs)
    assert set(seen) >= {"accepted", "RootMismatch", "PathLengthWrong", "NodeCountWrong", "IndicesNotAscending"}, seen

    leaves = [leaf_case(source, at) for at in range(count)]
    for name, cases in (("leaves", leaves), ("inclusion", inclusions), ("multiproof", multiproofs)):
        (folder / f"{name}.json").write_text(json.dumps({"cases": cases}, default=bytes.hex))
    ask_forge(folder)


def ask_forge(folder: Path) -> None:
    """Runs the vector tests of the contract over the files in ``folder``."""
    if FORGE is None or shutil.which("node") is None:
        pytest.skip("forge is not installed: run npm ci")
    run = finished(
        [FORGE, "test", "--match-path", "test/MerkleRfc9162.t.sol", "--match-test", "test_VectorsOf", "--json"],
        cwd=ROOT / "contracts",
        env=os.environ | {"WATTEST_MERKLE_VECTORS": str(folder)},
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    results = next(iter(json.loads(run.stdout.splitlines()[-1]).values()))["test_results"]
    assert {name.split("(")[0]: result["status"] for name, result in results.items()} == {
        "test_VectorsOfLeaves": "Success",
        "test_VectorsOfInclusion": "Success",
        "test_VectorsOfMultiproofs": "Success",
    }


def judged(judge: Any) -> str:
    try:
        judge()
    except InclusionRefused as refused:
        return refused.code
    return "accepted"


def grow(source: random.Random, size: int) -> tuple[MerkleTree, list[bytes]]:
    payloads = [source.randbytes(source.randrange(119)) for _ in range(size)]
    salts = [source.randbytes(16) for _ in range(size)]
    tree = MerkleTree.from_payloads(payloads, salts)
    return tree, [reference.leaf_hash(salt, payload) for salt, payload in zip(salts, payloads, strict=True)]


def flip(source: random.Random, node: bytes) -> bytes:
    return (int.from_bytes(node, "big") ^ 1 << source.randrange(256)).to_bytes(32, "big")


def inclusion(source: random.Random, at: int) -> Case:
    """A proof out of the Rust core, most of them with one thing changed."""
    size = source.randrange(1, 65)
    index = source.randrange(size)
    tree, leaves = grow(source, size)
    root, leaf, path = tree.root, leaves[index], list(tree.prove(index).path)
    match source.randrange(10):
        case 0:
            root = flip(source, root)
        case 1:
            leaf = flip(source, leaf)
        case 2:
            index = source.randrange(size + 2)
        case 3:
            size = source.choice([0, 1, size - 1, size + 1, 2 * size, source.randrange(2**32)])
        case 4 if path:
            place = source.randrange(len(path))
            path[place] = flip(source, path[place])
        case 5 if path:
            del path[source.randrange(len(path))]
        case 6:
            path.insert(source.randrange(len(path) + 1), source.randbytes(32))
        case 7:
            source.shuffle(path)
    outcome = reference.judge_inclusion(root, leaf, index, size, path)
    return {"name": str(at), "root": root, "leaf": leaf, "index": index, "size": size, "path": path, "outcome": outcome}


def multiproof(source: random.Random, at: int) -> Case:
    """A multiproof out of the Rust core, most of them with one thing changed."""
    size = source.randrange(1, 65)
    indices = sorted(source.sample(range(size), source.randrange(1, min(size, 12) + 1)))
    tree, tree_leaves = grow(source, size)
    root, nodes = tree.root, list(tree.prove_many(indices).nodes)
    match source.randrange(11):
        case 0:
            root = flip(source, root)
        case 1:
            indices = sorted({*indices, source.randrange(size + 2)})
        case 2:
            indices.insert(source.randrange(len(indices) + 1), source.choice(indices))
        case 3:
            source.shuffle(indices)
        case 4:
            del indices[source.randrange(len(indices))]
        case 5 if nodes:
            place = source.randrange(len(nodes))
            nodes[place] = flip(source, nodes[place])
        case 6 if nodes:
            del nodes[source.randrange(len(nodes))]
        case 7:
            nodes.insert(source.randrange(len(nodes) + 1), source.randbytes(32))
        case 8:
            source.shuffle(nodes)
        case 9:
            size = source.choice([0, 1, size - 1, size + 1, 2 * size, source.randrange(2**32)])
    leaves = [tree_leaves[index] if index < len(tree_leaves) else bytes(32) for index in indices]
    if source.randrange(20) == 0:
        leaves.append(bytes(32))
    outcome = reference.judge_multiproof(root, size, indices, leaves, nodes)
    return {
        "name": str(at), "root": root, "size": size, "indices": indices, "leaves": leaves, "nodes": nodes,
        "outcome": outcome,
    }  # fmt: skip


def leaf_case(source: random.Random, at: int) -> Case:
    """A payload of any length, also one too long, hashed by the Rust core."""
    salt, payload = source.randbytes(16), source.randbytes(source.randrange(130))
    fits = len(payload) <= reference.PAYLOAD_MAX
    leaf = leaf_hash(salt, payload) if fits else bytes(32)
    assert not fits or leaf == reference.leaf_hash(salt, payload)
    outcome = "accepted" if fits else "PayloadTooLong"
    return {"name": str(at), "salt": salt, "payload": payload, "leaf": leaf, "outcome": outcome}
