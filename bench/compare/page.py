"""A benchmark's rows as one HTML file that loads nothing: a chart for each piece of work, the table, the machine."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from compare.rows import Row

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --back: #fff; --ours: #0a7d5a; --peer: #8a94a3; --line: #d5dae1 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ee; --back: #14171b; --ours: #3fc196; --peer: #79828f; --line: #333a43 } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back); max-width: 70rem;
  margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100%; font-size: 13px } th, td { text-align: left; padding: .25rem .5rem;
  border-bottom: 1px solid var(--line); vertical-align: top } td.n { text-align: right; white-space: nowrap }
svg text { fill: var(--ink); font-size: 12px } .ours { fill: var(--ours) } .peer { fill: var(--peer) }
.grid { stroke: var(--line) } .curve { stroke: var(--ours); fill: none; stroke-width: 2 } .wide { overflow-x: auto }
"""
_WIDTH, _BAR, _LABEL, _NAME_MOST = 920, 26, 330, 52


def shown(value: float | None, digits: int = 3) -> str:
    """A short number."""
    if value is None:
        return ""
    if value and (abs(value) >= 1_000):
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def _short(name: str) -> str:
    return name if len(name) <= _NAME_MOST else name[: _NAME_MOST - 1] + "…"


def bars(rows: Sequence[Row], title: str) -> str:
    """Medians on a logarithmic axis, with the span of all samples as a line."""
    lows = [min(row.samples) for row in rows]
    first = math.floor(math.log10(min(lows)))
    last = math.ceil(math.log10(max(max(row.samples) for row in rows)))
    last = max(last, first + 1)
    height = 30 + _BAR * len(rows) + 24

    def x(value: float) -> float:
        return _LABEL + (math.log10(value) - first) / (last - first) * (_WIDTH - _LABEL - 70)

    parts = [f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(title)}">']
    for power in range(first, last + 1):
        at = x(10.0**power)
        parts.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="20" y2="{height - 20}"/>')
        parts.append(f'<text x="{at:.1f}" y="{height - 6}" text-anchor="middle">{shown(10.0**power)}</text>')
    for number, row in enumerate(rows):
        y = 26 + _BAR * number
        style = "ours" if row.who.startswith("wattest") else "peer"
        words = f"{row.who}: {shown(row.median)} {row.unit}, {shown(min(row.samples))} to {shown(max(row.samples))}"
        parts.append(
            f'<g><title>{escape(words)}</title><text x="{_LABEL - 8}" y="{y + 14}" text-anchor="end">'
            f'{escape(_short(row.who))}</text><rect class="{style}" x="{_LABEL}" y="{y + 3}" height="{_BAR - 10}" '
            f'width="{max(1.0, x(row.median) - _LABEL):.1f}"/><line class="grid" x1="{x(min(row.samples)):.1f}" '
            f'x2="{x(max(row.samples)):.1f}" y1="{y + 11}" y2="{y + 11}" stroke-width="3"/>'
            f'<text x="{x(max(row.samples)) + 6:.1f}" y="{y + 14}">{shown(row.median)}</text></g>'
        )
    parts.append(f'<text x="{_LABEL}" y="14">{escape(rows[0].unit)}</text></svg>')
    return "".join(parts)


