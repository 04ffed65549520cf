"""Tables: rows of text with named or numbered columns, as portals and loggers export them.

Decided here: how a table is cut into cells, and which column has which role. Not decided here: what a cell means
(``interval_csv``). docs/spec/meter-files.md
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import tzinfo

from wattest.metering.reading import MAX_FILE_BYTES, MalformedMeterFile
from wattest.metering.records import MAX_RECORDS
from wattest.units import QUARTER_HOUR_S

ROLES = ("start", "end", "duration", "import", "export", "import_register", "export_register")
MAX_LINES = 2 * MAX_RECORDS + 2
"""Rows and blank lines between them."""
_DELIMITERS = (";", "\t", ",", "|")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_COLUMN_WITH_UNIT = re.compile(r"(import|export|import_register|export_register)_([km]?wh)", re.ASCII)
_LIKELY_WORDS = {
    "start": ("time", "date", "zeit", "datum", "beginn", "begin", "from", "von"),
    "import": ("import", "bezug", "consumption", "verbrauch", "usage", "entnahme"),
    "export": ("export", "feed", "einspeis", "liefer"),
}
"""What headers of the three commonest columns contain; only ever for a hint."""
_HEADER_UNITS = {"wh": "Wh", "kwh": "kWh", "mwh": None}  # "mwh" could be milli or mega: it is not guessed


class MalformedTable(MalformedMeterFile):
    """A table whose columns, times or values cannot be read as intervals."""


@dataclass(frozen=True, slots=True)
class TableOptions:
    """How to read a table: ``columns`` maps a role to a header name, or to a column number
    counted from 1 where it is digits only.

    ``unit`` is the unit of every energy column; ``timezone`` applies to times without an offset and has no default:
    an hour is too much to guess. ``duration_s`` is used when the table has neither end nor duration.
    """

    columns: dict[str, str] = field(default_factory=dict)
    unit: str = "kWh"
    decimal_comma: bool = False
    timezone: tzinfo | None = None
    time_format: str | None = None
    duration_s: int = QUARTER_HOUR_S
    delimiter: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table's rows of cells, the place of each role's column, the unit of its energies, and where it begins."""

    rows: list[list[str]]
    columns: dict[str, int]
    unit: str
    first_line: int

    def cells(self, role: str) -> list[str]:
        """One column's cells without the blanks around them."""
        index = self.columns[role]
        return [row[index].strip() for row in self.rows]


def parse_column_map(text: str) -> dict[str, str]:
    """Read ``start=Time,import=Energy kWh``; a comma inside a name is written ``\\,``. Raises ``MalformedTable``."""
    columns: dict[str, str] = {}
    for part in re.split(r"(?<!\\),", text):
        role, equals, name = part.replace("\\,", ",").partition("=")
        role = role.strip()
        if not equals or role not in ROLES or role in columns or not name.strip():
            raise MalformedTable(
                f"the column map has no part like role=name in {part.strip()!r}",
                hint="roles are " + ", ".join(ROLES) + ", each at most once",
            )
        columns[role] = name.strip()
    return columns


def is_table(data: bytes) -> bool:
    """Whether the first line looks like a table's: printable text with a delimiter, and no JSON or XML."""
    first = data[:4096].splitlines()[:1]
    if not first or _CONTROL.search(data[:4096]) or first[0].lstrip()[:1] in (b"{", b"[", b"<"):
        return False
    return any(delimiter.encode() in first[0] for delimiter in _DELIMITERS)


def open_table(data: bytes, options: TableOptions) -> Table:
    """Cut a table of 1 to 100,000 rows into cells; raises ``MalformedTable``."""
    if len(data) > MAX_FILE_BYTES:
        raise MalformedTable("a table is larger than 16 MiB", actual=len(data))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedTable("the table is not UTF-8 text", hint="save it as UTF-8") from error
    first = text.split("\n", 1)[0]
    delimiter = options.delimiter or max(_DELIMITERS, key=lambda mark: (first.count(mark), -_DELIMITERS.index(mark)))
    try:
        cells = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        taken = list(itertools.islice(cells, MAX_LINES + 1))  # one too many shows that there are more
    except csv.Error as error:
        raise MalformedTable(f"the table is not CSV: {error}") from error
    rows = [row for row in taken if any(map(str.strip, row))]
    if not rows or len(rows) > MAX_RECORDS + 1 or len(taken) > MAX_LINES:
        raise MalformedTable("a table has 1 to 100,000 rows", hint="split it by time")
    header = [cell.strip() for cell in rows[0]]
    unit = options.unit
    if options.columns:
        columns, by_name = _mapped(options.columns, header)
    else:
        columns, unit = _own_header(header, unit)
        by_name = True
    width = max(columns.values()) + 1
    body = rows[1:] if by_name or not any(cell[:1].isascii() and cell[:1].isdigit() for cell in header) else rows
    first_line = 2 if body is not rows else 1
    if not body:
        raise MalformedTable("the table has a header and no row")
    if min(map(len, body)) < width:
        number = next(number for number, row in enumerate(body, start=first_line) if len(row) < width)
        raise MalformedTable(f"row {number} has too few columns", hint="it may be truncated", expected=width)
    return Table(body, columns, unit, first_line)


def _mapped(wanted: dict[str, str], header: Sequence[str]) -> tuple[dict[str, int], bool]:
    columns: dict[str, int] = {}
    by_name = False
    for role, name in wanted.items():
        if name.isascii() and name.isdigit():
            if not 1 <= int(name[:6]) <= len(header):
                raise MalformedTable(f"the table has no column number {name[:6]} for {role}", actual=len(header))
            columns[role] = int(name[:6]) - 1
        elif header.count(name) > 1:
            raise MalformedTable(
                f"the table has more than one column {name!r} for {role}", hint="name it by its number"
            )
        elif name in header:
            columns[role] = header.index(name)
            by_name = True
        else:
            raise MalformedTable(
                f"the table has no column {name!r} for {role}", hint="columns: " + ", ".join(header)[:200]
            )
    if "start" not in columns:
        raise MalformedTable("the column map names no start", hint="add start=NAME")
    return columns, by_name


def _likely(header: Sequence[str]) -> str:
    """The columns as a person would name them, guessed for the hint alone: nothing is ever read by a guess."""
    guessed = {"start": "Time", "import": "Energy"}
    for name in header:
        lowered = name.lower()
        for role, words in _LIKELY_WORDS.items():
            if any(word in lowered for word in words) and "," not in name and "=" not in name:
                guessed[role] = name
    return ",".join(f"{role}={name[:64]}" for role, name in guessed.items())


def _own_header(header: Sequence[str], unit: str) -> tuple[dict[str, int], str]:
    """Our own header names, such as start,duration,import_kwh,export_kwh."""
    columns: dict[str, int] = {}
    units: set[str] = set()
    for index, name in enumerate(header):
        lowered = name.lower()
        matched = _COLUMN_WITH_UNIT.fullmatch(lowered)
        if matched is not None and (found := _HEADER_UNITS[matched[2]]) is not None:
            role = matched[1]
            units.add(found)
        elif lowered in ROLES:
            role = lowered
        else:
            continue
        if role in columns:
            raise MalformedTable(f"the table has more than one column for {role}", hint="name them: --columns")
        columns[role] = index
    if "start" not in columns or len(units) > 1:
        raise MalformedTable(
            "the table's columns are not known",
            hint=f"name them: --columns '{_likely(header)}'; columns: " + ", ".join(header)[:200],
        )
    return columns, units.pop() if units else unit
