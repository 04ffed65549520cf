"""Trees over flat buffers: which buffers count, what is refused, and what a proof object is."""

from __future__ import annotations

import sys
import threading
from array import array
from typing import Any

import numpy as np
import pytest

from wattest.errors import InputError, VerificationError
from wattest.merkle import (
    InclusionProof,
    InclusionRefused,
    IndexOutOfRange,
    LeavesMismatch,
    MerkleTree,
    MultiProof,
    PathLengthWrong,
    PayloadTooLong,
    ProofMalformed,
    RootMismatch,
    TreeInputInvalid,
    TreeTooLarge,
    leaf_hash,
    node_hash,
    sha256_inclusion,
    sha256_root,
    verify_inclusion,
    verify_multiproof,
    verify_sha256_inclusion,
)

RECORD = np.dtype([("start", ">u8"), ("duration", ">u4")])
SALTS = bytes(range(16)) * 5
PAYLOADS = bytes(range(60))


def tree() -> MerkleTree:
    return MerkleTree.build(PAYLOADS, 12, SALTS)


@pytest.mark.parametrize(
    "same",
    [
        PAYLOADS,
        bytearray(PAYLOADS),
        memoryview(PAYLOADS),
        memoryview(b"xx" + PAYLOADS)[2:],
        np.frombuffer(PAYLOADS, dtype=np.uint8),
        np.frombuffer(PAYLOADS, dtype=np.int8),  # as Arrow shows its buffers
        np.frombuffer(PAYLOADS, dtype=np.uint8).reshape(5, 12),
        np.frombuffer(PAYLOADS, dtype=RECORD).view(np.uint8),
        array("B", PAYLOADS),
    ],
    ids=lambda buffer: type(buffer).__name__,
)
def test_every_plain_buffer_builds_the_same_tree(same: Any) -> None:
    assert MerkleTree.build(same, 12, SALTS).root == tree().root
    assert sha256_root(same, 12) == sha256_root(PAYLOADS, 12)
    assert MerkleTree.build(PAYLOADS, 12, bytearray(SALTS)).root == tree().root


@pytest.mark.parametrize(
    "strange",
    [
        np.frombuffer(PAYLOADS * 2, dtype=np.uint8)[::2],
        np.frombuffer(PAYLOADS, dtype=np.uint8).reshape(5, 12).T,
        np.asfortranarray(np.frombuffer(PAYLOADS, dtype=np.uint8).reshape(5, 12)),
        np.frombuffer(PAYLOADS, dtype=np.uint16),
        np.frombuffer(PAYLOADS, dtype=">u4"),
        np.frombuffer(PAYLOADS, dtype=np.float32),
        np.frombuffer(PAYLOADS, dtype=RECORD),
        array("I", PAYLOADS),
        memoryview(PAYLOADS)[::-1],
        np.zeros((5, 12), dtype=bool)[:, ::2],
    ],
)
def test_strided_and_wider_buffers_are_refused(strange: Any) -> None:
    for build in (
        lambda: MerkleTree.build(strange, 12, SALTS),
        lambda: MerkleTree.build(PAYLOADS, 12, strange),
        lambda: MerkleTree.from_payloads([strange], [SALTS[:16]]),
        lambda: sha256_root(strange, 12),
        lambda: leaf_hash(SALTS[:16], strange),
        lambda: node_hash(strange, bytes(32)),
    ):
        with pytest.raises(TreeInputInvalid):
            build()


@pytest.mark.parametrize("strange", [None, 5, "text", [1, 2], object()])
def test_what_is_no_buffer_is_a_bug_of_the_caller(strange: Any) -> None:
    with pytest.raises(TypeError):
        MerkleTree.build(strange, 12, SALTS)
    with pytest.raises(TypeError):
        sha256_root(strange, 12)


