"""Words of the contract ABI, here and in the library: the same values, the same refusals."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from hypothesis import given
from hypothesis import strategies as st

from wattest.chain.words import WordInvalid, decode_words, encode_words, word_types

KINDS = ["uint8", "uint24", "uint64", "uint88", "uint256", "bool", "address", "bytes1", "bytes16", "bytes32",
         "(bytes32,uint64,uint16,uint8)", "(address,bool)"]  # fmt: skip


def native(kind: str, value: Any) -> Any:
    if kind.startswith("("):
        return tuple(native(part, inner) for part, inner in zip(kind[1:-1].split(","), value, strict=True))
    return bytes.fromhex(value[2:]) if kind == "address" else value


def library(kinds: list[str], data: bytes) -> tuple[Any, ...] | None:
    try:
        return tuple(native(kind, value) for kind, value in zip(kinds, decode(kinds, data), strict=True))
    except DecodingError:
        return None


def words(kinds: list[str], data: bytes) -> tuple[Any, ...] | None:
    try:
        return decode_words(kinds, data)
    except WordInvalid:
        return None


# mostly small words, so that a good part of them is valid
word = st.one_of(
    st.binary(min_size=32, max_size=32),
    st.integers(0, 300).map(lambda number: number.to_bytes(32, "big")),
    st.binary(min_size=16, max_size=16).map(lambda head: head + bytes(16)),
    st.binary(min_size=20, max_size=20).map(lambda tail: bytes(12) + tail),
)


@given(st.lists(st.sampled_from(KINDS), max_size=4), st.lists(word, max_size=10).map(b"".join), st.integers(0, 31))
def test_both_accept_and_refuse_the_same(kinds: list[str], data: bytes, cut: int) -> None:
    shown = data[: len(data) - cut] if cut else data
    values = words(kinds, shown)
    assert values == library(kinds, shown)
    if values is not None:
        assert encode_words(kinds, values) == encode(kinds, list(values)) == shown[: len(encode_words(kinds, values))]


@pytest.mark.parametrize(
    "kind", ["", "uint", "uint0", "uint7", "uint264", "bytes", "bytes0", "bytes33", "string", "uint8[]",
             "(uint8,(bool))", "(bytes)", "()", "int8", "(uint8", "uint8)", "uint\u0661\u0666"]
)  # fmt: skip
def test_other_types_are_left_to_the_library(kind: str) -> None:
    assert word_types(kind) is None


@pytest.mark.parametrize(
    ("kind", "value"),
    [("uint8", 256), ("uint8", -1), ("uint8", True), ("bool", 1), ("bytes4", b"abc"), ("address", bytes(19)),
     ("(uint8,bool)", (1,)), ("(uint8,bool)", 1), ("uint8", "1")],
)  # fmt: skip
def test_a_value_outside_its_type_is_refused(kind: str, value: Any) -> None:
    with pytest.raises(WordInvalid):
        encode_words([kind], [value])
