"""How long collateral can still be used: each part's issue and expiry, and what of it ends first.

Decided here: which dates a collateral has, and when to fetch it again. Not decided here: whether its signatures hold
(``verification``), so that nothing here is a verdict; the limits are those that ``appraisal`` applies.

Invariants: what is called usable here is never refused for its dates by an appraisal at the same time under a policy
with the same age.
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
        return Part(name, issued, min(int(each.not_valid_after_utc.timestamp()) for each in found), ages=False)
    except X509_FAULTS as error:
        raise CollateralMalformed(f"the {name} cannot be read: {error}", name) from error
