"""ABI values that are whole words: encoded and decoded here, without the library for the rest.

Decided here: types of a fixed number of 32-byte words (``uintN``, ``address``, ``bool``, ``bytesN``, tuples and arrays
of a fixed length of these) and values that fit them exactly. Everything else, odd values and malformed words included,
is not judged here: then the answer is None, and the library decides and complains. So both say the same of everything;
what is saved is the library's import, which takes longer than checking a receipt, and most of its time for each call.

Source: Solidity contract ABI specification, "Formal Specification of the Encoding".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

WORD = 32
_LEAF = re.compile(r"(uint|bytes)([1-9][0-9]{0,2})|address|bool")
_ARRAY = re.compile(r"(.+)\[([1-9][0-9]{0,2})\]")


@dataclass(frozen=True, slots=True)
class _Leaf:
    """One word: ``size`` significant bytes, at its end for numbers, at its start for ``bytesN``."""

    kind: str
    size: int


_Plan = tuple["_Leaf | _Plan", ...]


def encode_words(types: Sequence[str], values: Sequence[Any]) -> bytes | None:
    """The words of these values; None unless every type is whole words and every value fits exactly."""
    plan = _plan(tuple(types))
    if plan is None:
        return None
    words: list[bytes] = []
    return b"".join(words) if _put(plan, values, words) else None


def decode_words(types: Sequence[str], data: bytes) -> tuple[Any, ...] | None:
    """The values of these words, addresses as 20 bytes; None unless every type and every word is as it must be.

    Bytes after the last word are passed over, as the library does.
    """
    plan = _plan(tuple(types))
    if plan is None:
        return None
    words = (data[at : at + WORD] for at in range(0, len(data), WORD))
    return _take(plan, words)


def _put(plan: _Plan, values: Any, words: list[bytes]) -> bool:
    if not isinstance(values, (list, tuple)) or len(values) != len(plan):
        return False
    for part, value in zip(plan, values, strict=True):
        if not isinstance(part, _Leaf):
            if not _put(part, value, words):
                return False
        elif part.kind in ("address", "bytes"):
            if type(value) is not bytes or len(value) != part.size:
                return False
            words.append(value.rjust(WORD, b"\0") if part.kind == "address" else value.ljust(WORD, b"\0"))
        elif type(value) is not (bool if part.kind == "bool" else int) or not 0 <= value < 1 << 8 * part.size:
            return False
        else:
            words.append(int(value).to_bytes(WORD, "big"))
    return True


def _take(plan: _Plan, words: Iterator[bytes]) -> tuple[Any, ...] | None:
    values: list[Any] = []
    for part in plan:
        if not isinstance(part, _Leaf):
            inner = _take(part, words)
            if inner is None:
                return None
            values.append(inner)
            continue
        word = next(words, b"")
        if len(word) != WORD:
            return None
        if part.kind == "bytes":
            value, padding = word[: part.size], word[part.size :]
        else:
            value, padding = word[WORD - part.size :], word[: WORD - part.size]
        if any(padding):
            return None
        if part.kind == "bool" and value not in (b"\0", b"\1"):
            return None
        values.append(
            value
            if part.kind in ("address", "bytes")
            else value == b"\1"
            if part.kind == "bool"
            else int.from_bytes(value)
        )
    return tuple(values)


@lru_cache(maxsize=1024)
def _plan(types: tuple[str, ...]) -> _Plan | None:
    parts: list[_Leaf | _Plan] = []
    for kind in types:
        part: _Leaf | _Plan | None
        array = _ARRAY.fullmatch(kind)
        if array is not None:  # so many of one type after the other are what a tuple of them is
            part = _plan((array[1],) * int(array[2]))
        else:
            part = _plan(tuple(_split(kind[1:-1]))) if kind.startswith("(") and kind.endswith(")") else _leaf(kind)
        if part is None or part == ():
            return None
        parts.append(part)
    return tuple(parts)


def _leaf(kind: str) -> _Leaf | None:
    found = _LEAF.fullmatch(kind)
    if found is None:
        return None
    if kind == "address":
        return _Leaf(kind, 20)
    if kind == "bool":
        return _Leaf(kind, 1)
    number = int(found[2])
    if found[1] == "bytes":
        return _Leaf("bytes", number) if number <= WORD else None
    return _Leaf("uint", number // 8) if number % 8 == 0 and number <= 8 * WORD else None


def _split(kinds: str) -> Iterator[str]:
    depth, start = 0, 0
    for at, character in enumerate(kinds):
        depth += (character == "(") - (character == ")")
        if character == "," and not depth:
            yield kinds[start:at]
            start = at + 1
    yield kinds[start:]
