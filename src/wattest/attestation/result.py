"""The attestation result (RFC 9334): what an appraisal found, and how it is shown.

Decided here: the result's fields, its JSON form, and the 32 bytes that name a measurement. Not decided here: what is
accepted (``appraisal``), and how an appraiser signs it (``messages.evidence_verdict``).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from wattest.attestation.collateral_age import CollateralLife
from wattest.attestation.formats.quote import EnclaveReport, TdReport
from wattest.attestation.roots import RootKind
from wattest.errors import VerificationError


class EvidenceRefused(VerificationError):
    """Evidence that the policy does not accept; ``codes`` and ``reasons`` say why."""


FindingValue = str | int | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason: a stable code for scripts, a sentence for people, and what was wanted and found.

    ``expected`` and ``actual`` are JSON-ready, bytes as lower-case hex; None where there is no one value to show.
    """

    code: str
    text: str
    expected: FindingValue = None
    actual: FindingValue = None

    def as_dict(self) -> dict[str, object]:
        """The finding as JSON-ready values."""
        shown = {"expected": self.expected, "actual": self.actual}
        return {"code": self.code, "reason": self.text} | {
            name: list(value) if isinstance(value, tuple) else value for name, value in shown.items()
        }


@dataclass(frozen=True, slots=True)
class AppraisalResult:
    """The attestation result. ``measurement`` repeats what the quote claims: believe it only when ``genuine``.

    ``collateral`` says how long the endorsements can still be used; None when their dates cannot be read.
    ``root_fingerprint`` is the SHA-256 of the root under which the evidence is genuine.
    """

    genuine: bool
    accepted: bool
    tcb_status: str | None
    qe_status: str | None
    advisories: tuple[str, ...]
    findings: tuple[Finding, ...]
    warnings: tuple[str, ...]
    measurement: dict[str, object]
    measurement_id: bytes
    reference: str | None
    platform_id: bytes | None
    fmspc: bytes | None
    root: RootKind | None
    appraised_at: int
    evidence_digest: bytes
    endorsements_digest: bytes
    policy_digest: bytes
    collateral: CollateralLife | None = None
    root_fingerprint: bytes | None = None

    @property
    def reasons(self) -> list[str]:
        """Why, in words: all that speaks against acceptance, or what was accepted."""
        return [finding.text for finding in self.findings]

    @property
    def codes(self) -> list[str]:
        """The same as stable codes."""
        return [finding.code for finding in self.findings]

    def verify_accepted(self) -> None:
        """Raise EvidenceRefused unless accepted."""
        if not self.accepted:
            raise EvidenceRefused(
                "the evidence is not accepted: " + "; ".join(self.reasons), codes=self.codes, genuine=self.genuine
            )

    def as_dict(self) -> dict[str, object]:
        """The result as JSON-ready values, bytes as lower-case hex."""
        return {
            "genuine": self.genuine,
            "tcb_status": self.tcb_status,
            "advisories": list(self.advisories),
            "accepted": self.accepted,
            "reasons": self.reasons,
            "codes": self.codes,
            "findings": [finding.as_dict() for finding in self.findings],
            "warnings": list(self.warnings),
            "measurement": self.measurement,
            "reference": self.reference,
            "platform_id": self.platform_id.hex() if self.platform_id is not None else None,
            "fmspc": self.fmspc.hex() if self.fmspc is not None else None,
            "qe_status": self.qe_status,
            "root": self.root.value if self.root is not None else None,
            "root_fingerprint": self.root_fingerprint.hex() if self.root_fingerprint is not None else None,
            "appraised_at": self.appraised_at,
            "evidence_digest": self.evidence_digest.hex(),
            "endorsements_digest": self.endorsements_digest.hex(),
            "policy_digest": self.policy_digest.hex(),
            "collateral": self.collateral.as_dict() if self.collateral is not None else None,
        }


def measurement_id(report: EnclaveReport | TdReport) -> bytes:
    """The 32 bytes that name a measurement: MRENCLAVE, or SHA-256(tag || MRTD || RTMR0..3) of a trust domain."""
    if isinstance(report, EnclaveReport):
        return report.mr_enclave
    return hashlib.sha256(b"wattest/td-measurement/1" + report.mr_td + b"".join(report.rt_mr)).digest()


def describe_report(report: EnclaveReport | TdReport) -> dict[str, object]:
    """What the quote claims to have measured, as JSON-ready values; fields of the other kind are None."""
    if isinstance(report, EnclaveReport):
        return {
            "tee": "SGX",
            "mr_enclave": report.mr_enclave.hex(),
            "mr_signer": report.mr_signer.hex(),
            "product": report.product,
            "svn": report.svn,
            "attributes": report.attributes.hex(),
            "misc_select": report.misc_select,
            "mr_td": None,
            "report_data": report.report_data.hex(),
        }
    return {
        "tee": "TDX",
        "mr_enclave": None,
        "mr_signer": None,
        "mr_td": report.mr_td.hex(),
        **{f"rt_mr{index}": register.hex() for index, register in enumerate(report.rt_mr)},
        "mr_config_id": report.mr_config_id.hex(),
        "mr_owner": report.mr_owner.hex(),
        "mr_owner_config": report.mr_owner_config.hex(),
        "td_attributes": report.td_attributes.hex(),
        "xfam": report.xfam.hex(),
        "report_data": report.report_data.hex(),
    }
