"""The output folder of a run: there as a whole, or not at all, and one run's alone from its start.

Decided here: which folder may be used, who may make it, where a run works until it is done, and what a failure leaves
(nothing). The files in it are others' (``run``, ``report``). Invariant: a finished run's results are never thrown away,
even when its name was taken while it ran.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from wattest.apps.exclusive import Claimed, exclusive
from wattest.errors import ConfigError

_DEFAULT_NAME = "wattest-demo"


class OutputFolderUsed(ConfigError):
    """The output folder is there already and holds something."""


class OutputFolderInUse(ConfigError):
    """Another run is making this very folder."""


class OutputFolderTaken(ConfigError):
    """While a run worked, somebody put something where its results belong; ``results`` is where they are instead."""


class OutputFolderUnusable(ConfigError):
    """The output folder cannot be made: a file is in its way, or the right to write is missing."""


@dataclass(frozen=True, slots=True)
class OutputFolder:
    """``path`` is what the results will be called, ``partial`` where they lie until they are whole.

    ``cleared``: what killed runs for the same name had left, and is gone; ``kept``: the same, of a living process.
    """

    path: Path
    partial: Path
    cleared: tuple[Path, ...] = ()
    kept: tuple[Path, ...] = ()


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


@contextmanager
def output_folder(out: Path | None, base: Path = Path()) -> Iterator[OutputFolder]:
    """A folder beside ``out`` to work in; it becomes ``out`` when the block ends well, else nothing of it is left.

    Without ``out`` it is the first of ``wattest-demo-1``, ``wattest-demo-2``, ... below ``base`` that is neither there
    nor being made. Folders above ``out`` are made where they are missing, and removed again with it. From here to the
    end of the block no other run can have the same folder. What a killed run left where it worked is removed, if no
    process has its number any more.

    Raises: OutputFolderUsed, OutputFolderInUse, OutputFolderUnusable, and OutputFolderTaken at the end.
    """
    with ExitStack() as undo:
        path = _claim_numbered(base, undo) if out is None else _claim(out, undo)
        shown = path if out is None else out
        cleared, kept = _clear(_absolute(path))
        partial = _absolute(path).parent / f".{path.name}.{os.getpid()}.partial"
        try:
            partial.mkdir()
        except OSError as error:
            raise _unusable(shown, error) from error
        try:
            yield OutputFolder(shown, partial, cleared, kept)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        _name(partial, _absolute(path))


def _claim(out: Path, undo: ExitStack) -> Path:
    """Make the folders above ``out`` and hold the claim on it until ``undo`` ends."""
    require_free(out)
    path = _absolute(out)
    try:
        for folder in reversed([one for one in path.parents if not one.exists()]):
            folder.mkdir(exist_ok=True)
            undo.callback(_remove_if_empty, folder)
        undo.enter_context(exclusive(path.parent / f".{path.name}.claim"))
    except Claimed:
        raise OutputFolderInUse(
            "another run is making this folder", path=str(out), hint="wait for it, or name another with --out"
        ) from None
    except OSError as error:
        raise _unusable(out, error) from error
    require_free(out)  # the run before may have ended in between
    return path


def _claim_numbered(base: Path, undo: ExitStack) -> Path:
    number = 1
    while True:
        path = base / f"{_DEFAULT_NAME}-{number}"
        if not os.path.lexists(path):
            with suppress(OutputFolderInUse, OutputFolderUsed):
                _claim(path, undo)
                return path
        number += 1


def _clear(path: Path) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Remove what runs for ``path`` left where they worked when they were killed; what is gone, and what was kept.

    The caller has the claim on ``path``, so that no run that makes one works there. A version without claims, and a
    machine that shares the disk, may: whose number a process has is kept, except our own, which is no older run's.
    """
    cleared: list[Path] = []
    kept: list[Path] = []
    named = re.compile(rf"\.{re.escape(path.name)}\.([1-9][0-9]*)\.partial")
    for one in _beside(path):
        found = named.fullmatch(one.name)
        if found is None or one.is_symlink() or not one.is_dir():
            continue
        if _is_process(int(found[1])):
            kept.append(one)
            continue
        shutil.rmtree(one, ignore_errors=True)
        (kept if one.exists() else cleared).append(one)
    return tuple(cleared), tuple(kept)


def _beside(path: Path) -> list[Path]:
    try:
        return sorted(path.parent.iterdir())
    except OSError:  # a folder that may be written and not listed: nothing is known to be left
        return []


def _is_process(process_id: int) -> bool:
    """Whether another process has this number: the run's, or one that got the number after it."""
    if process_id == os.getpid():
        return False
    try:
        os.kill(process_id, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _name(partial: Path, path: Path) -> None:
    """Give the results their name; if somebody was quicker, the nearest free one, else they stay where they are."""
    try:
        with suppress(FileNotFoundError):
            path.rmdir()
        partial.rename(path)
    except OSError as error:
        number, kept = 2, partial
        while os.path.lexists(beside := path.with_name(f"{path.name}-{number}")):
            number += 1
        with suppress(OSError):
            kept = partial.rename(beside)
        raise OutputFolderTaken(
            f"the results could not get their name: {error.strerror}",
            path=str(path),
            results=str(kept),
            hint="they are whole and lie in the folder named as results: use them there, or rename it",
        ) from error


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links, and needs the path to be there


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):  # it holds the results, or somebody else uses it by now
        folder.rmdir()


def _unusable(out: Path, error: Exception) -> OutputFolderUnusable:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return OutputFolderUnusable(
        f"the output folder cannot be made: {reason}", path=str(out), hint="name another with --out"
    )
