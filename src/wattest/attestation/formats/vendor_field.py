"""One value inside TCB info or QE identity, with the path that leads to it: what it must be, and how it is refused.

Decided here: which kinds of values there are, and that a refusal names the field, what belongs there and what stands
there. A null is a value of a wrong kind, never an absent one. Hex counts in either case: the vendor writes both. Not
decided here: which fields a statement has (``tcb_info``, ``qe_identity``). Source: Intel PCS API v4, appendix A.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from wattest.attestation.formats.collateral import CollateralMalformed, load_object

MAX_SHOWN = 40
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z")
_HEX = re.compile(r"[0-9a-fA-F]*\Z")
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class VendorField:
    """A value of ``statement`` ("TCB info", "QE identity") at ``path``, such as ``tcbLevels[0].tcb.pcesvn``."""

    statement: str
    path: str
    value: object

    def member(self, key: str) -> VendorField:
        """A member of this object; absent is refused when its value is asked for."""
        return VendorField(
            self.statement, f"{self.path}.{key}" if self.path else key, self._members().get(key, _ABSENT)
        )

    def has(self, key: str) -> bool:
        """Whether this object has the member, be it null."""
        return key in self._members()

    def refuse_member(self, key: str, why: str) -> None:
        """Refuse the member if it is there."""
        if self.has(key):
            raise self.member(key).refused(why)

    def items(self, low: int, high: int) -> list[VendorField]:
        """The entries of this list, of which there must be ``low`` to ``high``."""
        count = str(low) if low == high else f"{low} to {high}"
        if not isinstance(self.value, list):
            raise self.refused(f"a list of {count}")
        if not low <= len(self.value) <= high:
            raise self.refused(f"a list of {count}", f"a list of {len(self.value)}")
        return [VendorField(self.statement, f"{self.path}[{at}]", each) for at, each in enumerate(self.value)]

    def text(self, what: str = "text") -> str:
        """This text; ``what`` says in an error which one belongs here."""
        if not isinstance(self.value, str):
            raise self.refused(what)
        return self.value

    def matching(self, pattern: re.Pattern[str], what: str) -> str:
        """This text, which the pattern must match to its end."""
        if not pattern.match(text := self.text(what)):
            raise self.refused(what)
        return text

    def one_of(self, known: frozenset[str], what: str, reason: str) -> str:
        """This text, which must be one of those known; else refused with the reason code."""
        if (text := self.text(what)) not in known:
            raise self.refused(what, reason=reason)
        return text

    def hex(self, size: int) -> bytes:
        """This text of exactly ``size`` bytes as hex."""
        text = self.matching(_HEX, f"{2 * size} hex digits")
        if len(text) != 2 * size:
            raise self.refused(f"{2 * size} hex digits", f"{len(text)} of them")
        return bytes.fromhex(text)

    def integer(self, low: int, high: int) -> int:
        """This integer from ``low`` to ``high``."""
        if isinstance(self.value, bool) or not isinstance(self.value, int) or not low <= self.value <= high:
            raise self.refused(f"an integer from {low} to {high}" if low != high else str(low))
        return self.value

    def date(self) -> int:
        """This date as unix seconds: ISO 8601 in whole seconds of UTC, ``2026-01-31T00:00:00Z``."""
        text = self.matching(_DATE, "a date such as 2026-01-31T00:00:00Z")
        try:
            return int(datetime.fromisoformat(text).astimezone(UTC).timestamp())
        except ValueError as error:
            raise self.refused("a date of the calendar such as 2026-01-31T00:00:00Z") from error

    def refused(
        self, expected: str, actual: str | None = None, *, reason: str = "collateral_malformed"
    ) -> CollateralMalformed:
        """The error that this field is not what it should be."""
        shown = self._shown() if actual is None else actual
        return CollateralMalformed(
            f"the {self.statement}'s {self.path or 'whole'}: {expected} belongs here, not {shown}",
            self.statement,
            reason=reason,
            field=self.path,
            expected=expected,
            actual=shown,
        )

    def _members(self) -> dict[str, object]:
        if not isinstance(self.value, dict):
            raise self.refused("an object")
        return self.value

    def _shown(self) -> str:
        if self.value is _ABSENT:
            return "nothing: it is missing"
        if isinstance(self.value, dict | list):
            return "an object" if isinstance(self.value, dict) else "a list"
        text = json.dumps(self.value)  # ASCII, whatever a stranger wrote
        return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def read_vendor_text(text: str, statement: str) -> VendorField:
    """The whole of a statement as one field.

    Raises:
        CollateralMalformed: when the text is not one JSON object, nested too deep, or repeats a key anywhere.
    """
    return VendorField(statement, "", load_object(text.encode("utf-8", "surrogatepass"), statement))
