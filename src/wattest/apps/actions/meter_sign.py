"""``wattest meter sign``: whole days of a table of readings under a meter's key, a device block a day.

Decided here: which days of a table are signed, and where registers go on. Not decided here: the table
(``metering.readers``), the block (``metering.device_block``). Invariants: the same table signs the same bytes; nothing
is signed that leaves a part of its day out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from wattest.apps.actions.bounded_file import read_bounded
from wattest.apps.actions.meter_import import zone_of
from wattest.apps.amounts import read_moment
from wattest.apps.exclusive import Claimed, exclusive
from wattest.apps.signed_days import SUFFIX, SignedDay, SignedDays
from wattest.crypto.p256 import P256PrivateKey
from wattest.errors import ConfigError, InputError
from wattest.io.files import DiskFailed, read_key_file, write_atomically
from wattest.metering.day_registers import Registers, TableDay, end_of, recorded_day, table_days
from wattest.metering.device_block import DeviceBlock, sign_device_block
from wattest.metering.meter import pseudonym
from wattest.metering.points import whole_milliwatt_hours
from wattest.metering.readers.interval_csv import TableOptions, parse_column_map, read_interval_csv
from wattest.metering.readers.table import open_table
from wattest.metering.reading import MAX_FILE_BYTES, parse_decimal, to_milliwatt_hours
from wattest.units import SECONDS_PER_DAY


class TableNotSignable(InputError):
    """A table whose intervals overlap, or that has no interval at all."""


class DayNotWhole(InputError):
    """A day of which the table has a part alone, or nothing."""


class RegistersUnknown(InputError):
    """A day that does not follow the last one that was signed, of a table that shows no registers."""


class MeterInUse(ConfigError):
    """Another process signs with this meter's key right now."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A block and the file that it went to."""

    file: Path
    block: DeviceBlock


def sign(
    file: Path,
    *,
    key_file: Path,
    out: Path,
    days: Sequence[str],
    begins_at: tuple[str | None, str | None],
    columns: str | None,
    unit: str,
    timezone: str | None,
    time_format: str | None,
    decimal_comma: bool,
    interval: int,
    as_json: bool,
) -> None:
    """What ``wattest meter sign`` does."""
    key = P256PrivateKey.from_seed(read_key_file(key_file))
    wanted = [_day(text) for text in days]
    given = _registers(begins_at)
    options = TableOptions(
        columns=parse_column_map(columns) if columns else {},
        unit=unit,
        decimal_comma=decimal_comma,
        timezone=zone_of(timezone),
        time_format=time_format,
        duration_s=interval,
    )
    data = read_bounded(file, MAX_FILE_BYTES, "a table of readings")
    imported = read_interval_csv(data, options)
    if imported.records is None:
        raise TableNotSignable(
            "no meter could have counted this table", reasons=list(imported.reasons), hint="correct the rows named"
        )
    columns_there = open_table(data, options).columns.keys()
    shown = frozenset(f"{role}_register" for role in ("import", "export")) & columns_there
    is_complete = all(f"{role}_register" in shown for role in ("import", "export") if role in columns_there)
    chosen = _chosen(list(table_days(imported.records)), wanted)
    try:
        with exclusive(key_file.with_name(f"{key_file.name}{SUFFIX}.lock")):
            kept = SignedDays.beside(key_file)
            blocks = [_sign_day(key, day, kept, given, shown, is_complete=is_complete) for day in chosen]
            kept.write()
            signed = [Signed(_named(out, block), block) for block in blocks]
            _write(out, signed)
    except Claimed as error:
        raise MeterInUse("another process signs with this key right now", path=key_file, hint="try again") from error
    _say(signed, as_json=as_json)


