"""Reading TOML that a stranger wrote: dotted keys are bounded before the parser sees the text.

Decided here: how many dots a line may have. Not decided here: sizes and schemas, which are each format's own. The
standard library's parser needs memory that grows with the square of a dotted key's parts: 240 kB of ``a.a.a`` fill
gigabytes.
"""

from __future__ import annotations

import tomllib
from typing import Any

MAX_DOTS_IN_A_LINE = 64


def load_toml(data: bytes) -> dict[str, Any]:
    """The document of a UTF-8 text whose lines have at most 64 dots each (a key ends with its line).

    Raises: ValueError, of which UnicodeDecodeError and tomllib.TOMLDecodeError are kinds; also for nesting that the
    interpreter's recursion limit ends.
    """
    dots = max(line.count(b".") for line in data.split(b"\n"))
    if dots > MAX_DOTS_IN_A_LINE:
        raise ValueError(f"a line has {dots} dots, at most {MAX_DOTS_IN_A_LINE} are read")
    try:
        return tomllib.loads(data.decode("utf-8"))
    except RecursionError as error:
        raise ValueError("nested too deep") from error
