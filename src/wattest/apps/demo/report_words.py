"""How the report writes what a household reads: money, energy, prices, and dates where the reader is.

Decided here: spelling and rounding for people. Not decided here: the amounts themselves, which are integers of their
own units and exact in ``bills.csv`` and in the receipts. Energy is shown to the watt-hour; money is never rounded,
since a bill is in whole cents. ``zone`` None is the zone of the machine that makes the report.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone, tzinfo

from wattest.units import MILLIWATT_HOURS_PER_KILOWATT_HOUR

WEI_PER_ETHER = 10**18
MICRO_CENTS_PER_CENT = 10**6
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def euros(cents: int) -> str:
    """Cents as an exact amount with its currency, such as ``-1,234.05 EUR``."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100:,}.{abs(cents) % 100:02d} EUR"


def owed(cents: int) -> str:
    """A bill's total as a household says it: who pays whom."""
    if cents == 0:
        return "nothing to pay"
    return f"you pay {euros(cents)}" if cents > 0 else f"you get {euros(-cents)}"


def cents(micro_cents: int) -> str:
    """A price of micro-cents in cents, exact, with at least two decimals."""
    whole, rest = divmod(micro_cents, MICRO_CENTS_PER_CENT)
    decimals = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"{whole:,}.{decimals} ct"


def kilowatt_hours(milliwatt_hours: int) -> float:
    """For charts and sums that people only look at."""
    return milliwatt_hours / MILLIWATT_HOURS_PER_KILOWATT_HOUR


def energy(milliwatt_hours: int) -> str:
    """Kilowatt-hours to the watt-hour; what is there but less than half of one is not called nothing."""
    if 0 < milliwatt_hours < MILLIWATT_HOURS_PER_KILOWATT_HOUR // 2_000:
        return "under 0.001 kWh"
    return f"{kilowatt_hours(milliwatt_hours):,.3f} kWh"


def exact_kilowatt_hours(milliwatt_hours: int) -> str:
    """All six decimals, for files."""
    whole, rest = divmod(milliwatt_hours, MILLIWATT_HOURS_PER_KILOWATT_HOUR)
    return f"{whole}.{rest:06d}"


def ether(wei: int) -> str:
    """A stake, to the thousandth."""
    return f"{wei / WEI_PER_ETHER:.3f} ETH"


def moment(time_s: int, zone: tzinfo | None) -> str:
    """A time where the reader is, such as ``1 June 2026, 02:00``."""
    at = _local(time_s, zone)
    return f"{_date(at)}, {at:%H:%M}"


def short_moment(time_s: int, zone: tzinfo | None) -> str:
    """The same for a chart's axis: ``1 Jun 02:00``."""
    at = _local(time_s, zone)
    return f"{at.day} {_MONTHS[at.month - 1][:3]} {at:%H:%M}"


def period(start_s: int, end_s: int, zone: tzinfo | None) -> str:
    """A period in local dates: whole days by their dates, anything else with its times, and what local means."""
    start, end = _local(start_s, zone), _local(end_s, zone)
    if (start.hour, start.minute, end.hour, end.minute) == (0, 0, 0, 0):
        last = _local(end_s - 1, zone)
        days = _date(start) if start.date() == last.date() else f"{_first(start, last)} to {_date(last)}"
        return f"{days} ({zone_name(start_s, zone)})"
    return f"{moment(start_s, zone)} to {moment(end_s, zone)} ({zone_name(start_s, zone)})"


def zone_name(time_s: int, zone: tzinfo | None) -> str:
    """What local means here: ``CEST, UTC+02:00``, or ``UTC``."""
    at = _local(time_s, zone)
    offset = at.utcoffset() or timedelta()
    if not offset:
        return "UTC"
    plain = timezone(offset).tzname(None)
    name = at.tzname() or plain
    return plain if name.startswith(("UTC", "+", "-")) else f"{name}, {plain}"


def _local(time_s: int, zone: tzinfo | None) -> datetime:
    return datetime.fromtimestamp(time_s, zone) if zone is not None else datetime.fromtimestamp(time_s).astimezone()


def _first(start: datetime, last: datetime) -> str:
    """The first of two dates, without what the second says as well: ``1 to 2 June 2026``."""
    if start.year != last.year:
        return _date(start)
    return f"{start.day}" if start.month == last.month else f"{start.day} {_MONTHS[start.month - 1]}"


def _date(at: datetime) -> str:
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}"
