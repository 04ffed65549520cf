"""Code that an enclave of this very measurement compiled at an earlier start, sealed for the next.

Decided here: the file, its key, and what of it is believed. Not decided here: what may run; ``boot`` hashes every
source at every start, whether its code lies here or not. Invariants: nothing is unmarshalled before its tag holds
under the sealing key of this platform and measurement; what does not hold counts as absent, and no start fails for it.
It uses the standard library alone, since it is compiled afresh each time and everything else waits for it.
Source: docs/spec/sealed-state.md, section "Sealed code"; docs/adr/0022-compiled-code-is-sealed.md.
"""

from __future__ import annotations

import hmac
import marshal
import os
from types import CodeType

MAGIC = b"wattest-code-1"
TAG_BYTES = 32
MAX_BYTES = 64 * 1024 * 1024
MAX_FILES = 4
KEY_REQUEST = b"\xa4\x61v\x01\x62id\x01\x66method\x6bsealing_key\x66params\xa1\x67purpose\x44code"
KEY_REPLY = b"\xa3\x61v\x01\x62id\x01\x66result\xa1\x63key\x58\x20"
"""The question to the platform, and what its answer has before the 32 bytes: the reader of frames is not loaded yet."""


class SealedCode:
    """One measurement's code objects, those sealed in ``folder`` and those compiled since; ``key`` has 32 bytes."""

    def __init__(self, folder: str, key: bytes) -> None:
        self._key = key
        self._folder = folder
        self._place = os.path.join(folder, f"{self._mac(b'name')[:16].hex()}.code")  # noqa: PTH118
        self._sealed = self._open()
        self._compiled: dict[str, bytes] = {}

    def get(self, name: str) -> CodeType | None:
        """The code of a measured source, None when it must be compiled."""
        data = self._sealed.get(name)
        code: CodeType | None = None if data is None else marshal.loads(data)  # noqa: S302 - under this enclave's tag
        return code

    def add(self, name: str, code: CodeType) -> None:
        """Remember what was compiled from a measured source."""
        self._compiled[name] = marshal.dumps(code)

    def keep(self) -> None:
        """Seal what was compiled since; where that cannot be written, the next start compiles again."""
        if not self._compiled:
            return
        self._sealed |= self._compiled
        self._compiled = {}
        body = marshal.dumps(self._sealed)
        temporary = f"{self._place}.{os.getpid()}"
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(MAGIC + self._mac(MAGIC + body) + body)
            os.replace(temporary, self._place)  # noqa: PTH105 - pathlib is not loaded for this
            found = [entry for entry in os.scandir(self._folder) if entry.is_file()]
            for entry in sorted(found, key=lambda entry: entry.stat().st_mtime_ns)[:-MAX_FILES]:
                os.unlink(entry.path)  # noqa: PTH108 - of measurements that ran longest ago
        except OSError:
            return

    def _open(self) -> dict[str, bytes]:
        try:
            with open(self._place, "rb") as file:  # noqa: PTH123
                data = file.read(MAX_BYTES + 1)
        except OSError:
            return {}
        head = len(MAGIC) + TAG_BYTES
        body = data[head:]
        if len(data) > MAX_BYTES or not hmac.compare_digest(data[:head], MAGIC + self._mac(MAGIC + body)):
            return {}
        found: dict[str, bytes] = marshal.loads(body)  # noqa: S302 - the tag holds
        return found

    def _mac(self, data: bytes) -> bytes:
        return hmac.digest(self._key, data, "sha256")


def ask_sealing_key(descriptor: int) -> bytes:
    """The simulated platform's sealing key for the purpose ``code``, 32 bytes; empty when it gives none."""
    try:
        os.write(descriptor, len(KEY_REQUEST).to_bytes(4, "big") + KEY_REQUEST)
        reply = _read(descriptor, int.from_bytes(_read(descriptor, 4), "big"))
    except OSError:
        return b""
    if len(reply) != len(KEY_REPLY) + TAG_BYTES or not reply.startswith(KEY_REPLY):
        return b""
    return reply[len(KEY_REPLY) :]


def _read(descriptor: int, count: int) -> bytes:
    """``count`` bytes, fewer where the other side ended."""
    data = b""
    while len(data) < count and (piece := os.read(descriptor, count - len(data))):
        data += piece
    return data
