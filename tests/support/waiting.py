"""Waiting for what happens, however long a busy machine takes for it.

A test waits for an event and never for a number of seconds. ``HANG_S`` is no bound on anything that is tested: it ends
a test that would hang, and is given wherever the standard library or the product wants a timeout and none is meant.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from whole_group import run_whole_group

HANG_S = 900.0
"""Half of pytest's own timeout, so that the wait that hung is named."""
POLL_S = 0.01


def until(happened: Callable[[], bool], what: str) -> None:
    """Wait until ``happened()``; ``what`` names the event where it never comes."""
    give_up_at = time.monotonic() + HANG_S
    while not happened():
        assert time.monotonic() < give_up_at, f"waited {HANG_S:.0f} s in vain: {what}"
        time.sleep(POLL_S)


def is_alive(pid: int) -> bool:
    """Whether a process exists and did not end; one that nobody reaped yet has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        if Path("/proc/self/stat").exists():
            return False
        try:
            os.kill(pid, 0)  # no /proc on this system
        except ProcessLookupError:
            return False
        return True
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def until_gone(*pids: int) -> None:
    """Wait until none of these processes is alive."""
    until(lambda: not any(map(is_alive, pids)), f"the end of {pids}")


def finished(command: Sequence[str | Path], **settings: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, whatever its exit status; its output is text; if it hangs, all of it is killed."""
    return run_whole_group(command, timeout=HANG_S, **settings)
