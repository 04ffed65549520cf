"""Small SVG charts for the demo's report: stacked areas over time, and labelled horizontal bars.

Decided here: geometry, made for a telephone's width, so that text is readable there (a wider page scales a chart up a
little), and the palette's class names; colours live in the page's style sheet, so that light and dark follow the
reader's setting. A chart's name and what it shows in words are its ``aria-label``; every mark carries a ``<title>``.
Text is escaped; nothing is loaded from anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 34.0, 6.0, 22.0, 22.0
_LABELS = 3


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


def stacked_areas(layers: Sequence[Layer], labels: Sequence[str], unit: str, title: str, *, height: int = 220) -> str:
    """Draw layers stacked from the bottom over equally spaced points.

    ``labels`` name the points (one each); about three of them are printed under the axis.
    """
    points = len(labels)
    if points < 2 or any(len(layer.values) != points for layer in layers):
        raise ValueError("a stacked chart needs at least two points and one value per point and layer")
    totals = [sum(layer.values[i] for layer in layers) for i in range(points)]
    top = nice_ceiling(max(1e-9, *totals))
    x = _scale(0, points - 1, _LEFT, WIDTH - _RIGHT)
    y = _scale(0, top, height - _BOTTOM, _TOP)

    sums = [f"{layer.name}: {sum(layer.values):,.1f} {unit.partition(' ')[0]}" for layer in layers]
    parts = [_open(height, f"{title}. In all, {'; '.join(sums)}"), _grid(top, unit, y)]
    base = [0.0] * points
    for layer, in_all in zip(layers, sums, strict=True):
        upper = [low + value for low, value in zip(base, layer.values, strict=True)]
        outline = [f"{x(i):.1f},{y(v):.1f}" for i, v in enumerate(upper)]
        outline += [f"{x(i):.1f},{y(base[i]):.1f}" for i in reversed(range(points))]
        parts.append(
            f'<polygon class="area {layer.style}" points="{" ".join(outline)}">'
            f"<title>{escape(in_all)}</title></polygon>"
        )
        base = upper
    parts += [
        f'<text x="{x(i):.1f}" y="{height - _BOTTOM + 16:.0f}" text-anchor="middle">{escape(labels[i])}</text>'
        for i in range(0, points - points // (2 * _LABELS), max(1, points // _LABELS))
    ]
    parts.append("</svg>")
    legend = "".join(
        f'<li><span class="swatch {layer.style}"></span>{escape(in_all)}</li>'
        for layer, in_all in zip(layers, sums, strict=True)
    )
    return "".join(parts) + f'<ul class="legend">{legend}</ul>'


def horizontal_bars(bars: Sequence[Bar], title: str) -> str:
    """Draw one bar a row under its label, longest value spanning the width; negative values are refused."""
    if not bars or any(bar.value < 0 for bar in bars):
        raise ValueError("a bar chart needs at least one bar and no negative value")
    row = 40.0
    longest = max(1e-9, *(bar.value for bar in bars))
    scale = _scale(0, longest, 0, WIDTH)
    said = "; ".join(f"{bar.label}: {bar.shown}" for bar in bars)
    parts = [_open(int(row * len(bars)), f"{title}. {said}")]
    for i, bar in enumerate(bars):
        at = row * i
        parts.append(
            f'<text class="label" x="0" y="{at + 15:.0f}">{escape(bar.label)}</text>'
            f'<text class="label" x="{WIDTH}" y="{at + 15:.0f}" text-anchor="end">{escape(bar.shown)}</text>'
            f'<rect class="{bar.style}" x="0" y="{at + 21:.0f}" width="{max(scale(bar.value), 1.0):.1f}" height="11"'
            ' rx="3">'
            f"<title>{escape(bar.label)}: {escape(bar.shown)}</title></rect>"
        )
    parts.append("</svg>")
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


def _open(height: int, said: str) -> str:
    name = escape(said)
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{name}" xmlns="http://www.w3.org/2000/svg">'


def _grid(top: float, unit: str, y: Callable[[float], float]) -> str:
    lines = []
    for i in range(5):
        value = top * i / 4
        at = y(value)
        lines.append(
            f'<line class="grid" x1="{_LEFT:.0f}" x2="{WIDTH - _RIGHT:.0f}" y1="{at:.1f}" y2="{at:.1f}"/>'
            f'<text x="{_LEFT - 6:.0f}" y="{at + 4:.1f}" text-anchor="end">{round(value, 9):g}</text>'
        )
    lines.append(f'<text x="0" y="{_TOP - 10:.0f}">{escape(unit)}</text>')
    return "".join(lines)
