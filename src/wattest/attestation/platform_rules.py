"""What a policy demands of the platform behind genuine evidence: root, model, levels, quoting and provisioning enclave.

Decided here: how each rule is applied to what holds cryptographically. Not decided here: what holds
(``verification``), what is measured in the enclave and how old the collateral is (``appraisal``), what a policy can
say (``policy``). The quoting enclave's SVN is its report's, which the PCK signed, and the provisioning enclave's is the
PCK certificate's: the quote's header repeats both in version 3 alone.
Specification: docs/spec/appraisal-policy.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wattest.attestation.appraisal_policy import GRACE_ONLY, AppraisalPolicy
from wattest.attestation.endorsements import Endorsements
from wattest.attestation.evidence import Evidence, platform_id
from wattest.attestation.formats.collateral import CollateralMalformed
from wattest.attestation.result import Finding
from wattest.attestation.roots import RootKind
from wattest.attestation.verification import VerifiedEvidence

PPID_BYTES = 16


def judge_platform(
    evidence: Evidence, verified: VerifiedEvidence, endorsements: Endorsements, policy: AppraisalPolicy, now: int
) -> Iterator[Finding]:
    """Everything about the platform that speaks against acceptance at ``now`` (unix seconds)."""
    if policy.production and verified.root.kind is not RootKind.INTEL:
        what = "a simulator's root" if verified.root.kind is RootKind.SIMULATOR else "no processor vendor's root"
        yield Finding(
            "root_refused",
            f"{verified.root.shown} is {what}, and the policy is for production",
            RootKind.INTEL.value,
            verified.root.kind.value,
        )
    if len(verified.ppid) != PPID_BYTES:
        yield Finding(
            "certificate_malformed",
            f"the PCK certificate's PPID has {len(verified.ppid)} bytes, not {PPID_BYTES}",
            PPID_BYTES,
            len(verified.ppid),
        )
    yield from _judge_status("platform", verified.tcb_status, verified.advisories, policy, now)
    # dcap-qvl lets a quoting enclave that needs configuration pass as UpToDate: the worse of the two must count.
    if verified.qe_status != "UpToDate":
        yield from _judge_status("quoting enclave", verified.qe_status, verified.qe_advisories, policy, now)
    found = platform_id(verified.root.certificate, verified.ppid)
    if policy.platforms is not None and found not in policy.platforms:
        yield Finding(
            "platform",
            f"platform {found.hex()} is not on the policy's list",
            shown_values(policy.platforms),
            found.hex(),
        )
    yield from _judge_model(verified.fmspc, policy)
    yield from _judge_floor("qe_svn", "quoting enclave", policy.minimum_qe_svn, evidence.quote.qe_report.svn)
    yield from _judge_floor("pce_svn", "provisioning certification enclave", policy.minimum_pce_svn, verified.pce_svn)
    try:
        named = endorsements.platform_statement().pce_id
    except CollateralMalformed:
        return  # reported with the endorsements
    if verified.pce_id is None or named != verified.pce_id:
        yield Finding(
            "pce_id",
            "the TCB info is for another provisioning enclave (PCE id) than the platform's",
            None if verified.pce_id is None else verified.pce_id.hex(),
            None if named is None else named.hex(),
        )


def shown_values(values: frozenset[bytes]) -> tuple[str, ...]:
    """Accepted values as a finding shows them: lower-case hex, sorted."""
    return tuple(sorted(value.hex() for value in values))


def _judge_model(fmspc: bytes | None, policy: AppraisalPolicy) -> Iterator[Finding]:
    shown = "unknown" if fmspc is None else fmspc.hex()
    if policy.allowed_fmspcs is not None and fmspc not in policy.allowed_fmspcs:
        yield Finding(
            "fmspc_not_allowed",
            f"platform model {shown} (FMSPC) is not on the policy's list",
            shown_values(policy.allowed_fmspcs),
            shown,
        )
    # A model that is not known may be a denied one.
    if policy.denied_fmspcs and (fmspc is None or fmspc in policy.denied_fmspcs):
        yield Finding("fmspc_denied", f"the policy denies platform model {shown} (FMSPC)", None, shown)


def _judge_floor(code: str, whose: str, floor: int, actual: int | None) -> Iterator[Finding]:
    if floor and (actual is None or actual < floor):
        shown = "unknown" if actual is None else actual
        yield Finding(code, f"the {whose}'s SVN, {shown}, is below the policy's floor, {floor}", floor, actual)


def _judge_status(
    who: str, status: str, advisories: Sequence[str], policy: AppraisalPolicy, now: int
) -> Iterator[Finding]:
    if status == "UpToDate":
        # Advisories may come with UpToDate, too; the vendor says that nothing needs doing about them.
        return
    allowed = next((entry for entry in policy.statuses if entry.status == status), None)
    named = f" ({', '.join(advisories)})" if advisories else ""
    if allowed is None:
        yield Finding(
            "tcb_status",
            f"the {who}'s status is {status}{named}, which the policy does not allow",
            ("UpToDate", *sorted(entry.status for entry in policy.statuses)),
            status,
        )
        return
    if unnamed := [advisory for advisory in advisories if advisory not in allowed.advisories]:
        yield Finding(
            "advisories",
            f"the policy allows {status}, but not with {', '.join(unnamed)}",
            tuple(sorted(allowed.advisories)),
            tuple(advisories),
        )
    if allowed.until is not None and now >= allowed.until:
        text = "grace" if status in GRACE_ONLY else "allowance"
        yield Finding(
            "grace_ended", f"the policy's {text} for {status} ended {now - allowed.until} s ago", allowed.until, now
        )
