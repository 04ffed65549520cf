"""Bundles in memory: the port's promises without a disk."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import BinaryIO, Self

from wattest.crypto.hashing import sha256
from wattest.io.crash_points import CrashPoints
from wattest.store.bundle_store import Bundle, parse_bundle
from wattest.store.ports import BlockIndexInvalid, BundleMissing


class MemoryBundle:
    """A bundle that is being read."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self.content_id = bundle.content_id

    @property
    def block_count(self) -> int:
        return len(self._bundle.blocks)

    def manifest(self) -> bytes:
        return self._bundle.manifest

    def block(self, index: int) -> bytes:
        if not 0 <= index < len(self._bundle.blocks):
            raise BlockIndexInvalid("no such block", expected=f"below {len(self._bundle.blocks)}", actual=index)
        return self._bundle.blocks[index]

    def blocks(self) -> Iterator[bytes]:
        return iter(self._bundle.blocks)


class MemoryGroup:
    """Bundles that join the store together."""

    def __init__(self, files: dict[bytes, bytes], faults: CrashPoints) -> None:
        self._files, self._faults = files, faults
        self._waiting: dict[bytes, bytes] = {}

    @property
    def is_full(self) -> bool:
        return len(self._waiting) >= 128

    def add(self, manifest: bytes, blocks: Iterable[bytes]) -> bytes:
        content_id = sha256(manifest)
        if content_id not in self._waiting and content_id not in self._files:
            self._waiting[content_id] = Bundle(manifest, tuple(blocks), content_id).to_bytes()
        return content_id

    def store(self) -> None:
        if self._waiting:
            self._faults.reach("bundles.synced")
        self._files.update(self._waiting)
        for _ in self._waiting:
            self._faults.reach("bundle.named")
        self._waiting.clear()

    def discard(self) -> None:
        self._waiting.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.discard()


class MemoryBundles:
    """CARv1 files by content id; ``files`` is there for tests that alter one."""

    def __init__(self) -> None:
        self.files: dict[bytes, bytes] = {}

    def has(self, content_id: bytes) -> bool:
        if len(content_id) != 32:
            raise BundleMissing("a content id has 32 bytes", actual=len(content_id))
        return content_id in self.files

    @contextmanager
    def open(self, content_id: bytes) -> Iterator[MemoryBundle]:
        yield MemoryBundle(parse_bundle(self._file(content_id)))

    def block(self, content_id: bytes, index: int) -> bytes:
        with self.open(content_id) as bundle:
            return bundle.block(index)

    def open_car(self, content_id: bytes) -> tuple[int, BinaryIO]:
        file = self._file(content_id)
        return len(file), io.BytesIO(file)

    def group(self, faults: CrashPoints | None = None) -> MemoryGroup:
        return MemoryGroup(self.files, faults or CrashPoints())

    def remove_unfinished(self) -> int:
        return 0  # what was not stored went with its process

    def _file(self, content_id: bytes) -> bytes:
        if not self.has(content_id):
            raise BundleMissing("the bundle is not stored", content_id=content_id)
        return self.files[content_id]
