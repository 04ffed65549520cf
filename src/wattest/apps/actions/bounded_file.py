"""Files named on the command line: read up to a limit, or refused in words.

Decided here: how a missing, unreadable or too long file is reported. Not decided here: what is in it.
"""

from __future__ import annotations

from pathlib import Path

from wattest.errors import InputError


class FileUnreadable(InputError):
    """A file named on the command line that is missing, no file, or too long."""


def read_bounded(path: Path, limit: int, hint: str = "check the path") -> bytes:
    """The bytes of a file of at most ``limit`` bytes.

    Raises:
        FileUnreadable: there is none, it cannot be read, or it is longer.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise FileUnreadable(f"cannot read {path}: {reason}", hint=hint, path=str(path)) from error
    if len(data) > limit:
        raise FileUnreadable(
            f"{path} is longer than {limit} bytes",
            hint="check that this is the right file",
            path=str(path),
            limit=limit,
        )
    return data
