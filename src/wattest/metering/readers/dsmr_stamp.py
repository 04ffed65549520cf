"""Times as P1 telegrams write them: YYMMDDhhmmss and S for summer time or W for winter time.

Decided here: which moment a stamp names, and what is doubtful about it. Not decided here: what a doubt means for a
record (``dsmr``). S is UTC+2 and W is UTC+1, whatever the season: the mark is believed, and one that the season
contradicts is named. DSMR P1 companion standard 5.0.2, 6.4 (TST); Directive 2000/84/EC for the season.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

STAMP_LENGTHS = (12, 13)
_STAMP = re.compile(r"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)([SW]?)", re.ASCII)
_HOUR = timedelta(hours=1)


class Doubt(StrEnum):
    """Why a moment may not be what its stamp says, in words for people."""

    NO_LETTER = "a time without the letter S or W was taken as Central European time by the rule of the EU"
    HAPPENS_TWICE = "a time without the letter S or W happens twice in that night; the first was taken"
    NEVER_HAPPENS = "a time without the letter S or W does not exist in that night"
    SUMMER_IN_WINTER = "a time is marked S (summer time) in winter: the meter's clock may be an hour off"
    WINTER_IN_SUMMER = "a time is marked W (winter time) in summer: the meter may keep winter time all year"

    @property
    def is_uncertain(self) -> bool:
        """Whether the moment itself may be wrong by an hour."""
        return self in (Doubt.HAPPENS_TWICE, Doubt.NEVER_HAPPENS, Doubt.SUMMER_IN_WINTER)


@dataclass(frozen=True, slots=True)
class Stamp:
    """A moment in UTC, None for a date that does not exist, and what is doubtful about it."""

    time: datetime | None
    doubt: Doubt | None = None


def parse_stamp(text: str) -> Stamp | None:
    """Read a stamp; None for text that is none. Meters write impossible dates for "never", such as 632525252525."""
    matched = _STAMP.fullmatch(text) if len(text) in STAMP_LENGTHS else None
    if matched is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in matched.groups()[:6])
    try:
        local = datetime(2000 + year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return Stamp(None)
    if matched[7] == "S":
        return Stamp(local - 2 * _HOUR, None if _is_summer(local - 2 * _HOUR) else Doubt.SUMMER_IN_WINTER)
    if matched[7] == "W":
        return Stamp(local - _HOUR, Doubt.WINTER_IN_SUMMER if _is_summer(local - _HOUR) else None)
    return _without_letter(local)


def _without_letter(local: datetime) -> Stamp:
    """By the rule of the EU; of an hour that happens twice the first pass, as if the clocks had not gone back yet."""
    may_be_summer, may_be_winter = _is_summer(local - 2 * _HOUR), not _is_summer(local - _HOUR)
    if may_be_summer:
        return Stamp(local - 2 * _HOUR, Doubt.HAPPENS_TWICE if may_be_winter else Doubt.NO_LETTER)
    if may_be_winter:
        return Stamp(local - _HOUR, Doubt.NO_LETTER)
    return Stamp(local - 2 * _HOUR, Doubt.NEVER_HAPPENS)


def _is_summer(moment: datetime) -> bool:
    """From 01:00 UTC on the last Sunday of March to 01:00 UTC on that of October."""
    return _last_sunday(moment.year, 3) <= moment < _last_sunday(moment.year, 10)


def _last_sunday(year: int, month: int) -> datetime:
    last = datetime(year, month, 31, 1, tzinfo=UTC)
    return last - timedelta(days=(last.weekday() + 1) % 7)
