"""``wattest attest collateral serve``: a PCCS of one's own, from files or for a simulated platform.

Decided here: what is served, and how it is shown and stopped. The service itself is ``wattest.collateral.pccs_server``.
"""

from __future__ import annotations

import ssl
import time
from pathlib import Path

import click

from wattest.apps.actions.evidence_files import read_collateral
from wattest.apps.interrupts import SteadyStack
from wattest.apps.service import print_line
from wattest.attestation.collateral_check import model_named_by
from wattest.attestation.endorsements import Endorsements, endorse
from wattest.collateral.pccs_server import PccsServer, Source
from wattest.errors import ConfigError

_REISSUED_EVERY_S = 3_600


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
    """What ``wattest attest collateral serve`` does."""
    source = _source(files, platform)
    served = [str(model_named_by(each)) for each in source(int(time.time()))]
    with SteadyStack() as stack:
        server = stack.enter_context(PccsServer(source, host=host, port=port, tls=_tls(tls_cert, tls_key)))
        if as_json:
            print_line({"url": server.url, "platforms": served})
        else:
            click.echo(server.url)
            for platforms in served:
                click.echo(f"serving collateral for {platforms}; Ctrl-C stops it", err=True)
        while True:
            time.sleep(0.2)


def _source(files: tuple[Path, ...], platform: Path | None) -> Source:
    if (platform is None) == (not files):
        raise click.UsageError("name collateral files, or a simulated platform's folder by --platform")
    if platform is None:
        return lambda _: [read_collateral(file) for file in files]
    from wattest.attestation.formats.quote import TeeType
    from wattest.enclave.simulator.collateral import CollateralOptions
    from wattest.enclave.simulator.platform import SimulatedPlatform

    opened = SimulatedPlatform.open(platform)

    def issue(now: int) -> list[Endorsements]:
        at = now - now % _REISSUED_EVERY_S
        return [endorse(opened.collateral(at, CollateralOptions(tee=tee))) for tee in TeeType]

    return issue


def _tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise click.UsageError("--tls-cert and --tls-key belong together")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, password=lambda: b"")  # never ask at the terminal
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            "the TLS certificate or its key cannot be read",
            cause=error.strerror or str(error),
            certificate=str(certificate),
            key=str(key),
            hint="both in PEM, and belonging together",
        ) from error
    return context
