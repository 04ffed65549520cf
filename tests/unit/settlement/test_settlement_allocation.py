"""Allocation keys: published worked examples, the rules' corners, and bytes with one reading."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattest.settlement.allocation import (
    AllocationInvalid,
    AllocationKey,
    AllocationKind,
    allocate,
    parse_allocation_key,
    split,
)
from wattest.units import MILLIWATT_HOURS_PER_KILOWATT_HOUR


def milliwatt_hours(kilowatt_hours: float) -> int:
    return int(Fraction(str(kilowatt_hours)) * MILLIWATT_HOURS_PER_KILOWATT_HOUR)


def test_the_published_priority_example(real_data: Path) -> None:
    examples = json.loads((real_data / "clearing" / "worked_examples.json").read_text())["examples"]
    example: dict[str, Any] = next(e for e in examples if e["id"] == "priority_key")
    order, injected, consumed = example["order"], example["injected_kWh"], example["consumed_kWh"]
    members = [*injected, *sorted(consumed, reverse=True)]  # another order than the priority's
    ranks = [order.index(member) if member in order else len(order) for member in members]
    imports = [milliwatt_hours(consumed.get(member, 0)) for member in members]
    exports = [milliwatt_hours(injected.get(member, 0)) for member in members]
    result = allocate(AllocationKey.priority(ranks), imports, exports)
    for member, shared, own in zip(members, result.shared, imports, strict=True):
        if member in order:
            assert shared == milliwatt_hours(example["expected"][f"{member}_from_A"])
            assert own - shared == milliwatt_hours(example["expected"][f"{member}_grid"])
    assert result.shared_export[0] == milliwatt_hours(1.0)


def test_the_published_static_and_dynamic_rules(real_data: Path) -> None:
    examples = json.loads((real_data / "clearing" / "worked_examples.json").read_text())["examples"]
    rule = next(e for e in examples if e["id"] == "rules_static_dynamic")["rule"]
    assert "unused share is surplus" in rule
    assert "in proportion to consumption" in rule
    # 10 kWh for uses of 1, 4 and 5 kWh plus 6 kWh, by weights 50, 30, 20, 0 percent
    imports, exports = [1_000_000, 4_000_000, 5_000_000, 6_000_000, 0], [0, 0, 0, 0, 10_000_000]
    static = allocate(AllocationKey.static([500_000, 300_000, 200_000, 0, 0]), imports, exports)
    assert static.shared == [1_000_000, 3_000_000, 2_000_000, 0, 0]
    assert static.shared_export == [0, 0, 0, 0, 6_000_000]  # 4 kWh stay surplus
    dynamic = allocate(AllocationKey.dynamic(5), imports, exports)
    assert dynamic.shared == [625_000, 2_500_000, 3_125_000, 3_750_000, 0]
    assert dynamic.shared_export == [0, 0, 0, 0, 10_000_000]


def test_a_dynamic_key_with_more_surplus_than_use_covers_every_use() -> None:
    result = allocate(AllocationKey.dynamic(3), [5, 7, 0], [0, 10, 10])
    assert result.shared == [5, 7, 0]
    assert result.shared_export == [0, 6, 6]


def test_a_household_may_take_and_give_in_one_interval() -> None:
    result = allocate(AllocationKey.dynamic(2), [10, 30], [20, 0])
    assert result.shared == [5, 15]
    assert result.shared_export == [20, 0]


@pytest.mark.parametrize(
    ("amount", "weights", "parts"),
    [
        (0, [1, 2], [0, 0]),
        (5, [0, 0], [0, 0]),
        (1, [1, 1, 1], [1, 0, 0]),
        (2, [1, 1, 1], [1, 1, 0]),
        (10, [1, 2, 3], [2, 3, 5]),  # 1.67, 3.33, 5
        (100, [0, 1, 0, 1], [0, 50, 0, 50]),
        (7, [2, 2, 1], [3, 3, 1]),  # 2.8, 2.8, 1.4
    ],
)
def test_splits_by_largest_remainder(amount: int, weights: list[int], parts: list[int]) -> None:
    assert split(amount, weights) == parts


@given(st.integers(0, 2**64), st.lists(st.integers(0, 2**50), min_size=1, max_size=20))
def test_a_split_adds_up_and_stays_within_one_of_the_exact_part(amount: int, weights: list[int]) -> None:
    parts = split(amount, weights)
    if sum(weights):
        assert sum(parts) == amount
        assert all(
            abs(part - Fraction(amount * weight, sum(weights))) < 1 for part, weight in zip(parts, weights, strict=True)
        )
    else:
        assert not any(parts)


def test_equal_weights_add_up() -> None:
    for households in (1, 2, 3, 7, 20, 10_000):
        key = AllocationKey.equal(households)
        assert sum(key.keys) == 1_000_000
        assert max(key.keys) - min(key.keys) <= 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: AllocationKey.static([500_000, 499_999]),
        lambda: AllocationKey.static([1_000_001, -1]),
        lambda: AllocationKey.static([]),
        lambda: AllocationKey.equal(0),
        lambda: AllocationKey.equal(10_001),
        lambda: AllocationKey.priority([2**32]),
        lambda: AllocationKey(AllocationKind.DYNAMIC, (0, 1)),
        lambda: allocate(AllocationKey.dynamic(2), [1, 2, 3], [1, 2, 3]),
    ],
)
def test_keys_that_mean_nothing_are_refused(make: Any) -> None:
    with pytest.raises(AllocationInvalid):
        make()


@given(st.binary(max_size=60), st.integers(0, 12), st.integers(0, 255))
def test_any_bytes_are_a_key_or_an_input_error(noise: bytes, at: int, value: int) -> None:
    data = bytearray(AllocationKey.static([400_000, 600_000]).to_bytes())
    data[at] = value
    for candidate in (noise, bytes(data), bytes(data) + noise):
        try:
            key = parse_allocation_key(candidate)
        except AllocationInvalid:
            continue
        assert key.to_bytes() == candidate
