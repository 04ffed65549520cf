"""A billing period: whole local days, a calendar month of them most of the time.

Decided here: which moments a local month or some local days are, in any IANA zone, whatever its clock does meanwhile.
A local day begins at the first moment that has its date: where clocks skip midnight that is later than 00:00, where
they show it twice it is the first. Not decided here: which batches lie in it (``coverage``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from wattest.errors import InputError

LONGEST_DAYS = 400
_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MONTHS = 12


class BillingPeriodInvalid(InputError):
    """A text that is no month or date, or days that no period has."""


class ZoneUnknown(InputError):
    """A name that the IANA time zone database does not have."""


@dataclass(frozen=True, slots=True)
class BillingPeriod:
    """Local days from ``first`` on, before ``until``, in the zone named ``zone``."""

    zone: str
    first: date
    until: date

    def __post_init__(self) -> None:
        if not 0 < (self.until - self.first).days <= LONGEST_DAYS:
            raise BillingPeriodInvalid(
                "a billing period has 1 to 400 days",
                expected=f"1 to {LONGEST_DAYS}",
                actual=(self.until - self.first).days,
            )
        if self.start >= self.end:
            raise BillingPeriodInvalid(
                "the zone skipped these days", zone=self.zone, actual=f"{self.first} to {self.until}"
            )

    @property
    def start(self) -> int:
        """The first moment, unix seconds."""
        return _day_begin(self.first, read_zone(self.zone))

    @property
    def end(self) -> int:
        """The first moment after it, unix seconds."""
        return _day_begin(self.until, read_zone(self.zone))

    def __str__(self) -> str:
        """As its month, or as its first and last day."""
        is_month = self.first.day == 1 and self.until == _next_month(self.first.year, self.first.month)
        if is_month:
            return f"{self.first:%Y-%m} ({self.zone})"
        return f"{self.first} to {self.until - timedelta(days=1)} ({self.zone})"


def month_of(text: str, zone: str) -> BillingPeriod:
    """The calendar month YYYY-MM. Raises: BillingPeriodInvalid, ZoneUnknown."""
    found = _MONTH.fullmatch(text)
    if found is None or not 1 <= int(found[2]) <= _MONTHS or not 1970 <= int(found[1]) < 9999:
        raise BillingPeriodInvalid("not a month", expected="YYYY-MM", actual=text[:40], hint="such as 2026-03")
    year, month = int(found[1]), int(found[2])
    return BillingPeriod(zone, date(year, month, 1), _next_month(year, month))


def days_from(text: str, days: int, zone: str) -> BillingPeriod:
    """So many local days from the date YYYY-MM-DD on. Raises: BillingPeriodInvalid, ZoneUnknown."""
    try:
        if _DATE.fullmatch(text) is None:
            raise ValueError
        first = date.fromisoformat(text)
        if not 1970 <= first.year < 9998:
            raise ValueError
    except ValueError:
        raise BillingPeriodInvalid(
            "not a date", expected="YYYY-MM-DD", actual=text[:40], hint="such as 2026-03-01"
        ) from None
    if not 0 < days <= LONGEST_DAYS:
        raise BillingPeriodInvalid("a billing period has 1 to 400 days", expected=f"1 to {LONGEST_DAYS}", actual=days)
    return BillingPeriod(zone, first, first + timedelta(days=days))


def read_zone(name: str) -> ZoneInfo:
    """An IANA zone by its name. Raises: ZoneUnknown."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ZoneUnknown("no such time zone", actual=name[:80], hint="a name such as Europe/Vienna, or UTC") from None


def local_moment(timestamp_s: int, zone: str) -> str:
    """A moment as people of the zone say it: date, time, and how far from UTC."""
    moment = datetime.fromtimestamp(timestamp_s, read_zone(zone))
    return f"{moment:%Y-%m-%d %H:%M} ({moment:%Z})" if zone != "UTC" else f"{moment:%Y-%m-%d %H:%M} (UTC)"


def local_date(timestamp_s: int, zone: str) -> str:
    """The local date of a moment, YYYY-MM-DD."""
    return f"{datetime.fromtimestamp(timestamp_s, read_zone(zone)):%Y-%m-%d}"


def _next_month(year: int, month: int) -> date:
    return date(year + month // _MONTHS, month % _MONTHS + 1, 1)


def _day_begin(day: date, zone: ZoneInfo) -> int:
    """The first moment whose local date is ``day``, or later where a zone skipped the day (Samoa, 2011-12-30)."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    for fold in (0, 1):
        moment = midnight.replace(fold=fold)
        if moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == midnight.replace(tzinfo=None):
            return int(moment.timestamp())
    # No such time: a gap. Read with the offset before it, midnight lies as far behind the gap's begin as clocks jump.
    before = midnight.replace(fold=0).utcoffset()
    after = midnight.replace(fold=1).utcoffset()
    assert before is not None  # every zone has offsets
    assert after is not None
    utc = int(midnight.replace(fold=0).timestamp())
    return _gap_end(utc - abs(int((after - before).total_seconds())), utc, zone, day)


def _gap_end(low: int, high: int, zone: ZoneInfo, day: date) -> int:
    """The first second in (low, high] whose local date is ``day`` or later."""
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).date() >= day:
            high = middle
        else:
            low = middle
    return high
