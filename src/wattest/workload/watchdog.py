"""The watchdog: moves the epoch of engines that have a job running, so that no job runs for ever.

Fuel bounds a job the same way everywhere; but one operator may copy megabytes, so wall time has a bound of its own. The
watchdog can only stop a job (``DeadlineExceeded``): a guest cannot see the epoch, and no result depends on it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import wasmtime

TICK_S = 0.1
_IDLE_TICKS = 50  # the thread ends after this long without a job


def ticks(deadline_s: float) -> int:
    """Epochs that surely cover ``deadline_s``: one more, since the next tick may be due at once."""
    return max(1, -int(-deadline_s // TICK_S)) + 1


class Watchdog:
    """One thread for all engines, alive only while jobs run and shortly after."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[int, tuple[wasmtime.Engine, int]] = {}
        self._thread: threading.Thread | None = None
        self._pause = threading.Event()

    @contextmanager
    def watching(self, engine: wasmtime.Engine) -> Iterator[None]:
        """Move ``engine``'s epoch every ``TICK_S`` for as long as the block runs."""
        with self._lock:
            _, jobs = self._running.get(id(engine), (engine, 0))
            self._running[id(engine)] = (engine, jobs + 1)
            # after a fork the object is there but its thread is not
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._tick, name="wattest-watchdog", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                _, jobs = self._running[id(engine)]
                if jobs == 1:
                    del self._running[id(engine)]
                else:
                    self._running[id(engine)] = (engine, jobs - 1)

    def _tick(self) -> None:
        idle = 0
        while True:
            self._pause.wait(TICK_S)
            with self._lock:
                idle = 0 if self._running else idle + 1
                if idle > _IDLE_TICKS:
                    self._thread = None
                    return
                for engine, _ in self._running.values():
                    engine.increment_epoch()
