"""How long collateral can still be used: each part's issue and expiry, what of it ends first, and when to warn.

Decided here: which dates a collateral has, when to fetch it again, and how far behind a clock may be. Not decided here:
whether its signatures hold (``verification``), so that nothing here is a verdict; the limits are those that
``appraisal`` applies.

Invariants: what is called usable here is never refused for its dates by an appraisal at the same time under a policy
with the same age and the same clock tolerance.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cryptography import x509

from wattest.attestation.endorsements import Endorsements
from wattest.attestation.formats.collateral import CollateralMalformed
from wattest.attestation.formats.der import X509_FAULTS
from wattest.units import SECONDS_PER_DAY

MAX_CHAIN = 16
DEFAULT_WARN_DAYS = 2


class Freshness(StrEnum):
    """How one part stands at a time."""

    FRESH = "fresh"
    ENDING = "ending"
    TOO_OLD = "too_old"
    EXPIRED = "expired"
    FROM_FUTURE = "from_future"


@dataclass(frozen=True, slots=True)
class Part:
    """One dated part; times are unix seconds. ``ages`` says that a policy's maximum age applies to it."""

    name: str
    issued_at: int
    expires_at: int
    ages: bool
    is_chain: bool = False

    def usable_until(self, maximum_age_days: int) -> int:
        """The last second at which neither expiry nor age speaks against it."""
        by_age = self.issued_at + maximum_age_days * SECONDS_PER_DAY
        by_expiry = self.expires_at - 1  # dcap-qvl refuses a revocation list in the very second of its next update
        return min(by_expiry, by_age) if self.ages else by_expiry

    def freshness(self, now: int, maximum_age_days: int, warn_days: int) -> Freshness:
        """How it stands at ``now``; ENDING within ``warn_days`` before its last usable second."""
        if self.issued_at > now:
            return Freshness.FROM_FUTURE
        if now >= self.expires_at:
            return Freshness.EXPIRED
        left = self.usable_until(maximum_age_days) - now
        if left < 0:
            return Freshness.TOO_OLD
        return Freshness.ENDING if left < warn_days * SECONDS_PER_DAY else Freshness.FRESH


@dataclass(frozen=True, slots=True)
class CollateralLife:
    """How collateral as a whole stands at ``now``; times are unix seconds.

    ``usable_from`` is when its newest part was issued, ``usable_until`` the last second at which every part can be
    used, ``ends_first`` the part that sets it; ``tolerance_s`` is how far behind a clock may be that reads ``now``.
    """

    now: int
    usable_from: int
    usable_until: int
    ends_first: str
    oldest_issued_at: int
    warn_days: int
    tolerance_s: int

    @property
    def ahead_s(self) -> int:
        """How far the newest part was issued after ``now``: what a clock is behind, at least; 0 when it is not."""
        return max(0, self.usable_from - self.now)

    @property
    def judged_at(self) -> int:
        """The time to judge at: ``now``, or the newest part's issue where that is within the tolerance."""
        return self.now + self.ahead_s if self.ahead_s <= self.tolerance_s else self.now

    @property
    def is_usable(self) -> bool:
        """Whether no date speaks against it."""
        return self.usable_from <= self.judged_at <= self.usable_until

    @property
    def is_ending(self) -> bool:
        """Whether it can be used, and not for long: time to fetch it again."""
        return self.is_usable and self.seconds_left < self.warn_days * SECONDS_PER_DAY

    @property
    def seconds_left(self) -> int:
        """Seconds until ``usable_until``; negative once it has passed."""
        return self.usable_until - self.now

    @property
    def age_s(self) -> int:
        """Seconds since its oldest part that ages was issued."""
        return self.now - self.oldest_issued_at

    @property
    def warnings(self) -> list[str]:
        """What to do soon, in words."""
        found = []
        if self.is_ending:
            found.append(
                f"the collateral can be used for {show_span(self.seconds_left)} more ({self.ends_first} ends first):"
                " fetch it again"
            )
        if 0 < self.ahead_s <= self.tolerance_s:
            found.append(
                f"this clock is at least {show_span(self.ahead_s)} behind the collateral's issuer, within the tolerance"
                f" of {show_span(self.tolerance_s)}: set it"
            )
        return found

    def as_dict(self) -> dict[str, object]:
        """The same as JSON-ready values."""
        return {
            "usable": self.is_usable,
            "ending": self.is_ending,
            "usable_from": self.usable_from,
            "usable_until": self.usable_until,
            "seconds_left": self.seconds_left,
            "ends_first": self.ends_first,
            "age_seconds": self.age_s,
            "issued_ahead_seconds": self.ahead_s,
            "clock_tolerance_seconds": self.tolerance_s,
        }


