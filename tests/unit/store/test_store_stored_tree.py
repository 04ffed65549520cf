"""Stored trees: found again, cut short, altered, held by another, full disks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from waiting import HANG_S

from wattest.errors import InputError, VerificationError, WattestError
from wattest.merkle import MerkleTree, TreeInputInvalid, verify_batch, verify_inclusion, verify_multiproofs
from wattest.store.stored_tree import (
    StorageFailed,
    StoredTree,
    StoredTreeAltered,
    StoredTreeBusy,
    StoredTreeExists,
    StoredTreeMalformed,
    StoredTreeReadOnly,
    StoredTreeTruncated,
)

COUNT, WIDTH = 1000, 24
SOURCE = np.random.default_rng(8)
PAYLOADS, SALTS = SOURCE.bytes(COUNT * WIDTH), SOURCE.bytes(COUNT * 16)
BUILT = MerkleTree.build(PAYLOADS, WIDTH, SALTS)


def append(tree: StoredTree, start: int, stop: int) -> None:
    tree.append(PAYLOADS[start * WIDTH : stop * WIDTH], WIDTH, SALTS[start * 16 : stop * 16])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tree"


@pytest.fixture
def whole(path: Path) -> Path:
    tree = StoredTree.create(path)
    append(tree, 0, COUNT)
    tree.commit()
    return path


def test_a_tree_is_found_again_and_goes_on(path: Path) -> None:
    tree = StoredTree.create(path)
    append(tree, 0, 300)
    tree.commit()
    append(tree, 300, 500)
    assert (tree.size, tree.committed_size) == (500, 300)
    assert tree.root == MerkleTree.build(PAYLOADS[: 500 * WIDTH], WIDTH, SALTS[: 500 * 16]).root
    del tree  # as a crash would: what was not committed is not there
    tree = StoredTree.open(path, writable=True)
    assert tree.size == 300
    append(tree, 300, COUNT)
    tree.commit()
    del tree
    again = StoredTree.open(path, root=BUILT.root)
    assert (again.size, again.root) == (COUNT, BUILT.root)
    chosen = [0, 999, 5, 5, 511, 512]
    proved = again.prove_each(chosen)
    assert (proved.root, proved.leaves, proved.proofs) == (BUILT.root, BUILT.leaves(chosen), BUILT.prove_each(chosen))
    verify_batch(BUILT.root, proved.leaves, proved.proofs)
    verify_inclusion(BUILT.root, BUILT.leaf(7), again.prove(7))


@pytest.mark.parametrize("threads", [1, 3, 256])
def test_threads_write_the_same_file(tmp_path: Path, threads: int) -> None:
    size = 20_000
    payloads, salts = SOURCE.bytes(size * WIDTH), SOURCE.bytes(size * 16)
    tree, alone = StoredTree.create(tmp_path / "threads"), StoredTree.create(tmp_path / "alone")
    for start, stop in ((0, 700), (700, 7000), (7000, size)):
        part = payloads[start * WIDTH : stop * WIDTH], WIDTH, salts[start * 16 : stop * 16]
        tree.append(*part, threads=threads)
        alone.append(*part, threads=1)
        assert tree.root == alone.root == MerkleTree.build(payloads[: stop * WIDTH], WIDTH, salts[: stop * 16]).root
    tree.commit()
    alone.commit()
    assert (tmp_path / "threads").read_bytes()[8192:] == (tmp_path / "alone").read_bytes()[8192:]


def test_multiproofs_are_those_of_a_built_tree(whole: Path) -> None:
    tree, groups = StoredTree.open(whole), [[0, 5, 999], [511, 512], [7]]
    proved = tree.prove_groups(groups)
    assert (proved.root, proved.proofs) == (BUILT.root, BUILT.prove_groups(groups))
    assert proved.leaves == BUILT.leaves([index for group in groups for index in group])
    verify_multiproofs(BUILT.root, proved.leaves, proved.proofs)
    assert tree.prove_many([9, 3, 9]) == BUILT.prove_many([3, 9])
    for refused in ([], [[]], [[1, 0]], [[COUNT]]):
        with pytest.raises(TreeInputInvalid):
            tree.prove_groups(refused)


def test_an_altered_node_is_never_passed_on_in_a_multiproof(whole: Path) -> None:
    data = bytearray(whole.read_bytes())
    data[8192 + 32 * 18] ^= 1  # leaf 10, the sibling of leaf 11
    whole.write_bytes(data)
    tree = StoredTree.open(whole)
    assert tree.prove_groups([[900, 901]]).proofs == BUILT.prove_groups([[900, 901]])
    for group in ([10], [11], [10, 11, 900]):
        with pytest.raises(StoredTreeAltered):
            tree.prove_groups([[900], group])


def test_who_may_write(whole: Path) -> None:
    with pytest.raises(StoredTreeExists):
        StoredTree.create(whole)
    writer, reader = StoredTree.open(whole, writable=True), StoredTree.open(whole)
    with pytest.raises(StoredTreeBusy):
        StoredTree.open(whole, writable=True)
    with pytest.raises(StoredTreeReadOnly):
        append(reader, 0, 1)
    with pytest.raises(StoredTreeReadOnly):
        reader.commit()
    append(writer, 0, 1)
    writer.commit()
    assert (reader.size, writer.size) == (COUNT, COUNT + 1)
    assert reader.prove(3) == BUILT.prove(3)


def test_a_fork_is_no_second_writer(whole: Path) -> None:
    tree = StoredTree.open(whole, writable=True)
    said, says = os.pipe()
    child = os.fork()
    if child == 0:
        for write in (lambda: append(tree, 0, 1), tree.commit):
            try:
                write()
                os.write(says, b"-")
            except StoredTreeBusy:
                os.write(says, b"+")
        os.write(says, b"+" if tree.prove(3) == BUILT.prove(3) else b"-")
        os._exit(0)
    os.close(says)
    assert os.waitpid(child, 0)[1] == 0
    assert os.read(said, 10) == b"+++"
    os.close(said)
    append(tree, 0, 1)
    tree.commit()
    assert StoredTree.open(whole).size == COUNT + 1


def test_a_commit_that_failed_is_not_believed_the_second_time(whole: Path) -> None:
    tree = StoredTree.open(whole, writable=True)
    append(tree, 0, 5)
    name = next(each for each in Path("/proc/self/fd").iterdir() if each.exists() and each.resolve() == whole)
    file, pipe = int(name.name), os.pipe()
    kept = os.dup(file)
    os.dup2(pipe[1], file)  # a pipe cannot be synced, as a failed disk cannot
    with pytest.raises(StorageFailed):
        tree.commit()
    os.dup2(kept, file)
    for each in (kept, *pipe):
        os.close(each)
    with pytest.raises(StorageFailed, match="an earlier commit failed"):
        tree.commit()
    with pytest.raises(StorageFailed, match="an earlier commit failed"):
        append(tree, 5, 6)
    del tree
    again = StoredTree.open(whole, writable=True)
    assert again.size == COUNT
    append(again, 0, 5)
    again.commit()
    assert StoredTree.open(whole).size == COUNT + 5


def test_another_root_than_expected(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(StoredTreeAltered) as refused:
        StoredTree.open(whole, root=bytes(32))
    assert refused.value.fields == {"expected": bytes(32), "actual": BUILT.root}
    StoredTree.create(tmp_path / "empty")
    with pytest.raises(StoredTreeAltered):
        StoredTree.open(tmp_path / "empty", root=BUILT.root)


@pytest.mark.parametrize("length", [0, 1, 4096, 8191, 8192, 8192 + 32 * 1990, -1])
def test_a_truncated_file(whole: Path, length: int) -> None:
    data = whole.read_bytes()
    whole.write_bytes(data[:length])
    with pytest.raises(StoredTreeTruncated) as refused:
        StoredTree.open(whole)
    assert refused.value.fields["actual"] == len(data[:length])


@pytest.mark.parametrize(
    ("at", "change"), [(0, b"W"), (4096, b"W"), (16, b"\2"), (4096 + 17, b"\2"), (4096 + 39, b"\1"), (4096 + 90, b"x")]
)
def test_a_damaged_header_counts_as_not_written(whole: Path, at: int, change: bytes) -> None:
    with whole.open("r+b") as file:
        file.seek(at)
        file.write(change)
    assert StoredTree.open(whole).size == (COUNT if at < 4096 else 0)
    with whole.open("r+b") as file:
        file.seek((at + 4096) % 8192)
        file.write(change)
    with pytest.raises(StoredTreeMalformed):
        StoredTree.open(whole)


def test_an_altered_node_is_never_passed_on(whole: Path) -> None:
    data = bytearray(whole.read_bytes())
    data[8192 + 32 * 18] ^= 1  # leaf 10, the sibling of leaf 11
    whole.write_bytes(data)
    tree = StoredTree.open(whole)
    assert tree.prove(900) == BUILT.prove(900)
    with pytest.raises(StoredTreeAltered):
        tree.prove_each([900, 11])


def test_a_file_cut_short_while_open(whole: Path) -> None:
    tree = StoredTree.open(whole)
    os.truncate(whole, 9000)
    with pytest.raises(StoredTreeMalformed):
        tree.prove(900)


def test_places_that_are_none(tmp_path: Path) -> None:
    for of in (StoredTree.create, StoredTree.open):
        with pytest.raises(StorageFailed) as refused:
            of(tmp_path / "nowhere" / "tree")
        assert not refused.value.retryable
    with pytest.raises(WattestError):
        StoredTree.open(tmp_path)
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for a writer
    with pytest.raises(StoredTreeMalformed, match="no regular file"):
        StoredTree.open(tmp_path / "pipe")
    (tmp_path / "pipe").unlink()
    for name in ("\ud800", "\0", "x" * 5000):
        for of in (StoredTree.create, StoredTree.open):
            with pytest.raises(StorageFailed):
                of(tmp_path / name)
    tree = StoredTree.create(tmp_path / "tree")
    assert [found.name for found in tmp_path.iterdir()] == ["tree"]
    for refused_index in (0, -1, 2**70):
        with pytest.raises(TreeInputInvalid):
            tree.prove(refused_index)


def test_a_full_disk_leaves_the_tree_as_it_was(path: Path) -> None:
    program = f"""
