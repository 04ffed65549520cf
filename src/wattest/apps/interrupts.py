"""Ctrl-C and SIGTERM: one interrupt ends a command in order, a second cannot disturb that.

Decided here: both signals raise ``KeyboardInterrupt`` in the main thread; inside ``hold_interrupts`` it waits until the
block ends, so that what was made there has an owner who removes it; for ``SETTLING_S`` after the first one further
signals change nothing, since everything is being stopped and a break there would leave processes or files behind.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import FrameType, TracebackType
from typing import Any, TypeVar

SETTLING_S = 15.0
IMPATIENCE_S = 3.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_T = TypeVar("_T")


class _State:
    held = 0
    pending_since: float | None = None
    settled_at = 0.0


def raise_on_interrupt() -> None:
    """Let Ctrl-C and SIGTERM raise ``KeyboardInterrupt``; of no effect outside the main thread."""
    if threading.current_thread() is threading.main_thread():
        _State.settled_at = 0.0
        for number in _SIGNALS:
            signal.signal(number, _interrupt)


def ignore_interrupts() -> None:
    """Let no signal change an outcome that is decided: what is left to do is short, and would end half-done."""
    _State.settled_at = math.inf


def block_interrupts() -> None:
    """Block both signals in a process that only has to exit; of no effect outside the main thread.

    The interpreter puts the default action back in place of its own handlers before it has ended; not so here.
    """
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)


@contextmanager
def hold_interrupts() -> Iterator[None]:
    """Put an interrupt off until the block ends: for the steps that make something and then say whose it is.

    A second signal, at least ``IMPATIENCE_S`` after the first, breaks in nevertheless: a start may hang.
    """
    _State.held += 1
    try:
        yield
    finally:
        _State.held -= 1
    if not _State.held and _State.pending_since is not None:
        _raise()


class SteadyStack(ExitStack[None]):
    """An exit stack that no interrupt finds between making a thing and owning it, nor half-way through the exits."""

    def enter_context(self, cm: AbstractContextManager[_T, Any]) -> _T:
        """Enter, with interrupts held until the exit is registered."""
        with hold_interrupts():
            return super().enter_context(cm)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Run every exit, which can suppress nothing, with interrupts held until the last is done."""
        with hold_interrupts():
            super().__exit__(kind, error, trace)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    now = time.monotonic()
    if now < _State.settled_at:
        return
    if _State.held and (_State.pending_since is None or now < _State.pending_since + IMPATIENCE_S):
        _State.pending_since = _State.pending_since or now
        return
    _raise()


def _raise() -> None:
    _State.pending_since = None
    _State.settled_at = time.monotonic() + SETTLING_S
    raise KeyboardInterrupt
