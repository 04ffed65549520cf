"""Files that are either whole or absent, and keys that only their owner may read.

Decided here: atomic replacement (write beside, fsync, rename, fsync the folder) and the 0600 rule for key files. The
rest of wattest that writes files it cannot afford to lose uses these two.
"""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

from wattest.errors import ConfigError, InputError, TransportError

_KEY_FILE_BYTES = 66  # 64 hex digits, an optional 0x is refused, a final newline is not


class KeyFileExposed(ConfigError):
    """A key file that others than its owner may read."""


class KeyFileInvalid(InputError):
    """A key file that does not hold exactly 32 bytes in lower-case hex."""


class DiskFailed(TransportError):
    """A file could not be written or read back."""


def write_atomically(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Replace ``path`` by ``data``: a crash leaves the old content or the new, nothing between."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.partial")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
        fsync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise DiskFailed("a file could not be written", retryable=False, path=path, cause=str(error)) from error


def fsync_folder(folder: Path) -> None:
    """Make renames and new names in ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_key_file(path: Path, key: bytes) -> None:
    """Store a 32-byte private key as hex in a new file with mode 0600; an existing file is never replaced."""
    if len(key) != 32:
        raise KeyFileInvalid("a private key has 32 bytes", expected=32, actual=len(key))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        if path.exists():
            raise ConfigError(
                "the key file exists already", path=path, hint="keep it, or move it away first"
            ) from error
        raise ConfigError("the key file cannot be written", path=path, cause=error.strerror) from error
    try:
        os.write(descriptor, key.hex().encode() + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    fsync_folder(path.parent)


def read_key_file(path: Path) -> bytes:
    """Read a 32-byte private key from a file that only its owner may read.

    Raises ``KeyFileExposed``, ``KeyFileInvalid``, or ``ConfigError`` when there is none; no error carries the content.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            raw = file.read(_KEY_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError("the key file cannot be read", path=path, cause=error.strerror) from error
    if stat.S_IMODE(mode) & 0o077:
        raise KeyFileExposed(
            "others may read the key file",
            path=path,
            expected="0600",
            actual=f"{stat.S_IMODE(mode):04o}",
            hint=f"chmod 600 {path}",
        )
    text = raw.removesuffix(b"\n")
    if len(text) != 64 or any(digit not in b"0123456789abcdef" for digit in text):
        raise KeyFileInvalid("a key file holds 64 lower-case hex digits", path=path)
    return bytes.fromhex(text.decode())
