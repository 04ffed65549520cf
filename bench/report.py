"""Turns reports into Markdown: one table of figures for each benchmark, its other tables, and targets that are missed.

The page keeps what people wrote; only what stands between the two markers is made here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from measure import Figure, Report

BEGIN = "<!-- figures: written by bench/run.py -->"
END = "<!-- /figures -->"


@dataclass(frozen=True, slots=True)
class Run:
    """One benchmark over all rounds: its report, and what each round cost this machine."""

    name: str
    report: Report
    wall_s: tuple[float, ...]
    cpu_s: tuple[float, ...]
    peak_mib: float
    load: tuple[float, ...]
    commit: str = ""


def shown(value: str | float) -> str:
    """A number with three or four significant digits, thousands separated; text as it is."""
    if isinstance(value, str):
        return value
    if value == int(value) and abs(value) < 10**12:
        return f"{int(value):,}"
    if abs(value) >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def figure_rows(figures: Sequence[Figure]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Column heads and one row for each figure."""
    rows: list[tuple[str, ...]] = [
        (
            figure.name,
            shown(figure.median),
            shown(min(figure.samples)),
            shown(max(figure.samples)),
            figure.unit,
            str(len(figure.samples)),
            "" if figure.ratio_to_floor is None else f"{figure.ratio_to_floor:.2f} x {figure.floor}",
            _target(figure),
        )
        for figure in figures
    ]
    return ("figure", "median", "least", "most", "unit", "n", "against", "target"), rows


def _aim(title: str, figure: Figure) -> tuple[str | float, ...]:
    if not figure.exact:
        return title, figure.name, "median", figure.median, figure.unit, _target(figure)
    worst = max(figure.samples) if figure.at_most is not None else min(figure.samples)
    return title, figure.name, f"worst of {len(figure.samples)}", worst, figure.unit, _target(figure)


def _target(figure: Figure) -> str:
    if figure.is_met is None:
        return ""
    bound = (
        f"at most {shown(figure.at_most)}" if figure.at_most is not None else f"at least {shown(figure.at_least or 0)}"
    )
    return f"{bound}: {'met' if figure.is_met else '**missed**'}"


def table_text(columns: Sequence[str], rows: Sequence[Sequence[str | float]]) -> str:
    """A Markdown table; columns that hold numbers are set right. Columns that are empty throughout are left out."""
    cells = [[shown(cell) for cell in row] for row in rows]
    kept = [at for at in range(len(columns)) if any(row[at] for row in cells)]
    numeric = {at for at in kept if all(row[at][:1].isdigit() or not row[at] for row in cells) and at > 0}
    lines = [
        "| " + " | ".join(columns[at] for at in kept) + " |",
        "|" + "|".join(" ---: " if at in numeric and columns[at] != "against" else " --- " for at in kept) + "|",
    ]
    lines += ["| " + " | ".join(row[at] for at in kept) + " |" for row in cells]
    return "\n".join(lines)


def markdown(runs: Sequence[Run], machine: Mapping[str, str]) -> str:
    """All of it, without the markers."""
    parts = [table_text(("machine", ""), list(machine.items()))]
    aimed = [(run.report.title, figure) for run in runs for figure in run.report.figures if figure.is_met is not None]
    if aimed:
        parts.append("### Targets")
        parts.append(
            table_text(("of", "figure", "judged by", "value", "unit", "target"), [_aim(*each) for each in aimed])
        )
    for run in runs:
        parts.append(f"### {run.report.title}")
        parts.append(run.report.about)
        parts.append(table_text(*figure_rows(run.report.figures)))
        for table in run.report.tables:
            parts.append(f"**{table.title}**")
            parts.append(table_text(table.columns, table.rows))
            if table.note:
                parts.append(table.note)
    parts.append("### What measuring took")
    rows = [
        (
            run.name,
            len(run.wall_s),
            max(run.wall_s),
            max(run.cpu_s),
            round(run.peak_mib),
            f"{min(run.load):.1f} to {max(run.load):.1f}",
            run.commit,
        )
        for run in runs
    ]
    parts.append(
        table_text(
            ("benchmark", "rounds", "wall s (most)", "CPU s (most)", "peak RSS MiB", "load before a round", "commit"),
            rows,
        )
    )
    parts.append("Peak RSS is the largest of the benchmark's own processes; CPU seconds are of all of them together.")
    return "\n\n".join(parts) + "\n"


def put_between_markers(page: str, text: str) -> str:
    """``page`` with everything between the markers replaced; raises ValueError when they are not there once."""
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise ValueError(f"the page needs one {BEGIN} and after it one {END}")
    head, rest = page.split(BEGIN)
    return f"{head}{BEGIN}\n\n{text}\n{END}{rest.split(END)[1]}"
