"""Typed, located access to a policy's TOML tables.

Decided here: how a wrong kind, a missing key and an unknown key are reported. Not decided here: which keys a policy has
(``policy``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime

from wattest.errors import InputError

MAX_ENTRIES = 1_024
_NAME = re.compile(r"[ -~]{1,128}\Z")
_HEX_NUMBER = re.compile(r"0x[0-9a-f]{1,16}\Z")


class PolicyMalformed(InputError):
    """An appraisal policy that cannot be read; ``location`` says where."""

    def __init__(self, location: str, message: str) -> None:
        super().__init__(
            f"appraisal policy: {location}: {message}",
            hint="see docs/spec/appraisal-policy.md",
            location=location,
        )


@dataclass(frozen=True, slots=True)
class Pin:
    """A bit pattern: the bits of ``mask`` must equal those of ``value``; up to 64 bits."""

    value: int
    mask: int

    def is_met(self, actual: int) -> bool:
        """Whether ``actual`` agrees wherever the mask has a one."""
        return (actual ^ self.value) & self.mask == 0


def parse_hex(text: str, size: int, location: str) -> bytes:
    """Exactly ``size`` bytes from lower-case hex."""
    if len(text) != 2 * size or not re.fullmatch(r"[0-9a-f]*", text):
        raise PolicyMalformed(location, f"{size} bytes as {2 * size} lower-case hex digits belong here")
    return bytes.fromhex(text)


class PolicyTable:
    """One TOML table: typed access by key, and at the end a complaint about keys nobody asked for."""

    def __init__(self, values: object, location: str) -> None:
        if not isinstance(values, dict):
            raise PolicyMalformed(location, "a table belongs here")
        self._values: dict[str, object] = values
        self._location = location
        self._used: set[str] = set()

    def path(self, key: str) -> str:
        """Where a key stands, for error messages; unprintable keys are shown escaped."""
        shown = key if key.isprintable() else ascii(key)
        return f"{self._location}.{shown}" if self._location else shown

    def has(self, key: str) -> bool:
        """Whether the key is there."""
        return key in self._values

    def text(self, key: str) -> str:
        """A text that must be there."""
        value = self._take(key)
        if not isinstance(value, str):
            raise PolicyMalformed(self.path(key), "text belongs here" if self.has(key) else "missing")
        return value

    def name(self) -> str:
        """The entry's ``name``: 1 to 128 printable ASCII characters, so that reports stay readable."""
        text = self.text("name")
        if not _NAME.match(text):
            raise PolicyMalformed(self.path("name"), "1 to 128 printable ASCII characters belong here")
        return text

    def hex(self, key: str, size: int) -> bytes:
        """Exactly ``size`` bytes, in lower-case hex, that must be there."""
        return parse_hex(self.text(key), size, self.path(key))

    def hexes(self, key: str, size: int) -> frozenset[bytes] | None:
        """A list of values of exactly ``size`` bytes each, in lower-case hex, or None when the key is absent."""
        listed = self.texts(key)
        if listed is None:
            return None
        return frozenset(parse_hex(text, size, f"{self.path(key)}[{index}]") for index, text in enumerate(listed))

    def boolean(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self._take(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise PolicyMalformed(self.path(key), "true or false belongs here")
        return value

    def integer(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """An integer from ``low`` to ``high``; without a default it must be there."""
        value = self._take(key)
        if value is None:
            if default is None:
                raise PolicyMalformed(self.path(key), "missing")
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise PolicyMalformed(self.path(key), f"an integer from {low} to {high} belongs here")
        return value

    def texts(self, key: str) -> list[str] | None:
        """A list of texts, or None when the key is absent."""
        value = self._take(key)
        if value is None:
            return None
        if not isinstance(value, list) or len(value) > MAX_ENTRIES or not all(isinstance(item, str) for item in value):
            raise PolicyMalformed(self.path(key), f"a list of at most {MAX_ENTRIES} texts belongs here")
        return value

    def day(self, key: str) -> int | None:
        """A date as unix seconds at its start (UTC), or None when the key is absent."""
        value = self._take(key)
        if value is None:
            return None
        if not isinstance(value, date) or isinstance(value, datetime):
            raise PolicyMalformed(self.path(key), "a date such as 2026-12-31 belongs here, without quotes")
        return int(datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp())

    def pin(self, key: str, default: Pin, bits: int) -> Pin:
        """A table of ``value`` and ``mask``, or the default when the key is absent."""
        inner = self.optional_table(key)
        if inner is None:
            return default
        pin = Pin(inner._number("value", bits), inner._number("mask", bits))
        inner.refuse_unknown()
        if pin.value & ~pin.mask:
            raise PolicyMalformed(inner.path("value"), "has bits outside the mask, which would never be checked")
        return pin

    def tables(self, key: str) -> list[PolicyTable]:
        """An array of tables, empty when the key is absent."""
        value = self._take(key)
        if value is None:
            return []
        if not isinstance(value, list) or len(value) > MAX_ENTRIES:
            raise PolicyMalformed(self.path(key), f"at most {MAX_ENTRIES} tables [[{key}]] belong here")
        return [PolicyTable(item, f"{self.path(key)}[{index}]") for index, item in enumerate(value)]

    def optional_table(self, key: str) -> PolicyTable | None:
        """A table, or None when the key is absent."""
        value = self._take(key)
        return None if value is None else PolicyTable(value, self.path(key))

    def refuse_unknown(self) -> None:
        """Complain about the first key that nobody asked for."""
        for key in self._values:
            if key not in self._used:
                raise PolicyMalformed(self.path(key), "unknown key")

    def refuse_all_but(self, *keys: str) -> None:
        """Complain about the first key that is not among these."""
        for key in self._values:
            if key not in keys:
                raise PolicyMalformed(self.path(key), "unknown key")

    def _number(self, key: str, bits: int) -> int:
        text = self.text(key)
        if not _HEX_NUMBER.match(text) or int(text, 16) >= 2**bits:
            raise PolicyMalformed(self.path(key), f"a number of {bits} bits such as '0x5' belongs here, in quotes")
        return int(text, 16)

    def _take(self, key: str) -> object:
        self._used.add(key)
        return self._values.get(key)
