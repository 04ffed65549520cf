"""``wattest attest collateral``: fetch collateral, look into it, serve it.

Decided here: what is asked for. What is done is in ``apps.actions``.
"""

from __future__ import annotations

from pathlib import Path

import click

from wattest.apps.cli.options import (
    COLLATERAL_AGE_DAYS,
    FETCH_CLOCK_TOLERANCE_S,
    FILE,
    INTEL_PCS_URL,
    JSON,
    LATEST_TIME,
    PATH,
    PCK_AUTHORITIES,
    ROOT,
    SERVICE_KINDS,
    TEES,
    WARN_DAYS,
    production_switch,
)


@click.group("collateral")
def collateral_group() -> None:
    """Fetch collateral, look into it, serve it."""


@collateral_group.command()
@FILE
@JSON
def show(file: Path, *, as_json: bool) -> None:
    """Say for which platform model FILE is, and from when to when each part holds. Signatures are not checked."""
    from wattest.apps.actions import attest_collateral

    attest_collateral.show(file, as_json=as_json)


@collateral_group.command()
@FILE
@click.option("--at", "now", required=True, type=click.IntRange(0, LATEST_TIME), help="Time to judge at, unix seconds.")
@click.option(
    "--maximum-age-days",
    default=COLLATERAL_AGE_DAYS,
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
@click.option(
    "--clock-tolerance",
    default=0,
    show_default=True,
    type=click.IntRange(0, 600),
    help="The policy's clock_tolerance_s.",
)
@JSON
def age(file: Path, *, now: int, maximum_age_days: int, warn_days: int, clock_tolerance: int, as_json: bool) -> int:
    """Say whether FILE can be used at a time, and how long still. Signatures are not checked."""
    from wattest.apps.actions import attest_collateral

    return attest_collateral.age(
        file,
        now=now,
        maximum_age_days=maximum_age_days,
        warn_days=warn_days,
        clock_tolerance=clock_tolerance,
        as_json=as_json,
    )


@collateral_group.command()
@click.option("--quote", type=PATH, help="Fetch for the platform that made this quote.")
@click.option("--tee", type=click.Choice(TEES), help="Without a quote: the kind of enclave.")
@click.option("--fmspc", help="Without a quote: the platform model, 12 hex digits.")
@click.option("--ca", type=click.Choice(PCK_AUTHORITIES), help="Without a quote: the PCK's CA.")
@click.option("--url", default=INTEL_PCS_URL, show_default=True, help="The service: a PCCS, or Intel's PCS.")
@click.option(
    "--service",
    type=click.Choice(SERVICE_KINDS),
    help="Which of the two it is, if its name does not say so.",
)
@click.option("--root-crl-url", help="Where a PCS's root revocation list is, if not where the root says.")
@ROOT
@click.option("--out", required=True, type=PATH, help="The collateral file to make, or to bring up to date.")
@click.option("--tls-ca", type=PATH, help="Authorities (PEM) to trust for TLS, and no others.")
@click.option("--unsafe-http", is_flag=True, help="Ask without TLS outside this machine.")
@click.option("--timeout", default=10.0, show_default=True, type=click.FloatRange(0.1, 600), help="Seconds a read.")
@click.option(
    "--deadline", default=60.0, show_default=True, type=click.FloatRange(0.1, 3_600), help="Seconds a request."
)
@click.option("--attempts", default=4, show_default=True, type=click.IntRange(1, 20), help="Tries for each request.")
@click.option(
    "--clock-tolerance",
    default=FETCH_CLOCK_TOLERANCE_S,
    show_default=True,
    type=click.IntRange(0, 86_400),
    help="Seconds that two clocks may differ.",
)
@click.option(
    "--at", "now", type=click.IntRange(0, LATEST_TIME), help="Time to check at, unix seconds; now if left out."
)
@click.option(
    "--maximum-age-days",
    default=COLLATERAL_AGE_DAYS,
    show_default=True,
    type=click.IntRange(1, 365),
    help="The policy's maximum_collateral_age_days.",
)
@JSON
@production_switch()
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
    """Fetch collateral, check it under --root, and keep it in --out, which never goes back to older collateral.

    When the service is down the file stays as it is, and the error says until when it can be used.
    """
    from wattest.apps.actions import attest_fetch

    return attest_fetch.fetch(
        quote=quote,
        tee=tee,
        fmspc=fmspc,
        ca=ca,
        url=url,
        service=service,
        root_crl_url=root_crl_url,
        root=root,
        out=out,
        tls_ca=tls_ca,
        unsafe_http=unsafe_http,
        timeout=timeout,
        deadline=deadline,
        attempts=attempts,
        clock_tolerance=clock_tolerance,
        now=now,
        maximum_age_days=maximum_age_days,
        as_json=as_json,
    )


@collateral_group.command()
@click.argument("files", nargs=-1, metavar="[FILE]...", type=PATH)
@click.option("--platform", type=PATH, help="Serve a simulated platform's, issued anew: its folder.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8081, show_default=True, type=click.IntRange(0, 65_535), help="Port; 0 for a free one.")
@click.option("--tls-cert", type=PATH, help="Serve over TLS: certificate chain, PEM.")
@click.option("--tls-key", type=PATH, help="Its private key, PEM.")
@click.option("--json", "as_json", is_flag=True, help="Print the address as one JSON object.")
@production_switch(is_long=True, platform="platform_dir")
def serve(
    files: tuple[Path, ...],
    *,
    platform: Path | None,
    host: str,
    port: int,
    tls_cert: Path | None,
    tls_key: Path | None,
    as_json: bool,
) -> None:
    """Serve the collateral in FILEs, or of a simulated platform, as a PCCS does, until Ctrl-C.

    Files are read again for each answer, so that what is fetched into them is served. For one's own network only.
    """
    from wattest.apps.actions import attest_serve

    attest_serve.serve(
        files, platform=platform, host=host, port=port, tls_cert=tls_cert, tls_key=tls_key, as_json=as_json
    )
