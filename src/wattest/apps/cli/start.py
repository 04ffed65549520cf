"""What a command's process sets before it imports a room: a short command is mostly its own start.

Decided here: nothing that a command computes or says, only what its start costs. Invariant: whoever runs wattest may
set OPENBLAS_NUM_THREADS differently, and is obeyed.
"""

from __future__ import annotations

import gc
from collections.abc import MutableMapping

COLLECT_AFTER = 100_000
"""Containers made and not freed until the collector looks at the young ones; the interpreter's own number is 700."""
ONE_THREAD = ("OPENBLAS_NUM_THREADS", "1")


def make_start_quick(environment: MutableMapping[str, str]) -> None:
    """Keep the collector, and the numeric library's threads, out of the start of a process; ``environment`` is its own.

    Importing makes tens of thousands of objects that live to the end: with the usual threshold the collector walks
    them over and over and frees nothing. It stays on, since some commands run for months. numpy's OpenBLAS starts a
    thread for each core when it is loaded, which spin before they sleep: nothing here multiplies matrices of floats,
    so they never get work (the enclave's environment says the same).
    """
    gc.set_threshold(COLLECT_AFTER)
    environment.setdefault(*ONE_THREAD)


def make_end_quick() -> None:
    """Keep the collector from walking everything once more while the interpreter ends: the process's memory goes whole.

    What needs ending (files, processes, locks) was ended by who holds it; nothing waits for the collector.
    """
    gc.freeze()
