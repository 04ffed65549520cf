"""Running a node until it is told to stop: one step after another, with back-off when a peer does not answer.

Decided here: pace, what is printed. Standard error carries progress and errors, standard output the results,
one JSON value a line.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence

import click

from wattest.errors import TransportError, WattestError

LONGEST_BACKOFF_S = 60.0


def run_steps(step: Callable[[], Sequence[WattestError]], interval_s: float, *, once: bool) -> int:
    """Call ``step`` until interrupted (or once), waiting longer while peers do not answer.

    Returns the exit code: with ``once`` that of the first error, else it does not return.
    """
    pause = threading.Event()
    wait_s = interval_s
    shown: set[str] = set()
    while True:
        errors = step()
        for error in errors:
            text = json.dumps(error.as_dict(), sort_keys=True)
            if text not in shown:  # the same complaint at every step would bury the rest
                click.echo(text, err=True)
        shown = {json.dumps(error.as_dict(), sort_keys=True) for error in errors}
        if once:
            return errors[0].exit_code if errors else 0
        unreachable = any(isinstance(error, TransportError) and error.retryable for error in errors)
        wait_s = min(max(wait_s, interval_s) * 2, max(LONGEST_BACKOFF_S, interval_s)) if unreachable else interval_s
        pause.wait(wait_s)


def print_line(value: object) -> None:
    """One JSON value on standard output, flushed: another program may be reading."""
    click.echo(json.dumps(value, sort_keys=True))
