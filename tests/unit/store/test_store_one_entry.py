"""One entry of a stored batch: its proof and its block at the same cost in any batch, and never a wrong one."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from wattest.merkle import MerkleTree
from wattest.messages.header import BatchHeader
from wattest.store import bundle_store as bundle
from wattest.store.batch_state import StoredBatch
from wattest.store.batch_tree import RUN_ENTRIES, BatchEntryAltered, BatchTrees
from wattest.store.bundle_group import FolderGroup
from wattest.store.bundle_store import BundleFolder
from wattest.store.car import BlockDigestMismatch
from wattest.store.operator_store import SqliteOperatorStore
from wattest.store.ports import BlockIndexInvalid, BundleMissing
from wattest.twin.batch import EntryInclusion, verify_entry_inclusion

C, ZERO = b"\xc1" * 32, bytes(32)


def stored(folder: Path, count: int) -> tuple[SqliteOperatorStore, StoredBatch, list[bytes], list[bytes]]:
    """A sealed batch of ``count`` entries."""
    random = np.random.default_rng(count)
    payloads = [random.bytes(118) for _ in range(count)]
    salts = [random.bytes(16) for _ in range(count)]
    root = MerkleTree.build(b"".join(payloads), 118, b"".join(salts)).root
    header = BatchHeader(C, b"\x0a" * 20, 1, ZERO, 0, 900, root, count, ZERO, ZERO, ZERO, ZERO, root, ZERO, ZERO)
    store = SqliteOperatorStore(folder / "operator.sqlite")
    store.collect(C, 1, (0, 900))
    store.mark_if_before_sealed(C, 1)
    store.save_sealed(
        header, b"\x0d" * 32, bytes(65), entries=payloads, salts=salts, wrapped_keys=[{}] * count, roster=b""
    )
    return store, store.batch(C, 1), payloads, salts


@pytest.mark.parametrize("count", [1, 2, 21, RUN_ENTRIES + 5])
def test_every_proof_holds_and_the_tree_is_made_once(count: int, tmp_path: Path) -> None:
    store, batch, payloads, salts = stored(tmp_path, count)
    assert batch.header is not None
    trees = BatchTrees.in_cache(store.cache_folder)
    written = set()
    for position in {0, count // 2, count - 1}:
        found = trees.inclusion(store, batch, position)
        assert found is not None
        assert (found.index, found.payload, found.salt) == (position, payloads[position], salts[position])
        verify_entry_inclusion(batch.header.root, count, found)
        written.add(trees.path(batch.header.root).stat().st_mtime_ns)
    assert len(written) == 1
    assert [path.name for path in (tmp_path / "trees").rglob("*.*")] == [f"{batch.header.root.hex()}.tree"]
    assert trees.inclusion(store, batch, count) is None


def test_a_damaged_tree_is_made_again(tmp_path: Path) -> None:
    store, batch, _, _ = stored(tmp_path, 300)
    assert batch.header is not None
    trees = BatchTrees.in_cache(store.cache_folder)
    honest = trees.inclusion(store, batch, 7)
    path = trees.path(batch.header.root)
    whole = path.read_bytes()
    leaf = 8_192 + 32 * 10  # leaf 6, the neighbour that the proof needs
    for damaged in (
        b"",
        whole[:9_000],
        whole[:-32] + bytes(32),
        bytes(len(whole)),
        whole[:leaf] + bytes(len(whole) - leaf),
    ):
        path.write_bytes(damaged)
        assert trees.inclusion(store, batch, 7) == honest
        assert path.read_bytes() == whole


def test_a_leftover_of_a_killed_process_is_no_hindrance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, batch, _, _ = stored(tmp_path, 3)
    trees = BatchTrees.in_cache(store.cache_folder)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", killed)
        patched.setattr(Path, "unlink", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            trees.inclusion(store, batch, 0)
    assert trees.inclusion(store, batch, 0) is not None


def test_altered_entries_are_never_shown(tmp_path: Path) -> None:
    store, batch, _, _ = stored(tmp_path, 5)
    trees = BatchTrees.in_cache(store.cache_folder)
    assert trees.inclusion(store, batch, 2) is not None
    store.database.run("UPDATE entry SET salt = zeroblob(16) WHERE position = 2")
    with pytest.raises(BatchEntryAltered):
        trees.inclusion(store, batch, 2)  # the tree is the sealed one, the row is not
    assert batch.header is not None
    trees.path(batch.header.root).unlink()
    with pytest.raises(BatchEntryAltered) as caught:
        trees.inclusion(store, batch, 3)  # and no tree can be made of such rows
    assert caught.value.fields["expected"] == batch.header.root
    store.database.run("DELETE FROM entry WHERE position > 2")
    with pytest.raises(BatchEntryAltered):
        trees.inclusion(store, batch, 1)
    assert not list((tmp_path / "trees").rglob("*.*"))


def test_threads_that_ask_at_once_get_one_tree(tmp_path: Path) -> None:
    store, batch, _, _ = stored(tmp_path, 2_000)
    trees = BatchTrees.in_cache(store.cache_folder)
    found: list[EntryInclusion | None] = []

    def ask() -> None:
        reader = SqliteOperatorStore(store.database.path, read_only=True)
        found.append(trees.inclusion(reader, batch, 5))
        reader.close()

    threads = [Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert all(one == found[0] is not None for one in found)
    assert len(list((tmp_path / "trees").rglob("*.*"))) == 1


def test_one_block_is_found_without_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = BundleFolder(tmp_path / "bundles")
    content = {}
    with FolderGroup(store) as group:
        for number in range(3):
            blocks = [bytes([number, at]) * (5 + at) for at in range(40)]
            content[group.add(b"manifest %d" % number, blocks)] = blocks
        group.store()
    monkeypatch.setattr(bundle, "MOST_PLACES", 50)  # the places of one bundle at a time
    store = BundleFolder(tmp_path / "bundles")
    for _ in range(2):
        for content_id, blocks in content.items():
            assert [store.block(content_id, at) for at in range(40)] == blocks
    last = list(content)[-1]
    monkeypatch.setattr(BundleFolder, "open", None)  # nobody reads the whole bundle again
    assert store.block(last, 39) == content[last][39]
    for at in (-1, 40):
        with pytest.raises(BlockIndexInvalid):
            store.block(last, at)
    path = store.path(last)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(BlockDigestMismatch):
        store.block(last, 39)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(BlockDigestMismatch):
        store.block(last, 39)
    path.unlink()
    with pytest.raises(BundleMissing):
        store.block(last, 39)
