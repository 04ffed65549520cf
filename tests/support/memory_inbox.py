"""An inbox in memory: the port's promises without a disk. What waits is gone with the process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from wattest.crypto.hashing import sha256
from wattest.store.ports import MAX_BLOCK_BYTES, BlockTooLarge, InboxFull


class MemoryInbox:
    """Waiting blocks by channel and name; many threads may leave blocks."""

    def __init__(self, most_blocks: int = 100_000) -> None:
        self.refused: dict[tuple[bytes, str], tuple[bytes, dict[str, object]]] = {}
        self._most_blocks = most_blocks
        self._waiting: dict[bytes, dict[str, bytes]] = {}
        self._lock = threading.Lock()

    def put(self, channel: bytes, body: bytes) -> str:
        if len(body) > MAX_BLOCK_BYTES:
            raise BlockTooLarge("a device block is too large", expected=MAX_BLOCK_BYTES, actual=len(body))
        name = sha256(body).hex()
        with self._lock:
            blocks = self._waiting.setdefault(channel, {})
            if name not in blocks and len(blocks) >= self._most_blocks:
                raise InboxFull("too many blocks wait", expected=self._most_blocks)
            blocks.setdefault(name, bytes(body))
        return name

    def waiting(self, channel: bytes) -> list[str]:
        with self._lock:
            return sorted(self._waiting.get(channel, {}))

    def body(self, channel: bytes, name: str) -> bytes:
        return self._waiting[channel][name]

    def taken(self, channel: bytes, name: str) -> None:
        with self._lock:
            del self._waiting[channel][name]

    def set_aside(self, channel: bytes, name: str, reason: Mapping[str, object]) -> None:
        with self._lock:
            self.refused[channel, name] = (self._waiting[channel].pop(name), dict(reason))

    def take_back(self, channel: bytes, code: str, may_return: Callable[[bytes], bool]) -> int:
        with self._lock:
            names = [
                name
                for (of_channel, name), (body, reason) in self.refused.items()
                if of_channel == channel and reason.get("error") == code and may_return(body)
            ]
            for name in names:
                self._waiting.setdefault(channel, {})[name] = self.refused.pop((channel, name))[0]
        return len(names)