@pytest.mark.parametrize(
    ("payloads", "width", "salts"),
    [
        (PAYLOADS[:-1], 12, SALTS),
        (PAYLOADS + b"\x00", 12, SALTS),
        (PAYLOADS, 12, SALTS[:-1]),
        (PAYLOADS, 12, SALTS[:-16]),
        (PAYLOADS, 11, SALTS),
        (PAYLOADS, 0, SALTS),
        (b"", 0, SALTS),
        (b"", 12, b""),
        (PAYLOADS, -1, SALTS),
        (PAYLOADS, 2**64, SALTS),
        (PAYLOADS, 2**32 - 1, SALTS),
    ],
)
def test_lengths_that_do_not_agree(payloads: bytes, width: int, salts: bytes) -> None:
    with pytest.raises(TreeInputInvalid) as refused:
        MerkleTree.build(payloads, width, salts)
    assert isinstance(refused.value, InputError)


def test_payload_limit() -> None:
    assert MerkleTree.build(bytes(118), 118, bytes(16)).size == 1
    with pytest.raises(PayloadTooLong) as refused:
        MerkleTree.build(bytes(119), 119, bytes(16))
    assert (refused.value.fields["maximum"], refused.value.fields["actual"]) == (118, 119)
    with pytest.raises(PayloadTooLong):
        MerkleTree.from_payloads([bytes(118), bytes(119)], [bytes(16)] * 2)
    assert len(sha256_root(bytes(1024), 1024)) == 32
    with pytest.raises(PayloadTooLong):
        sha256_root(bytes(1025), 1025)


@pytest.mark.parametrize(
    ("payloads", "salts"), [([], []), ([b"a"], []), ([b"a"], [bytes(16)] * 2), ([b"a"], [bytes(15)])]
)
def test_unequal_payloads_that_do_not_pair(payloads: list[bytes], salts: list[bytes]) -> None:
    with pytest.raises(TreeInputInvalid):
        MerkleTree.from_payloads(payloads, salts)


@pytest.mark.parametrize("index", [-1, 5, 2**32, 2**64, -(2**70)])
def test_an_index_of_ones_own_tree(index: int) -> None:
    for use in (tree().prove, tree().leaf, lambda at: tree().prove_many([0, at])):
        with pytest.raises(TreeInputInvalid) as refused:
            use(index)
        assert refused.value.fields["size"] == 5
    with pytest.raises(TreeInputInvalid):
        sha256_inclusion(PAYLOADS, 12, index)
    with pytest.raises(TreeInputInvalid):
        tree().prove_many([])


def test_prove_many_takes_any_order() -> None:
    assert tree().prove_many([4, 0, 4]) == tree().prove_many((0, 4))
    assert tree().prove_many([4, 0]).indices == (0, 4)


@pytest.mark.parametrize(
    "make",
    [
        lambda: InclusionProof(-1, 5, ()),
        lambda: InclusionProof(0, -5, ()),
        lambda: InclusionProof(True, 5, ()),
        lambda: InclusionProof(0, 2**64, ()),
        lambda: InclusionProof(0, 5, (bytes(31),)),
        lambda: InclusionProof(0, 5, (bytes(33),)),
        lambda: InclusionProof(0, 5, (bytearray(32),)),  # type: ignore[arg-type]
        lambda: InclusionProof(0, 5, (bytes(32),) * 33),
        lambda: MultiProof((0.0,), 5, ()),  # type: ignore[arg-type]
        lambda: MultiProof((-1,), 5, ()),
        lambda: MultiProof((0,), 5, (bytes(32),) * 33),
        lambda: MultiProof((0,), 5, (b"",)),
        lambda: MultiProof(tuple(range(2**20 + 1)), 2**21, ()),
    ],
)
def test_what_is_no_proof(make: Any) -> None:
    with pytest.raises(ProofMalformed):
        make()


def test_numbers_beyond_the_format_keep_their_names() -> None:
    root, leaf = tree().root, tree().leaf(0)
    with pytest.raises(TreeTooLarge):
        verify_inclusion(root, leaf, InclusionProof(0, 2**32, ()))
    with pytest.raises(IndexOutOfRange):
        verify_inclusion(root, leaf, InclusionProof(2**64 - 1, 5, ()))
    with pytest.raises(TreeTooLarge):
        verify_multiproof(root, {0: leaf}, MultiProof((0,), 2**64 - 1, ()))


