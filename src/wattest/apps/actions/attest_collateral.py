"""``wattest attest collateral``: what a collateral file holds, and how long it can still be used.

Decided here: what is printed, and exit code 4 for collateral that no appraisal at that time would take. Nothing here
checks a signature: that is ``attest verify``'s and ``fetch``'s, and the output says so.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from wattest.apps.actions.collateral_words import moment, printable
from wattest.apps.actions.evidence_files import read_collateral
from wattest.attestation.collateral_age import (
    Freshness,
    Part,
    collateral_life,
    dated_parts,
    show_span,
)
from wattest.errors import EXIT_DONE, EXIT_VERIFICATION


def show(file: Path, *, as_json: bool) -> None:
    """What ``wattest attest collateral show`` does."""
    endorsements = read_collateral(file)
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
        click.echo(printable(f"{name.replace('_', ' ') + ':':<23} {words}"))
    for part in parts:
        click.echo(f"{part.name:<35} {moment(part.issued_at)} to {moment(part.expires_at)}")


def age(file: Path, *, now: int, maximum_age_days: int, warn_days: int, clock_tolerance: int, as_json: bool) -> int:
    """What ``wattest attest collateral age`` does."""
    endorsements = read_collateral(file)
    life = collateral_life(endorsements, now, maximum_age_days, warn_days=warn_days, tolerance_s=clock_tolerance)
    judged = [(part, part.freshness(life.judged_at, maximum_age_days, warn_days)) for part in dated_parts(endorsements)]
    if as_json:
        shown = [_as_dict(part, freshness, now, maximum_age_days) for part, freshness in judged]
        click.echo(json.dumps(life.as_dict() | {"warnings": life.warnings, "parts": shown}, indent=2))
        return EXIT_DONE if life.is_usable else EXIT_VERIFICATION
    for part, freshness in judged:
        state, left = freshness.value.replace("_", " "), show_span(part.usable_until(maximum_age_days) - now)
        click.echo(f"{part.name:<35} {state:<12} age {show_span(now - part.issued_at)}, {left} left")
    for warning in life.warnings:
        click.echo(f"WARNING: {warning}")
    if life.is_usable:
        click.echo(f"usable until {moment(life.usable_until)} ({life.ends_first} ends first)")
    elif life.ahead_s:
        click.echo(f"NOT USABLE: issued {show_span(life.ahead_s)} after this time: set the clock")
    else:
        click.echo(f"NOT USABLE: {life.ends_first} ended {show_span(-life.seconds_left)} ago: fetch it again")
    return EXIT_DONE if life.is_usable else EXIT_VERIFICATION


def _as_dict(part: Part, freshness: Freshness, now: int, maximum_age_days: int) -> dict[str, object]:
    return {
        "name": part.name,
        "state": freshness.value,
        "issued_at": part.issued_at,
        "expires_at": part.expires_at,
        "age_seconds": now - part.issued_at,
        "seconds_left": part.usable_until(maximum_age_days) - now,
    }
