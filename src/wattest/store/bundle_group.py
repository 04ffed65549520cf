"""A bundle group: bundles that become durable together, for the syncs of a few.

Decided here: the order in which bytes, names and folders reach the disk. Not decided here: where a bundle lies
(``bundle``), its bytes (``car``), what is marked once it is there (``operator``). Invariants: a bundle has its name
only when its bytes are durable, and is written once; when ``store`` returns every bundle of the group is whole and
durable under its name; whatever ends before that leaves unnamed files at most, which the next start removes.
Source: docs/spec/bundle.md, "Store".
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self

from wattest.crypto.hashing import sha256
from wattest.io.crash_points import CrashPoints
from wattest.io.files import DiskFailed, fsync_folder
from wattest.store.car import write_car

MOST_BUNDLES = 128
"""Bundles of one group: each holds a file open."""
_SYNCS_AT_ONCE = 8  # a file system writes out in one go what is asked for at the same time
_UNFINISHED = ".partial"
_numbers = count()


class _Places(Protocol):
    """A folder of bundles, as its groups see it."""

    folder: Path

    def path(self, content_id: bytes) -> Path: ...

    def has(self, content_id: bytes) -> bool: ...


class FolderGroup:
    """Bundles on their way into a store; a context manager that drops what was not stored."""

    def __init__(self, bundles: _Places, faults: CrashPoints | None = None) -> None:
        self._bundles = bundles
        self._faults = faults or CrashPoints()
        self._files: dict[bytes, BinaryIO] = {}
        self._known: set[bytes] = set()

    @property
    def is_full(self) -> bool:
        """Whether it should be stored before more is added."""
        return len(self._files) >= MOST_BUNDLES

    def add(self, manifest: bytes, blocks: Iterable[bytes]) -> bytes:
        """Write a bundle beside the store and return its content id; nothing finds it there yet.

        One that is stored, or in the group, is not written again. Raises ``DiskFailed``.
        """
        content_id = sha256(manifest)
        if content_id in self._files:
            return content_id
        if self._bundles.has(content_id):
            self._known.add(content_id)  # its name may be younger than the last sync of its folder
            return content_id
        path = self._bundles.folder / f".{os.getpid()}.{threading.get_ident()}.{next(_numbers)}{_UNFINISHED}"
        try:
            file = path.open("wb")
            try:
                write_car(file, manifest, blocks)
                file.flush()
            except BaseException:
                _drop(file)
                raise
        except OSError as error:
            raise DiskFailed("a bundle could not be written", retryable=True, cause=str(error)) from error
        self._files[content_id] = file
        return content_id

    def store(self) -> None:
        """Make the group durable: every file, then every name, then each folder once; the group is empty then.

        Raises ``DiskFailed``; then what has no name yet is gone, and what has one is found when it is added again.
        """
        try:
            with ThreadPoolExecutor(_SYNCS_AT_ONCE, "bundle sync") as pool:
                list(pool.map(lambda file: os.fsync(file.fileno()), self._files.values()))
            if self._files:
                self._faults.reach("bundles.synced")
            folders = {self._bundles.path(content_id).parent for content_id in (*self._files, *self._known)}
            for folder in folders:
                folder.mkdir(exist_ok=True)
            for content_id, file in list(self._files.items()):
                Path(file.name).replace(self._bundles.path(content_id))
                del self._files[content_id]
                file.close()
                self._faults.reach("bundle.named")
            for folder in (*folders, self._bundles.folder) if folders else ():
                fsync_folder(folder)
        except OSError as error:
            self.discard()  # a file whose sync failed once may be lost though the next sync succeeds
            raise DiskFailed("bundles could not be stored", retryable=True, cause=str(error)) from error
        self._known.clear()

    def discard(self) -> None:
        """Remove what has no name yet."""
        for file in self._files.values():
            _drop(file)
        self._files.clear()
        self._known.clear()

    def __enter__(self) -> Self:
        """Use as a context manager."""
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Drop what was not stored."""
        self.discard()


def remove_unfinished(folder: Path) -> int:
    """Remove what a crash left half written, for the store's one writer before it begins; how many files."""
    left = list(folder.glob(f".*{_UNFINISHED}"))
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def _drop(file: BinaryIO) -> None:
    file.close()
    Path(file.name).unlink(missing_ok=True)
