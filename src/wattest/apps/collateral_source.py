"""Where a running operator has its platform's collateral from, as its file says.

Decided here: that the [collateral] table stands before what a platform issues for itself, and how patiently
a service is asked while everything else waits. Not decided here: when it is asked (``collateral.collateral_supply``),
what holds (``collateral.pccs``), what the table's words are (``operator_file``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from wattest.apps.operator_file import CollateralPlace
from wattest.collateral.collateral_file import CollateralFile
from wattest.collateral.collateral_supply import CollateralSupply, SupplySettings
from wattest.collateral.pccs import CollateralService
from wattest.enclave.host.platform import EnclavePlatform
from wattest.errors import ConfigError

DEADLINE_S = 15.0


class CollateralUnnamed(ConfigError):
    """A platform that issues no collateral, and a configuration that names nobody who does."""


def collateral_source(
    place: CollateralPlace | None, platform: EnclavePlatform, report: Callable[[str], None]
) -> Callable[[int], bytes]:
    """Collateral in JSON for a time (unix seconds): from the place that is configured, else the platform's own.

    ``report`` gets what the operator should know, in words.
    """
    if place is None:
        return lambda now: _own(platform, now)
    settings = SupplySettings(
        platform.model(),
        platform.root,
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


def _own(platform: EnclavePlatform, now: int) -> bytes:
    issued = platform.collateral(now)
    if issued is None:
        raise CollateralUnnamed(
            "the platform issues no collateral of its own", place="collateral", actual=platform.name,
            hint="add [collateral]: docs/howto/run-an-operator.md",
        )  # fmt: skip
    return issued
