"""The inbox as a folder that HTTP and files share: ``<channel in hex>/<anything>.block``.

Decided here: names, how many files may wait, where what is refused goes. Not decided here: which blocks an operator
accepts (``operator.ingest``). Invariants: a block is on disk before it is acknowledged; a refused file is kept with
the reason beside it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from wattest.crypto.hashing import sha256
from wattest.io.files import DiskFailed, write_atomically
from wattest.store.ports import MAX_BLOCK_BYTES, BlockTooLarge, InboxFull

MAX_INBOX_FILES = 100_000
BLOCKS_PER_COUNT = 1_000


class InboxFolder:
    """A folder of waiting blocks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._room: dict[Path, int] = {}
        self._counting = threading.Lock()

    def path(self, channel: bytes, name: str) -> Path:
        """Where a waiting block lies."""
        return self.folder / channel.hex() / f"{name}.block"

    def put(self, channel: bytes, body: bytes) -> str:
        """Leave a block; durable when it returns."""
        if len(body) > MAX_BLOCK_BYTES:
            raise BlockTooLarge("a device block is too large", expected=MAX_BLOCK_BYTES, actual=len(body))
        name = sha256(body).hex()
        path = self.path(channel, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            self._take_room(path.parent)
            write_atomically(path, body, mode=0o600)  # a reading in plain text
        return name

    def waiting(self, channel: bytes) -> list[str]:
        """The names of the channel's files, ascending."""
        folder = self.folder / channel.hex()
        return sorted(path.stem for path in folder.glob("*.block")) if folder.is_dir() else []

    def body(self, channel: bytes, name: str) -> bytes:
        """A waiting block, and no more of what is too large than shows it."""
        path = self.path(channel, name)
        try:
            with path.open("rb") as file:
                return file.read(MAX_BLOCK_BYTES + 1)
        except OSError as error:
            raise DiskFailed("a waiting block cannot be read", retryable=True, path=path, cause=str(error)) from error

    def taken(self, channel: bytes, name: str) -> None:
        """Remove a file."""
        self.path(channel, name).unlink()

    def set_aside(self, channel: bytes, name: str, reason: Mapping[str, object]) -> None:
        """Move a refused file to ``refused/<channel in hex>``, with the reason beside it as JSON."""
        folder = self.folder / "refused" / channel.hex()
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / f"{name}.json", json.dumps(reason).encode())
        path = self.path(channel, name)
        path.replace(folder / path.name)

    def take_back(self, channel: bytes, code: str, may_return: Callable[[bytes], bool]) -> int:
        """Move files that were refused for one error into the inbox again, where ``may_return`` says yes; how many."""
        folder, returned = self.folder / "refused" / channel.hex(), 0
        for reason in sorted(folder.glob("*.json")):
            path = reason.with_suffix(".block")
            try:
                said, body = json.loads(reason.read_bytes()), path.read_bytes()
            except (OSError, ValueError):  # not one of ours, or moved by somebody
                continue
            if isinstance(said, dict) and said.get("error") == code and may_return(body):
                self.put(channel, body)
                path.unlink()
                reason.unlink()
                returned += 1
        return returned

    def _take_room(self, folder: Path) -> None:
        """Find room for one more block; what waits is counted once for many, so that a full inbox slows nobody."""
        with self._counting:
            room = self._room.get(folder, 0)
            if not room:
                room = min(MAX_INBOX_FILES - sum(1 for _ in folder.iterdir()), BLOCKS_PER_COUNT)
            if room <= 0:
                raise InboxFull("too many blocks wait", expected=MAX_INBOX_FILES, hint="try again later")
            self._room[folder] = room - 1
