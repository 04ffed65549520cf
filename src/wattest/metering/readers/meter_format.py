"""What a meter format is to the rest of the house: a name, a claim on a file's bytes, and a way to read them.

Decided here: the port that every format implements. Not decided here: which formats there are (``formats``), or which
of several claims counts (``recognise``). Invariants: ``claim`` never raises and looks at the bytes alone; ``parse``
raises ``MalformedMeterFile`` and nothing else; neither keeps a state. How to add one: docs/howto/add-a-meter-format.md
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Protocol

from wattest.metering.readers.public_key import MeterPublicKey
from wattest.metering.readers.signature_batch import Check
from wattest.metering.readers.table import TableOptions
from wattest.metering.reading import ImportedFile


class Claim(IntEnum):
    """How surely bytes are of a format; the surest claim on a file counts, and two that are equally sure none."""

    NONE = 0
    SHAPE = 1
    """They may be, by their outward shape; any format with a mark of its own comes first."""
    MARK = 2
    """They bear a mark that no other format has."""


class OpenedFile(Protocol):
    """A file that was read up to its signatures."""

    @property
    def checks(self) -> Sequence[Check | None]:
        """The signatures that the core can judge together with those of other files; None where it cannot judge one."""
        ...

    def report(self, holds: Sequence[bool]) -> ImportedFile:
        """The file as read and judged. ``holds`` says of each check whether the core confirmed it.

        False means only that it did not: the format's own rule judges then, and says why.
        """
        ...


class MeterFormat(Protocol):
    """One format of meter files."""

    @property
    def name(self) -> str:
        """What reports call it: lower-case letters and digits."""
        ...

    def claim(self, data: bytes) -> Claim:
        """Whether bytes (not empty, no byte order mark, at most 16 MiB) are of this format."""
        ...

    def parse(self, data: bytes, key: MeterPublicKey | None, table: TableOptions) -> OpenedFile:
        """Read claimed bytes. ``key`` is the meter's registered key, if any; ``table`` is for formats that are tables.

        Raises ``MalformedMeterFile`` when nothing can be read from them.
        """
        ...


@dataclass(frozen=True, slots=True)
class Unsigned:
    """An opened file of a format that has no signatures, or whose report is made already."""

    imported: ImportedFile
    checks: ClassVar[tuple[()]] = ()

    def report(self, holds: Sequence[bool]) -> ImportedFile:
        """The report."""
        del holds
        return self.imported