def collateral_life(
    endorsements: Endorsements,
    now: int,
    maximum_age_days: int,
    *,
    warn_days: int = DEFAULT_WARN_DAYS,
    tolerance_s: int = 0,
) -> CollateralLife:
    """How all of the collateral stands at ``now`` under a maximum age.

    Raises:
        CollateralMalformed: as ``dated_parts`` does.
    """
    parts = dated_parts(endorsements)
    first = min(parts, key=lambda part: part.usable_until(maximum_age_days))
    return CollateralLife(
        now=now,
        usable_from=max(part.issued_at for part in parts),
        usable_until=first.usable_until(maximum_age_days),
        ends_first=first.name,
        oldest_issued_at=min(part.issued_at for part in parts if part.ages),
        warn_days=warn_days,
        tolerance_s=tolerance_s,
    )


def show_span(seconds: int) -> str:
    """Seconds for people: days and hours, or hours and minutes, or as they are."""
    sign, rest = ("-" if seconds < 0 else ""), abs(seconds)
    if rest < 600:
        return f"{seconds} s"
    if rest < SECONDS_PER_DAY:
        return f"{sign}{rest // 3600} h {rest % 3600 // 60} min"
    return f"{sign}{rest // SECONDS_PER_DAY} d {rest % SECONDS_PER_DAY // 3600} h"


def dated_parts(endorsements: Endorsements) -> list[Part]:
    """Every part of the collateral that has dates.

    Raises:
        CollateralMalformed: a statement, a revocation list or a chain that cannot be read.
    """
    collateral = endorsements.collateral
    parts = [
        Part(name, statement.issued_at, statement.next_update, ages=True)
        for name, statement in (
            ("TCB info", endorsements.platform_statement()),
            ("QE identity", endorsements.quoting_enclave_statement()),
        )
    ]
    parts.append(_list("PCK revocation list", collateral.pck_crl, ages=True))
    # Vendors reissue the root's list about once a year: its age says nothing, its expiry does.
    parts.append(_list("root revocation list", collateral.root_ca_crl, ages=False))
    for name, chain in (
        ("TCB info's certificates", collateral.tcb_info_issuer_chain),
        ("QE identity's certificates", collateral.qe_identity_issuer_chain),
        ("PCK revocation list's certificates", collateral.pck_crl_issuer_chain),
        ("platform's certificates", collateral.pck_certificate_chain),
    ):
        if chain is not None:
            parts.append(_chain(name, chain))
    return parts


def _list(name: str, der: bytes, *, ages: bool) -> Part:
    try:
        found = x509.load_der_x509_crl(der)
        until = found.next_update_utc
        if until is None:
            raise ValueError("no next update")
        return Part(name, int(found.last_update_utc.timestamp()), int(until.timestamp()), ages)
    except X509_FAULTS as error:
        raise CollateralMalformed(f"the {name} cannot be read: {error}", name) from error


def _chain(name: str, pem: str) -> Part:
    try:
        found = x509.load_pem_x509_certificates(pem.encode("ascii"))
        if len(found) > MAX_CHAIN:
            raise ValueError(f"{len(found)} certificates, at most {MAX_CHAIN}")
        issued = max(int(each.not_valid_before_utc.timestamp()) for each in found)
        return Part(
            name, issued, min(int(each.not_valid_after_utc.timestamp()) for each in found), ages=False, is_chain=True
        )
    except X509_FAULTS as error:
        raise CollateralMalformed(f"the {name} cannot be read: {error}", name) from error