def curve(rows: Sequence[Row], title: str) -> str:
    """Cost over size, both as they grow: the size logarithmic, the cost from zero."""
    height, left, right, low = 260, 70, 20, 40
    sizes = [math.log10(row.n) for row in rows]
    top = 1.2 * max(max(row.samples) for row in rows)

    def place(row: Row, value: float) -> tuple[float, float]:
        wide = (math.log10(row.n) - sizes[0]) / max(1e-9, sizes[-1] - sizes[0])
        return left + wide * (_WIDTH - left - right), height - low - value / top * (height - low - 20)

    parts = [f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(title)}">']
    for step in range(5):
        y = place(rows[0], top * step / 4)[1]
        parts.append(f'<line class="grid" x1="{left}" x2="{_WIDTH - right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{shown(top * step / 4)}</text>')
    points = [place(row, row.median) for row in rows]
    parts.append('<polyline class="curve" points="' + " ".join(f"{x:.1f},{y:.1f}" for x, y in points) + '"/>')
    anchors = ["start", *["middle"] * (len(rows) - 2), "end"]
    for row, anchor, (x, y) in zip(rows, anchors, points, strict=True):
        ends = [place(row, value)[1] for value in (min(row.samples), max(row.samples))]
        parts.append(
            f'<g><title>{row.n:,}: {shown(row.median)} {escape(row.unit)}</title><line class="grid" x1="{x:.1f}" '
            f'x2="{x:.1f}" y1="{ends[0]:.1f}" y2="{ends[1]:.1f}" stroke-width="3"/><circle class="ours" cx="{x:.1f}" '
            f'cy="{y:.1f}" r="4"/><text x="{x:.1f}" y="{height - 20}" text-anchor="{anchor}">{row.n:,}</text></g>'
        )
    parts.append(f'<text x="{left}" y="12">{escape(rows[0].unit)}</text></svg>')
    return "".join(parts)


def table(rows: Sequence[Row]) -> str:
    """Every row in full."""
    heads = ("who", "median", "unit", "spread", "speed ratio", "CPU s", "peak MiB", "n", "clock", "energy, uJ each", "")
    lines = ["<div class=wide><table><tr>" + "".join(f"<th>{escape(head)}</th>" for head in heads) + "</tr>"]
    for row in rows:
        numbers = (shown(row.median), row.unit, f"{row.spread:.0%}" if len(row.samples) > 1 else "",
                   shown(row.speed_ratio), shown(row.cpu_s or None), shown(row.peak_mib or None, 4), f"{row.n:,}",
                   row.clock, shown(row.energy_uj))  # fmt: skip
        cells = "".join(f"<td class=n>{escape(number)}</td>" for number in numbers)
        note = "; ".join(part for part in (row.target, row.note) if part)
        lines.append(f"<tr><td>{escape(row.who)}</td>{cells}<td>{escape(note)}</td></tr>")
    return "".join([*lines, "</table></div>"])


def page(name: str, rows: Sequence[Row], machine: Mapping[str, str]) -> str:
    """The whole file."""
    parts = [f"<!doctype html><html lang=en><meta charset=utf-8><title>wattest bench {escape(name)}</title>"]
    parts.append(f"<style>{_STYLE}</style><h1>wattest bench {escape(name)}</h1><p>")
    parts.append("Contenders took turns in one run. A speed ratio is how many times as fast wattest is. ")
    parts.append("Spread is the width of all samples over their median; the grey line spans them. Energy: ")
    parts.append(
        escape("; ".join(sorted({row.energy_from for row in rows if row.energy_from})) or "not known") + ".</p>"
    )
    for work in dict.fromkeys(row.work for row in rows):
        mine = [row for row in rows if row.work == work]
        parts.append(f"<h2>{escape(work)}</h2>")
        # A quotient of other rows is no measurement of its own: it stands in the table alone.
        drawn = [row for row in mine if row.unit and min(row.samples) > 0 and (row.cpu_s or row.clock == "gas")]
        for unit in dict.fromkeys(row.unit for row in drawn):
            alike = [row for row in drawn if row.unit == unit]
            grows = len({row.n for row in alike}) == len(alike) > 1 and all(
                row.who.startswith("wattest") for row in alike
            )
            parts.append((curve if grows else bars)(alike, f"{work}, {unit}"))
        parts.append(table(mine))
    parts.append("<h2>Machine</h2><table>")
    parts += [f"<tr><th>{escape(key)}</th><td>{escape(value)}</td></tr>" for key, value in machine.items()]
    return "".join([*parts, "</table></html>\n"])
