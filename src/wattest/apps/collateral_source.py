"""Where a running operator has its platform's collateral from, as its file says.

Decided here: that the [collateral] table stands before what the simulated platform issues for itself, and how patiently
a service is asked while everything else waits. Not decided here: when it is asked (``collateral.collateral_supply``),
what holds (``collateral.pccs``), what the table's words are (``node_files``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from wattest.apps.node_files import CollateralPlace
from wattest.attestation.evidence import parse_evidence
from wattest.attestation.platform_model import model_of
from wattest.attestation.roots import parse_root
from wattest.collateral.collateral_file import CollateralFile
from wattest.collateral.collateral_supply import CollateralSupply, SupplySettings
from wattest.collateral.pccs import CollateralService
from wattest.enclave.simulator.platform import SimulatedPlatform

DEADLINE_S = 15.0


def collateral_source(
    place: CollateralPlace | None, platform: SimulatedPlatform, report: Callable[[str], None]
) -> Callable[[int], bytes]:
    """Collateral in JSON for a time (unix seconds): from the place that is configured, else the platform's own.

    ``report`` gets what the operator should know, in words.
    """
    if place is None:
        return lambda now: platform.collateral(now).to_json()
    zeros = bytes(32)
    quote = platform.quote(measurement=zeros, signer=zeros, product=0, svn=0, report_data=bytes(64))
    settings = SupplySettings(
        model_of(parse_evidence(quote)),
        parse_root(platform.root_certificate),
        maximum_age_days=place.maximum_age_days,
        warn_days=place.warn_days,
        clock_tolerance_s=place.clock_tolerance_s,
    )
    service = None
    if place.service is not None:
        # Meters and deadlines wait while a service does not answer: one try, and the supply paces the next.
        patient = replace(place.service, max_attempts=1, deadline_s=DEADLINE_S)
        service = CollateralService(patient)
    return CollateralSupply(CollateralFile(place.file), service, settings, report=report)
