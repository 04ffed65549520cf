"""How far a measurement is, on standard error: a bar where somebody looks, a line at each tenth where it is a file."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

_TENTHS = 10


class Progress:
    """``total`` steps under one title."""

    def __init__(self, title: str, total: int) -> None:
        self._title, self._total, self._done, self._said = title, total, 0, 0
        self._begun = time.monotonic()
        console = Console(stderr=True)
        self._bar = Bar(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TimeRemainingColumn(), console=console, disable=not console.is_terminal, transient=True,
        )  # fmt: skip
        self._task = self._bar.add_task(title, total=total)

    def __enter__(self) -> Progress:
        """Begin to show it."""
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave nothing of a bar behind."""
        self._bar.stop()

    def advance(self) -> None:
        """One step is done."""
        self._done += 1
        self._bar.advance(self._task)
        tenth = _TENTHS * self._done // self._total
        if self._bar.disable and tenth > self._said:
            self._said = tenth
            seconds = time.monotonic() - self._begun
            print(f"{self._title}: {self._done} of {self._total}, {seconds:.0f} s", file=sys.stderr, flush=True)
