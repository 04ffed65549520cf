"""Collateral for a node that runs for months: kept in a file, fetched again before it ends, refused once it has.

Decided here: when it is fetched again, how long a failing service is left alone, and what is reported when. Not decided
here: how it is fetched (``pccs``), what may replace what (``collateral_file``), how long it can be used
(``attestation.collateral_age``).

Invariants: nothing is handed out that no appraisal would take for its dates; a service that is down, or answers
wrongly, costs nothing while what is there can still be used; it is asked at most once in each pause.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from wattest.attestation.appraisal_policy import DEFAULT_COLLATERAL_AGE_DAYS
from wattest.attestation.collateral_age import DEFAULT_WARN_DAYS, CollateralLife, collateral_life, show_span
from wattest.attestation.endorsements import Endorsements
from wattest.attestation.platform_model import PlatformModel
from wattest.attestation.roots import TrustRoot
from wattest.collateral.collateral_file import CollateralFile
from wattest.collateral.pccs import CollateralService
from wattest.errors import TransportError, WattestError
from wattest.units import SECONDS_PER_DAY

FIRST_PAUSE_S = 60.0
LONGEST_PAUSE_S = 3_600.0


class CollateralUnusable(TransportError):
    """No collateral at hand that an appraisal would take, and none to be had now."""


@dataclass(frozen=True, slots=True)
class SupplySettings:
    """The platform and root that collateral is for, and the policy's limits; ``warn_days`` say when it is renewed."""

    model: PlatformModel
    root: TrustRoot
    maximum_age_days: int = DEFAULT_COLLATERAL_AGE_DAYS
    warn_days: int = DEFAULT_WARN_DAYS
    clock_tolerance_s: int = 0


class CollateralSupply:
    """Call it with a time (unix seconds) for collateral in JSON; ``service`` None: somebody else renews the file.

    ``report`` gets what an operator should know, in words; ``clock`` paces retries, nothing else.
    """

    def __init__(
        self,
        file: CollateralFile,
        service: CollateralService | None,
        settings: SupplySettings,
        *,
        report: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file, self._service, self._settings = file, service, settings
        self._report, self._clock = report, clock
        self._pause_s = FIRST_PAUSE_S
        self._ask_from: float | None = None
        self._days_reported: int | None = None

    def __call__(self, now: int) -> bytes:
        """Collateral that can be used at ``now``, in JSON; asks the service when that is soon no longer so.

        Raises:
            CollateralUnusable: none can be used, and none is to be had.
            CollateralMalformed, DiskFailed: as the file's ``read`` does.
        """
        kept = self._file.read()
        life = self._life(kept, now)
        failure: WattestError | None = None
        if (life is None or not life.is_usable or life.is_ending) and self._service is not None and self._may_ask():
            failure = self._renew(self._service, now)
            kept = self._file.read()
            life = self._life(kept, now)
        if kept is None or life is None or not life.is_usable:
            raise CollateralUnusable(
                "there is no collateral that can be used",
                retryable=True,
                path=self._file.path,
                usable_until=life.usable_until if life is not None else None,
                issued_ahead_s=life.ahead_s if life is not None else None,
                cause=failure.message if failure is not None else None,
                hint="wattest attest collateral fetch asks another service; set the clock if it is off",
            )
        if life.is_ending:
            self._warn(life, failure)
        return kept.collateral.to_json()

    def _life(self, kept: Endorsements | None, now: int) -> CollateralLife | None:
        if kept is None:
            return None
        settings = self._settings
        return collateral_life(
            kept,
            now,
            settings.maximum_age_days,
            warn_days=settings.warn_days,
            tolerance_s=settings.clock_tolerance_s,
        )

    def _may_ask(self) -> bool:
        return self._ask_from is None or self._clock() >= self._ask_from

    def _renew(self, service: CollateralService, now: int) -> WattestError | None:
        try:
            fetched = service.fetch_collateral(self._settings.model, self._settings.root, now)
            written = self._file.replace(fetched.endorsements)
        except WattestError as error:
            self._ask_from = self._clock() + self._pause_s
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
            self._report(
                f"collateral was not renewed: {error.message}; asking again in {self._pause_s / 2:.0f} s or more"
            )
            return error
        # A service with nothing newer is not asked at every call, either.
        self._ask_from = self._clock() + LONGEST_PAUSE_S
        self._pause_s = FIRST_PAUSE_S
        self._days_reported = None
        if written:
            self._report(f"collateral renewed for {self._settings.model}")
        return None

    def _warn(self, life: CollateralLife, failure: WattestError | None) -> None:
        days = life.seconds_left // SECONDS_PER_DAY
        if days == self._days_reported and failure is None:
            return
        self._days_reported = days
        self._report(f"collateral can be used for {show_span(life.seconds_left)} more ({life.ends_first} ends first)")
