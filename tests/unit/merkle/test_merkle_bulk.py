"""Trees and proofs in bulk: threads, buffers that change meanwhile, batches, growing trees, forced kernels."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from array import array
from itertools import repeat
from typing import Any

import numpy as np
import pytest
from waiting import HANG_S

from wattest.crypto import native
from wattest.errors import ConfigError, InputError
from wattest.merkle import (
    GrowingTree,
    IndexOutOfRange,
    LeavesMismatch,
    MerkleTree,
    NodeCountWrong,
    NoIndices,
    PathLengthWrong,
    ProofBatch,
    ProofMalformed,
    RootMismatch,
    SimdUnavailable,
    ThreadsInvalid,
    TreeInputInvalid,
    index_column,
    verify_batch,
    verify_inclusion,
)

COUNT, WIDTH = 20_001, 24
SOURCE = np.random.default_rng(4)
PAYLOADS = SOURCE.bytes(COUNT * WIDTH)
SALTS = SOURCE.bytes(COUNT * 16)
TREE = MerkleTree.build(PAYLOADS, WIDTH, SALTS, threads=1)


@pytest.mark.parametrize("threads", [None, 1, 2, 7, 256])
def test_threads_and_buffers_change_nothing(threads: int | None) -> None:
    columns = np.frombuffer(PAYLOADS, np.uint8).reshape(COUNT, WIDTH)
    for payloads in (PAYLOADS, bytearray(PAYLOADS), columns):
        assert MerkleTree.build(payloads, WIDTH, SALTS, threads=threads).root == TREE.root


@pytest.mark.parametrize("threads", [0, -1, 257, 2**62, 2**70, -(2**70)])
def test_no_number_of_threads(threads: int) -> None:
    with pytest.raises(ThreadsInvalid) as refused:
        MerkleTree.build(PAYLOADS, WIDTH, SALTS, threads=threads)
    assert refused.value.fields == {"asked": str(threads), "maximum": 256}
    with pytest.raises(ThreadsInvalid):
        verify_batch(TREE.root, TREE.leaves([1]), TREE.prove_each([1]), threads=threads)
    with pytest.raises(ThreadsInvalid):
        GrowingTree().append(PAYLOADS, WIDTH, SALTS, threads=threads)


@pytest.mark.parametrize(
    "strange",
    [
        np.zeros((COUNT, 2 * WIDTH), np.uint8)[:, ::2],
        np.zeros((COUNT, WIDTH), np.uint8)[::-1],
        np.asfortranarray(np.zeros((COUNT, WIDTH), np.uint8)),
        np.zeros(COUNT * WIDTH, np.uint16),
        np.zeros(COUNT * WIDTH, np.float32),
        np.zeros(COUNT, np.dtype([("start", ">u8"), ("rest", "V16")])),
        np.frombuffer(bytes(COUNT * WIDTH * 8 + 1), np.uint8)[1:].view(np.uint64),
        array("H", bytes(2 * COUNT * WIDTH)),
        memoryview(PAYLOADS)[::-1],
    ],
    ids=["stride", "reversed", "columns first", "u16", "float", "records", "unaligned u64", "array", "view"],
)
def test_strange_buffers_are_refused(strange: Any) -> None:
    with pytest.raises(TreeInputInvalid) as refused:
        MerkleTree.build(strange, WIDTH, SALTS)
    assert "C-contiguous" in str(refused.value.hint)
    with pytest.raises(TreeInputInvalid):
        GrowingTree().append(strange, WIDTH, SALTS)


def test_what_salts_should_have_been_follows_from_the_payloads() -> None:
    with pytest.raises(TreeInputInvalid) as refused:
        MerkleTree.build(PAYLOADS, WIDTH, SALTS[:-1])
    assert refused.value.fields["expected"] == 16 * COUNT
    for width in (0, -1, 2**70):
        with pytest.raises(TreeInputInvalid, match="width is 1 to 118 bytes"):
            MerkleTree.build(PAYLOADS, width, SALTS)


def test_an_index_may_be_numpy_s() -> None:
    assert TREE.prove(np.int64(7)) == TREE.prove(7)  # type: ignore[arg-type]  # as prove_each takes them
    assert type(TREE.prove(np.uint64(7)).index) is int  # type: ignore[arg-type]  # as prove_each takes them


def test_an_unaligned_buffer_of_bytes_is_as_good_as_any() -> None:
    shifted = np.frombuffer(b"x" + PAYLOADS, np.uint8)[1:]
    assert MerkleTree.build(shifted, WIDTH, memoryview(b"y" + SALTS)[1:]).root == TREE.root


def test_a_buffer_changed_meanwhile_gives_a_tree_over_old_and_new_bytes() -> None:
    payloads, stop = np.zeros((COUNT, WIDTH), np.uint8), threading.Event()

    def change() -> None:
        while not stop.is_set():
            payloads[:] = 255 - payloads

    changer = threading.Thread(target=change)
    changer.start()
    try:
        trees = [MerkleTree.build(payloads, WIDTH, SALTS, threads=2) for _ in range(20)]
    finally:
        stop.set()
        changer.join()
    for tree in trees:
        chosen = range(0, COUNT, 777)
        verify_batch(tree.root, tree.leaves(chosen), tree.prove_each(chosen))


def test_a_held_buffer_cannot_shrink() -> None:
    payloads = bytearray(PAYLOADS)
    started, failures = threading.Event(), []

    def shrink() -> None:
        started.wait()
        for _ in range(50):
            try:
                payloads.extend(b"1")
                del payloads[COUNT * WIDTH :]
            except BufferError:
                failures.append(1)

    shrinker = threading.Thread(target=shrink)
    shrinker.start()
    for _ in range(20):
        started.set()
        try:
            assert MerkleTree.build(payloads, WIDTH, SALTS, threads=1).root == TREE.root
        except TreeInputInvalid:  # it was one byte longer at that moment
            continue
    shrinker.join()


def test_a_batch_is_its_single_proofs() -> None:
    chosen = [0, COUNT - 1, 7, 7, 12_345]
    for indices in (chosen, np.array(chosen), np.array(chosen, np.uint64), array("Q", chosen), iter(chosen)):
        batch = TREE.prove_each(indices)
        assert len(batch) == 5
        assert [batch.proof(at) for at in range(5)] == [TREE.prove(index) for index in chosen]
    leaves = TREE.leaves(chosen)
    assert leaves == b"".join(TREE.leaf(index) for index in chosen)
    verify_batch(TREE.root, leaves, batch)
    with pytest.raises(TreeInputInvalid):
        batch.proof(5)
    with pytest.raises(RootMismatch) as refused:
        verify_batch(TREE.root, leaves[:96] + bytes(32) + leaves[128:], batch)
    assert refused.value.fields["position"] == 3
    with pytest.raises(RootMismatch):
        verify_batch(bytes(32), leaves, batch)
    with pytest.raises(LeavesMismatch):
        verify_batch(TREE.root, leaves[:-32], batch)
    with pytest.raises(NodeCountWrong):
        verify_batch(TREE.root, leaves, ProofBatch(batch.indices, batch.size, batch.nodes[32:]))
    with pytest.raises(NoIndices):
        verify_batch(TREE.root, b"", ProofBatch(index_column([]), batch.size, b""))
    with pytest.raises(IndexOutOfRange):
        verify_batch(TREE.root, leaves, ProofBatch(batch.indices, 7, batch.nodes))
    with pytest.raises(NodeCountWrong):
        verify_batch(TREE.root, leaves, ProofBatch(batch.indices, COUNT * 2, batch.nodes))


@pytest.mark.parametrize(
    "indices",
    [
        [],
        [COUNT],
        [0, 2**64 - 1],
        [2**64],
        [-1],
        np.array([-1]),
        np.array([1, 2], np.int32),
        np.array([1, 2], ">u8"),
        np.array([[1, 2]]),
        np.array([1.0]),
        b"12345678",
        "12",
        [1.5],
        [None],
        5,
        np.zeros(2**20 + 1, np.uint64),
        range(2**62),
        repeat(0),
    ],
    ids=repr,
)
def test_what_is_no_list_of_indices(indices: Any) -> None:
    growing = GrowingTree()
    growing.append(PAYLOADS[:WIDTH], WIDTH, SALTS[:16])
    for of in (TREE.prove_each, TREE.leaves, growing.prove_each):
        with pytest.raises(TreeInputInvalid):
            of(indices)


def test_every_second_index_of_a_strided_array() -> None:
    assert TREE.prove_each(np.arange(10)[::2]) == TREE.prove_each([0, 2, 4, 6, 8])


@pytest.mark.parametrize(
    "parts",
    [
        (memoryview(b""), 1, b""),
        (memoryview(bytearray(8)).cast("Q"), 1, b""),
        (memoryview(bytes(16)).cast("Q", (1, 2)), 1, b""),
        (b"12345678", 1, b""),
        (index_column([0]), -1, b""),
        (index_column([0]), 2**64, b""),
        (index_column([0]), "1", b""),
        (index_column([0]), 1, bytes(31)),
        (index_column([0]), 1, bytearray(32)),
        (memoryview(bytes(8 * (2**20 + 1))).cast("Q"), 1, b""),
    ],
)
def test_what_is_no_batch(parts: Any) -> None:
    with pytest.raises(ProofMalformed):
        ProofBatch(*parts)


def test_a_path_that_is_no_tuple_of_nodes() -> None:
    proof = TREE.prove(3)
    with pytest.raises(ProofMalformed):
        type(proof)(3, COUNT, list(proof.path))  # type: ignore[arg-type]
    with pytest.raises(PathLengthWrong):
        verify_inclusion(TREE.root, TREE.leaf(3), type(proof)(3, COUNT, proof.path * 2))


def test_a_growing_tree_is_the_tree_of_each_size() -> None:
    growing = GrowingTree()
    with pytest.raises(TreeInputInvalid):
        _ = growing.root
    with pytest.raises(TreeInputInvalid):
        growing.prove(0)
    size = 0
    for more in (1, 2, 3, 0, 5000, 1, 2049, 12_000):
        growing.append(PAYLOADS[size * WIDTH : (size + more) * WIDTH], WIDTH, SALTS[size * 16 : (size + more) * 16])
        size += more
        built = MerkleTree.build(PAYLOADS[: size * WIDTH], WIDTH, SALTS[: size * 16])
        proved = growing.prove_each([0, size - 1, size // 2])
        assert (growing.size, growing.root, proved.root) == (size, built.root, built.root)
        assert proved.proofs == built.prove_each([0, size - 1, size // 2])
        assert proved.leaves == built.leaves([0, size - 1, size // 2])
        assert growing.prove(size - 1) == built.prove(size - 1)
    before = growing.root
    for payloads, width, salts in ((b"1", 2, bytes(16)), (b"1", 1, bytes(17)), (bytes(119), 119, bytes(16))):
        with pytest.raises(TreeInputInvalid):
            growing.append(payloads, width, salts)
    assert (growing.size, growing.root) == (size, before)


@pytest.mark.parametrize("threads", [None, 1, 2, 5, 256])
def test_threads_fill_a_growing_tree(threads: int | None) -> None:
    """Pieces begin in the middle of one another's, and the payloads are somebody else's memory."""
    growing, size = GrowingTree(), 0
    columns = np.frombuffer(PAYLOADS, np.uint8).copy()
    for more in (1000, 1048, 4096, 1, 13_000, COUNT - 19_145):
        payloads = columns[size * WIDTH : (size + more) * WIDTH]
        growing.append(payloads, WIDTH, SALTS[size * 16 : (size + more) * 16], threads=threads)
        size += more
        built = MerkleTree.build(PAYLOADS[: size * WIDTH], WIDTH, SALTS[: size * 16])
        assert (growing.size, growing.root) == (size, built.root)
        chosen = [0, size - 1, size // 2, 999, 5]
        chosen = [at for at in chosen if at < size]
        assert growing.prove_each(chosen).proofs == built.prove_each(chosen)
    assert growing.root == TREE.root


def test_threads_share_a_growing_tree() -> None:
    growing, payloads = GrowingTree(), np.frombuffer(PAYLOADS, np.uint8)

    def grow(start: int) -> None:
        for at in range(start, COUNT - 100, 2000):
            growing.append(payloads[at * WIDTH : (at + 100) * WIDTH], WIDTH, SALTS[at * 16 : (at + 100) * 16])
            proved = growing.prove_each([0, 99])
            verify_batch(proved.root, proved.leaves, proved.proofs)

    workers = [threading.Thread(target=grow, args=(start,)) for start in (0, 500, 1000)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert growing.size == 100 * sum(len(range(start, COUNT - 100, 2000)) for start in (0, 500, 1000))


def test_a_forked_child_builds_trees_too() -> None:
    program = """
