"""A billing period is whole local days, whatever the zone's clock does."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime

import pytest

from wattest.settling.billing_period import (
    BillingPeriod,
    BillingPeriodInvalid,
    ZoneUnknown,
    days_from,
    local_date,
    local_moment,
    month_of,
)


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("month", "zone", "start", "end", "hours"),
    [
        ("2026-03", "UTC", "2026-03-01T00:00", "2026-04-01T00:00", 744),
        ("2026-03", "Europe/Vienna", "2026-02-28T23:00", "2026-03-31T22:00", 743),  # the clock skips an hour
        ("2026-10", "Europe/Vienna", "2026-09-30T22:00", "2026-10-31T23:00", 745),
        ("2024-02", "Europe/Vienna", "2024-01-31T23:00", "2024-02-29T23:00", 29 * 24),
        ("2026-02", "Europe/Vienna", "2026-01-31T23:00", "2026-02-28T23:00", 28 * 24),
        ("2026-12", "Asia/Kathmandu", "2026-11-30T18:15", "2026-12-31T18:15", 744),
        ("2026-01", "Pacific/Kiritimati", "2025-12-31T10:00", "2026-01-31T10:00", 744),
        ("2025-11", "America/Havana", "2025-11-01T04:00", "2025-12-01T05:00", 721),
    ],
)
def test_a_local_month(month: str, zone: str, start: str, end: str, hours: int) -> None:
    period = month_of(month, zone)
    assert (period.start, period.end) == (utc(start), utc(end))
    assert period.end - period.start == hours * 3600
    assert str(period) == f"{month} ({zone})"


def test_months_follow_each_other_without_gap_or_overlap() -> None:
    for zone in ("Europe/Vienna", "America/Sao_Paulo", "Pacific/Apia", "Africa/Cairo", "Asia/Beirut", "UTC"):
        months = [month_of(f"{year}-{month:02d}", zone) for year in range(2008, 2027) for month in range(1, 13)]
        assert all(before.end == after.start for before, after in itertools.pairwise(months)), zone


def test_days_where_midnight_is_skipped_or_shown_twice() -> None:
    skipped = days_from("2018-11-04", 1, "America/Sao_Paulo")
    assert local_moment(skipped.start, skipped.zone) == "2018-11-04 01:00 (-02)"
    assert skipped.end - skipped.start == 23 * 3600
    twice = days_from("2025-11-02", 1, "America/Havana")
    assert (twice.start, twice.end - twice.start) == (utc("2025-11-02T04:00"), 25 * 3600)
    assert local_date(twice.start - 1, twice.zone) == "2025-11-01"


def test_a_day_that_the_zone_skipped_is_no_period() -> None:
    with pytest.raises(BillingPeriodInvalid, match="skipped"):
        days_from("2011-12-30", 1, "Pacific/Apia")
    around = days_from("2011-12-29", 3, "Pacific/Apia")
    assert around.end - around.start == 2 * 86_400


@pytest.mark.parametrize(
    "text", ["2026-13", "2026-00", "2026-3", "26-03", "2026-03-01", "", "1969-12", "9999-12", "²026-03"]
)
def test_what_is_no_month(text: str) -> None:
    with pytest.raises(BillingPeriodInvalid, match="not a month"):
        month_of(text, "UTC")


@pytest.mark.parametrize(
    ("text", "days"), [("2026-02-29", 1), ("2026-3-1", 1), ("20260301", 1), ("2026-03-01", 0), ("2026-03-01", 401)]
)
def test_what_is_no_row_of_days(text: str, days: int) -> None:
    with pytest.raises(BillingPeriodInvalid):
        days_from(text, days, "UTC")
    assert days_from("2024-02-29", 400, "UTC").until == date(2025, 4, 4)


@pytest.mark.parametrize("zone", ["Vienna", "../etc/passwd", "", "Europe/Vienna\0", "/etc/localtime"])
def test_what_is_no_zone(zone: str) -> None:
    with pytest.raises(ZoneUnknown):
        BillingPeriod(zone, date(2026, 3, 1), date(2026, 4, 1))


def test_days_are_named_by_their_first_and_last() -> None:
    assert str(days_from("2026-03-01", 14, "UTC")) == "2026-03-01 to 2026-03-14 (UTC)"
    assert str(days_from("2026-03-01", 31, "UTC")) == "2026-03 (UTC)"
