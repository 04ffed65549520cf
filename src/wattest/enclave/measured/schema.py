"""Strict reading of a map that came over the socket.

Decided here: how a field is fetched with its type and bounds, and that unknown fields are refused. Not decided here:
which fields a method has (``service``). Invariant: what a reader returns has exactly the asked type and size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from wattest.enclave.measured.cbor import Value
from wattest.enclave.measured.errors import RequestInvalid

T = TypeVar("T")


class Fields:
    """The fields of one map, taken out one by one; ``close`` refuses what was not asked for."""

    __slots__ = ("_left", "_where")

    def __init__(self, value: Value, where: str) -> None:
        if not isinstance(value, dict):
            raise RequestInvalid(f"{where} must be a map", field=where, actual=type(value).__name__)
        self._left = dict(value)
        self._where = where

    def _take(self, name: str) -> Value:
        if name not in self._left:
            raise RequestInvalid(f"{self._where} lacks {name}", field=name)
        return self._left.pop(name)

    def _refuse(self, name: str, expected: str, value: object) -> RequestInvalid:
        shown = len(value) if isinstance(value, (bytes, str, list, dict)) else type(value).__name__
        return RequestInvalid(f"{self._where}: {name} must be {expected}", field=name, expected=expected, actual=shown)

    def octets(self, name: str, length: int) -> bytes:
        """A byte string of exactly ``length``."""
        value = self._take(name)
        if not isinstance(value, bytes) or len(value) != length:
            raise self._refuse(name, f"{length} bytes", value)
        return value

    def blob(self, name: str, limit: int) -> bytes:
        """A byte string of at most ``limit``."""
        value = self._take(name)
        if not isinstance(value, bytes) or len(value) > limit:
            raise self._refuse(name, f"at most {limit} bytes", value)
        return value

    def rows(self, name: str, width: int, limit: int) -> list[bytes]:
        """A byte string that holds at most ``limit`` rows of ``width`` bytes, cut into rows."""
        value = self._take(name)
        if not isinstance(value, bytes) or len(value) % width or len(value) > width * limit:
            raise self._refuse(name, f"rows of {width} bytes, at most {limit}", value)
        return [value[at : at + width] for at in range(0, len(value), width)]

    def uint(self, name: str, bits: int = 64) -> int:
        """An integer in [0, 2**bits)."""
        value = self._take(name)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << bits:
            raise self._refuse(name, f"uint{bits}", value)
        return value

    def flag(self, name: str) -> bool:
        """A boolean."""
        value = self._take(name)
        if not isinstance(value, bool):
            raise self._refuse(name, "true or false", value)
        return value

    def text(self, name: str, limit: int) -> str:
        """Text of at most ``limit`` characters."""
        value = self._take(name)
        if not isinstance(value, str) or len(value) > limit:
            raise self._refuse(name, f"text of at most {limit} characters", value)
        return value

    def optional(self, name: str, read: Callable[[str], T]) -> T | None:
        """None for null, else what ``read`` makes of the field."""
        if name in self._left and self._left[name] is None:
            self._left.pop(name)
            return None
        return read(name)

    def blobs(self, name: str, count: int, limit: int) -> list[bytes]:
        """An array of at most ``count`` byte strings of at most ``limit`` bytes each."""
        value = self._take(name)
        if not isinstance(value, list) or len(value) > count:
            raise self._refuse(name, f"an array of at most {count}", value)
        found: list[bytes] = []
        for item in value:
            if not isinstance(item, bytes) or len(item) > limit:
                raise self._refuse(name, f"byte strings of at most {limit} bytes", item)
            found.append(item)
        return found

    def maps(self, name: str, count: int) -> list[Fields]:
        """An array of at most ``count`` maps."""
        value = self._take(name)
        if not isinstance(value, list) or len(value) > count:
            raise self._refuse(name, f"an array of at most {count}", value)
        return [Fields(item, f"{self._where}.{name}") for item in value]

    def inner(self, name: str) -> Fields:
        """A map inside this one."""
        return Fields(self._take(name), f"{self._where}.{name}")

    def raw(self, name: str) -> Value:
        """The field as it came, for the caller to judge."""
        return self._take(name)

    def close(self) -> None:
        """Refuse fields that nobody asked for.

        Raises: RequestInvalid.
        """
        if self._left:
            name = next(iter(self._left))
            raise RequestInvalid(f"{self._where} has an unknown field", field=name[:64])
