"""The values of a policy's TOML tables that only policies have: names, pins, dates, and the error that names the place.

Not decided here: how kinds, bounds and unknown keys are checked (``crypto.strict_fields``), and which keys a policy has
(``appraisal_policy``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime

from wattest.crypto.strict_fields import Field, Fields, Reader, Refusal
from wattest.errors import InputError

MAX_ENTRIES = 1_024
_NAME = re.compile(r"[ -~]{1,128}")
_HEX_NUMBER = re.compile(r"0x[0-9a-f]{1,16}")


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


def _refuse(refusal: Refusal) -> PolicyMalformed:
    return PolicyMalformed(refusal.where or "file", refusal.message)


POLICY_TABLES = Reader(_refuse, "a table", shows_text=True)


def read_name(table: Fields) -> str:
    """The entry's ``name``: 1 to 128 printable ASCII characters, so that reports stay readable."""
    return table["name"].matching(_NAME, "1 to 128 printable ASCII characters")


def read_pins(table: Fields, key: str, size: int) -> frozenset[bytes] | None:
    """A list of values of exactly ``size`` bytes each, in lower-case hex, or None when the key is absent."""
    listed = table.optional(key)
    return None if listed is None else frozenset(listed.each(lambda entry: entry.hex(size), MAX_ENTRIES))


def read_day(table: Fields, key: str) -> int | None:
    """A date as unix seconds at its start (UTC), or None when the key is absent."""
    field = table.optional(key)
    if field is None:
        return None
    value = field.value
    if not isinstance(value, date) or isinstance(value, datetime):
        raise field.refused("a date such as 2026-12-31, without quotes,")
    return int(datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp())


def read_pin(table: Fields, key: str, default: Pin, bits: int) -> Pin:
    """A table of ``value`` and ``mask``, or the default when the key is absent."""
    field = table.optional(key)
    if field is None:
        return default
    inner = field.fields()
    pin = Pin(_number(inner["value"], bits), _number(inner["mask"], bits))
    inner.close()
    if pin.value & ~pin.mask:
        raise inner["value"].faulted("has bits outside the mask, which would never be checked")
    return pin


def _number(field: Field, bits: int) -> int:
    what = f"a number of {bits} bits such as '0x5', in quotes,"
    text = field.matching(_HEX_NUMBER, what)
    if int(text, 16) >= 2**bits:
        raise field.refused(what)
    return int(text, 16)
