"""The report's charts: well-formed, escaped, true to their values."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from wattest.apps.demo.charts import Bar, Layer, horizontal_bars, nice_ceiling, stacked_areas


def test_a_stacked_chart_is_well_formed_and_escapes_names() -> None:
    svg = stacked_areas([Layer("<own & use>", "own", [1.0, 2.0, 0.0])], ["a", "b", "c"], "kWh", "t")
    root = ET.fromstring(f"<div>{svg}</div>")
    assert root.find(".//{*}polygon/{*}title").text == "<own & use>: 3.0 kWh"  # type: ignore[union-attr]


def test_bars_are_proportional_to_their_values() -> None:
    svg = horizontal_bars([Bar("a", 10, "10", "x"), Bar("b", 5, "5", "x")], "t")
    widths = [float(rect.attrib["width"]) for rect in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}rect")]
    assert widths[0] == pytest.approx(2 * widths[1], abs=0.2)


def test_missing_points_and_negative_values_are_refused() -> None:
    with pytest.raises(ValueError, match="two points"):
        stacked_areas([Layer("a", "x", [1.0])], ["a"], "kWh", "t")
    with pytest.raises(ValueError, match="negative"):
        horizontal_bars([Bar("a", -1, "-1", "x")], "t")


@pytest.mark.parametrize(
    ("value", "ceiling"), [(0.9, 1.0), (1.0, 1.0), (1.1, 1.2), (2.5, 3), (9, 10), (61, 80), (0.033, 0.04)]
)
def test_axes_end_on_round_numbers(value: float, ceiling: float) -> None:
    assert nice_ceiling(value) == pytest.approx(ceiling)
