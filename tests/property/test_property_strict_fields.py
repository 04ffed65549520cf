"""The strict reader over arbitrary values: what it gives back is as asked, anything else is refused at its place."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum

from hypothesis import given
from hypothesis import strategies as st

from wattest.crypto.strict_fields import Field, Reader, Refusal
from wattest.errors import InputError, WattestError


class PlacedRefusal(InputError):
    """A refusal with its place."""


def refuse(refusal: Refusal) -> WattestError:
    assert refusal.message.isprintable()
    assert refusal.where.isprintable()
    return PlacedRefusal(refusal.message, where=refusal.where)


class Kind(StrEnum):
    """Two names."""

    IMPORT = "import"
    EXPORT = "export"


SIMPLE = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-5, 70)
    | st.floats()
    | st.text(max_size=12)
    | st.text("0123456789abcdefABCDEFx", max_size=9)
    | st.binary(max_size=9)
    | st.dates()
    | st.sampled_from(["import", "exprot", "0x0a0b", "0a0b"])
)
KEYS = st.text(max_size=6) | st.sampled_from(["a", "aa", "ab", "b"])
VALUES = st.recursive(SIMPLE, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4))

Ask = tuple[Callable[[Field], object], Callable[[object], bool]]
low, size = st.integers(-9, 9), st.integers(0, 5)
ASKS: st.SearchStrategy[Ask] = st.one_of(
    st.tuples(low, low).map(
        lambda b: (lambda f: f.integer(*b), lambda v: type(v) is int and b[0] <= v <= b[1])  # type: ignore[operator]
    ),
    st.tuples(low, low).map(
        lambda b: (lambda f: f.number(*b), lambda v: type(v) is float and b[0] <= v <= b[1])  # type: ignore[operator]
    ),
    st.tuples(size, size).map(
        lambda b: (
            lambda f: f.text(b[0], at_least=b[1]),
            lambda v: isinstance(v, str) and b[1] <= len(v) <= b[0],
        )
    ),
    st.just((lambda f: f.boolean(), lambda v: isinstance(v, bool))),
    st.just((lambda f: f.matching(re.compile("[0-9]+"), "digits"), lambda v: str(v).isascii() and str(v).isdigit())),
    st.integers(1, 70).map(lambda n: (lambda f: f.decimal(n), lambda v: type(v) is int and 0 <= v < 2**n)),
    st.tuples(size, st.booleans(), st.booleans()).map(
        lambda a: (
            lambda f: f.hex(a[0], any_case=a[1], prefixed=a[2]),
            lambda v: isinstance(v, bytes) and len(v) == a[0],
        )
    ),
    size.map(lambda n: (lambda f: f.hex_up_to(n), lambda v: isinstance(v, bytes) and len(v) <= n)),
    size.map(lambda n: (lambda f: f.octets(n), lambda v: isinstance(v, bytes) and len(v) == n)),
    size.map(lambda n: (lambda f: f.blob(n), lambda v: isinstance(v, bytes) and len(v) <= n)),
    size.map(
        lambda n: (
            lambda f: f.rows(2, n),
            lambda v: isinstance(v, list) and len(v) <= n and all(len(row) == 2 for row in v),
        )
    ),
    size.map(
        lambda n: (
            lambda f: f.blobs(n, n),
            lambda v: isinstance(v, list) and len(v) <= n and all(type(each) is bytes and len(each) <= n for each in v),
        )
    ),
    st.integers(0, 70).map(lambda n: (lambda f: f.uint(n), lambda v: type(v) is int and 0 <= v < 2**n)),
    st.just((lambda f: f.or_none(Field.boolean), lambda v: v is None or isinstance(v, bool))),
    st.just((lambda f: (f.raw(),), lambda v: not Reader(refuse).field(v[0]).is_absent)),  # type: ignore[index]
    st.just((lambda f: f.member_of(Kind), lambda v: isinstance(v, Kind))),
    st.tuples(size, size).map(
        lambda b: (
            lambda f: f.each(lambda entry: entry.integer(0, 9), *b),
            lambda v: isinstance(v, tuple) and b[1] <= len(v) <= b[0] and all(0 <= each <= 9 for each in v),
        )
    ),
    st.lists(KEYS, min_size=1, max_size=3).map(
        lambda names: (
            lambda f: set(f.fields(*names).names(9)),
            lambda v: v == set(names),
        )
    ),
)


def holds(ask: Ask, field: Field, where: str) -> None:
    """What the field gives is as asked, or it refuses at its place, and nothing else."""
    read, is_good = ask
    try:
        found = read(field)
    except PlacedRefusal as error:
        refused_at = str(error.fields["where"])
    else:
        assert is_good(found)
        return
    assert refused_at.startswith(where)


@given(VALUES, ASKS)
def test_a_value_is_as_asked_or_refused(value: object, ask: Ask) -> None:
    holds(ask, Reader(refuse).field(value, "whole"), "whole")
    holds(ask, Reader(refuse, shows_text=True).fields({"a": [value]})["a"].items(1)[0], "a[0]")


@given(st.dictionaries(KEYS, VALUES, max_size=5), st.lists(st.tuples(KEYS, ASKS), max_size=4), ASKS)
def test_a_map_gives_what_was_asked_for_and_names_the_rest(
    values: dict[str, object], asked: list[tuple[str, Ask]], ask: Ask
) -> None:
    fields = Reader(refuse).fields(values, where="map")
    for name, each in asked:
        holds(each, fields[name], "map")
        holds(ask, fields.get(name, 5), "map")
    left = set(values) - {name for name, _ in asked}
    try:
        fields.close()
    except PlacedRefusal as error:
        refused_at = str(error.fields["where"])
    else:
        assert not left
        return
    assert left
    assert refused_at.startswith("map")


@given(st.binary(max_size=60) | st.text('{}[]":,ab01.eE-', max_size=30).map(str.encode))
def test_any_text_is_json_or_refused(data: bytes) -> None:
    holds((lambda field: field.fields().names(99), lambda found: found is not None), Reader(refuse).field(data), "")
    try:
        field = Reader(refuse).json(data, 40)
    except PlacedRefusal:
        return
    assert len(data) <= 40
    assert not field.is_absent