@pytest.mark.parametrize("length", [0, 31, 33])
def test_roots_and_leaves_of_another_length_are_refused_as_false(length: int) -> None:
    proof, leaf = tree().prove(0), tree().leaf(0)
    for verify in (
        lambda: verify_inclusion(bytes(length), leaf, proof),
        lambda: verify_inclusion(tree().root, bytes(length), proof),
        lambda: verify_multiproof(bytes(length), {0: leaf}, tree().prove_many([0])),
        lambda: verify_multiproof(tree().root, {0: bytes(length)}, tree().prove_many([0])),
        lambda: verify_sha256_inclusion(bytes(length), PAYLOADS[:12], sha256_inclusion(PAYLOADS, 12, 0)),
    ):
        with pytest.raises(InclusionRefused) as refused:
            verify()
        assert isinstance(refused.value, VerificationError)
        assert refused.value.fields["actual"] == length


def test_leaves_of_other_indices() -> None:
    proof = tree().prove_many([1, 3])
    verify_multiproof(tree().root, {3: tree().leaf(3), 1: tree().leaf(1)}, proof)
    for named in ({1: tree().leaf(1), 2: tree().leaf(3)}, {1: tree().leaf(1)}, {}):
        with pytest.raises(LeavesMismatch):
            verify_multiproof(tree().root, named, proof)


def test_refusals_carry_what_was_expected() -> None:
    root, leaf, proof = tree().root, tree().leaf(0), tree().prove(0)
    with pytest.raises(PathLengthWrong) as length:
        verify_inclusion(root, leaf, InclusionProof(0, 5, proof.path[:-1]))
    assert length.value.fields == {"expected": 3, "actual": 2}
    with pytest.raises(RootMismatch) as mismatch:
        verify_inclusion(bytes(32), leaf, proof)
    assert mismatch.value.fields == {"expected": bytes(32), "actual": root}
    assert mismatch.value.as_dict()["fields"] == {"expected": "00" * 32, "actual": root.hex()}


def test_salted_and_unsalted_leaves_are_apart() -> None:
    """A SHA-256 proof is never taken for a Keccak one, nor the other way round."""
    proof = sha256_inclusion(PAYLOADS, 12, 0)
    with pytest.raises(RootMismatch):
        verify_inclusion(sha256_root(PAYLOADS, 12), tree().leaf(0), proof)
    with pytest.raises(RootMismatch):
        verify_sha256_inclusion(tree().root, PAYLOADS[:12], tree().prove(0))


def test_building_lets_other_threads_run() -> None:
    """With no switch forced, another thread gets its turn only when the lock is let go."""
    payloads, salts, ran, interval = bytes(12 * 40_000), bytes(16 * 40_000), threading.Event(), sys.getswitchinterval()
    sys.setswitchinterval(1_000)
    try:
        other = threading.Thread(target=ran.set)
        other.start()
        while not ran.is_set():
            MerkleTree.build(payloads, 12, salts)
    finally:
        sys.setswitchinterval(interval)
    other.join()


@pytest.mark.parametrize("copied", [False, True])
def test_a_buffer_changed_meanwhile_gives_old_and_new_bytes_and_a_copy_one_of_them(*, copied: bool) -> None:
    size = 40_000
    salts, old, new = bytes(16 * size), bytes(12 * size), b"\xff" * (12 * size)
    trees = [MerkleTree.build(payloads, 12, salts) for payloads in (old, new)]
    known = [{tree.leaf(index) for tree in trees} for index in range(size)]
    payloads, stop, roots = bytearray(old), threading.Event(), {tree.root for tree in trees}

    def change() -> None:
        while not stop.is_set():
            payloads[:] = new
            payloads[:] = old

    changer = threading.Thread(target=change)
    changer.start()
    try:
        built = [MerkleTree.build(bytes(payloads) if copied else payloads, 12, salts) for _ in range(5)]
    finally:
        stop.set()
        changer.join()
    for tree in built:
        assert all(tree.leaf(index) in leaves for index, leaves in enumerate(known))
        assert not copied or tree.root in roots
        verify_inclusion(tree.root, tree.leaf(size - 1), tree.prove(size - 1))
