"""Reading JSON that a stranger wrote: nesting is bounded before anything recursive sees the text.

Decided here: how deep a text may nest, counted on its bytes. Not decided here: canonical form (``canonical``) and
schemas. The standard library's reader recurses in C and relies on the interpreter's recursion limit, which any imported
package may raise to where the stack ends first: then a few thousand brackets end the process.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any, NoReturn

DEPTH_MAX = 64
_MAX_SHOWN_KEY = 40

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")


class JsonTooDeep(ValueError):
    """A JSON text that nests deeper than its reader allows; wrapped by the caller like any other malformed JSON."""


class JsonKeyTwice(ValueError):
    """An object that has ``key`` twice, of which readers would take one or the other."""

    def __init__(self, key: str) -> None:
        super().__init__(f"the key {json.dumps(key[:_MAX_SHOWN_KEY])} appears twice")
        self.key = key


def is_nested_deeper(data: bytes, maximum: int = DEPTH_MAX) -> bool:
    """Whether brackets outside strings nest deeper than ``maximum`` anywhere in a UTF-8 or Latin-1 text."""
    if data.count(b"[") + data.count(b"{") <= maximum:
        return False  # that many brackets cannot nest deeper, wherever they stand
    depth = 0
    for bracket in _BRACKET.finditer(_STRING.sub(b"", data)):
        depth += 1 if bracket.group() in b"[{" else -1
        if depth > maximum:
            return True
    return False


def load_json(data: bytes, *, encoding: str = "utf-8", **hooks: Any) -> Any:
    """``json.loads`` of a text at most 64 levels deep; ``hooks`` are that function's own.

    Raises: ValueError, of which JsonTooDeep, UnicodeDecodeError and json.JSONDecodeError are kinds.
    """
    if is_nested_deeper(data):
        raise JsonTooDeep(f"the JSON text is nested deeper than {DEPTH_MAX} levels")
    text = data.decode(encoding)
    if text.startswith("\ufeff"):
        return json.loads(text, **hooks)  # refuses it in its own words
    return _decoder(tuple(hooks.items())).decode(text)


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The hook ``object_pairs_hook`` of those who refuse a repeated key. Raises: JsonKeyTwice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise JsonKeyTwice(key)
            seen.add(key)
    return found


def refuse_constant(name: str) -> NoReturn:
    """The hook ``parse_constant`` of those who know that JSON has no NaN and no infinity. Raises: ValueError."""
    raise ValueError(f"{name} is not JSON")


@lru_cache(maxsize=16)
def _decoder(hooks: tuple[tuple[str, Any], ...]) -> json.JSONDecoder:
    """The decoder of one caller, which ``json.loads`` would build for every text."""
    return json.JSONDecoder(**dict(hooks))
