"""Whole words of the contract ABI, here and in eth-abi: the same bytes and values, and nothing that it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from hypothesis import example, given
from hypothesis import strategies as st

from wattest.chain.abi_words import WORD, decode_words, encode_words

Typed = tuple[str, Any]


def typed(kind: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Typed]:
    return values.map(lambda value: (kind, value))


LEAVES = st.one_of(
    st.integers(1, 32).flatmap(lambda size: typed(f"uint{8 * size}", st.integers(0, 2 ** (8 * size) - 1))),
    st.integers(1, 32).flatmap(lambda size: typed(f"bytes{size}", st.binary(min_size=size, max_size=size))),
    typed("address", st.binary(min_size=20, max_size=20)),
    typed("bool", st.booleans()),
)
TYPED = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map(
            lambda parts: (f"({','.join(kind for kind, _ in parts)})", tuple(value for _, value in parts))
        ),
        st.tuples(inner, st.integers(1, 4)).map(lambda one: (f"{one[0][0]}[{one[1]}]", (one[0][1],) * one[1])),
    ),
    max_leaves=12,
)
LISTS = st.lists(TYPED, max_size=6)


def peers(kind: str, value: Any) -> Any:
    """eth-abi's value in our form: an address is 20 bytes."""
    if isinstance(value, tuple):
        return tuple(peers("", one) for one in value)
    return bytes.fromhex(value[2:]) if isinstance(value, str) else value


@given(LISTS)
def test_both_write_the_same_words_and_read_them_back(parts: list[Typed]) -> None:
    kinds, values = [kind for kind, _ in parts], tuple(value for _, value in parts)
    words = encode(kinds, values)
    assert encode_words(kinds, values) == words
    assert decode_words(kinds, words) == values
    assert (
        decode_words(kinds, words + b"\x01")
        == values
        == tuple(peers("", one) for one in decode(kinds, words + b"\x01"))
    )


@given(LISTS, st.data())
def test_what_is_read_here_is_what_the_other_reads(parts: list[Typed], data: st.DataObject) -> None:
    """Any bytes: cut short, or with a bit changed anywhere. None leaves it to the other, an answer must be its."""
    kinds, words = [kind for kind, _ in parts], encode([kind for kind, _ in parts], [value for _, value in parts])
    changed = bytearray(words)
    if words and data.draw(st.booleans()):
        changed[data.draw(st.integers(0, len(words) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    given_bytes = bytes(changed[: data.draw(st.integers(0, len(words)))] if data.draw(st.booleans()) else changed)
    try:
        expected = tuple(peers("", one) for one in decode(kinds, given_bytes))
    except DecodingError:
        expected = None
    assert decode_words(kinds, given_bytes) == expected


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("uint8", 256), ("uint8", -1), ("uint8", True), ("uint8", 1.0), ("uint8", "1"), ("bool", 1), ("bytes4", b"abc"),
        ("bytes4", b"abcde"), ("bytes4", bytearray(4)), ("address", "0x" + "00" * 20), ("address", b"\x00" * 19),
        ("(uint8,bool)", (1,)), ("(uint8)", 1), ("uint8[2]", (1,)), ("uint8[0]", ()), ("uint8[]", (1,)),
        ("bytes", b"a"),
        ("string", "a"),
        ("int8", 1), ("uint7", 1), ("uint264", 1), ("bytes33", b"a" * 33), ("bytes0", b""), ("uint08", 1), ("()", ()),
        ("function", b"a" * 24), ("(uint8", (1,)), ("uint8)", 1), ("uint", 1),
    ],
)  # fmt: skip
def test_everything_else_is_left_to_the_other(kind: str, value: Any) -> None:
    assert encode_words([kind], [value]) is None
    assert encode_words(["bool", kind], [True, value]) is None


@pytest.mark.parametrize(
    "kind", ["uint8[]", "uint8[0]", "bytes[2]", "bytes", "string", "int8", "uint7", "bytes33", "()"]
)
def test_no_type_of_another_kind_is_read(kind: str) -> None:
    assert decode_words([kind], bytes(4 * WORD)) is None


@example(b"")
@given(st.binary(max_size=31))
def test_less_than_a_word_is_none(data: bytes) -> None:
    assert decode_words(["uint256"], data) is None