import os, sys
from wattest.merkle import MerkleTree
build = lambda: MerkleTree.build(bytes(240_000), 24, bytes(160_000), threads=2).root
before = build()
child = os.fork()
if child == 0:
    os._exit(0 if build() == before else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=HANG_S).returncode == 0


def child(program: str, **settings: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=True,
    )
    return done.stdout.strip()


BUILD = """
from wattest.errors import ConfigError
payloads, salts = bytes(range(240)) * 1000, bytes(range(160)) * 1000
try:
    from wattest.merkle import MerkleTree, verify_batch
    tree = MerkleTree.build(payloads, 24, salts)
    verify_batch(tree.root, tree.leaves(range(9)), tree.prove_each(range(9)))
    print(tree.root.hex())
except ConfigError as refused:
    print(refused.code, refused.fields)
"""


def test_every_kernel_of_this_machine_makes_the_same_tree() -> None:
    kernels = native.simd_kernels()[1:]
    assert kernels[-1] == "scalar"
    roots = {child(BUILD, WATTEST_SIMD=kernel, WATTEST_THREADS="2") for kernel in kernels}
    assert len(roots) == 1
    assert len(roots.pop()) == 64
    forced = "from wattest.crypto import native; print(native.simd_kernels()[0])"
    assert [child(forced, WATTEST_SIMD=kernel) for kernel in kernels] == kernels


@pytest.mark.parametrize("name", ["sse2", "AVX2", "neon avx2", "1"])
def test_a_kernel_that_is_not_there_is_refused(name: str) -> None:
    assert child(BUILD, WATTEST_SIMD=name).startswith("SimdUnavailable {'asked': '" + name)


@pytest.mark.parametrize("threads", ["0", "-1", "257", "two", "1.5"])
def test_wattest_threads_that_are_none(threads: str) -> None:
    assert child(BUILD, WATTEST_THREADS=threads).startswith("ThreadsInvalid {'asked': 'WATTEST_THREADS=" + threads)


def test_settings_are_configuration_errors() -> None:
    assert issubclass(SimdUnavailable, ConfigError)
    assert not issubclass(SimdUnavailable, InputError)


def test_the_limit_kernel_runs() -> None:
    assert native.keccak_permutations(0) == 1
    assert native.keccak_permutations(1) != native.keccak_permutations(10**4)
