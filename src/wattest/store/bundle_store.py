"""Bundle: what a batch keeps off chain, as one CARv1 file, and the append-only store of such files.

Decided here: which blocks a bundle has (the manifest as root, then one ciphertext per entry, in order), where the store
keeps them, how it finds and re-checks them. Not decided here: how they get there (``bundle_group``), the CAR bytes
(``car``), what the manifest says and how blocks are encrypted (docs/spec/bundle.md; the enclave makes both), who may
have a series key (``store``). Invariants: the store holds ciphertext and manifests only; a stored bundle is whole,
durable and never changed; its name is its root's digest.
"""

from __future__ import annotations

import io
import os
import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

from wattest.io.crash_points import CrashPoints
from wattest.io.files import DiskFailed
from wattest.sealing.bundle import CID_PREFIX
from wattest.store.bundle_group import FolderGroup, remove_unfinished
from wattest.store.car import CID_BYTES, CarLimits, CarReader, Section, verify_block, write_car
from wattest.store.ports import BlockIndexInvalid, BundleMissing

MOST_PLACES = 1 << 21
"""Blocks whose places are remembered: two of the largest bundles, 24 MiB."""

_Places: TypeAlias = "tuple[array[int], array[int]]"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A whole bundle in memory: the manifest's bytes and the ciphertexts in the entries' order."""

    manifest: bytes
    blocks: tuple[bytes, ...]
    content_id: bytes

    def to_bytes(self) -> bytes:
        """The CARv1 file."""
        out = io.BytesIO()
        write_car(out, self.manifest, self.blocks)
        return out.getvalue()


def parse_bundle(data: bytes, limits: CarLimits | None = None) -> Bundle:
    """Read a bundle and check every block against its CID.

    Raises ``MalformedCar``, ``CarTooLarge`` or ``BlockDigestMismatch``.
    """
    reader = CarReader(io.BytesIO(data), limits)
    (_, manifest), *rest = reader.blocks()
    return Bundle(manifest, tuple(block for _, block in rest), reader.root_digest)


class StoredBundle:
    """An open bundle file with an index of its blocks; each block is checked whenever it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        reader = CarReader(file)
        self.content_id = reader.root_digest
        size = os.fstat(file.fileno()).st_size
        sections = list(reader.sections())
        last = sections[-1]
        if last.offset + last.length != size:
            raise DiskFailed("a stored bundle is truncated", retryable=False, content_id=self.content_id)
        self._root, self._blocks = sections[0], sections[1:]

    @property
    def block_count(self) -> int:
        """Number of ciphertexts, the manifest not counted."""
        return len(self._blocks)

    @property
    def sections(self) -> Sequence[Section]:
        """Where each ciphertext lies, in the entries' order."""
        return self._blocks

    def manifest(self) -> bytes:
        """The manifest's bytes."""
        return self._read(self._root)

    def block(self, index: int) -> bytes:
        """The ciphertext of entry ``index``; raises ``BlockIndexInvalid``."""
        if not 0 <= index < len(self._blocks):
            raise BlockIndexInvalid("no such block", expected=f"below {len(self._blocks)}", actual=index)
        return self._read(self._blocks[index])

    def blocks(self) -> Iterator[bytes]:
        """Every ciphertext in order."""
        return (self._read(part) for part in self._blocks)

    def _read(self, part: Section) -> bytes:
        self._file.seek(part.offset)
        data = self._file.read(part.length)
        verify_block(data, part.digest)
        return data


class _BlockPlaces:
    """Where the blocks of the bundles read last lie: 12 bytes a block, bounded in all. Threads may share it.

    A bundle never changes, so that what was read once holds; a CAR has no index, and reading one block through all
    sections before it would make a household's block dearer with every neighbour.
    """

    def __init__(self, most_blocks: int) -> None:
        self._most_blocks = most_blocks
        self._kept: OrderedDict[bytes, tuple[array[int], array[int]]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, content_id: bytes, bundle: Callable[[], AbstractContextManager[StoredBundle]]) -> _Places:
        """Offsets and lengths of a bundle's blocks, read through ``bundle`` the first time."""
        with self._lock:
            found = self._kept.get(content_id)
            if found is not None:
                self._kept.move_to_end(content_id)
                return found
        with bundle() as opened:
            found = (
                array("Q", (part.offset for part in opened.sections)),
                array("I", (part.length for part in opened.sections)),
            )
        with self._lock:
            self._kept[content_id] = found
            while len(self._kept) > 1 and sum(len(offsets) for offsets, _ in self._kept.values()) > self._most_blocks:
                self._kept.popitem(last=False)
        return found


class BundleFolder:
    """A folder of bundles named by content id; bundles are added, never changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._places = _BlockPlaces(MOST_PLACES)
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, content_id: bytes) -> Path:
        """Where the bundle of this 32-byte content id lies, or would lie."""
        if len(content_id) != 32:
            raise BundleMissing("a content id has 32 bytes", actual=len(content_id))
        name = content_id.hex()
        return self.folder / name[:2] / f"{name}.car"

    def has(self, content_id: bytes) -> bool:
        """Whether a bundle of this content id is stored."""
        return self.path(content_id).is_file()

    @contextmanager
    def open(self, content_id: bytes) -> Iterator[StoredBundle]:
        """Open a stored bundle; raises ``BundleMissing``."""
        try:
            file = self.path(content_id).open("rb")
        except OSError as error:
            raise BundleMissing("the bundle is not stored", content_id=content_id) from error
        with file:
            yield StoredBundle(file)

    def block(self, content_id: bytes, index: int) -> bytes:
        """One ciphertext, at a cost that does not grow with the bundle once its places are known.

        Raises ``BundleMissing``, ``BlockIndexInvalid``; ``BlockDigestMismatch`` for a file that was altered.
        """
        offsets, lengths = self._places.of(content_id, lambda: self.open(content_id))
        if not 0 <= index < len(offsets):
            raise BlockIndexInvalid("no such block", expected=f"below {len(offsets)}", actual=index)
        try:
            with self.path(content_id).open("rb") as file:
                file.seek(offsets[index] - CID_BYTES)
                section = file.read(CID_BYTES + lengths[index])
        except OSError as error:
            raise BundleMissing("the bundle is not stored", content_id=content_id) from error
        data = section[CID_BYTES:]
        verify_block(data, section[len(CID_PREFIX) : CID_BYTES])
        return data

    def open_car(self, content_id: bytes) -> tuple[int, BinaryIO]:
        """The file's size and the open file; raises ``BundleMissing``."""
        try:
            file = self.path(content_id).open("rb")
        except OSError as error:
            raise BundleMissing("the bundle is not stored", content_id=content_id) from error
        return os.fstat(file.fileno()).st_size, file

    def group(self, faults: CrashPoints | None = None) -> FolderGroup:
        """An empty group for this folder's writer."""
        return FolderGroup(self, faults)

    def remove_unfinished(self) -> int:
        """Remove what a crash left half written; how many files."""
        return remove_unfinished(self.folder)
