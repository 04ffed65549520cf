"""Files that are either whole or absent, and keys that only their owner may read.

Decided here: atomic replacement (write beside, fsync, rename, fsync the folder) and the 0600 rule for key files. The
rest of wattest that writes files it cannot afford to lose uses these two.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from contextlib import suppress
from pathlib import Path

from wattest.errors import ConfigError, InputError, TransportError

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG})
_KEY_FILE_BYTES = 66  # 64 hex digits, an optional 0x is refused, a final newline is not


class KeyFileExposed(ConfigError):
    """A key file that others than its owner may read."""


class KeyFileExists(ConfigError):
    """A key is to be made where there is a file already, be it an empty one."""


class KeyFileUnwritable(ConfigError):
    """A place where no key file can be made: no such folder, no permission."""


class KeyFileMissing(ConfigError):
    """A key file that is not there, or cannot be opened."""


class KeyFileInvalid(InputError):
    """A key file that does not hold exactly 32 bytes in lower-case hex."""


class DiskFailed(TransportError):
    """A file could not be written or read back."""


def write_atomically(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Replace ``path`` by ``data``: a crash leaves the old content or the new, nothing between.

    Raises: DiskFailed; ``path`` is then as it was.
    """
    temporary = _beside(path)
    try:
        _write_whole(temporary, data, mode)
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
    """Store a 32-byte private key as hex in a new file with mode 0600: whole or not at all, never over another.

    Raises: KeyFileExists, KeyFileUnwritable, DiskFailed (no room, a broken disk); then nothing is left behind.
    """
    if len(key) != 32:
        raise KeyFileInvalid("a private key has 32 bytes", expected=32, actual=len(key))
    temporary, made = _beside(path), [one for one in (path.parent, *path.parent.parents) if not one.exists()]
    is_named = False
    try:
        if os.path.lexists(path):
            raise _taken(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_whole(temporary, key.hex().encode() + b"\n", 0o600)
        _name_anew(temporary, path)
        is_named = True
        fsync_folder(path.parent)
    except BaseException as error:
        for leftover in (temporary, path) if is_named else (temporary,):
            with suppress(OSError):
                leftover.unlink(missing_ok=True)
        for folder in made:
            with suppress(OSError):  # never made, or somebody else put something there
                folder.rmdir()
        if isinstance(error, FileExistsError):
            raise (_taken(path) if os.path.lexists(path) else _unwritable(path, error)) from error
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            raise DiskFailed(
                f"the key file could not be written: {error.strerror}",
                retryable=False,
                hint="nothing was kept; make room and try again",
                path=path,
            ) from error
        if isinstance(error, OSError):
            raise _unwritable(path, error) from error
        raise


def _because(text: bytes) -> str:
    """What a program or a person did to a key file that was good; nothing of what it holds."""
    if text.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        return ": this one begins with a byte order mark"
    if text != text.strip():
        return ": this one has white space or another line end, as an editor adds"
    if text.startswith(b"0x"):
        return ": this one begins with 0x"
    if text != text.lower():
        return ": this one has upper-case letters"
    return ""


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name[:200]}.{os.getpid()}.{threading.get_ident()}.partial")


def _write_whole(path: Path, data: bytes, mode: int) -> None:
    """A new file with all of ``data``, durable; on failure there is none."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _name_anew(temporary: Path, path: Path) -> None:
    """Give a whole file its name, unless the name is taken: raises ``FileExistsError``."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}:
            raise
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))  # no links here: take the name first
        temporary.replace(path)
    else:
        temporary.unlink()


def _taken(path: Path) -> KeyFileExists:
    if path.is_file() and path.stat().st_size == 0:
        return KeyFileExists(
            "the key file is there and empty: an earlier try that failed left it, and it holds no key",
            path=path,
            hint=f"remove it and try again: rm {path}",
        )
    return KeyFileExists("the key file exists already", path=path, hint="keep it, or move it away first")


def _unwritable(path: Path, error: OSError) -> KeyFileUnwritable:
    blocking = next((one for one in path.parents if os.path.lexists(one) and not one.is_dir()), None)
    because = error.strerror if blocking is None else f"{blocking} is a file, not a folder"
    return KeyFileUnwritable(
        f"the key file cannot be written: {because}",
        path=path,
        hint="name a file in a folder that you may write",
    )


def read_key_file(path: Path) -> bytes:
    """Read a 32-byte private key from a file that only its owner may read.

    Raises ``KeyFileExposed``, ``KeyFileInvalid``, or ``KeyFileMissing``; no error carries the content.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            raw = file.read(_KEY_FILE_BYTES + 1)
    except OSError as error:
        raise KeyFileMissing(
            f"the key file cannot be read: {error.strerror}", path=path, hint="check the path, or make one with new-key"
        ) from error
    if stat.S_IMODE(mode) & 0o077:
        raise KeyFileExposed(
            "others may read the key file",
            path=path,
            expected="0600",
            actual=f"{stat.S_IMODE(mode):04o}",
            hint=f"chmod 600 {path}",
        )
    if not raw:
        raise KeyFileInvalid(
            "the key file is empty: an earlier try that failed left it, and it holds no key",
            path=path,
            hint=f"remove it and make a new key: rm {path}",
        )
    text = raw.removesuffix(b"\n")
    if len(text) != 64 or any(digit not in b"0123456789abcdef" for digit in text):
        raise KeyFileInvalid(
            f"a key file holds 64 lower-case hex digits{_because(text)}",
            path=path,
            hint="name a file that new-key made, as it was made",
        )
    return bytes.fromhex(text.decode())
