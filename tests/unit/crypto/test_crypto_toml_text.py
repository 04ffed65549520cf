"""TOML from strangers: a long dotted key is refused before it costs memory. Our own comes back from any reader."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattest.attestation.appraisal_policy import parse_policy
from wattest.attestation.appraisal_policy_table import PolicyMalformed
from wattest.crypto.errors import TomlUnwritable
from wattest.crypto.toml_text import MAX_DOTS_IN_A_LINE, dump_toml, load_toml, toml_value


def dotted(parts: int) -> bytes:
    return b".".join([b"a"] * parts) + b" = 1\n"


def test_the_limit_is_exact() -> None:
    assert load_toml(dotted(MAX_DOTS_IN_A_LINE + 1))
    with pytest.raises(ValueError, match="dots"):
        load_toml(dotted(MAX_DOTS_IN_A_LINE + 2))


def test_dots_count_by_line() -> None:
    assert load_toml(b'a = "1.2.3"\n' * 1 + b"".join(b"b%d = 1.5\n" % number for number in range(100)))


@pytest.mark.parametrize("text", [b"a = [" + b"[" * 200_000, b"\xff", b"= ="])
def test_what_is_no_toml_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        load_toml(text)


def test_a_policy_s_long_key_is_refused_at_once() -> None:
    with pytest.raises(PolicyMalformed):
        parse_policy(dotted(120_000))


SIMPLE = st.recursive(
    st.text(st.characters(codec="utf-8"))
    | st.integers()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=6,
)
NAMES = st.text(st.characters(codec="utf-8"), max_size=8)
TABLES = st.recursive(
    st.dictionaries(NAMES, SIMPLE, max_size=5),
    lambda inner: st.dictionaries(NAMES, inner | st.lists(inner, min_size=1, max_size=3) | SIMPLE, max_size=4),
    max_leaves=8,
)


@settings(deadline=None)
@given(TABLES)
def test_what_is_written_comes_back(document: dict[str, Any]) -> None:
    assert tomllib.loads(dump_toml(document)) == document


@pytest.mark.parametrize("text", ["🌞", 'a"b\\c', "\x00\x7f\x1b\u2028", "zeile\r\n", "\ud7ff\ue000\U0010ffff"])
def test_hard_text_comes_back(text: str) -> None:
    assert tomllib.loads(f"x = {toml_value(text)}") == {"x": text}


@pytest.mark.parametrize("value", [None, b"x", float("nan"), float("inf"), "\ud83d", "caf\udce9", [None], {"a"}])
def test_what_toml_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(TomlUnwritable):
        dump_toml({"x": value})
