"""``wattest attest collateral fetch``: ask a PCCS or Intel for collateral, check it, and keep it.

Decided here: how options become a request, what is said on the way and at the end, and that a service that is down
leaves the file as it is and says until when it serves. Not decided here: what is asked and what holds
(``wattest.collateral.pccs``), what may replace what (``wattest.collateral.collateral_file``).
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from wattest.apps.actions.attest_roots import read_root
from wattest.apps.actions.bounded_file import read_bounded
from wattest.apps.actions.collateral_words import moment, printable
from wattest.apps.actions.evidence_files import read_quote
from wattest.attestation.collateral_age import CollateralLife, collateral_life, show_span
from wattest.attestation.endorsements import Endorsements
from wattest.attestation.platform_model import PckAuthority, PlatformModel, Tee, model_of, parse_fmspc
from wattest.collateral.collateral_file import CollateralFile
from wattest.collateral.pccs import (
    MAX_TLS_AUTHORITY_BYTES,
    CollateralService,
    FetchedCollateral,
    ServiceSettings,
)
from wattest.collateral.pccs_wire import ServiceKind
from wattest.errors import EXIT_DONE, TransportError


def fetch(
    *,
    quote: Path | None,
    tee: str | None,
    fmspc: str | None,
    ca: str | None,
    url: str,
    service: str | None,
    root_crl_url: str | None,
    root: str,
    out: Path,
    tls_ca: Path | None,
    unsafe_http: bool,
    timeout: float,
    deadline: float,
    attempts: int,
    clock_tolerance: int,
    now: int | None,
    maximum_age_days: int,
    as_json: bool,
) -> int:
    """What ``wattest attest collateral fetch`` does."""
    model = _model(quote, tee, fmspc, ca)
    settings = ServiceSettings(
        url,
        kind=None if service is None else ServiceKind(service),
        timeout_s=timeout,
        deadline_s=deadline,
        max_attempts=attempts,
        tls_authorities=None if tls_ca is None else read_bounded(tls_ca, MAX_TLS_AUTHORITY_BYTES),
        root_list_url=root_crl_url,
        unsafe_http=unsafe_http,
        clock_tolerance_s=clock_tolerance,
    )
    trusted, file = read_root(root), CollateralFile(out)
    kept = file.read()
    client = CollateralService(settings, report=lambda line: click.echo(printable(line), err=True))
    moment_s = int(time.time()) if now is None else now
    try:
        fetched = client.fetch_collateral(model, trusted, moment_s)
    except TransportError as error:
        if kept is not None:
            _say_what_is_there(error, kept, moment_s, maximum_age_days)
        raise
    written = file.replace(fetched.endorsements)
    _show(fetched, model, out, written, moment_s, maximum_age_days, clock_tolerance, as_json=as_json)
    return EXIT_DONE


def _model(quote: Path | None, tee: str | None, fmspc: str | None, ca: str | None) -> PlatformModel:
    named = (tee, fmspc, ca)
    if quote is not None:
        if any(part is not None for part in named):
            raise click.UsageError("--quote names the platform already: leave out --tee, --fmspc and --ca")
        return model_of(read_quote(quote))
    if tee is None or fmspc is None or ca is None:
        raise click.UsageError("name the platform: --quote, or all of --tee, --fmspc and --ca")
    return PlatformModel(Tee(tee), parse_fmspc(fmspc), PckAuthority(ca))


def _say_what_is_there(error: TransportError, kept: Endorsements, now: int, maximum_age_days: int) -> None:
    """What the file still is good for belongs to the error: whoever reads it decides whether to hurry."""
    life = collateral_life(kept, now, maximum_age_days)
    error.fields["kept_usable"] = life.is_usable
    error.fields["kept_usable_until"] = life.usable_until
    error.fields["kept_age_s"] = life.age_s
    if life.is_usable:
        error.hint = (
            f"what is there stays: {show_span(life.age_s)} old, usable until {moment(life.usable_until)}"
            f" ({show_span(life.seconds_left)} left); try again before that"
        )
    else:
        error.hint = (
            f"what is there stays, and no appraisal takes it: {show_span(life.age_s)} old, usable until"
            f" {moment(life.usable_until)}; try again, or ask another service"
        )


def _show(
    fetched: FetchedCollateral,
    model: PlatformModel,
    out: Path,
    written: bool,
    now: int,
    maximum_age_days: int,
    tolerance_s: int,
    *,
    as_json: bool,
) -> None:
    life = collateral_life(fetched.endorsements, now, maximum_age_days, tolerance_s=tolerance_s)
    warnings = _warnings(fetched, life, tolerance_s)
    if as_json:
        shown: dict[str, object] = {
            "file": str(out),
            "written": written,
            "tee": model.tee.value,
            "fmspc": model.fmspc.hex(),
            "ca": model.authority.value,
            "digest": fetched.endorsements.digest.hex(),
            "tcb_evaluation_number": fetched.endorsements.platform_statement().evaluation_number,
            "clock_ahead_s": fetched.clock_ahead_s,
            "warnings": warnings,
        }
        click.echo(json.dumps(shown | life.as_dict(), indent=2))
        return
    click.echo(f"{'wrote' if written else 'nothing newer than'} {out}: collateral for {model}")
    click.echo(f"usable until {moment(life.usable_until)} ({life.ends_first} ends first)")
    for warning in warnings:
        click.echo(f"WARNING: {warning}", err=True)


def _warnings(fetched: FetchedCollateral, life: CollateralLife, tolerance_s: int) -> list[str]:
    found = life.warnings
    ahead = fetched.clock_ahead_s
    if ahead is not None and abs(ahead) > tolerance_s:
        found.append(
            f"this machine's clock is {abs(ahead)} s {'ahead of' if ahead > 0 else 'behind'} the service's: set it, or"
            " appraisals err about dates"
        )
    return found
