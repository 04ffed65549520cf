"""``wattest meter``: a household's keys; read meter files, check their signatures and checksums, print what they say.

Decided here: what is asked for. What is done is in ``apps.actions.meter_*`` and ``household_folder``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from wattest.apps.cli.options import CHANNEL_ID, DEPLOYMENT, JSON, PATH, production_switch


def table_options(function: Callable[..., object]) -> Callable[..., object]:
    """How a table of readings is to be read."""
    for option in reversed(
        (
            click.option(
                "--columns",
                metavar="MAP",
                help="CSV: which column is what, such as start=Time,duration=Seconds,import=kWh,export=Out.",
            ),
            click.option(
                "--unit",
                default="kWh",
                show_default=True,
                type=click.Choice(["mWh", "Wh", "kWh", "MWh"]),
                help="CSV: unit.",
            ),
            click.option(
                "--timezone", metavar="ZONE", help="CSV: zone of times without an offset, such as Europe/Berlin or UTC."
            ),
            click.option(
                "--time-format", metavar="FORMAT", help="CSV: how times are written, such as '%d.%m.%Y %H:%M'."
            ),
            click.option("--decimal-comma", is_flag=True, help="CSV: numbers are written 1.234,5."),
            click.option(
                "--interval",
                default=900,
                show_default=True,
                type=click.IntRange(1, 2**31),
                metavar="SECONDS",
                help="CSV: length of an interval where the table has neither end nor duration.",
            ),
        )
    ):
        function = option(function)
    return function


@click.group()
def meter() -> None:
    """Make a household's keys; read, sign and send readings."""


@meter.command("new-key", epilog="Example: wattest meter new-key flat-1")
@click.argument("folder", type=PATH)
@click.option("--name", metavar="NAME", help="What people call the household; the folder's name if left out.")
@click.option("--payee", metavar="ADDRESS", help="The account to be paid, instead of a new one whose key is made, too.")
@JSON
def new_key(folder: Path, *, name: str | None, payee: str | None, as_json: bool) -> None:
    """Make a household's keys in the new FOLDER, and the card that its manager needs.

    FOLDER gets member.toml, the card, which is no secret; meter.key, which signs readings; blinding.key, which the
    operator of the household's enclave needs, too; reader.key, which opens its readings; and payee.key, the account
    that payouts go to. Keys have mode 0600. Next: `wattest manager members add FOLDER/member.toml`.
    """
    from wattest.apps.actions import household_folder

    household_folder.new_household(folder, name=name, payee=payee, as_json=as_json)


@meter.command(
    "import",
    epilog="Example: wattest meter import session.ocmf --public-key 3059301306072A8648CE3D...  "
    "Example: wattest meter import load.csv --columns 'start=Time,import=Energy' --unit kWh --timezone Europe/Berlin",
)
@click.argument("files", nargs=-1, required=True, type=PATH, metavar="FILE...")
@click.option(
    "--public-key",
    metavar="KEY",
    help="The meter's public key for every FILE: DER, 04||X||Y or X||Y, in hex (blanks allowed), base64 or PEM; "
    "@PATH reads it from a file.",
)
@click.option(
    "--keys",
    "keys_file",
    type=PATH,
    metavar="FILE",
    help='Keys per file, as JSON: {"samples": [{"file": "a.ocmf", "public_key": "3059..."}]}.',
)
@table_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array, an object per file, and nothing else.")
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
    """Recognise, verify and print meter files: OCMF, DSMR P1, interval CSV.

    A file is judged by its content, never by its name. Signatures are checked under the key you give, which must
    reach you by another way than the readings; without one they are "unchecked". Exit code: 0, 3 for a file that
    cannot be read, 4 for a signature or checksum that does not hold; the highest among the files.
    """
    from wattest.apps.actions import meter_import

    return meter_import.import_(
        files, public_key, keys_file, columns, unit, timezone, time_format, decimal_comma, interval, as_json
    )


@meter.command(epilog="Example: wattest meter sign readings.csv --key-file flat-1/meter.key --out flat-1/blocks")
@click.argument("file", type=PATH)
@click.option("--key-file", required=True, type=PATH, help="The meter's key: FOLDER/meter.key of `meter new-key`.")
@click.option("--out", required=True, type=PATH, help="The folder for the blocks, one a day.")
@click.option("--day", "days", multiple=True, metavar="DAY", help="Sign this UTC day; all whole days if left out.")
@click.option("--import-register", metavar="KWH", help="Where it stood when the first day began, if not known.")
@click.option("--export-register", metavar="KWH", help="The same of the export register.")
@table_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array, an object per block, and nothing else.")
@production_switch()
def sign(
    file: Path,
    *,
    key_file: Path,
    out: Path,
    days: tuple[str, ...],
    import_register: str | None,
    export_register: str | None,
    columns: str | None,
    unit: str,
    timezone: str | None,
    time_format: str | None,
    decimal_comma: bool,
    interval: int,
    as_json: bool,
) -> None:
    """Sign the whole UTC days of a table of readings (CSV) as the meter would, one block a day.

    Registers go on from the day before, which a file beside the key remembers, unless the table shows them. A day with
    a gap is not signed, and no day is signed twice over other readings: an operator takes one. Next: `wattest meter
    send`.
    """
    from wattest.apps.actions import meter_sign

    meter_sign.sign(
        file,
        key_file=key_file,
        out=out,
        days=days,
        begins_at=(import_register, export_register),
        columns=columns,
        unit=unit,
        timezone=timezone,
        time_format=time_format,
        decimal_comma=decimal_comma,
        interval=interval,
        as_json=as_json,
    )


@meter.command(
    epilog="Example: wattest meter send flat-1/blocks/*.block --operator http://127.0.0.1:8547 --channel village"
)
@click.argument("files", nargs=-1, required=True, type=PATH, metavar="BLOCK...")
@click.option("--operator", "url", required=True, metavar="URL", help="Where the operator listens.")
@CHANNEL_ID
@DEPLOYMENT
@click.option(
    "--account", metavar="ADDRESS", help="Whose word it must be; the account that the operator names if left out."
)
@click.option(
    "--blinding-key",
    type=PATH,
    help="The household's blinding.key; if left out, of the block's folder or the one above.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array, an object per block, and nothing else.")
@production_switch()
def send(
    files: tuple[Path, ...],
    *,
    url: str,
    channel: str,
    address_book: Path,
    account: str | None,
    blinding_key: Path | None,
    as_json: bool,
) -> None:
    """Send signed days to an operator, which keeps each before it says so, and keep its signed word.

    BLOCK.accepted.json, beside each block, is the operator's signed promise that the block is in its period's batch.
    Exit code 4 for a block that it refuses, with the reason, and for a promise that its account did not sign; those
    before it are taken. A block that it has already is taken again without harm.
    """
    from wattest.apps.actions import meter_send

    meter_send.send(
        files,
        url=url,
        channel=channel,
        address_book=address_book,
        account=account,
        blinding_key=blinding_key,
        as_json=as_json,
    )
