"""A group of bundles: named once its bytes are durable, written once, and whatever ends early leaves no name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from wattest.io.crash_points import CrashPoints
from wattest.io.files import DiskFailed
from wattest.store import bundle_group
from wattest.store.bundle_group import MOST_BUNDLES, FolderGroup
from wattest.store.bundle_store import BundleFolder

MANIFESTS = [f"manifest {number}".encode() for number in range(5)]
BLOCKS = [b"one", b"two"]


class Said(CrashPoints):
    """Keeps what was reached, and how many bundles had their names then."""

    def __init__(self, bundles: BundleFolder, events: list[str]) -> None:
        super().__init__()
        self.bundles, self.events = bundles, events

    def reach(self, point: str) -> None:
        self.events.append(f"{point} {len(named(self.bundles))}")


def named(bundles: BundleFolder) -> list[Path]:
    return sorted(bundles.folder.glob("??/*.car"))


def unfinished(bundles: BundleFolder) -> list[Path]:
    return list(bundles.folder.glob(".*.partial"))


@pytest.fixture
def bundles(tmp_path: Path) -> BundleFolder:
    return BundleFolder(tmp_path / "bundles")


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every sync, told by what it is of; the files' order among themselves does not matter."""
    told: list[str] = []
    synced, synced_folder = os.fsync, bundle_group.fsync_folder

    def fsync(descriptor: int) -> None:
        told.append("file")
        synced(descriptor)

    def fsync_folder(folder: Path) -> None:
        synced_folder(folder)
        told[-1:] = ["folder"]  # it went through ``fsync``, too

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(bundle_group, "fsync_folder", fsync_folder)
    return told


def test_bytes_then_names_then_each_folder_once(bundles: BundleFolder, events: list[str]) -> None:
    with FolderGroup(bundles, Said(bundles, events)) as group:
        contents = [group.add(manifest, BLOCKS) for manifest in MANIFESTS]
        assert events == []
        assert not any(map(bundles.has, contents))
        group.store()
        folders = {bundles.path(content_id).parent for content_id in contents}
    names = [f"bundle.named {number}" for number in range(1, 6)]
    assert events == ["file"] * 5 + ["bundles.synced 0", *names] + ["folder"] * (len(folders) + 1)
    for manifest, content_id in zip(MANIFESTS, contents, strict=True):
        with bundles.open(content_id) as stored:
            assert (stored.manifest(), list(stored.blocks())) == (manifest, BLOCKS)
    assert not unfinished(bundles)


def test_what_is_there_is_not_written_again_but_its_name_is_made_durable(
    bundles: BundleFolder, events: list[str]
) -> None:
    with FolderGroup(bundles) as group:
        group.add(MANIFESTS[0], BLOCKS)
        group.store()
    (path,) = named(bundles)
    inode = path.stat().st_ino
    events.clear()
    with FolderGroup(bundles) as group:
        for _ in range(2):
            group.add(MANIFESTS[0], BLOCKS)
        assert not unfinished(bundles)
        group.store()
        group.store()  # an empty group is no work
    assert events == ["folder", "folder"]
    assert path.stat().st_ino == inode


def test_nothing_is_left_of_a_group_that_was_not_stored(bundles: BundleFolder) -> None:
    with FolderGroup(bundles) as group:
        group.add(MANIFESTS[0], BLOCKS)
        assert len(unfinished(bundles)) == 1
    assert (unfinished(bundles), named(bundles)) == ([], [])


def test_a_bundle_that_cannot_be_written_leaves_the_others(bundles: BundleFolder) -> None:
    def broken() -> Iterator[bytes]:
        yield BLOCKS[0]
        raise OSError("no space")

    with FolderGroup(bundles) as group:
        first = group.add(MANIFESTS[0], BLOCKS)
        with pytest.raises(DiskFailed):
            group.add(MANIFESTS[1], broken())
        group.store()
    assert named(bundles) == [bundles.path(first)]
    assert not unfinished(bundles)


def test_a_sync_that_fails_names_nothing_then_or_later(bundles: BundleFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError("no disk")

    with FolderGroup(bundles) as group:
        group.add(MANIFESTS[0], BLOCKS)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fail)
            with pytest.raises(DiskFailed):
                group.store()
        assert (unfinished(bundles), named(bundles)) == ([], [])
        group.store()  # syncing such a file again would say that it is safe, and it may not be
        assert named(bundles) == []
        group.add(MANIFESTS[0], BLOCKS)
        group.store()
    assert len(named(bundles)) == 1


def test_the_next_start_removes_what_a_crash_left(bundles: BundleFolder) -> None:
    group = FolderGroup(bundles)
    group.add(MANIFESTS[0], BLOCKS)
    with FolderGroup(bundles) as other:
        other.add(MANIFESTS[1], BLOCKS)
        other.store()
    assert bundles.remove_unfinished() == 1
    assert not unfinished(bundles)
    assert len(named(bundles)) == 1
    group.discard()


def test_a_group_has_an_end(bundles: BundleFolder) -> None:
    with FolderGroup(bundles) as group:
        for number in range(MOST_BUNDLES):
            assert not group.is_full
            group.add(str(number).encode(), BLOCKS)
        assert group.is_full
        group.store()
        assert not group.is_full
    assert len(named(bundles)) == MOST_BUNDLES