import resource, signal
from pathlib import Path
from wattest.store.stored_tree import StorageFailed, StoredTree
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
tree = StoredTree.create({str(path)!r})
tree.append(bytes(2400), 24, bytes(1600))
tree.commit()
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
try:
    tree.append(bytes(24_000), 24, bytes(16_000))
except StorageFailed:
    tree.append(bytes(24), 24, bytes(16))
    tree.commit()
    print(tree.size, StoredTree.open({str(path)!r}).prove(100).size)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=HANG_S)
    assert done.stdout.split() == ["101", "101"]


def test_a_killed_writer_leaves_a_whole_tree(path: Path) -> None:
    program = f"""
import os
from wattest.store.stored_tree import StoredTree
tree = StoredTree.create({str(path)!r})
for step in range(1, 1000):
    tree.append(bytes(24 * step), 24, bytes(16 * step))
    tree.commit()
    os.write(1, b"%d " % tree.size)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as writer:
        assert writer.stdout
        told = b""
        while len(told) < 40:
            told += writer.stdout.read(8)
        writer.kill()
        told += writer.stdout.read()
    committed = int(told.split()[-2])
    tree = StoredTree.open(path, writable=True)
    assert tree.size >= committed
    assert tree.root == MerkleTree.build(bytes(24 * tree.size), 24, bytes(16 * tree.size)).root
    tree.append(bytes(24), 24, bytes(16))
    tree.commit()


@settings(max_examples=150)
@given(st.data())
def test_any_bytes_are_a_tree_or_a_typed_error(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "tree"
    if data.draw(st.booleans()):
        path.write_bytes(data.draw(st.binary(max_size=300)) * data.draw(st.sampled_from((1, 40, 100))))
    else:
        tree = StoredTree.create(path)
        append(tree, 0, data.draw(st.integers(1, 40)))
        tree.commit()
        del tree
        content = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            start = data.draw(st.one_of(st.integers(0, 110), st.integers(4096, 4210), st.integers(0, len(content) - 1)))
            content[start : start + 8] = data.draw(st.binary(max_size=12))
        path.write_bytes(content)
    try:
        tree = StoredTree.open(path)
        proved = tree.prove_each(range(tree.size))
        verify_batch(tree.root, proved.leaves, proved.proofs)
    except (InputError, VerificationError):
        pass
    else:
        assert proved.leaves == BUILT.leaves(range(tree.size))
