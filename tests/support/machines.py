"""Simulated machines that tests share: the same machine in a folder of each test's own.

An enclave seals the code that it compiled for the next enclave of its machine; tests that care for another thing share
machines, so that this is done once for all of them. What is about a machine of its own makes one with
``SimulatedPlatform.create``.
"""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path

from wattest.enclave.host.process import CODE_FOLDER
from wattest.enclave.simulator.platform import PLATFORM_FILE, ROOT_FILE, SimulatedPlatform

_HOME: list[Path] = []


def keep_machines_in(folder: Path) -> None:
    """Where the machines of this session are kept, all its workers' alike."""
    folder.mkdir(parents=True, exist_ok=True)
    _HOME[:] = [folder]


def shared_machine(folder: Path, created_at: int, name: str = "a") -> SimulatedPlatform:
    """The session's machine of this name and time (unix seconds), opened in ``folder``; other names are others.

    Outside a session, in a benchmark, it is a machine of its own.
    """
    if not _HOME:
        return SimulatedPlatform.create(folder, created_at)
    (home,) = _HOME
    kept = home / f"{name}-{created_at}"
    with (home / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        SimulatedPlatform.open_or_create(kept, created_at)
        (kept / CODE_FOLDER).mkdir(exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    for file in (PLATFORM_FILE, ROOT_FILE):
        shutil.copy(kept / file, folder / file)
    (folder / CODE_FOLDER).symlink_to(kept / CODE_FOLDER)
    return SimulatedPlatform.open(folder)
