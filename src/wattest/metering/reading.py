"""What a meter file says: readings, verdicts, and reasons, in one form for every format.

Decided here: the common result of the readers, exact decimal arithmetic on values, and how a verdict becomes an exit
code. Not decided here: how a format is read (``readers``), what can be billed (``billing_rules``) or what becomes of
it (``imported``). Values are ``Decimal``
from the text to the output; no binary fraction ever touches one. docs/spec/meter-files.md
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Context, Decimal, DecimalException
from typing import TYPE_CHECKING, overload

from wattest.errors import InputError, VerificationError
from wattest.metering.billing_rules import Objection, file_objections
from wattest.metering.records import Records
from wattest.metering.verdicts import CrcVerdict, SignatureVerdict
from wattest.units import MILLIWATT_HOURS_PER_KILOWATT_HOUR, MILLIWATT_HOURS_PER_WATT_HOUR

if TYPE_CHECKING:
    from wattest.metering.readers.ocmf_rows import OcmfColumns

MAX_FILE_BYTES = 16 * 2**20
MAX_READINGS = 400_000
UNKNOWN_FORMAT = "unknown"
"""The name of a format that nothing claims."""
_MAX_DIGITS = 60
_MAX_EXPONENT = 30
_EXACT = Context(prec=200)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)

# Letter case is part of a unit: "mWh" and "MWh" differ by nine orders of magnitude.
MILLIWATT_HOURS_PER_UNIT: dict[str, int] = {
    "mWh": 1,
    "Wh": MILLIWATT_HOURS_PER_WATT_HOUR,
    "kWh": MILLIWATT_HOURS_PER_KILOWATT_HOUR,
    "MWh": 1_000 * MILLIWATT_HOURS_PER_KILOWATT_HOUR,
    # spellings that meters are seen to write and that leave no doubt
    "wh": MILLIWATT_HOURS_PER_WATT_HOUR,
    "WH": MILLIWATT_HOURS_PER_WATT_HOUR,
    "kwh": MILLIWATT_HOURS_PER_KILOWATT_HOUR,
    "KWh": MILLIWATT_HOURS_PER_KILOWATT_HOUR,
    "KWH": MILLIWATT_HOURS_PER_KILOWATT_HOUR,
}


class MalformedMeterFile(InputError):
    """A meter file that is truncated, oversized, of no known format, or breaks its format's grammar."""


class MalformedValue(MalformedMeterFile):
    """A value that is no plain decimal number within bounds."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One value a meter showed; ``time`` is aware and UTC, or None where the format gives none."""

    obis: str | None
    value: Decimal
    unit: str | None
    time: datetime | None
    status: str | None = None

    @property
    def milliwatt_hours(self) -> Decimal | None:
        """The value in milliwatt-hours, exact, or None when the unit is not one of energy."""
        return to_milliwatt_hours(self.value, self.unit)

    def as_dict(self) -> dict[str, object]:
        """The JSON form: energy as ``value_milliwatt_hours``, anything else as ``value`` and ``unit``."""
        energy = self.milliwatt_hours
        shown: dict[str, object] = {"obis": self.obis}
        if energy is None:
            shown |= {"value": plain(self.value), "unit": self.unit}
        else:
            shown["value_milliwatt_hours"] = plain(energy, trim=True)
        shown |= {"time": rfc3339(self.time), "status": self.status}
        return shown


