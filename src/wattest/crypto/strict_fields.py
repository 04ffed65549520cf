"""The one strict reader of maps and lists that others wrote: JSON, TOML and CBOR, once they are Python values.

Decided here: how a value is asked for by type and bounds, and that a refusal names the place ("channel[2].epoch_s"),
what belongs there and what stands there. A bool is no integer, null is a value of a wrong kind and never an absent one,
every list and text is asked for with its bounds, and keys that nobody asked for are refused, with the one that was
meant where two are alike. Not decided here: which error it becomes (each room's own, by ``Reader.refuse``), how TOML
and CBOR are parsed, and which fields a format has.

Invariants: what a method returns has exactly the asked type and bounds; anything else ends as the room's error, and as
no other. A refusal repeats no text, unless the room says that its texts are public: what was misspelt may be a key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeVar

from wattest.crypto.json_text import load_json, refuse_constant, unique_keys
from wattest.errors import WattestError

T = TypeVar("T")
E = TypeVar("E", bound=Enum)

MAX_SHOWN = 40
MAX_SHOWN_KEY = 64
_MAX_ALIKE = 64  # among how many keys a misspelt one is looked for
_CLOSE = 0.7
_SMALL_BITS = 128
_LOWER_HEX = re.compile(r"[0-9a-f]*\Z")
_ANY_HEX = re.compile(r"[0-9a-fA-F]*\Z")
_DECIMAL = re.compile(r"(?:0|[1-9][0-9]*)\Z")
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a value is refused. ``where`` is its path, empty for the whole; ``message`` says what belongs there.

    ``expected`` and ``actual`` are the same for scripts; ``unknown`` and ``missing`` name keys; ``reason`` is a code
    that the caller gave.
    """

    where: str
    message: str
    expected: str | None = None
    actual: str | None = None
    unknown: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    reason: str = ""

    @property
    def details(self) -> dict[str, Any]:
        """What there is of the fields for scripts, by name; keys as lists."""
        given = {"expected": self.expected, "actual": self.actual}
        keys = {"unknown": list(self.unknown), "missing": list(self.missing)}
        return {name: value for name, value in {**given, **keys}.items() if value}


@dataclass(frozen=True, slots=True)
class Reader:
    """How one kind of file or message is read: which error a refusal becomes, and what its maps are called.

    ``shows_text``: a refusal may repeat up to 40 characters of a text, since no secret can stand there.
    """

    refuse: Callable[[Refusal], WattestError]
    map_name: str = "an object"
    shows_text: bool = False

    def json(self, data: bytes, at_most: int) -> Field:
        """A JSON text of at most so many bytes, in which no key comes twice."""
        if len(data) > at_most:
            raise self.refuse(Refusal("", f"it has {len(data)} bytes, at most {at_most} are read"))
        try:
            return self.field(load_json(data, object_pairs_hook=unique_keys, parse_constant=refuse_constant))
        except ValueError as error:
            raise self.refuse(Refusal("", f"not JSON: {error}")) from error

    def field(self, value: object, where: str = "") -> Field:
        """The whole of a value, to be asked for its parts."""
        return Field(self, None, where, value)

    def fields(self, value: object, *exactly: str, where: str = "") -> Fields:
        """The fields of the outermost map; see ``Field.fields``."""
        return self.field(value, where).fields(*exactly)


