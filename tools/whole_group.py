"""Runs a command and ends all of what it started: forge starts node for solc, and killed alone leaves it running.

A command is a process group of its own; however it is left, by a timeout, an interrupt or a failing test, the group is
killed whole. Tests and tools that run forge go through here.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any


def run_whole_group(
    command: Sequence[str | Path], *, timeout: float | None = None, **settings: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, whatever its exit status; its output is text.

    ``settings`` are ``subprocess.Popen``'s. Raises: subprocess.TimeoutExpired, once nothing of it is left.
    """
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0, **settings
    )
    with process:
        try:
            output, errors = process.communicate(timeout=timeout)
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(command, process.returncode, output, errors)
