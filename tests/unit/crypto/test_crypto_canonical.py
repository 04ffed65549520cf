"""Canonical JSON: what encoding refuses; the texts themselves are vectors."""

from __future__ import annotations

from enum import Enum
from typing import Any

import pytest

from wattest.crypto import canonical
from wattest.crypto.errors import CanonicalJsonInvalid


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    "value",
    [1.0, float("nan"), 2**53, -(2**53), b"bytes", {1: 1}, {None: 1}, {"a": {2: 3}}, "\ud800", {"\udfff": 1}, {1, 2},
     object(), Colour.RED, [1, [2, [3.5]]]],
)  # fmt: skip
def test_values_without_a_form(value: Any) -> None:
    with pytest.raises(CanonicalJsonInvalid):
        canonical.encode(value)


def test_depth() -> None:
    value: Any = []
    for _ in range(63):
        value = [value]
    assert canonical.parse(canonical.encode(value)) == value
    with pytest.raises(CanonicalJsonInvalid):
        canonical.encode([value])
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(CanonicalJsonInvalid):
        canonical.encode(loop)


def test_tuples_become_lists_and_text_keeps_its_bytes() -> None:
    assert canonical.parse(canonical.encode({"z": (1, 2), "a": "\u20ac\x7f"})) == {"a": "\u20ac\x7f", "z": [1, 2]}


def test_byte_limit() -> None:
    assert canonical.parse(b'"12"', max_bytes=4) == "12"
    with pytest.raises(CanonicalJsonInvalid) as refused:
        canonical.parse(b'"123"', max_bytes=4)
    assert refused.value.fields == {"maximum": 4, "actual": 5}


def test_the_refusal_says_where() -> None:
    with pytest.raises(CanonicalJsonInvalid) as refused:
        canonical.parse(b'{"a":1, "b":2}')
    assert refused.value.fields["position"] == 7
    with pytest.raises(CanonicalJsonInvalid) as twice:
        canonical.parse(b'{"a":1,"a":2}')
    assert twice.value.fields["key"] == "a"
