"""``wattest meter``: read meter files, check their signatures and checksums, print what they say.

Decided here: how files and keys are found and how results print. Not decided here: any verdict (``wattest.metering``).
Every file named is reported, also one that cannot be opened; the exit code is the highest among the files.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path, PurePath
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from wattest.apps.actions.public_keys_file import KeysFileInvalid, read_public_keys
from wattest.errors import InputError

if TYPE_CHECKING:
    from datetime import tzinfo

    from rich.console import Console

    from wattest.metering.readers.interval_csv import TableOptions
    from wattest.metering.readers.public_key import MeterPublicKey
    from wattest.metering.reading import ImportedFile

_ROWS_SHOWN = 40
_COLOURS = {"valid": "green", "ok": "green", "invalid": "bold red", "failed": "bold red", "unchecked": "yellow"}


def import_(
    files: tuple[Path, ...],
    public_key: str | None,
    keys_file: Path | None,
    columns: str | None,
    unit: str,
    timezone: str | None,
    time_format: str | None,
    decimal_comma: bool,
    interval: int,
    as_json: bool,
) -> int:
    """What ``wattest meter import`` does."""
    from wattest.metering.readers.interval_csv import TableOptions, parse_column_map

    if public_key is not None and keys_file is not None:
        raise click.UsageError("--public-key and --keys exclude each other")
    table = TableOptions(
        columns=parse_column_map(columns) if columns else {},
        unit=unit,
        decimal_comma=decimal_comma,
        timezone=zone_of(timezone),
        time_format=time_format,
        duration_s=interval,
    )
    one_key = _key_text(public_key) if public_key is not None else None
    keys = _Keys(keys_file) if keys_file is not None else None
    results = [(str(path), _read(path, one_key, keys, table)) for path in files]
    if as_json:
        shown = [imported.as_dict(name) for name, imported in results]
        click.echo(json.dumps(shown, indent=2))
    else:
        from wattest.apps.terminal import console as console_of

        console = console_of(sys.stdout)
        for name, imported in results:
            _show(console, name, imported)
    return max(imported.exit_code for _, imported in results)


class _Keys:
    """The keys of a --keys file: by the path as given, else by the file's own name."""

    def __init__(self, path: Path) -> None:
        self._by_name = read_public_keys(path)

    def of(self, path: Path) -> str | None:
        """The key's text for ``path``, or None."""
        for name in (str(path), path.as_posix()):
            if name in self._by_name:
                return self._by_name[name]
        found = {text for name, text in self._by_name.items() if PurePath(name).name == path.name}
        if len(found) > 1:
            raise KeysFileInvalid(
                f"the --keys file names several keys for {path.name}",
                hint="give the file's path as it is written there",
            )
        return found.pop() if found else None


def _read(path: Path, one_key: str | None, keys: _Keys | None, table: TableOptions) -> ImportedFile:
    """Read one file; what stops its reading becomes its report."""
    from dataclasses import replace

    from wattest.metering.readers.public_key import MalformedPublicKey, parse_public_key
    from wattest.metering.readers.recognise import format_name, read_meter_file
    from wattest.metering.reading import MAX_FILE_BYTES, unreadable

    try:
        data = _bounded(path, MAX_FILE_BYTES)
    except InputError as error:
        return unreadable(error)
    key: MeterPublicKey | None = None
    trouble: str | None = None
    try:
        text = keys.of(path) if keys is not None else one_key
        key = parse_public_key(text) if text is not None else None
    except (MalformedPublicKey, KeysFileInvalid) as error:
        trouble = f"the key given for this file cannot be used: {error.message}"
    try:
        imported = read_meter_file(data, key, table)
    except InputError as error:
        imported = unreadable(error, format_name(data))
    if trouble is None:
        return imported
    return replace(imported, malformed=True, reasons=(*imported.reasons, trouble))


def _bounded(path: Path, most: int) -> bytes:
    """A file's bytes, at most ``most``; raises ``InputError`` when it cannot be opened or is larger."""
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(f"cannot open {path}: {reason}", hint="check the path and its permissions") from error
    if len(data) > most:
        raise InputError(f"{path} is larger than {most // 2**20} MiB", hint="split it", expected=most)
    return data


def _key_text(given: str) -> str:
    if not given.startswith("@"):
        return given
    return _bounded(Path(given[1:]), 65_536).decode("latin-1")


def zone_of(name: str | None) -> tzinfo | None:
    """The time zone that ``--timezone`` names, if any. Raises: BadParameter."""
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise click.BadParameter(f"no time zone {name!r} on this machine", param_hint="--timezone") from error


def _show(console: Console, name: str, imported: ImportedFile) -> None:
    from rich.text import Text

    from wattest.apps.terminal import table_lines, width_of
    from wattest.metering.reading import plain

    head = Text.assemble((_printable(name), "bold"), f"  {imported.format}  signature ")
    head.append(str(imported.signature), _COLOURS.get(imported.signature, ""))
    head.append("  crc ").append(str(imported.crc), _COLOURS.get(imported.crc, ""))
    head.append("  billable" if imported.billable else "  not billable", "green" if imported.billable else "yellow")
    console.print(head)
    for reason in imported.reasons:
        console.print(Text(f"  - {_printable(reason)}"))
    if imported.readings:
        rows = [
            [
                "" if cell is None else _printable(str(cell))
                for cell in (
                    reading.obis,
                    plain(reading.value),
                    reading.unit,
                    reading.time.strftime("%Y-%m-%d %H:%M:%S") if reading.time else None,
                    reading.status,
                )
            ]
            for reading in imported.readings[:_ROWS_SHOWN]
        ]
        for line in table_lines(
            ("OBIS", "value", "unit", "time (UTC)", "status"), rows, width_of(sys.stdout), right=(1,)
        ):
            console.print(Text(line))
        if len(imported.readings) > _ROWS_SHOWN:
            console.print(f"  and {len(imported.readings) - _ROWS_SHOWN} more readings (--json prints all)")


def _printable(text: str) -> str:
    """Text from a file without control characters: a terminal must not obey what a meter file says."""
    return "".join(character if character.isprintable() else "?" for character in text)
