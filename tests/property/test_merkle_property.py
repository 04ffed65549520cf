"""Trees of any size against the recursive reference: same roots, same proofs, same verdicts by name."""

from __future__ import annotations

from typing import Any

import merkle_reference as reference
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattest.errors import InputError, VerificationError
from wattest.merkle import (
    InclusionProof,
    InclusionRefused,
    MerkleTree,
    MultiProof,
    MultiProofBatch,
    index_groups,
    leaf_hash,
    sha256_inclusion,
    sha256_root,
    verify_inclusion,
    verify_multiproof,
    verify_multiproofs,
    verify_sha256_inclusion,
)

NODES = st.binary(min_size=32, max_size=32)
PAYLOADS = st.lists(st.binary(max_size=118), min_size=1, max_size=70)


def salts_of(count: int) -> list[bytes]:
    return [at.to_bytes(16, "little") for at in range(count)]


def grow(payloads: list[bytes]) -> tuple[MerkleTree, list[bytes]]:
    salts = salts_of(len(payloads))
    leaves = [reference.leaf_hash(salt, payload) for salt, payload in zip(salts, payloads, strict=True)]
    return MerkleTree.from_payloads(payloads, salts), leaves


def verdict(judge: Any) -> str:
    try:
        judge()
    except InclusionRefused as refused:
        return refused.code
    return "accepted"


@given(PAYLOADS, st.data())
def test_trees_and_proofs_are_the_reference(payloads: list[bytes], data: st.DataObject) -> None:
    tree, leaves = grow(payloads)
    assert tree.root == reference.root(leaves)
    index = data.draw(st.integers(0, len(leaves) - 1))
    proof = tree.prove(index)
    assert list(proof.path) == reference.path(leaves, index)
    verify_inclusion(tree.root, leaves[index], proof)
    chosen = data.draw(st.sets(st.integers(0, len(leaves) - 1), min_size=1))
    many = tree.prove_many(chosen)
    assert list(many.nodes) == reference.multiproof(leaves, sorted(chosen))
    verify_multiproof(tree.root, {at: leaves[at] for at in chosen}, many)


@given(st.integers(1, 40), st.integers(1, 80), st.data())
def test_flat_buffers_are_the_reference(width: int, size: int, data: st.DataObject) -> None:
    items = data.draw(st.binary(min_size=width * size, max_size=width * size))
    parts = [items[at : at + width] for at in range(0, len(items), width)]
    tree = MerkleTree.build(items, width, b"".join(salts_of(size)))
    assert tree.root == grow(parts)[0].root

    leaves = [reference.item_hash(part) for part in parts]
    assert sha256_root(items, width) == reference.root(leaves, reference.sha256)
    index = data.draw(st.integers(0, size - 1))
    proof = sha256_inclusion(items, width, index)
    assert list(proof.path) == reference.path(leaves, index, reference.sha256)
    verify_sha256_inclusion(sha256_root(items, width), parts[index], proof)


@given(PAYLOADS, st.data())
def test_one_change_never_passes(payloads: list[bytes], data: st.DataObject) -> None:
    """Leaf, root or any node with one bit changed; the size stays, as the header fixes it."""
    tree, leaves = grow(payloads)
    index = data.draw(st.integers(0, len(leaves) - 1))
    path, root, leaf = list(tree.prove(index).path), tree.root, leaves[index]
    field = data.draw(st.integers(0, 1 + len(path)))
    mask = (1 << data.draw(st.integers(0, 255))).to_bytes(32, "big")
    if field == 0:
        root = xor(root, mask)
    elif field == 1:
        leaf = xor(leaf, mask)
    else:
        path[field - 2] = xor(path[field - 2], mask)
    proof = InclusionProof(index, tree.size, tuple(path))
    assert verdict(lambda: verify_inclusion(root, leaf, proof)) == "RootMismatch"


@given(PAYLOADS, st.data())
def test_a_leaf_stands_in_one_place_only(payloads: list[bytes], data: st.DataObject) -> None:
    tree, leaves = grow(payloads)
    index = data.draw(st.integers(0, len(leaves) - 1))
    other = data.draw(st.integers(0, len(leaves) + 1).filter(lambda at: at != index))
    moved = InclusionProof(other, tree.size, tree.prove(index).path)
    assert verdict(lambda: verify_inclusion(tree.root, leaves[index], moved)) != "accepted"


@given(NODES, NODES, st.integers(0, 2**33), st.integers(0, 2**33), st.lists(NODES, max_size=32))
def test_arbitrary_inclusion_has_the_reference_verdict(
    root: bytes, leaf: bytes, index: int, size: int, path: list[bytes]
) -> None:
    expected = reference.judge_inclusion(root, leaf, index, size, path)
    assert verdict(lambda: verify_inclusion(root, leaf, InclusionProof(index, size, tuple(path)))) == expected