class Readings(Sequence[Reading]):
    """A file's readings, to be shown: made from its bytes when somebody looks at them, which no import does."""

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[], Iterable[Reading]] = tuple) -> None:
        self._make = make
        self._made: tuple[Reading, ...] | None = None

    def _all(self) -> tuple[Reading, ...]:
        if self._made is None:
            self._made = tuple(self._make())
        return self._made

    @overload
    def __getitem__(self, index: int) -> Reading: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Reading, ...]: ...
    def __getitem__(self, index: int | slice) -> Reading | tuple[Reading, ...]:
        return self._all()[index]

    def __len__(self) -> int:
        return len(self._all())


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """One file as read and judged; ``source`` keeps its bytes for the bundle.

    ``format`` is the format's name. ``found`` is what the reader has against billing the content; ``objections`` adds
    what the verdicts say. ``telegrams`` are the parts that carry a signature of their own, as kept; ``public_key`` is
    the DER SPKI under which they were checked, empty where no key was known. ``columns`` are those telegrams' readings,
    None where one cannot be read. ``records`` are the device records of a source without signatures, None where it
    gives none. ``malformed`` says that the file broke its format.
    """

    format: str
    signature: SignatureVerdict
    crc: CrcVerdict
    reasons: tuple[str, ...]
    readings: Sequence[Reading] = field(repr=False)
    source: bytes = field(default=b"", repr=False)
    telegrams: tuple[bytes, ...] = field(default=(), repr=False)
    public_key: bytes = b""
    columns: OcmfColumns | None = field(default=None, repr=False)
    records: Records | None = field(default=None, repr=False)
    malformed: bool = False
    found: tuple[Objection, ...] = ()

    @property
    def objections(self) -> tuple[Objection, ...]:
        """Everything that forbids billing; what also forbids a series is what an importer refuses."""
        return (*file_objections(self.signature, self.crc, malformed=self.malformed), *self.found)

    @property
    def billable(self) -> bool:
        """Whether nothing objects."""
        return not self.objections

    @property
    def exit_code(self) -> int:
        """0, 3 when the file broke its format, 4 when a signature or checksum does not hold."""
        if self.signature is SignatureVerdict.INVALID or self.crc is CrcVerdict.FAILED:
            return VerificationError.exit_code
        return InputError.exit_code if self.malformed else 0

    def as_dict(self, name: str) -> dict[str, object]:
        """The JSON form of ``wattest meter import --json``."""
        return {
            "file": name,
            "format": self.format,
            "signature": str(self.signature),
            "crc": str(self.crc),
            "billable": self.billable,
            "objections": [objection.as_dict() for objection in self.objections],
            "reasons": list(self.reasons),
            "readings": [reading.as_dict() for reading in self.readings],
        }


def unreadable(error: InputError, format_: str = UNKNOWN_FORMAT) -> ImportedFile:
    """The report of a file that could not be read at all."""
    reason = error.message if error.hint is None else f"{error.message}; {error.hint}"
    return ImportedFile(
        format_,
        SignatureVerdict.ABSENT,
        CrcVerdict.NONE,
        reasons=(reason,),
        readings=(),
        malformed=True,
    )


def parse_decimal(text: str) -> Decimal:
    """Read a number as written, blanks around it allowed; raises ``MalformedValue``.

    At most 60 significant digits and exponents within 30, so that no output grows out of its input.
    """
    trimmed = text.strip()
    if len(trimmed) > 2 * _MAX_DIGITS or _NUMBER.fullmatch(trimmed) is None:
        raise MalformedValue("not a decimal number", actual=trimmed[:40])
    try:
        return check_decimal(Decimal(trimmed))
    except DecimalException as error:
        raise MalformedValue("not a decimal number", actual=trimmed[:40]) from error


def check_decimal(value: Decimal) -> Decimal:
    """Return ``value`` when it is finite and within the bounds of ``parse_decimal``."""
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int) or len(digits) > _MAX_DIGITS or abs(exponent) > _MAX_EXPONENT:
        raise MalformedValue("a number with too many digits")
    return value


def to_milliwatt_hours(value: Decimal, unit: str | None) -> Decimal | None:
    """Convert exactly; None when ``unit`` is not one of energy."""
    factor = MILLIWATT_HOURS_PER_UNIT.get(unit or "")
    return None if factor is None else _EXACT.multiply(value, factor)


def plain(value: Decimal, *, trim: bool = False) -> str:
    """A decimal string without exponent; ``trim`` drops a fraction's trailing zeros."""
    text = format(value.copy_abs(), "f")
    if trim and "." in text:
        text = text.rstrip("0").rstrip(".")
    return f"-{text}" if value.is_signed() and any(digit in "123456789" for digit in text) else text


def rfc3339(time: datetime | None) -> str | None:
    """RFC 3339 text in UTC; a fraction of a second only where there is one."""
    if time is None:
        return None
    return time.astimezone(UTC).isoformat(timespec="milliseconds" if time.microsecond else "seconds")
