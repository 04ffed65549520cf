"""Small SVG charts for the demo's report: stacked areas over time, and labelled horizontal bars.

Decided here: geometry and the palette's class names; colours live in the page's style sheet, so that light and dark
follow the reader's setting. Every mark carries a ``<title>``, which browsers show on hover and screen readers read.
Text is escaped; nothing is loaded from anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

_LEFT, _RIGHT, _TOP, _BOTTOM = 64.0, 12.0, 26.0, 34.0


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of a stacked chart: its name, its style class and one value per point of the axis."""

    name: str
    style: str
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Bar:
    """One labelled bar: value in the chart's unit, ``shown`` is the text at its end."""

    label: str
    value: float
    shown: str
    style: str


def stacked_areas(
    layers: Sequence[Layer],
    labels: Sequence[str],
    unit: str,
    title: str,
    *,
    width: int = 860,
    height: int = 300,
) -> str:
    """Draw layers stacked from the bottom over equally spaced points.

    ``labels`` name the points (one each); about eight of them are printed under the axis.
    """
    points = len(labels)
    if points < 2 or any(len(layer.values) != points for layer in layers):
        raise ValueError("a stacked chart needs at least two points and one value per point and layer")
    totals = [sum(layer.values[i] for layer in layers) for i in range(points)]
    top = nice_ceiling(max(1e-9, *totals))
    x = _scale(0, points - 1, _LEFT, width - _RIGHT)
    y = _scale(0, top, height - _BOTTOM, _TOP)

    parts = [_open(width, height, title), _grid(top, unit, y, width)]
    base = [0.0] * points
    for layer in layers:
        upper = [low + value for low, value in zip(base, layer.values, strict=True)]
        outline = [f"{x(i):.1f},{y(v):.1f}" for i, v in enumerate(upper)]
        outline += [f"{x(i):.1f},{y(base[i]):.1f}" for i in reversed(range(points))]
        parts.append(
            f'<polygon class="area {layer.style}" points="{" ".join(outline)}">'
            f"<title>{escape(layer.name)}: {sum(layer.values):.1f} {escape(unit)} in all</title></polygon>"
        )
        base = upper
    step = max(1, points // 8)
    parts += [
        f'<text class="tick" x="{x(i):.1f}" y="{height - _BOTTOM + 18:.0f}" text-anchor="middle">'
        f"{escape(labels[i])}</text>"
        for i in range(0, points, step)
    ]
    parts.append("</svg></div>")
    return "".join(parts) + _legend(layers)


def horizontal_bars(bars: Sequence[Bar], title: str, *, width: int = 860) -> str:
    """Draw one bar a row, longest value spanning the width; negative values are refused."""
    if not bars or any(bar.value < 0 for bar in bars):
        raise ValueError("a bar chart needs at least one bar and no negative value")
    row, label_width, text_width = 30.0, 250.0, 170.0
    height = int(row * len(bars) + 8)
    longest = max(1e-9, *(bar.value for bar in bars))
    scale = _scale(0, longest, 0, width - label_width - text_width)
    parts = [_open(width, height, title)]
    for i, bar in enumerate(bars):
        at = 4 + row * i
        length = max(scale(bar.value), 1.0)
        parts.append(
            f'<text class="label" x="{label_width - 10:.0f}" y="{at + 19:.0f}" text-anchor="end">'
            f"{escape(bar.label)}</text>"
            f'<rect class="bar {bar.style}" x="{label_width:.0f}" y="{at + 5:.0f}" width="{length:.1f}"'
            f' height="{row - 10:.0f}" rx="3">'
            f"<title>{escape(bar.label)}: {escape(bar.shown)}</title></rect>"
            f'<text class="value" x="{label_width + length + 8:.1f}" y="{at + 19:.0f}">{escape(bar.shown)}</text>'
        )
    parts.append("</svg></div>")
    return "".join(parts)


def nice_ceiling(value: float) -> float:
    """Return the smallest round number that is at least ``value`` (> 0), and whose quarters are round as well."""
    power = 1.0
    while power * 10 <= value:
        power *= 10
    while power > value:
        power /= 10
    for factor in (1.0, 1.2, 1.6, 2.0, 2.4, 3.0, 4.0, 5.0, 6.0, 8.0):
        if factor * power >= value:
            return factor * power
    return 10 * power


def _scale(from_low: float, from_high: float, to_low: float, to_high: float) -> Callable[[float], float]:
    ratio = (to_high - to_low) / (from_high - from_low)
    return lambda value: to_low + (value - from_low) * ratio


def _open(width: int, height: int, title: str) -> str:
    name = escape(title)
    return f'<div class="wide"><svg viewBox="0 0 {width} {height}" role="img" aria-label="{name}" xmlns="http://www.w3.org/2000/svg">'


def _grid(top: float, unit: str, y: Callable[[float], float], width: int) -> str:
    lines = []
    for i in range(5):
        value = top * i / 4
        at = y(value)
        lines.append(
            f'<line class="grid" x1="{_LEFT:.0f}" x2="{width - _RIGHT:.0f}" y1="{at:.1f}" y2="{at:.1f}"/>'
            f'<text class="tick" x="{_LEFT - 8:.0f}" y="{at + 4:.1f}" text-anchor="end">{round(value, 9):g}</text>'
        )
    lines.append(f'<text class="tick" x="{_LEFT:.0f}" y="{_TOP - 10:.0f}">{escape(unit)}</text>')
    return "".join(lines)


def _legend(layers: Sequence[Layer]) -> str:
    items = "".join(f'<li><span class="swatch {layer.style}"></span>{escape(layer.name)}</li>' for layer in layers)
    return f'<ul class="legend">{items}</ul>'
