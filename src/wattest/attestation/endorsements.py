"""Endorsements: what a vendor says of a platform, here DCAP collateral with the dates that a policy reads.

Decided here: which dates and numbers count. Not decided here: whether the vendor's signatures hold
(``verification``); until they do, nothing here is to be believed.
"""

from __future__ import annotations

from dataclasses import dataclass

from wattest.attestation.formats.collateral import Collateral, parse_collateral, parse_crl_issue_date
from wattest.attestation.formats.qe_identity import parse_qe_identity
from wattest.attestation.formats.tcb_info import parse_tcb_info
from wattest.attestation.formats.vendor_statement import VendorStatement


@dataclass(frozen=True, slots=True)
class Endorsements:
    """Collateral and its digest (see ``Collateral.digest``)."""

    collateral: Collateral
    digest: bytes

    def platform_statement(self) -> VendorStatement:
        """What TCB info says of its own dates, platform kind and levels; raises CollateralMalformed."""
        return parse_tcb_info(self.collateral.tcb_info)

    def quoting_enclave_statement(self) -> VendorStatement:
        """What QE identity says of its own dates and levels; raises CollateralMalformed."""
        return parse_qe_identity(self.collateral.qe_identity)

    def issue_dates(self) -> dict[str, int]:
        """When each part was issued, unix seconds; raises CollateralMalformed."""
        return {
            "TCB info": self.platform_statement().issued_at,
            "QE identity": self.quoting_enclave_statement().issued_at,
            "PCK revocation list": parse_crl_issue_date(self.collateral.pck_crl, "PCK revocation list"),
            "root revocation list": parse_crl_issue_date(self.collateral.root_ca_crl, "root revocation list"),
        }


def endorse(collateral: Collateral) -> Endorsements:
    """Collateral as endorsements."""
    return Endorsements(collateral, collateral.digest)


def parse_endorsements(data: bytes) -> Endorsements:
    """Read collateral in dcap-qvl's JSON form.

    Raises:
        CollateralMalformed: as ``parse_collateral`` does.
    """
    return endorse(parse_collateral(data))
