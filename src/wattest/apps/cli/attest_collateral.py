"""``wattest attest collateral``: what a collateral file holds, and how long it can still be used.

Decided here: what is printed, and exit code 4 for collateral that no appraisal at that time would take. Nothing here
checks a signature: that is ``attest verify``'s, and the output says so.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from wattest.apps.cli.bounded_file import read_bounded
from wattest.attestation.collateral_age import Freshness, Part, dated_parts
from wattest.attestation.endorsements import Endorsements, parse_endorsements
from wattest.attestation.formats.collateral import MAX_COLLATERAL_BYTES, CollateralMalformed
from wattest.attestation.policy import DEFAULT_COLLATERAL_AGE_DAYS
from wattest.errors import EXIT_DONE, EXIT_VERIFICATION
from wattest.units import SECONDS_PER_DAY

LATEST_TIME = 253_402_300_799  # 9999-12-31T23:59:59Z
WARN_DAYS = 2
_USABLE = (Freshness.FRESH, Freshness.ENDING)

_FILE = click.argument("file", type=click.Path(path_type=Path))
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group("collateral")
def collateral_group() -> None:
    """Look into collateral."""


@collateral_group.command()
@_FILE
@_JSON
def show(file: Path, *, as_json: bool) -> None:
    """Say for which platform model FILE is, and from when to when each part holds. Signatures are not checked."""
    endorsements = _read(file)
    platform, quoting = endorsements.platform_statement(), endorsements.quoting_enclave_statement()
    parts = dated_parts(endorsements)
    facts: dict[str, object] = {
        "digest": endorsements.digest.hex(),
        "kind": platform.id,
        "fmspc": platform.fmspc.hex() if platform.fmspc is not None else None,
        "pce_id": platform.pce_id.hex() if platform.pce_id is not None else None,
        "tcb_evaluation_number": platform.evaluation_number,
        "qe_evaluation_number": quoting.evaluation_number,
        "signatures_checked": False,
    }
    if as_json:
        shown = [{"name": part.name, "issued_at": part.issued_at, "expires_at": part.expires_at} for part in parts]
        click.echo(json.dumps(facts | {"parts": shown}, indent=2))
        return
    for name, value in facts.items():
        words = "-" if value is None else "no" if value is False else str(value)
        click.echo(_printable(f"{name.replace('_', ' ') + ':':<23} {words}"))
    for part in parts:
        click.echo(f"{part.name:<35} {_moment(part.issued_at)} to {_moment(part.expires_at)}")


@collateral_group.command()
@_FILE
@click.option("--at", "now", required=True, type=click.IntRange(0, LATEST_TIME), help="Time to judge at, unix seconds.")
@click.option(
    "--maximum-age-days",
    default=DEFAULT_COLLATERAL_AGE_DAYS,
    show_default=True,
    type=click.IntRange(1, 365),
    help="The policy's maximum_collateral_age_days.",
)
@click.option(
    "--warn-days",
    default=WARN_DAYS,
    show_default=True,
    type=click.IntRange(0, 365),
    help="Warn so long before the end.",
)
@_JSON
def age(file: Path, *, now: int, maximum_age_days: int, warn_days: int, as_json: bool) -> int:
    """Say whether FILE can be used at a time, and how long still. Signatures are not checked."""
    judged = [(part, part.freshness(now, maximum_age_days, warn_days)) for part in dated_parts(_read(file))]
    usable = all(freshness in _USABLE for _, freshness in judged)
    first = min((part for part, _ in judged), key=lambda part: part.usable_until(maximum_age_days))
    until = first.usable_until(maximum_age_days)
    ending = any(freshness is Freshness.ENDING for _, freshness in judged)
    if as_json:
        click.echo(
            json.dumps(
                {
                    "usable": usable,
                    "ending": ending,
                    "usable_until": until,
                    "seconds_left": until - now,
                    "ends_first": first.name,
                    "parts": [_as_dict(part, freshness, now, maximum_age_days) for part, freshness in judged],
                },
                indent=2,
            )
        )
        return EXIT_DONE if usable else EXIT_VERIFICATION
    for part, freshness in judged:
        state, left = freshness.value.replace("_", " "), _span(part.usable_until(maximum_age_days) - now)
        click.echo(f"{part.name:<35} {state:<12} age {_span(now - part.issued_at)}, {left} left")
    if not usable:
        click.echo("NOT USABLE: fetch it again, and check the clock")
    elif ending:
        click.echo(f"WARNING: usable until {_moment(until)} only ({first.name}): fetch it again now")
    else:
        click.echo(f"usable until {_moment(until)} ({first.name} ends first)")
    return EXIT_DONE if usable else EXIT_VERIFICATION


def _as_dict(part: Part, freshness: Freshness, now: int, maximum_age_days: int) -> dict[str, object]:
    return {
        "name": part.name,
        "state": freshness.value,
        "issued_at": part.issued_at,
        "expires_at": part.expires_at,
        "age_seconds": now - part.issued_at,
        "seconds_left": part.usable_until(maximum_age_days) - now,
    }


def _read(file: Path) -> Endorsements:
    return parse_endorsements(read_bounded(file, MAX_COLLATERAL_BYTES))


def _moment(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (ValueError, OverflowError, OSError) as error:
        raise CollateralMalformed("the collateral has a date outside the calendar") from error


def _span(seconds: int) -> str:
    days, rest = divmod(abs(seconds), SECONDS_PER_DAY)
    return f"{'-' if seconds < 0 else ''}{days} d {rest // 3600} h"


def _printable(line: str) -> str:
    return "".join(part if part.isprintable() else "?" for part in line)
