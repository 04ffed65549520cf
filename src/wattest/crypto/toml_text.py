"""TOML: reading what a stranger wrote, with dotted keys bounded before the parser sees them; writing our own.

Decided here: how many dots a line may have, and how a value is written so that every reader gives it back. Not decided
here: sizes and schemas, which are each format's own. The standard library's parser needs memory that grows with the
square of a dotted key's parts: 240 kB of ``a.a.a`` fill gigabytes.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from wattest.crypto.errors import TomlUnwritable

MAX_DOTS_IN_A_LINE = 64

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+\Z")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def load_toml(data: bytes) -> dict[str, Any]:
    """The document of a UTF-8 text whose lines have at most 64 dots each (a key ends with its line).

    Raises: ValueError, of which UnicodeDecodeError and tomllib.TOMLDecodeError are kinds; also for nesting that the
    interpreter's recursion limit ends.
    """
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise ValueError("the file begins with a byte order mark: save it as plain UTF-8, without one")
    dots = max(line.count(b".") for line in data.split(b"\n"))
    if dots > MAX_DOTS_IN_A_LINE:
        raise ValueError(f"a line has {dots} dots, at most {MAX_DOTS_IN_A_LINE} are read")
    try:
        return tomllib.loads(data.decode("utf-8"))
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def dump_toml(document: Mapping[str, Any]) -> str:
    """A document of text, finite numbers, booleans, lists of these, tables, and lists of tables; simple values first.

    Raises: TomlUnwritable, for other values and for text with a lone surrogate, which no UTF-8 file can hold.
    """
    return "".join(_lines(document, ())).lstrip("\n")


def toml_value(value: object) -> str:
    """One simple value as it stands behind ``name =``. Raises: TomlUnwritable."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return repr(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    raise TomlUnwritable(f"{type(value).__name__} is not written as TOML here", actual=type(value).__name__)


def _lines(table: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    inner = {name: value for name, value in table.items() if isinstance(value, Mapping) or _is_tables(value)}
    lines = [f"{_key(name)} = {toml_value(value)}\n" for name, value in table.items() if name not in inner]
    for name, value in inner.items():
        place = (*path, name)
        title = ".".join(_key(part) for part in place)
        if isinstance(value, Mapping):
            lines += [f"\n[{title}]\n", *_lines(value, place)]
        else:
            for item in value:
                lines += [f"\n[[{title}]]\n", *_lines(item, place)]
    return lines


def _is_tables(value: object) -> bool:
    return isinstance(value, (list, tuple)) and bool(value) and all(isinstance(item, Mapping) for item in value)


def _key(name: str) -> str:
    return name if _BARE_KEY.match(name) else _text(name)


def _text(text: str) -> str:
    """A basic string: what is beyond ASCII stands as it is, since TOML has no surrogate pairs."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise TomlUnwritable(
            "text with a lone surrogate, such as a file name that is not UTF-8", actual=ascii(text)
        ) from error
    return '"' + "".join(_character(one) for one in text) + '"'


def _character(one: str) -> str:
    if one in _ESCAPES:
        return _ESCAPES[one]
    return f"\\u{ord(one):04X}" if one < " " or one == "\x7f" else one
