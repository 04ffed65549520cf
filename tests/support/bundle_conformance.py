"""The one suite of the ``BundleStore`` port: what operator, server and witness count on, wherever bundles lie."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from memory_bundles import MemoryBundles

from wattest.crypto.hashing import sha256
from wattest.errors import WattestError
from wattest.store.back_ends import BUNDLE_STORES
from wattest.store.bundle_store import parse_bundle
from wattest.store.ports import BlockIndexInvalid, BundleMissing, BundleStore

MANIFESTS = [b'{"batch":%d}' % number for number in range(3)]
BLOCKS = [b"ciphertext %d" % number for number in range(5)]
IDS = [sha256(manifest) for manifest in MANIFESTS]


@dataclass(frozen=True)
class BundleMaker:
    """One back end for the suite.

    ``alter`` changes a stored bundle behind the store's back: bytes become others of the same length. ``kind`` is its
    name in the register where bundles outlive the process, None where they do not.
    """

    make: Callable[[Path], BundleStore]
    alter: Callable[[BundleStore, Path, bytes, bytes, bytes], None]
    kind: str | None = None


def stored(maker: BundleMaker, folder: Path, count: int = 1) -> BundleStore:
    bundles = maker.make(folder)
    with bundles.group() as group:
        assert [group.add(manifest, BLOCKS) for manifest in MANIFESTS[:count]] == IDS[:count]
        group.store()
    return bundles


def gives_back_what_was_stored(maker: BundleMaker, folder: Path) -> None:
    bundles = stored(maker, folder)
    assert bundles.has(IDS[0])
    with bundles.open(IDS[0]) as bundle:
        assert (bundle.content_id, bundle.block_count, bundle.manifest()) == (IDS[0], len(BLOCKS), MANIFESTS[0])
        assert [*bundle.blocks()] == BLOCKS
        assert [bundle.block(at) for at in reversed(range(len(BLOCKS)))] == BLOCKS[::-1]
    assert [bundles.block(IDS[0], at) for at in range(len(BLOCKS))] == BLOCKS
    size, file = bundles.open_car(IDS[0])
    with file:
        car = file.read()
    assert len(car) == size
    parsed = parse_bundle(car)
    assert (parsed.manifest, list(parsed.blocks), parsed.content_id) == (MANIFESTS[0], BLOCKS, IDS[0])


def says_what_is_missing(maker: BundleMaker, folder: Path) -> None:
    bundles = stored(maker, folder)
    assert not bundles.has(IDS[1])
    for content_id in (IDS[1], b"short", b"\x00" * 33):
        for ask in (lambda one: bundles.block(one, 0), bundles.open_car, lambda one: bundles.open(one).__enter__()):
            with pytest.raises(BundleMissing):
                ask(content_id)
    for index in (-1, len(BLOCKS)):
        with pytest.raises(BlockIndexInvalid):
            bundles.block(IDS[0], index)
        with bundles.open(IDS[0]) as bundle, pytest.raises(BlockIndexInvalid):
            bundle.block(index)


def stores_a_group_together(maker: BundleMaker, folder: Path) -> None:
    bundles = maker.make(folder)
    with bundles.group() as group:
        for manifest in MANIFESTS:
            group.add(manifest, BLOCKS)
            assert not any(bundles.has(content_id) for content_id in IDS)
        assert not group.is_full
        group.store()
        assert all(bundles.has(content_id) for content_id in IDS)
        group.store()  # empty now


def drops_what_was_not_stored(maker: BundleMaker, folder: Path) -> None:
    bundles = maker.make(folder)
    with bundles.group() as group:
        group.add(MANIFESTS[0], BLOCKS)
    with contextlib.suppress(KeyError), bundles.group() as group:
        group.add(MANIFESTS[1], BLOCKS)
        raise KeyError
    with bundles.group() as group:
        group.add(MANIFESTS[2], BLOCKS)
        group.discard()
        group.store()
    assert not any(bundles.has(content_id) for content_id in IDS)
    assert bundles.remove_unfinished() == 0


def keeps_none_of_a_bundle_that_broke_off(maker: BundleMaker, folder: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield BLOCKS[0]
        raise LookupError("the enclave is gone")

    bundles = maker.make(folder)
    with bundles.group() as group:
        with pytest.raises(LookupError):
            group.add(MANIFESTS[0], broken())
        group.add(MANIFESTS[1], BLOCKS)
        group.store()
    assert not bundles.has(IDS[0])
    assert bundles.has(IDS[1])
    assert bundles.remove_unfinished() == 0


def never_changes_a_bundle(maker: BundleMaker, folder: Path) -> None:
    bundles = stored(maker, folder)
    with bundles.group() as group:
        assert group.add(MANIFESTS[0], [b"other blocks"]) == IDS[0]
        group.store()
    assert [bundles.block(IDS[0], at) for at in range(len(BLOCKS))] == BLOCKS


def shows_nothing_that_was_altered(maker: BundleMaker, folder: Path) -> None:
    bundles = stored(maker, folder)
    assert bundles.block(IDS[0], 2) == BLOCKS[2]
    maker.alter(bundles, folder, IDS[0], BLOCKS[2], b"ciphertext X")
    with pytest.raises(WattestError):
        bundles.block(IDS[0], 2)
    with pytest.raises(WattestError), bundles.open(IDS[0]) as bundle:
        bundle.block(2)


def outlives_its_process(maker: BundleMaker, folder: Path) -> None:
    """A kill at any step leaves no bundle, or a whole one; after ``store`` it is there."""
    if maker.kind is None:
        return
    program = (
        "import os, sys; from pathlib import Path; from wattest.io.crash_points import CrashPoints\n"
        "from wattest.store.back_ends import BUNDLE_STORES\n"
        "bundles = BUNDLE_STORES[sys.argv[1]](Path(sys.argv[2]))\n"
        "group = bundles.group(CrashPoints(sys.argv[3]))\n"
        "group.add(b'{\"batch\":0}', [b'ciphertext %d' % number for number in range(5)])\n"
        "group.store(); os.kill(os.getpid(), 9)"
    )
    for point in ("bundles.synced", "bundle.named", "batch.final"):
        place = folder / point
        done = subprocess.run([sys.executable, "-c", program, maker.kind, str(place), point], check=False)
        assert done.returncode == -9, point
        bundles = BUNDLE_STORES[maker.kind](place)
        bundles.remove_unfinished()
        assert bundles.remove_unfinished() == 0
        assert bundles.has(IDS[0]) == (point != "bundles.synced")
        with bundles.group() as group:  # whoever was killed does it again
            group.add(MANIFESTS[0], BLOCKS)
            group.store()
        with bundles.open(IDS[0]) as bundle:
            assert [*bundle.blocks()] == BLOCKS


CHECKS: list[Callable[[BundleMaker, Path], None]] = [
    gives_back_what_was_stored,
    says_what_is_missing,
    stores_a_group_together,
    drops_what_was_not_stored,
    keeps_none_of_a_bundle_that_broke_off,
    never_changes_a_bundle,
    shows_nothing_that_was_altered,
    outlives_its_process,
]


def _alter_file(_: BundleStore, folder: Path, content_id: bytes, old: bytes, new: bytes) -> None:
    (path,) = folder.rglob(f"{content_id.hex()}.car")
    path.write_bytes(path.read_bytes().replace(old, new))


def _alter_memory(bundles: BundleStore, _: Path, content_id: bytes, old: bytes, new: bytes) -> None:
    assert isinstance(bundles, MemoryBundles)
    bundles.files[content_id] = bundles.files[content_id].replace(old, new)


BUNDLE_MAKERS = {
    "files": BundleMaker(BUNDLE_STORES["files"], _alter_file, "files"),
    "memory": BundleMaker(lambda _: MemoryBundles(), _alter_memory),
}


class OverwritingBundles(MemoryBundles):
    """Must be refused: what comes later under a name replaces what was there."""

    def group(self, faults: object = None) -> object:  # type: ignore[override]
        group = super().group()
        group._files = _Hiding(self.files)
        return group


class _Hiding(dict[bytes, bytes]):
    """Says that nothing is stored, and writes through."""

    def __init__(self, files: dict[bytes, bytes]) -> None:
        super().__init__()
        self._real = files

    def update(self, other: dict[bytes, bytes]) -> None:  # type: ignore[override]
        self._real.update(other)


class EagerBundles(MemoryBundles):
    """Must be refused: a bundle is found before its group is stored."""

    def group(self, faults: object = None) -> object:  # type: ignore[override]
        group = super().group()
        group._waiting = self.files
        return group


FLAWED = {
    "overwriting": (OverwritingBundles, never_changes_a_bundle),
    "eager": (EagerBundles, stores_a_group_together),
}
