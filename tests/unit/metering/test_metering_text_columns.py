"""Columns of cells become the numbers that each cell has by itself, or none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import ROUND_FLOOR, Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattest.metering.readers.text_columns import counted, floored, unix_seconds
from wattest.metering.reading import MalformedValue, parse_decimal
from wattest.units import U64_MAX

numbers = st.one_of(
    st.decimals(0, 2**64, places=6).map(str),
    st.integers(0, 2**65).map(str),
    st.text("0123456789.", max_size=24),
    st.text("0123456789.+-eE, \0\u0663x", max_size=8),
    st.sampled_from(["18446744073709551615", "9" * 19, "0.0000000000000000001", "0" * 20, "9" * 60]),
)  # fmt: skip


@given(st.lists(numbers, max_size=8), st.sampled_from([0, 3, 6, 9]))
def test_a_number_is_the_floor_of_the_exact_product(cells: list[str], power: int) -> None:
    whole, plain = floored(cells, power)
    assert whole.dtype == np.uint64
    for cell, value, is_plain in zip(cells, whole.tolist(), plain.tolist(), strict=True):
        if not is_plain:
            assert value == 0
            continue
        exact = parse_decimal(cell).scaleb(power)
        assert value == int(exact.to_integral_value(rounding=ROUND_FLOOR))
        assert exact <= U64_MAX


@pytest.mark.parametrize(
    ("cell", "power", "expected"),
    [
        ("0.25", 6, 250_000), ("5.", 0, 5), (".5", 3, 500), ("0.0000009", 6, 0), ("1.9999999", 6, 1_999_999),
        ("18446744073709.551615", 6, None), ("1844674407370955.1615", 3, None), ("9999999999999999999", 0, 10**19 - 1),
        ("18446744073.70955161", 9, 18446744073709551610), ("18446744074", 9, None), ("", 0, None), (".", 0, None),
        ("1.2.3", 0, None), ("-1", 0, None),
        ("1e3", 0, None), (" 1", 0, None), ("1\0", 0, None), ("\u0661", 0, None), ("0" * 20, 0, None),
        ("1" * 41, 0, None),
    ],
)  # fmt: skip
def test_which_cells_are_plain(cell: str, power: int, expected: int | None) -> None:
    for cells in ([cell], ["7", cell, "1.5"]):
        whole, plain = floored(cells, power)
        place = cells.index(cell)
        assert (int(whole[place]) if plain[place] else None) == expected


def test_what_no_column_holds_is_seen() -> None:
    """One more digit, one more unit: the first that a u64 does not hold has no number."""
    for power in (0, 3, 6, 9):
        most = U64_MAX // 10**power
        if len(str(most)) <= 19:
            whole, plain = floored([str(most), str(most + 1)], power)
            assert plain.tolist() == [True, False]
            assert int(whole[0]) == most * 10**power


@given(st.lists(st.text("0123456789.x", max_size=20), max_size=6))
def test_counts_are_digits_and_nothing_else(cells: list[str]) -> None:
    values, plain = counted(cells)
    assert plain.tolist() == [cell.isdigit() and len(cell) <= 18 for cell in cells]
    assert [value for value, fits in zip(values.tolist(), plain.tolist(), strict=True) if fits] == [
        int(cell) for cell in cells if cell.isdigit() and len(cell) <= 18
    ]


moments = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)).map(lambda moment: moment.replace(microsecond=0))
offsets = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.lists(st.tuples(moments, offsets), min_size=1, max_size=5), st.sampled_from(["seconds", "minutes"]),
       st.sampled_from("T "), st.booleans())  # fmt: skip
def test_times_are_those_of_the_calendar(
    given_: list[tuple[datetime, timezone]], precision: str, mark: str, utc: bool
) -> None:
    exact = [moment.replace(tzinfo=UTC if utc else offset) for moment, offset in given_]
    cells = [moment.isoformat(mark, precision).replace("+00:00", "Z" if utc else "+00:00") for moment in exact]
    found = unix_seconds(cells)
    assert found is not None
    assert found.tolist() == [int(datetime.fromisoformat(cell).timestamp()) for cell in cells]


times = st.text("0123456789T:-+Z ", min_size=15, max_size=26)
near = st.sampled_from(["2026-02-28T10:00Z", "2024-02-29T10:00Z", "2026-06-01T10:00:00+02:00", "123456789"])


@given(st.lists(st.one_of(times, st.tuples(near, st.integers(0, 25), st.sampled_from("0123456789T:-+Z x")).map(
    lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] + 1 :])), min_size=1, max_size=2))  # fmt: skip
def test_a_time_that_is_read_in_a_column_is_read_alone(cells: list[str]) -> None:
    found = unix_seconds(cells)
    if found is not None:
        for cell, seconds in zip(cells, found.tolist(), strict=True):
            expected = int(cell) if cell.isdigit() else datetime.fromisoformat(cell).timestamp()
            assert seconds == expected


@pytest.mark.parametrize(
    "cell",
    ["2026-02-29T00:00Z", "2026-04-31T00:00Z", "2026-13-01T00:00Z", "2026-00-01T00:00Z", "0000-01-01T00:00Z",
     "2026-06-00T00:00Z", "2026-06-01T24:00Z", "2026-06-01T00:60Z", "2026-06-01T00:00:60Z", "2026-06-01T00:00+24:00",
     "2026-06-01T00:00+23:60", "2026-06-01T00:00", "2026-06-01x00:00Z", "12345678", "1234567890123", "12345678.9"],
)  # fmt: skip
def test_times_that_no_column_reads(cell: str) -> None:
    assert unix_seconds([cell]) is None
    assert unix_seconds(["2026-06-01T00:00Z", cell]) is None


def test_a_cell_that_is_no_number_is_none_for_the_plain_rule_too() -> None:
    for cell in (".", "1.2.3", "x"):
        assert floored([cell], 0)[1].tolist() == [False]
        with pytest.raises(MalformedValue):
            parse_decimal(cell)
    assert Decimal("0.5") == parse_decimal("0.5")
