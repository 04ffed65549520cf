"""How commands write for people: one factory for consoles, tables and progress, so that all obey the same settings.

Decided here: when nothing is coloured and nothing moves (no terminal, ``NO_COLOR``, ``TERM=dumb``); that progress goes
to standard error, also with ``--json``, as bars on a terminal and as plain lines elsewhere; that a table which does not
fit becomes a list, so that no value is ever cut. Not decided here: what is shown. Source: https://no-color.org.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

_DUMB = frozenset({"dumb", "unknown"})
_GAP = "  "
_TENTHS = 10


def is_plain(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether ``stream`` gets no escape sequence at all: no colour, no style, nothing that moves."""
    if environment.get("NO_COLOR") or environment.get("TERM", "").lower() in _DUMB:
        return True
    return not stream.isatty()


def console(stream: TextIO) -> Console:
    """A rich console for ``stream`` that keeps to ``is_plain``; it breaks no line and cuts none."""
    from rich.console import Console

    plain = is_plain(stream)
    return Console(
        file=stream,
        color_system=None if plain else "auto",
        no_color=plain,
        force_terminal=False if plain else None,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=True,
    )


def width_of(stream: TextIO, environment: Mapping[str, str] = os.environ) -> int | None:
    """Columns to write for: what ``COLUMNS`` says, else the terminal's; None where nothing limits a line."""
    told = environment.get("COLUMNS", "")
    if told.isascii() and told.isdecimal() and int(told) > 0:
        return int(told)
    try:
        return (os.get_terminal_size(stream.fileno()).columns or None) if stream.isatty() else None
    except (OSError, ValueError):  # a terminal that does not say
        return None


def table_lines(
    titles: Sequence[str], rows: Sequence[Sequence[str]], width: int | None, *, right: Sequence[int] = ()
) -> list[str]:
    """A table of cells, or a list of ``title value`` lines where its lines would be longer than ``width``.

    Without titles (all empty) the first cell of a row is its title. ``right``: columns that stand to the right. Every
    cell stands whole on one line; where a single value is wider than the terminal, that breaks it and cuts nothing.
    """
    from rich.cells import cell_len

    named = any(titles)
    widths = [
        max(map(cell_len, [titles[column], *(row[column] for row in rows)]), default=0) for column in range(len(titles))
    ]
    if width is None or sum(widths) + len(_GAP) * (len(widths) - 1) <= width:

        def line(cells: Sequence[str]) -> str:
            padded = (
                " " * (wide - cell_len(cell)) + cell if column in right else cell + " " * (wide - cell_len(cell))
                for column, (cell, wide) in enumerate(zip(cells, widths, strict=True))
            )
            return _GAP.join(padded).rstrip()

        return [*([line(titles)] if named else []), *(line(row) for row in rows)]
    found: list[str] = []
    for row in rows:
        found.append(row[0])
        for title, cell in zip(titles[1:], row[1:], strict=True):
            if cell:
                found.append(f"{_GAP}{title} {cell}" if title else f"{_GAP}{cell}")
    return found


class Progress:
    """What a long command is doing, on standard error: a bar for each stage, or plain lines; a context manager."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID] = {}
        self._told: dict[str, int] = {}

    def __enter__(self) -> Progress:
        if not is_plain(self._stream):
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as Bars

            self._bars = Bars(
                TextColumn("{task.description:<26}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=console(self._stream),
            )
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def say(self, stage: str) -> None:
        """A stage of one step has begun; those before it are done."""
        if self._bars is not None:
            for task in self._tasks.values():
                self._bars.update(task, completed=1)
        if stage not in self._told:
            self.tell(stage, 0, 1)

    def tell(self, stage: str, done: int, steps: int) -> None:
        """``done`` of ``steps`` of a stage are done; a plain line for its beginning, each tenth and its end."""
        if self._bars is not None:
            if stage not in self._tasks:
                self._tasks[stage] = self._bars.add_task(stage, total=steps)
            self._bars.update(self._tasks[stage], completed=done)
        tenth = _TENTHS * done // steps if steps else _TENTHS
        if self._told.get(stage) == tenth:
            return
        self._told[stage] = tenth
        if self._bars is None:
            click.echo(stage if steps <= 1 and not done else f"{stage}: {done} of {steps}", file=self._stream)
