"""Canonical JSON: RFC 8785, narrowed so that every value has one encoding and nothing is lost on the way.

Decided here: objects with text keys, lists, text, booleans, null, and integers of at most 2**53 - 1 in magnitude; no
floating point at all; at most 64 levels deep; parsing refuses every text that is not exactly what encoding its value
gives (white space, key order, escapes, repeated keys, ``-0``, ``1.0``). Not decided here: schemas, or how bytes and
wide integers are written (lower-case hex and decimal text, by each format's own page).
"""

from __future__ import annotations

import json
from typing import NoReturn, TypeAlias

import rfc8785

from wattest.crypto.errors import CanonicalJsonInvalid
from wattest.crypto.json_text import DEPTH_MAX, JsonKeyTwice, JsonTooDeep, load_json, unique_keys

JsonValue: TypeAlias = "bool | int | str | list[JsonValue] | dict[str, JsonValue] | None"

INTEGER_MAX = 2**53 - 1
PARSE_MAX_BYTES = 64 * 2**20

_SPACE = b" \t\r\n\x00"
_SPACES = tuple(bytes([one]) for one in _SPACE)
_AS_IT_CAME = "use the file as it came: copy or download it again, and do not save it from an editor"
_MARKS = {
    b"\xef\xbb\xbf": "it begins with a byte order mark: it was saved by a program that adds one",
    b"\xff\xfe": "it is written in UTF-16: it was saved by a program that changes the encoding",
    b"\xfe\xff": "it is written in UTF-16: it was saved by a program that changes the encoding",
    b"\x1f\x8b": "it is compressed (gzip): unpack it first",
    b"PK\x03\x04": "it is compressed (zip): unpack it first",
    b"<": "it is a web page or XML, not JSON: the download brought another page",
}


def encode(value: object) -> bytes:
    """The one encoding of a value, UTF-8 without white space; tuples are written as lists.

    Raises:
        CanonicalJsonInvalid: floats, other types, keys that are no text, integers beyond 2**53 - 1, lone surrogates,
            more than 64 levels.
    """
    _check(value, depth=1)
    return rfc8785.dumps(value)  # type: ignore[arg-type]


def parse(data: bytes, max_bytes: int = PARSE_MAX_BYTES) -> JsonValue:
    """The value of a canonical text; anything that ``encode`` would not give back byte for byte is refused.

    Raises:
        CanonicalJsonInvalid: too long, too deep, not UTF-8, not JSON, or JSON in another than its canonical form.
    """
    if len(data) > max_bytes:
        raise CanonicalJsonInvalid("the JSON text is too long", maximum=max_bytes, actual=len(data))
    data = bytes(data)
    _refuse_other_files(data)
    try:
        value: JsonValue = load_json(
            data,
            object_pairs_hook=unique_keys,
            parse_int=_integer,
            parse_float=_refuse_float,
            parse_constant=_refuse_float,
        )
    except JsonTooDeep:
        raise CanonicalJsonInvalid("the JSON text is nested too deep", maximum=DEPTH_MAX) from None
    except JsonKeyTwice as error:
        raise CanonicalJsonInvalid("a key comes twice", key=error.key) from None
    except UnicodeDecodeError as error:
        raise CanonicalJsonInvalid("the JSON text is not UTF-8", position=error.start) from None
    except json.JSONDecodeError as error:
        if error.pos >= len(data.decode()) or error.msg.startswith("Unterminated"):
            raise CanonicalJsonInvalid(
                f"it ends in the middle, after {len(data)} bytes: it was cut off", hint=_AS_IT_CAME, actual=len(data)
            ) from None
        raise CanonicalJsonInvalid(f"not JSON: {error.msg}", position=error.pos) from None
    again = encode(value)
    if again != data:
        position = next((at for at, (a, b) in enumerate(zip(again, data, strict=False)) if a != b), len(again))
        if data[position : position + 1] in _SPACES:
            raise CanonicalJsonInvalid(
                f"it has white space from byte {position} on: it was laid out anew, or saved by an editor",
                hint=_AS_IT_CAME,
                position=position,
            )
        raise CanonicalJsonInvalid(
            f"not in canonical form from byte {position} on",
            hint="write it without white space, with sorted keys and the shortest escapes (RFC 8785)",
            position=position,
        )
    return value


def _refuse_other_files(data: bytes) -> None:
    """Say in plain words what somebody or their program did to a file that was good."""
    for mark, done in _MARKS.items():
        if data.startswith(mark):
            raise CanonicalJsonInvalid(done, hint=_AS_IT_CAME, actual=data[:4].hex())
    if data[:1] not in _SPACES and data[-1:] not in _SPACES and data:
        return  # no copy of a long text
    text = data.strip(_SPACE)
    if not text:
        raise CanonicalJsonInvalid("it is empty", hint=_AS_IT_CAME, actual=len(data))
    before, after = data.index(text[:1]), len(data) - len(data.rstrip(_SPACE))
    if after and text[-1:] in b"}]":
        raise CanonicalJsonInvalid(
            f"it has {_bytes(after)} after its last brace: it was edited, or saved by a program that adds a line end",
            hint=f"{_AS_IT_CAME}; or remove what is behind the last brace",
            position=len(data) - after,
            surplus=data[-after:][:8].hex(),
        )
    if before and text[:1] in b"{[":
        raise CanonicalJsonInvalid(
            f"it has {_bytes(before)} before its first brace: it was edited, or saved by another program",
            hint=f"{_AS_IT_CAME}; or remove what is before the first brace",
            position=0,
            surplus=data[:before][:8].hex(),
        )


def _bytes(count: int) -> str:
    return "1 byte" if count == 1 else f"{count} bytes"


def _check(value: object, depth: int) -> None:
    if isinstance(value, (dict, list, tuple)):
        if depth > DEPTH_MAX:
            raise CanonicalJsonInvalid("the value is nested too deep", maximum=DEPTH_MAX)
        if isinstance(value, dict):
            for name in value:
                if not isinstance(name, str):
                    raise CanonicalJsonInvalid("object keys are text", actual=type(name).__name__)
                _check_text(name)
        for item in value.values() if isinstance(value, dict) else value:
            _check(item, depth + 1)
    elif isinstance(value, str):
        _check_text(value)
    elif value is None or isinstance(value, bool):
        return
    elif isinstance(value, int):
        if abs(value) > INTEGER_MAX:
            raise CanonicalJsonInvalid(
                "integers beyond 2**53 - 1 are written as decimal text", maximum=INTEGER_MAX, actual=value.bit_length()
            )
    else:
        raise CanonicalJsonInvalid(
            f"{type(value).__name__} has no canonical form here",
            hint="write amounts as integers, wide integers as decimal text and bytes as lower-case hex",
            actual=type(value).__name__,
        )


def _check_text(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise CanonicalJsonInvalid("text with a lone surrogate", position=error.start) from None


def _integer(text: str) -> int:
    if len(text) > 17:  # a sign and the 16 digits of 2**53; longer ones are never even converted
        raise CanonicalJsonInvalid("integers beyond 2**53 - 1 are written as decimal text", maximum=INTEGER_MAX)
    return int(text)


def _refuse_float(text: str) -> NoReturn:
    raise CanonicalJsonInvalid("numbers are integers here", hint="write fractions in a smaller unit", actual=text[:40])