class Field:
    """One value at its place; each method gives it as what was asked for, or refuses it."""

    __slots__ = ("_above", "_key", "_reader", "value")

    def __init__(self, reader: Reader, above: Field | None, key: str | int, value: object) -> None:
        self._reader = reader
        self._above = above
        self._key = key
        self.value = value

    @property
    def where(self) -> str:
        """The path that leads here, such as ``channel[2].epoch_s``; unprintable keys are shown escaped."""
        parts: list[str] = []
        at: Field | None = self
        while at is not None:
            parts.append(f"[{at._key}]" if isinstance(at._key, int) else f".{_shown_key(at._key)}" if at._key else "")
            at = at._above
        return "".join(reversed(parts)).removeprefix(".")

    @property
    def is_absent(self) -> bool:
        """Whether the map has no such key; every method that asks for a value then refuses."""
        return self.value is _ABSENT

    @property
    def is_null(self) -> bool:
        """Whether null stands here."""
        return self.value is None

    def refused(self, expected: str, actual: str | None = None, *, reason: str = "") -> WattestError:
        """The room's error that something else belongs here: to be raised by a caller that has a rule of its own."""
        if self.is_absent:
            message, shown = f"missing: {expected} belongs here{self._alike()}", "nothing: it is missing"
        else:
            shown = self._shown() if actual is None else actual
            message = f"{expected} belongs here, not {shown}"
        return self._reader.refuse(Refusal(self.where, message, expected, shown, reason=reason))

    def faulted(self, message: str) -> WattestError:
        """The room's error in words of the caller's."""
        return self._reader.refuse(Refusal(self.where, message))

    def raw(self) -> Any:
        """What stands here, whatever it is, for the caller to judge."""
        if self.is_absent:
            raise self.refused("something")
        return self.value

    def or_none(self, read: Callable[[Field], T]) -> T | None:
        """None for null, else what ``read`` makes of this value; absent is not null."""
        return None if self.value is None else read(self)

    def text(self, at_most: int, *, at_least: int = 0, what: str = "text") -> str:
        """This text, of so many characters; ``what`` says in a refusal which one belongs here."""
        value = self.value
        if not isinstance(value, str):
            raise self.refused(what)
        if not at_least <= len(value) <= at_most:
            raise self.refused(f"{what} of {_range(at_least, at_most)} characters", f"{len(value)} of them")
        return value

    def matching(self, pattern: re.Pattern[str], what: str) -> str:
        """This text, which the pattern must match to its end and so bound."""
        value = self.value
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            raise self.refused(what)
        return value

    def integer(self, low: int, high: int) -> int:
        """This integer from ``low`` to ``high``."""
        value = self.value
        if type(value) is not int or not low <= value <= high:
            raise self.refused(f"an integer from {low} to {high}" if low != high else str(low))
        return value

    def uint(self, bits: int = 64) -> int:
        """This integer in [0, 2**bits)."""
        return self.integer(0, (1 << bits) - 1)

    def number(self, low: float, high: float) -> float:
        """This number from ``low`` to ``high``, written as an integer or with a fraction."""
        value = self.value
        if (type(value) is not int and type(value) is not float) or not low <= value <= high:  # which no NaN passes
            raise self.refused(f"a number from {low} to {high}")
        return float(value)

    def boolean(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            raise self.refused("true or false")
        return self.value

    def decimal(self, bits: int) -> int:
        """A decimal number below 2**bits, as text without sign or leading zero."""
        value = self.value
        what = f"a decimal number below 2**{bits} as text"
        if not isinstance(value, str) or len(value) > bits or not _DECIMAL.match(value):
            raise self.refused(what)
        if (number := int(value)) >= 1 << bits:
            raise self.refused(what, "a larger one")
        return number

    def hex(self, size: int, *, any_case: bool = False, prefixed: bool = False) -> bytes:
        """Exactly ``size`` bytes as hex: lower case unless ``any_case``; ``prefixed``: a leading 0x is passed over."""
        value = self.value
        text = value.removeprefix("0x") if prefixed and isinstance(value, str) else value
        if not isinstance(text, str) or len(text) != 2 * size or not (_ANY_HEX if any_case else _LOWER_HEX).match(text):
            raise self._no_hex(f"{size} bytes as {2 * size} hex digits", text)
        return bytes.fromhex(text)

    def hex_up_to(self, size: int, *, any_case: bool = False) -> bytes:
        """At most ``size`` bytes as hex."""
        text = self.value
        if not isinstance(text, str) or len(text) > 2 * size or not (_ANY_HEX if any_case else _LOWER_HEX).match(text):
            raise self._no_hex(f"at most {size} bytes as hex", text)
        if len(text) % 2:
            raise self.refused("hex of two digits a byte", f"{len(text)} of them")
        return bytes.fromhex(text)

    def octets(self, size: int) -> bytes:
        """A byte string of exactly ``size``."""
        value = self.value
        if not isinstance(value, bytes) or len(value) != size:
            raise self.refused(f"{size} bytes")
        return value

    def blob(self, at_most: int) -> bytes:
        """A byte string of at most ``at_most``."""
        value = self.value
        if not isinstance(value, bytes) or len(value) > at_most:
            raise self.refused(f"at most {at_most} bytes")
        return value

    def blobs(self, count: int, at_most: int) -> list[bytes]:
        """A list of at most ``count`` byte strings of at most ``at_most`` bytes each."""
        return [entry.blob(at_most) for entry in self.items(count)]

    def rows(self, width: int, at_most: int) -> list[bytes]:
        """A byte string that holds at most ``at_most`` rows of ``width`` bytes, cut into rows."""
        value = self.value
        if not isinstance(value, bytes) or len(value) % width or len(value) > width * at_most:
            raise self.refused(f"rows of {width} bytes, at most {at_most}")
        return [value[at : at + width] for at in range(0, len(value), width)]

    def one_of(self, known: Collection[str], what: str = "", *, reason: str = "") -> str:
        """This text, which is one of those known; a near miss is told what was meant."""
        value = self.value
        listed = what or f"one of {', '.join(sorted(known))}"
        if not isinstance(value, str):
            raise self.refused(listed)
        if value not in known:
            near = nearest(value, known)
            shown = None if near is None else f"{self._shown()} (did you mean '{near}'?)"
            raise self.refused(listed, shown, reason=reason)
        return value

    def member_of(self, kind: type[E]) -> E:
        """This text as the member of an enumeration that has it as its value."""
        return kind(self.one_of([member.value for member in kind]))

    def raw_items(self, at_most: int, at_least: int = 0) -> list[Any]:
        """The entries of this list as they came, of which there are so many: for a caller with a bulk rule for each."""
        value = self.value
        what = f"a list of {_range(at_least, at_most)}"
        if not isinstance(value, list):
            raise self.refused(what)
        if not at_least <= len(value) <= at_most:
            raise self.refused(what, f"a list of {len(value)}")
        return value

    def items(self, at_most: int, at_least: int = 0) -> list[Field]:
        """The entries of this list, of which there are so many."""
        return [Field(self._reader, self, at, each) for at, each in enumerate(self.raw_items(at_most, at_least))]

    def each(self, read: Callable[[Field], T], at_most: int, at_least: int = 0) -> tuple[T, ...]:
        """What ``read`` makes of each entry of this list."""
        return tuple([read(entry) for entry in self.items(at_most, at_least)])

    def fields(self, *exactly: str) -> Fields:
        """The fields of this map: exactly these, or without names any, and ``close`` refuses what was not asked for."""
        if not isinstance(self.value, dict) or not all(isinstance(key, str) for key in self.value):
            raise self.refused(self._reader.map_name)
        return Fields(self, self.value, exactly)

    def _no_hex(self, what: str, text: object) -> WattestError:
        """The refusal of hex, in words that do not repeat it."""
        if not isinstance(text, str) or not _ANY_HEX.match(text):
            return self.refused(what)
        is_upper = _LOWER_HEX.match(text) is None
        return self.refused(what, f"{len(text)} digits" + (", some in upper case" if is_upper else ""))

    def _alike(self) -> str:
        """A word on a key that may be this one, misspelt."""
        above = self._above.value if self._above is not None else None
        near = nearest(str(self._key), above) if isinstance(above, dict) else None
        return "" if near is None else f" (is '{_shown_key(near)}' meant?)"

    def _shown(self) -> str:
        value = self.value
        if value is None or isinstance(value, bool):
            return json.dumps(value)
        if isinstance(value, int):
            bits = value.bit_length()
            return str(value) if bits <= _SMALL_BITS else f"an integer of {bits} bits"
        if isinstance(value, float):
            return repr(value)
        if isinstance(value, str):
            if not self._reader.shows_text:
                return f"text of {len(value)} characters"
            text = json.dumps(value[: MAX_SHOWN + 1])  # ASCII, whatever a stranger wrote
            return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
        if isinstance(value, bytes):
            return f"{len(value)} bytes"
        if isinstance(value, list):
            return f"a list of {len(value)}"
        return self._reader.map_name if isinstance(value, dict) else type(value).__name__


class Fields:
    """The fields of one map, asked for one by one; ``close`` refuses the keys that nobody asked for."""

    __slots__ = ("_asked", "_values", "of")

    def __init__(self, of: Field, values: dict[str, object], exactly: tuple[str, ...]) -> None:
        self.of = of
        self._values = values
        self._asked = set(exactly)
        if exactly and values.keys() != self._asked:
            self._refuse_keys(tuple(name for name in exactly if name not in values))

    def __getitem__(self, name: str) -> Field:
        """The value at a key, which must be there once it is asked for a value."""
        return self.get(name, _ABSENT)

    def get(self, name: str, default: object) -> Field:
        """The value at a key, or the default where the key is absent."""
        self._asked.add(name)
        return Field(self.of._reader, self.of, name, self._values.get(name, default))

    def optional(self, name: str) -> Field | None:
        """The value at a key, or None where the key is absent."""
        self._asked.add(name)
        return self[name] if name in self._values else None

    def __contains__(self, name: str) -> bool:
        """Whether the key is there, be it null; it counts as asked for."""
        self._asked.add(name)
        return name in self._values

    def __bool__(self) -> bool:
        """Whether any key is there."""
        return bool(self._values)

    @property
    def where(self) -> str:
        """The path that leads to this map."""
        return self.of.where

    def names(self, at_most: int) -> Iterable[str]:
        """All keys, of which there are so many, for a map that may have any; they count as asked for."""
        if len(self._values) > at_most:
            raise self.of.refused(
                f"{self.of._reader.map_name} of at most {at_most} keys", f"one of {len(self._values)}"
            )
        self._asked.update(self._values)
        return self._values.keys()

    @property
    def values(self) -> dict[str, object]:
        """The whole map as it came, for a caller that shows it."""
        return self._values

    def close(self, *also: str) -> None:
        """Refuse keys that nobody asked for, ``also`` apart."""
        self._asked.update(also)
        if not self._asked.issuperset(self._values):
            self._refuse_keys(())

    def _refuse_keys(self, missing: tuple[str, ...]) -> None:
        unknown = [name for name in self._values if name not in self._asked]
        if not unknown:
            lacked = Field(self.of._reader, self.of, missing[0], _ABSENT)
            raise self.of._reader.refuse(Refusal(lacked.where, "missing", missing=missing))
        first = Field(self.of._reader, self.of, unknown[0], None)
        near = nearest(unknown[0], [name for name in self._asked if name not in self._values])
        raise self.of._reader.refuse(
            Refusal(
                first.where,
                "unknown key" if near is None else f"unknown key: did you mean '{near}'?",
                near,
                unknown=tuple(_shown_key(name) for name in unknown[:_MAX_ALIKE]),
                missing=missing,
            )
        )


def nearest(given: str, known: Iterable[str]) -> str | None:
    """The one of ``known`` that was probably meant, or None; looks at no more than 64 of 64 characters."""
    from difflib import get_close_matches  # only where something is refused: it takes a while to load

    few = [name for name, _ in zip(known, range(_MAX_ALIKE), strict=False) if len(name) <= MAX_SHOWN_KEY]
    return next(iter(get_close_matches(given[:MAX_SHOWN_KEY], few, 1, _CLOSE)), None)


def _shown_key(key: str) -> str:
    cut = key[:MAX_SHOWN_KEY]
    return cut if cut.isprintable() else ascii(cut)


def _range(low: int, high: int) -> str:
    return str(high) if low == high else f"{low} to {high}" if low else f"at most {high}"
