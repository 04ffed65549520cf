"""How a process starts and ends: without the collector and OpenBLAS's threads, unless somebody says otherwise."""

from __future__ import annotations

import gc
import subprocess
import sys

from waiting import HANG_S

from wattest.apps.cli.start import COLLECT_AFTER, ONE_THREAD, make_start_quick

ASK = """
import atexit, gc, os, sys
from wattest.apps.cli import main
def at_the_end():
    print(gc.get_threshold()[0], gc.isenabled(), gc.get_freeze_count() > 0, os.environ[sys.argv[1]])
atexit.register(at_the_end)
main(["--version"])
"""


def test_numpy_is_told_of_one_thread_unless_somebody_said_otherwise() -> None:
    before = gc.get_threshold()
    try:
        unset: dict[str, str] = {}
        make_start_quick(unset)
        assert dict([ONE_THREAD]) == unset
        said = {ONE_THREAD[0]: "3"}
        make_start_quick(said)
        assert said == {ONE_THREAD[0]: "3"}
        assert gc.get_threshold()[0] == COLLECT_AFTER
    finally:
        gc.set_threshold(*before)


def test_a_command_starts_so_and_keeps_the_collector_on() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASK, ONE_THREAD[0]], capture_output=True, text=True, check=False, timeout=HANG_S
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].split() == [str(COLLECT_AFTER), "True", "True", "1"]
