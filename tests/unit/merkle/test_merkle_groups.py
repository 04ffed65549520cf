"""Multiproofs in bulk: flat buffers in and out, the single form beside it, the same of trees that grow."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import numpy as np
import pytest

from wattest.merkle import (
    GrowingTree,
    InclusionProof,
    InclusionRefused,
    IndexGroups,
    IndexOutOfRange,
    IndicesNotAscending,
    LeavesMismatch,
    MerkleTree,
    MultiProof,
    MultiProofBatch,
    NodeCountWrong,
    NoIndices,
    ProofMalformed,
    RootMismatch,
    ThreadsInvalid,
    TreeInputInvalid,
    index_column,
    index_groups,
    verify_multiproof,
    verify_multiproofs,
)

COUNT, WIDTH = 5_003, 24
SOURCE = np.random.default_rng(12)
PAYLOADS, SALTS = SOURCE.bytes(COUNT * WIDTH), SOURCE.bytes(COUNT * 16)
TREE = MerkleTree.build(PAYLOADS, WIDTH, SALTS)
GROUPS = [[0, 1, 5002], [7], [0, 4096, 4097], list(range(100, 140))]
FLAT = [index for group in GROUPS for index in group]


@pytest.fixture
def batch() -> MultiProofBatch:
    return TREE.prove_groups(GROUPS)


def test_a_batch_is_its_single_multiproofs(batch: MultiProofBatch) -> None:
    single = [TREE.prove_many(group) for group in GROUPS]
    assert [batch.proof(at) for at in range(len(batch))] == single
    assert MultiProofBatch.of(single) == batch
    assert batch.nodes == b"".join(node for proof in single for node in proof.nodes)
    for threads in (None, 1, 2, 256):
        verify_multiproofs(TREE.root, TREE.leaves(FLAT), batch, threads=threads)
    for group, proof in zip(GROUPS, single, strict=True):
        verify_multiproof(TREE.root, {index: TREE.leaf(index) for index in group}, proof)


@pytest.mark.parametrize(
    "groups",
    [
        tuple(GROUPS),
        iter(GROUPS),
        [np.array(group, np.uint64) for group in GROUPS],
        IndexGroups(index_column(FLAT), index_column(np.cumsum([len(group) for group in GROUPS]))),
        index_groups(GROUPS),
    ],
    ids=["tuple", "iterator", "arrays", "columns", "groups"],
)
def test_groups_in_any_form(groups: Any, batch: MultiProofBatch) -> None:
    assert TREE.prove_groups(groups) == batch


def test_a_row_is_a_group() -> None:
    rows = np.sort(SOURCE.choice(COUNT, (300, 8), replace=False), axis=1)
    proved = TREE.prove_groups(rows)
    assert len(proved) == 300
    verify_multiproofs(TREE.root, TREE.leaves(rows.reshape(-1)), proved)
    assert proved.proof(299) == TREE.prove_many(rows[299])


def test_one_thing_changed_is_refused_by_the_group_it_is_in(batch: MultiProofBatch) -> None:
    leaves = TREE.leaves(FLAT)
    with pytest.raises(RootMismatch) as refused:
        verify_multiproofs(TREE.root, leaves[:96] + bytes(32) + leaves[128:], batch)
    assert refused.value.fields["position"] == 1
    with pytest.raises(RootMismatch) as refused:
        verify_multiproofs(TREE.root, leaves, MultiProofBatch(batch.groups, COUNT, batch.nodes[:-32] + bytes(32)))
    assert refused.value.fields["position"] == 3
    with pytest.raises(LeavesMismatch):
        verify_multiproofs(TREE.root, leaves[:-32], batch)
    with pytest.raises(NodeCountWrong):
        verify_multiproofs(TREE.root, leaves, MultiProofBatch(batch.groups, COUNT, batch.nodes[32:]))
    with pytest.raises(IndexOutOfRange):
        verify_multiproofs(TREE.root, leaves, MultiProofBatch(batch.groups, 5002, batch.nodes))
    with pytest.raises(NoIndices):
        verify_multiproofs(TREE.root, b"", MultiProofBatch(index_groups([]), COUNT, b""))
    with pytest.raises(NoIndices) as refused:
        verify_multiproofs(TREE.root, bytes(32), MultiProofBatch(index_groups([[3], []]), COUNT, b""))
    assert refused.value.fields["position"] == 1
    with pytest.raises(IndicesNotAscending) as refused:
        verify_multiproofs(TREE.root, bytes(128), MultiProofBatch(index_groups([[3], [1, 5, 5]]), COUNT, b""))
    assert refused.value.fields == {"place": 2, "position": 1}
    for ends in ([1], [13, 12], [2**63, len(FLAT)], []):
        groups = IndexGroups(index_column(FLAT), index_column(ends))
        with pytest.raises(InclusionRefused):
            verify_multiproofs(TREE.root, leaves, MultiProofBatch(groups, COUNT, batch.nodes))
    for root in (b"", bytes(31)):
        with pytest.raises(InclusionRefused):
            verify_multiproofs(root, leaves, batch)
    for threads in (0, -1, 257, 2**70, -(2**70)):
        with pytest.raises(ThreadsInvalid):
            verify_multiproofs(TREE.root, leaves, batch, threads=threads)


@pytest.mark.parametrize(
    "groups",
    [
        [],
        [[]],
        [[0], []],
        [[1, 0]],
        [[0, 0]],
        [[COUNT]],
        [[2**64]],
        [[-1]],
        [["0"]],
        [None],
        [5],
        5,
        None,
        "ab",
        [b"12345678"],
        [np.array([1], np.int32)],
        np.zeros((2, 2, 2), np.uint64),
        IndexGroups(index_column([1, 2]), index_column([1])),
        IndexGroups(index_column([1, 2]), index_column([2, 1])),
    ],
    ids=lambda groups: type(groups).__name__ if isinstance(groups, IndexGroups) else str(groups),
)
def test_what_are_no_groups_of_ones_own_tree(groups: Any) -> None:
    growing = GrowingTree()
    growing.append(PAYLOADS[:WIDTH], WIDTH, SALTS[:16])
    for of in (TREE.prove_groups, growing.prove_groups):
        with pytest.raises(TreeInputInvalid):
            of(groups)


@pytest.mark.parametrize(
    "make",
    [
        lambda: IndexGroups([1], index_column([1])),  # type: ignore[arg-type]
        lambda: IndexGroups(index_column([1]), memoryview(bytearray(8)).cast("Q")),
        lambda: IndexGroups(index_column([1]), memoryview(bytes(8))),
        lambda: IndexGroups(memoryview(bytes(8 * (2**20 + 1))).cast("Q"), index_column([2**20 + 1])),
        lambda: MultiProofBatch([[1]], 5, b""),  # type: ignore[arg-type]
        lambda: MultiProofBatch(index_groups([[1]]), -1, b""),
        lambda: MultiProofBatch(index_groups([[1]]), 2**64, b""),
        lambda: MultiProofBatch(index_groups([[1]]), 5, bytes(31)),
        lambda: MultiProofBatch(index_groups([[1]]), 5, bytearray(32)),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_batch_of_multiproofs(make: Any) -> None:
    with pytest.raises(ProofMalformed):
        make()


def test_multiproofs_that_make_no_batch(batch: MultiProofBatch) -> None:
    with pytest.raises(TreeInputInvalid):
        MultiProofBatch.of([])
    with pytest.raises(TreeInputInvalid):
        MultiProofBatch.of([MultiProof((0,), 1, ()), MultiProof((0,), 2, (bytes(32),))])
    for position in (-1, 4, 2**70):
        with pytest.raises(TreeInputInvalid):
            batch.proof(position)


def test_a_growing_tree_proves_groups_as_a_built_one() -> None:
    growing, size = GrowingTree(), 0
    with pytest.raises(TreeInputInvalid):
        growing.prove_groups([[0]])
    for more in (1, 2, 4094, 906):
        growing.append(PAYLOADS[size * WIDTH : (size + more) * WIDTH], WIDTH, SALTS[size * 16 : (size + more) * 16])
        size += more
        built = MerkleTree.build(PAYLOADS[: size * WIDTH], WIDTH, SALTS[: size * 16])
        groups = [[0], sorted({0, size // 2, size - 1}), list(range(max(0, size - 40), size))]
        proved = growing.prove_groups(groups)
        assert (proved.root, proved.proofs) == (built.root, built.prove_groups(groups))
        assert proved.leaves == built.leaves([index for group in groups for index in group])
        assert growing.prove_many([size - 1, 0]) == built.prove_many([0, size - 1])


@pytest.mark.parametrize("made", [TREE.prove(3), TREE.prove_many([3, 900])], ids=["inclusion", "multiproof"])
def test_a_made_proof_is_one_like_any_other(made: Any) -> None:
    """Its nodes become a tuple when they are first asked for, by whichever way."""
    parts = [getattr(made, field.name) for field in fields(made)]
    checked = type(made)(*parts)
    fresh = TREE.prove(3) if isinstance(made, InclusionProof) else TREE.prove_many([3, 900])
    for same in (made, pickle.loads(pickle.dumps(fresh)), copy.copy(fresh), copy.deepcopy(fresh), replace(fresh)):
        assert same == checked
        assert hash(same) == hash(checked)
        assert repr(same) == repr(checked)
    assert all(type(node) is bytes and len(node) == 32 for node in parts[2])
    for name in ("size", "_made", "anything"):
        with pytest.raises((FrozenInstanceError, TypeError)):
            setattr(made, name, 1)
    with pytest.raises(AttributeError, match="has no attribute 'node'"):
        _ = made.node
    with pytest.raises(AttributeError, match="_made"):
        _ = checked._made
