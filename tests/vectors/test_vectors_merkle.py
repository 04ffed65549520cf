"""``vectors/merkle`` against the Python face; Rust and Solidity read the same files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from wattest.errors import WattestError
from wattest.merkle import (
    GrowingTree,
    InclusionProof,
    InclusionRefused,
    MerkleTree,
    MultiProof,
    MultiProofBatch,
    PayloadTooLong,
    ProofBatch,
    index_column,
    index_groups,
    leaf_hash,
    sha256_inclusion,
    sha256_root,
    verify_batch,
    verify_inclusion,
    verify_multiproof,
    verify_multiproofs,
    verify_sha256_inclusion,
)
from wattest.store.stored_tree import StoredTree

FOLDER = Path(__file__).resolve().parents[2] / "vectors"


def cases(family: str) -> list[Any]:
    return [
        pytest.param(case, id=case["name"])
        for case in json.loads((FOLDER / "merkle" / f"{family}.json").read_text())["cases"]
    ]


def nodes(case: dict[str, Any], name: str) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(node) for node in case[name])


def check(case: dict[str, Any], judge: Any) -> None:
    if case["outcome"] == "accepted":
        assert judge() is None
        return
    with pytest.raises(InclusionRefused) as refused:
        judge()
    assert refused.value.code == case["outcome"]


@pytest.mark.parametrize("case", cases("leaves"))
def test_leaf(case: dict[str, Any]) -> None:
    salt, payload = bytes.fromhex(case["salt"]), bytes.fromhex(case["payload"])
    if case["outcome"] == "accepted":
        assert leaf_hash(salt, payload).hex() == case["leaf"]
    else:
        with pytest.raises(PayloadTooLong) as refused:
            leaf_hash(salt, payload)
        assert refused.value.fields["actual"] == len(payload)


@pytest.mark.parametrize("case", cases("trees"))
def test_tree(case: dict[str, Any]) -> None:
    payloads, salts = nodes(case, "payloads"), nodes(case, "salts")
    tree = MerkleTree.from_payloads(payloads, salts)
    assert tree.root.hex() == case["root"]
    assert [tree.leaf(index).hex() for index in range(tree.size)] == case["leaves"]
    width = len(payloads[0])
    if width and {len(payload) for payload in payloads} == {width}:
        assert MerkleTree.build(b"".join(payloads), width, b"".join(salts)).root == tree.root


@pytest.mark.parametrize("case", cases("inclusion"))
def test_inclusion(case: dict[str, Any]) -> None:
    proof = InclusionProof(case["index"], case["size"], nodes(case, "path"))
    check(case, lambda: verify_inclusion(bytes.fromhex(case["root"]), bytes.fromhex(case["leaf"]), proof))


@pytest.mark.parametrize("case", cases("multiproof"))
def test_multiproof(case: dict[str, Any]) -> None:
    proof = MultiProof(tuple(case["indices"]), case["size"], nodes(case, "nodes"))
    named = dict(zip(case["indices"], nodes(case, "leaves"), strict=False))
    if len(case["leaves"]) > len(case["indices"]):
        named[2**32] = nodes(case, "leaves")[-1]
    check(case, lambda: verify_multiproof(bytes.fromhex(case["root"]), named, proof))


@pytest.mark.parametrize("case", cases("batch"))
def test_batch(case: dict[str, Any]) -> None:
    batch = ProofBatch(index_column(case["indices"]), case["size"], b"".join(nodes(case, "nodes")))
    leaves = b"".join(nodes(case, "leaves"))
    check(case, lambda: verify_batch(bytes.fromhex(case["root"]), leaves, batch))
    if case["position"] is not None:
        with pytest.raises(InclusionRefused) as refused:
            verify_batch(bytes.fromhex(case["root"]), leaves, batch)
        assert refused.value.fields["position"] == case["position"]


@pytest.mark.parametrize("case", cases("groups"))
def test_groups(case: dict[str, Any]) -> None:
    batch = MultiProofBatch(index_groups(case["groups"]), case["size"], b"".join(nodes(case, "nodes")))
    leaves = b"".join(nodes(case, "leaves"))
    check(case, lambda: verify_multiproofs(bytes.fromhex(case["root"]), leaves, batch))
    if case["position"] is not None:
        with pytest.raises(InclusionRefused) as refused:
            verify_multiproofs(bytes.fromhex(case["root"]), leaves, batch)
        assert refused.value.fields["position"] == case["position"]
    if case["outcome"] == "accepted":
        rest = leaves
        for position, group in enumerate(case["groups"]):
            named = dict(zip(group, (rest[at : at + 32] for at in range(0, len(rest), 32)), strict=False))
            verify_multiproof(bytes.fromhex(case["root"]), named, batch.proof(position))
            rest = rest[32 * len(group) :]


@pytest.mark.parametrize("case", cases("growing"))
def test_growing(case: dict[str, Any], tmp_path: Path) -> None:
    payloads, salts = nodes(case, "payloads"), nodes(case, "salts")
    growing, stored = GrowingTree(), StoredTree.create(tmp_path / "tree")
    for payload, salt in zip(payloads, salts, strict=True):
        growing.append(payload, len(payload), salt)
        stored.append(payload, len(payload), salt)
    stored.commit()
    assert growing.root.hex() == stored.root.hex() == case["root"]
    assert (tmp_path / "tree").read_bytes()[8192:] == b"".join(nodes(case, "nodes"))


@pytest.mark.parametrize("case", cases("sha256"))
def test_sha256(case: dict[str, Any]) -> None:
    items, index, path = bytes.fromhex(case["items"]), case["index"], nodes(case, "path")
    assert sha256_root(items, case["width"]).hex() == case["tree_root"]
    proof = InclusionProof(index, case["size"], path)
    if case["outcome"] == "accepted":
        assert sha256_inclusion(items, case["width"], index) == proof
    check(case, lambda: verify_sha256_inclusion(bytes.fromhex(case["root"]), bytes.fromhex(case["item"]), proof))


@pytest.mark.parametrize("generator", ["generate_merkle.py", "generate_crypto.py"])
def test_files_are_what_the_reference_makes(generator: str) -> None:
    run = subprocess.run([sys.executable, FOLDER / generator, "--check"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_errors_are_wattest_errors() -> None:
    assert issubclass(InclusionRefused, WattestError)
