"""What a meter's key has signed, day by day: a file beside the key.

Decided here: the file's form, and that a day is signed over one set of readings and no other, since a second block of a
day is put aside by every operator. Not decided here: the blocks (``metering.device_block``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from wattest.apps.actions.bounded_file import read_bounded
from wattest.crypto.strict_fields import Field, Reader, Refusal
from wattest.errors import InputError, VerificationError
from wattest.io.files import write_atomically
from wattest.metering.day_registers import Registers

SIGNED_FORMAT = "wattest/signed-days/1"
SUFFIX = ".signed"
MAX_BYTES = 64 * 2**20
MAX_DAYS = 100_000


class SignedDaysUnreadable(InputError):
    """The file of signed days is damaged, or of another version."""


class DaySigned(VerificationError):
    """A day that was signed before, over other readings."""


@dataclass(frozen=True, slots=True)
class SignedDay:
    """One day (its start, unix seconds): the block's digest, 32 bytes, and the registers before and after it."""

    start: int
    digest: bytes
    before: Registers
    after: Registers


@dataclass(slots=True)
class SignedDays:
    """The days of one key in ``path``, by their start."""

    path: Path
    days: dict[int, SignedDay] = field(default_factory=dict)

    @classmethod
    def beside(cls, key_file: Path) -> SignedDays:
        """The days of the key in ``key_file``. Raises: SignedDaysUnreadable."""
        path = key_file.with_name(key_file.name + SUFFIX)
        if not path.exists():
            return cls(path)

        def refuse(refusal: Refusal) -> SignedDaysUnreadable:
            return SignedDaysUnreadable(
                f"{path}, {refusal.where or 'the whole'}: {refusal.message}",
                path=path,
                hint="take it from a copy: it keeps a day from being signed twice",
                **refusal.details,
            )

        reader = Reader(refuse, shows_text=True)
        top = reader.json(read_bounded(path, MAX_BYTES), MAX_BYTES).fields("format", "days")
        top["format"].one_of({SIGNED_FORMAT})
        return cls(path, {one.start: one for one in top["days"].each(_day, MAX_DAYS)})

    def add(self, day: SignedDay) -> None:
        """Take a day in. Raises: DaySigned when it is there over other readings."""
        held = self.days.get(day.start)
        if held is not None and held.digest != day.digest:
            raise DaySigned(
                "this meter has signed the day already, over other readings",
                start=day.start,
                expected=held.digest,
                actual=day.digest,
                hint="send the block that was signed then; an operator takes one block of a day",
            )
        self.days[day.start] = day

    def write(self) -> None:
        """Keep the days, durably, before any of their blocks is handed out."""
        shown = [
            {
                "start": one.start,
                "digest": one.digest.hex(),
                "before": [one.before.imported, one.before.exported],
                "after": [one.after.imported, one.after.exported],
            }
            for one in sorted(self.days.values(), key=lambda one: one.start)
        ]
        text = json.dumps({"format": SIGNED_FORMAT, "days": shown}, indent=1) + "\n"
        write_atomically(self.path, text.encode(), mode=0o600)


def _day(field: Field) -> SignedDay:
    table = field.fields("start", "digest", "before", "after")
    before, after = (Registers(*table[name].each(lambda one: one.uint(64), 2, 2)) for name in ("before", "after"))
    return SignedDay(table["start"].uint(48), table["digest"].hex(32), before, after)