def _chosen(found: list[TableDay], wanted: Sequence[int]) -> list[TableDay]:
    by_start = {day.start: day for day in found}
    if wanted:
        for start in wanted:
            day = by_start.get(start)
            if day is None or not day.is_whole:
                raise DayNotWhole(
                    f"the table does not have all of {_date(start)} (UTC)",
                    expected=f"{SECONDS_PER_DAY} seconds of it",
                    actual="none" if day is None else f"{day.seconds} seconds",
                    hint="a meter signs whole UTC days: add the rows that are missing",
                )
        return [by_start[start] for start in sorted(set(wanted))]
    whole = [day for day in found if day.is_whole]
    for day in found:
        if not day.is_whole:
            click.echo(f"left out: {_date(day.start)} (UTC), of which {day.seconds} s are there", err=True)
    if not whole:
        raise DayNotWhole(
            "the table has no whole day (UTC)",
            expected=f"{SECONDS_PER_DAY} seconds of a day",
            actual=[f"{_date(day.start)}: {day.seconds} seconds" for day in found[:20]],
            hint="a meter signs whole UTC days; in local time a day takes rows of the day before or after",
        )
    return whole


def _sign_day(
    key: P256PrivateKey,
    day: TableDay,
    kept: SignedDays,
    given: Registers | None,
    shown: frozenset[str],
    *,
    is_complete: bool,
) -> DeviceBlock:
    """The day's block, known to ``kept``, which the next day goes on from.

    ``shown``: the registers that the table has; ``is_complete``: those of all its energies.
    """
    before = _last(day, kept) if is_complete else _going_on(day, kept, given)
    records = recorded_day(day, pseudonym(key.public_key), before, shown)
    block = sign_device_block(key, day.start, day.start + SECONDS_PER_DAY, records)
    kept.add(SignedDay(day.start, block.digest, before, end_of(records)))
    return block


def _last(day: TableDay, kept: SignedDays) -> Registers:
    """Where the registers stood that no energy of the table moves."""
    earlier = [start for start in kept.days if start < day.start]
    if day.start in kept.days:
        return kept.days[day.start].before
    return kept.days[max(earlier)].after if earlier else Registers(0, 0)


def _going_on(day: TableDay, kept: SignedDays, given: Registers | None) -> Registers:
    if day.start in kept.days:
        return kept.days[day.start].before
    yesterday = kept.days.get(day.start - SECONDS_PER_DAY)
    if yesterday is not None:
        return yesterday.after
    if given is not None:
        return given
    if not kept.days:
        return Registers(0, 0)
    raise RegistersUnknown(
        f"where the registers stood when {_date(day.start)} began is not known: the day before is not signed",
        expected=f"the day after {_date(max(kept.days))}",
        actual=_date(day.start),
        hint="sign the days between first, or say --import-register and --export-register, in kWh, when the day began",
    )


def _registers(begins_at: tuple[str | None, str | None]) -> Registers | None:
    if begins_at == (None, None):
        return None
    found = [to_milliwatt_hours(parse_decimal(text or "0"), "kWh") for text in begins_at]
    return Registers(*(whole_milliwatt_hours(one) for one in found if one is not None))


def _day(text: str) -> int:
    start = read_moment(text, "--day")
    if start % SECONDS_PER_DAY:
        raise DayNotWhole("--day takes a UTC day", actual=text[:40], expected="one such as 2026-03-01")
    return start


def _named(out: Path, block: DeviceBlock) -> Path:
    return out / f"{_date(block.period_start)}.block"


def _write(out: Path, signed: Sequence[Signed]) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DiskFailed(
            f"the folder for the blocks cannot be made: {error.strerror}",
            retryable=False,
            path=out,
            hint="name another with --out",
        ) from error
    for one in signed:
        write_atomically(one.file, one.block.to_bytes())


def _say(signed: Sequence[Signed], *, as_json: bool) -> None:
    if as_json:
        shown = [
            {
                "file": str(one.file),
                "period_start": one.block.period_start,
                "period_end": one.block.period_end,
                "readings": int(one.block.records.shape[0]),
                "digest": one.block.digest.hex(),
            }
            for one in signed
        ]
        click.echo(json.dumps(shown))
        return
    for one in signed:
        click.echo(f"{one.file}: {one.block.records.shape[0]} readings of {_date(one.block.period_start)} (UTC)")


def _date(start: int) -> str:
    return datetime.fromtimestamp(start, UTC).strftime("%Y-%m-%d")