@given(
    st.integers(0, 20),
    st.lists(st.integers(0, 21), max_size=8),
    st.lists(NODES, max_size=8),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_mutated_multiproofs_have_the_reference_verdict(
    size: int, indices: list[int], nodes: list[bytes], genuine: bool, random: Any
) -> None:
    """Genuine multiproofs with one part taken out, put in or moved; and arbitrary ones."""
    _, leaves = grow([bytes((at,)) for at in range(max(size, 1))])
    root = reference.root(leaves)
    if genuine and size:
        inside = sorted({at % size for at in indices}) or [0]
        nodes = reference.multiproof(leaves, inside)
        indices = inside
        change = random.randrange(5)
        if change == 1 and nodes:
            del nodes[random.randrange(len(nodes))]
        elif change == 2:
            nodes.insert(random.randrange(len(nodes) + 1), bytes(32))
        elif change == 3:
            random.shuffle(indices)
        elif change == 4:
            indices.insert(random.randrange(len(indices) + 1), random.randrange(size + 2))
    named = {at: leaves[at] if at < len(leaves) else bytes(32) for at in indices}
    expected = reference.judge_multiproof(root, size, indices, [named[at] for at in indices], nodes)
    proof = MultiProof(tuple(indices), size, tuple(nodes))
    assert verdict(lambda: verify_multiproof(root, named, proof)) == expected


@given(
    st.integers(0, 40),
    st.lists(st.lists(st.integers(0, 45), max_size=6), max_size=5),
    st.lists(NODES, max_size=4),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_groups_have_the_reference_verdict(
    size: int, groups: list[list[int]], nodes: list[bytes], genuine: bool, random: Any
) -> None:
    """Genuine batches of multiproofs with one part taken out, put in or changed; and arbitrary ones."""
    _, leaves = grow([bytes((at,)) for at in range(max(size, 1))])
    root = reference.root(leaves)
    if genuine and size:
        groups = [sorted({at % size for at in group}) or [0] for group in groups] or [[0]]
        nodes = [node for group in groups for node in reference.multiproof(leaves, group)]
        change = random.randrange(5)
        if change == 1 and nodes:
            del nodes[random.randrange(len(nodes))]
        elif change == 2 and nodes:
            nodes[random.randrange(len(nodes))] = bytes(32)
        elif change == 3:
            random.shuffle(random.choice(groups))
        elif change == 4:
            groups.insert(random.randrange(len(groups) + 1), [random.randrange(size + 2)][: random.randrange(2)])
    given_leaves = [leaves[at] if at < len(leaves) else bytes(32) for group in groups for at in group]
    expected, position = reference.judge_groups(root, size, groups, given_leaves, nodes)
    batch = MultiProofBatch(index_groups(groups), size, b"".join(nodes))
    found: tuple[str, object] = "accepted", None
    try:
        verify_multiproofs(root, b"".join(given_leaves), batch, threads=random.choice((1, 2)))
    except InclusionRefused as refused:
        found = refused.code, refused.fields.get("position")
    assert found == (expected, position)


@given(st.binary(max_size=200), st.binary(max_size=60), st.integers(-1, 130))
def test_any_flat_buffers_give_a_tree_or_a_typed_error(payloads: bytes, salts: bytes, width: int) -> None:
    try:
        tree = MerkleTree.build(payloads, width, salts)
    except InputError:
        assert width <= 0 or width > 118 or not salts or len(salts) % 16 or len(payloads) != len(salts) // 16 * width
    else:
        parts = [payloads[at : at + width] for at in range(0, len(payloads), width)]
        assert (
            tree.root == MerkleTree.from_payloads(parts, [salts[at : at + 16] for at in range(0, len(salts), 16)]).root
        )


@given(st.binary(max_size=70), st.binary(max_size=70), st.lists(st.binary(max_size=40), max_size=4))
def test_any_bytes_for_a_proof_give_a_typed_error(root: bytes, leaf: bytes, path: list[bytes]) -> None:
    with pytest.raises((InputError, VerificationError)):
        verify_inclusion(root, leaf, InclusionProof(1, 3, tuple(path)))


@given(st.binary(max_size=130), st.binary(max_size=20))
def test_leaf_hash_on_any_bytes(payload: bytes, salt: bytes) -> None:
    if len(salt) == 16 and len(payload) <= 118:
        assert leaf_hash(salt, payload) == reference.leaf_hash(salt, payload)
    else:
        with pytest.raises(InputError):
            leaf_hash(salt, payload)


def xor(node: bytes, mask: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(node, mask, strict=True))
