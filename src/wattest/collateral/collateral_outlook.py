"""Looks ahead for a registration's collateral, long before the renewal that will need it.

Decided here: how often it is looked at and when something is said. Not decided here: where collateral comes from
(``collateral_supply``), what the contract has (``chain_collateral``), when a renewal is due (``key_life``). Invariants:
looking changes no key and stops nothing; one trouble is said once a day, and again when it changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wattest.attestation.collateral_age import DEFAULT_WARN_DAYS, show_span
from wattest.collateral.chain_collateral import HINT, StoredLife
from wattest.errors import WattestError
from wattest.store.enclave_key import PreparedRegistration
from wattest.units import SECONDS_PER_DAY

LOOK_EVERY_S = 3_600


@dataclass(frozen=True, slots=True)
class CollateralWarning:
    """What the next registration will miss: a name for it, words, and what to do about it."""

    channel: bytes
    code: str
    because: str
    hint: str | None


class CollateralOutlook:
    """Ask it at every step with the chain's time (unix seconds); it looks once an hour of that.

    ``endorsements`` gives this platform's collateral for a time, or raises why there is none. ``on_chain`` says what
    the contract has for a registration; None where the operator brings its own collateral there, or appraisers judge.
    """

    def __init__(
        self,
        endorsements: Callable[[int], bytes],
        on_chain: Callable[[PreparedRegistration], StoredLife] | None = None,
        *,
        warn_s: int = DEFAULT_WARN_DAYS * SECONDS_PER_DAY,
    ) -> None:
        self._endorsements = endorsements
        self._on_chain = on_chain
        self._warn_s = warn_s
        self._look_from: dict[bytes, int] = {}
        self._said: dict[bytes, tuple[str, int]] = {}

    def look(self, channel: bytes, registered: PreparedRegistration | None, now: int) -> list[CollateralWarning]:
        """What is to be said now; nothing most of the time. ``registered`` is the registration in force."""
        if now < self._look_from.get(channel, 0):
            return []
        self._look_from[channel] = now + LOOK_EVERY_S
        try:
            self._endorsements(now)
            found = None if registered is None else self._look_at_chain(registered, now)
        except WattestError as error:
            found = CollateralWarning(channel, error.code, error.message, error.hint)
        if found is None:
            self._said.pop(channel, None)
            return []
        said = (found.code, now // SECONDS_PER_DAY)
        if self._said.get(channel) == said:
            return []
        self._said[channel] = said
        return [found]

    def _look_at_chain(self, registered: PreparedRegistration, now: int) -> CollateralWarning | None:
        if self._on_chain is None:
            return None
        life = self._on_chain(registered)
        life.require(now)
        if life.usable_until - now >= self._warn_s:
            return None
        left = show_span(life.usable_until - now)
        return CollateralWarning(
            registered.channel,
            "ChainCollateralEnding",
            f"collateral on chain can be used for {left} more ({life.ends_first} ends first)",
            HINT,
        )
