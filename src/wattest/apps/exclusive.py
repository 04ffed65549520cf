"""One process at a time: a claim on a place, for as long as a command works on what will lie there.

Decided here: how a claim is made and given up. It is a lock file that the kernel unlocks however its process ends, so
that a claim never outlives who made it; what a killed process leaves is an empty file that the next one takes over. Not
decided here: what is claimed, and what is said when somebody else has it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wattest.errors import ConfigError


class Claimed(ConfigError):
    """Another process has the claim; who asked for it can say so in words of its own."""


@contextmanager
def exclusive(lock_file: Path) -> Iterator[None]:
    """Hold ``lock_file``, which is made where it is missing and removed at the end; its folder must be there.

    Raises: Claimed, at once and without waiting; OSError where the file cannot be made.
    """
    descriptor = _locked(lock_file)
    try:
        yield
    finally:
        with suppress(OSError):
            lock_file.unlink()  # while it is locked: whoever opened it meanwhile sees that it has no name any more
        os.close(descriptor)


def _locked(lock_file: Path) -> int:
    while True:
        descriptor = os.open(lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), lock_file.stat(follow_symlinks=False)):
                    return descriptor
        except BlockingIOError:
            os.close(descriptor)
            raise Claimed(
                "another process has this place", path=str(lock_file.parent), hint="wait for it, or name another"
            ) from None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # the one before removed it between our open and our lock


__all__ = ["Claimed", "exclusive"]
