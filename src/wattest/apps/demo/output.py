"""The output folder of a run: there as a whole, or not at all.

Decided here: which folder may be used, where a run works until it is done, and what a failure leaves (nothing). The
files in it are others' (``run``, ``report``).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wattest.errors import ConfigError


class OutputFolderUsed(ConfigError):
    """The output folder is there already and holds something."""


class OutputFolderUnusable(ConfigError):
    """The output folder cannot be made: a file is in its way, or the right to write is missing."""


def require_free(out: Path) -> None:
    """Refuse a folder that holds anything; touches nothing.

    Raises: OutputFolderUsed, OutputFolderUnusable.
    """
    try:
        if out.is_symlink() or (out.exists() and (not out.is_dir() or any(out.iterdir()))):
            raise OutputFolderUsed(
                "the output folder is used already", path=str(out), hint="name another with --out, or remove it"
            )
    except (OSError, ValueError) as error:
        raise _unusable(out, error) from error


def free_folder(base: Path) -> Path:
    """The first of ``wattest-demo-1``, ``wattest-demo-2``, ... below ``base`` that is not there."""
    number = 1
    while os.path.lexists(path := base / f"wattest-demo-{number}"):
        number += 1
    return path


@contextmanager
def output_folder(out: Path) -> Iterator[Path]:
    """A folder beside ``out`` to work in; it becomes ``out`` when the block ends well, else nothing of it is left.

    Folders above ``out`` are made where they are missing, and removed again with it.

    Raises: OutputFolderUsed, OutputFolderUnusable.
    """
    require_free(out)
    out = Path(os.path.abspath(out))  # noqa: PTH100 - resolve() would follow links, and needs the path to be there
    partial = out.parent / f".{out.name}.{os.getpid()}.partial"
    made: list[Path] = []
    try:
        try:
            for folder in reversed([one for one in partial.parents if not one.exists()]):
                folder.mkdir()
                made.append(folder)
            partial.mkdir()
            made.append(partial)
        except OSError as error:
            raise _unusable(out, error) from error
        yield partial
        try:
            with suppress(FileNotFoundError):
                out.rmdir()
            partial.rename(out)
        except OSError as error:
            raise _unusable(out, error) from error
    except BaseException:
        for folder in reversed(made):
            if folder == partial:
                shutil.rmtree(folder, ignore_errors=True)
            else:
                with suppress(OSError):  # somebody else may use it by now
                    folder.rmdir()
        raise


def _unusable(out: Path, error: Exception) -> OutputFolderUnusable:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return OutputFolderUnusable(
        f"the output folder cannot be made: {reason}", path=str(out), hint="name another with --out"
    )
