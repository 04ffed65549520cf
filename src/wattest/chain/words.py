"""ABI values that are whole 32-byte words: the ones that nearly every call and log of the contracts is made of.

Decided here: unsigned integers, booleans, addresses, fixed bytes, and flat structs of them. Not decided here: anything
of variable length, which ``abi`` leaves to its library; that takes a quarter of a second to load, and a household that
verifies one receipt never needs it. A test compares both, acceptance and refusal.

Source: Solidity contract ABI specification, sections "Formal Specification of the Encoding" and "Strict Encoding Mode".
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

WORD_BYTES = 32


class WordInvalid(ValueError):
    """A value outside its type, a word whose padding is not zero, or data that ends early."""


@lru_cache(maxsize=256)
def word_types(kind: str) -> tuple[str, ...] | None:
    """The types of the words that an ABI type is made of; None for a type that this module leaves to others."""
    if kind.startswith("(") and kind.endswith(")") and not set("()[") & set(kind[1:-1]):
        parts = [word_types(part) for part in kind[1:-1].split(",")]
        return None if None in parts else tuple(kind[1:-1].split(","))
    if kind in ("address", "bool"):
        return (kind,)
    for name, most, step in (("uint", 256, 8), ("bytes", 32, 1)):
        size = kind.removeprefix(name)
        if size != kind and size.isascii() and size.isdecimal() and 0 < int(size) <= most and int(size) % step == 0:
            return (kind,)
    return None


def decode_words(kinds: Sequence[str], data: bytes) -> tuple[Any, ...]:
    """Values of ``kinds``, all of which have ``word_types``: int, bool, bytes, and a tuple for each struct.

    Data beyond the last word is left alone, as the contracts do. Raises ``WordInvalid``.
    """
    values, at = [], 0
    for kind in kinds:
        parts = word_types(kind) or ()
        if at + WORD_BYTES * len(parts) > len(data):
            raise WordInvalid("the data ends early")
        words = [data[at + WORD_BYTES * i : at + WORD_BYTES * (i + 1)] for i in range(len(parts))]
        at += WORD_BYTES * len(parts)
        decoded = tuple(_value(part, word) for part, word in zip(parts, words, strict=True))
        values.append(decoded if kind.startswith("(") else decoded[0])
    return tuple(values)


def encode_words(kinds: Sequence[str], values: Sequence[Any]) -> bytes:
    """The words of ``values``, the inverse of ``decode_words``; raises ``WordInvalid``."""
    if len(kinds) != len(values):
        raise WordInvalid("another number of values than of types")
    pieces = []
    for kind, value in zip(kinds, values, strict=True):
        parts = word_types(kind) or ()
        inner = value if kind.startswith("(") else (value,)
        if not isinstance(inner, (list, tuple)) or len(inner) != len(parts):
            raise WordInvalid("a struct of another shape")
        pieces += [_word(part, one) for part, one in zip(parts, inner, strict=True)]
    return b"".join(pieces)


def _value(kind: str, word: bytes) -> int | bool | bytes:
    if kind.startswith("bytes"):
        size = int(kind[5:])
        if any(word[size:]):
            raise WordInvalid("fixed bytes are padded with zeros")
        return word[:size]
    bits = {"address": 160, "bool": 1}.get(kind) or int(kind[4:])
    number = int.from_bytes(word, "big")
    if number >> bits:
        raise WordInvalid("a number is larger than its type")
    if kind == "address":
        return word[12:]
    return bool(number) if kind == "bool" else number


def _word(kind: str, value: Any) -> bytes:
    if kind.startswith("bytes") or kind == "address":
        size = 20 if kind == "address" else int(kind[5:])
        if not isinstance(value, bytes) or len(value) != size:
            raise WordInvalid("bytes of another length than their type")
        return value.rjust(WORD_BYTES, b"\0") if kind == "address" else value.ljust(WORD_BYTES, b"\0")
    if (kind == "bool") != isinstance(value, bool) or not isinstance(value, int):
        raise WordInvalid("a value of another kind than its type")
    bits = 1 if kind == "bool" else int(kind[4:])
    if value < 0 or value >> bits:
        raise WordInvalid("a number outside its type")
    return int(value).to_bytes(WORD_BYTES, "big")
