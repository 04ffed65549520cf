"""Appraisal (RFC 9334): evidence, endorsements, a policy and a time give one result that says why.

Decided here: how the policy's rules are applied to what holds cryptographically. ``genuine`` is dcap-qvl's judgement
alone; ``accepted`` needs it and every rule of the policy. Several things that dcap-qvl lets pass are refused here:
provisioning and launch keys, unpinned attributes, a quoting enclave that needs configuration, a PCE id that is not the
platform's, revocation lists from the future, collateral signed by a certificate for another purpose or malformed in a
field that dcap-qvl does not look at, another issuer's chain beside the PCK revocation list, bytes in the quote that
nothing owns. Not decided here: what a policy demands of the platform (``platform_rules``); keys, channels, nonces (the
caller passes the report data it expects, and which others it knows, see ``expectation``); sequence and rollback (the
chain decides).

Invariants: nothing is accepted that is not genuine; every refusal has at least one reason; the result is a function of
the arguments. Specification: docs/spec/evidence.md and docs/spec/appraisal-policy.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from wattest.attestation.appraisal_policy import DOMAIN_REGISTERS, AppraisalPolicy, TrustDomainPins
from wattest.attestation.appraisal_policy_table import Pin
from wattest.attestation.collateral_age import CollateralLife, collateral_life, show_span
from wattest.attestation.collateral_signers import judge_signers
from wattest.attestation.endorsements import Endorsements
from wattest.attestation.evidence import Evidence, platform_id
from wattest.attestation.formats.collateral import CollateralMalformed
from wattest.attestation.formats.qe_identity import QE_IDENTITY_VERSION
from wattest.attestation.formats.quote import CERTIFICATION_QE_REPORT, EnclaveReport, TdReport
from wattest.attestation.formats.tcb_info import TCB_INFO_VERSION
from wattest.attestation.list_issuer import judge_list_issuer
from wattest.attestation.platform_rules import judge_platform, shown_values
from wattest.attestation.result import AppraisalResult, Finding, describe_report, measurement_id
from wattest.attestation.roots import RootKind, TrustRoot
from wattest.attestation.verification import EvidenceForged, VerifiedEvidence, authenticate
from wattest.units import SECONDS_PER_DAY

MAX_ROOTS = 8
_FLAG_DEBUG, _FLAG_PROVISION_KEY, _FLAG_EINITTOKEN_KEY = 0x02, 0x10, 0x20
_TD_UNDER_DEBUG = 0xFF


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the caller knows besides the policy.

    ``report_data`` is the exact 64 bytes that bind key, chain and nonce; ``known_report_data`` maps others, which the
    caller would have expected at another time or place, to the reason code that they stand for (``expectation`` makes
    both). ``used_evidence`` holds signed digests that were accepted before and may not be again;
    ``registered_until`` is when the registration ends that the evidence stands behind (unix seconds, exclusive).
    ``seen_evaluation_number`` is the highest TCB evaluation number this caller ever saw, below which endorsements are
    going back in time.
    """

    report_data: bytes | None = None
    seen_evaluation_number: int = 0
    known_report_data: Mapping[bytes, str] = field(default_factory=lambda: MappingProxyType({}))
    used_evidence: Collection[bytes] = frozenset()
    registered_until: int | None = None


# Reasons why report data is not the expected one, where the caller knows what it is instead.
OTHER_BINDINGS: Mapping[str, str] = MappingProxyType(
    {
        "nonce_stale": "the report data binds an older nonce: the evidence is not fresh",
        "nonce_reused": "the report data binds a nonce that was used before: the evidence is replayed",
        "other_chain": "the report data binds another chain",
        "other_referee": "the report data binds another referee",
        "other_channel": "the report data binds another channel",
        "other_operator": "the report data binds another operator",
        "other_key": "the report data binds another key",
    }
)


def appraise(
    evidence: Evidence,
    endorsements: Endorsements,
    policy: AppraisalPolicy,
    roots: Sequence[TrustRoot],
    now: int,
    *,
    expectation: Expectation | None = None,
) -> AppraisalResult:
    """Judge evidence at ``now`` (unix seconds) under 1 to 8 roots; the first under which it is genuine counts.

    Never raises for bad evidence or endorsements: the result says what is wrong.
    """
    if not 1 <= len(roots) <= MAX_ROOTS:
        raise ValueError(f"1 to {MAX_ROOTS} roots, not {len(roots)}")
    expectation = expectation or Expectation()
    life = _life(endorsements, policy, now)
    at = life.judged_at if life is not None else now
    verified, faults = _verify_under_any(evidence, endorsements, roots, at)
    reference = _match_reference(evidence, policy)
    own = [
        *_judge_report(evidence, policy, reference),
        *_judge_expectation(evidence, expectation, now),
        *_judge_endorsements(endorsements, policy, expectation, at),
    ]
    if verified is not None:
        own += judge_platform(evidence, verified, endorsements, policy, at)
        own += judge_list_issuer(endorsements.collateral, verified.root, at)
    # What both found is said once, in the words that carry figures.
    words = {finding.code: finding for finding in reversed(own)}
    known = {fault.code for fault in faults}
    against = [words.get(fault.code, fault) for fault in faults]
    against += [finding for finding in own if finding.code not in known]
    accepted = verified is not None and not against
    findings = against or [
        Finding("accepted", f"genuine, {_status_text(verified)}, and named '{reference}' in the policy")
    ]
    return AppraisalResult(
        genuine=verified is not None,
        accepted=accepted,
        tcb_status=verified.tcb_status if verified else None,
        qe_status=verified.qe_status if verified else None,
        advisories=verified.advisories if verified else (),
        findings=tuple(findings),
        warnings=(*_warnings(evidence, verified), *(life.warnings if life is not None else ())),
        measurement=describe_report(evidence.report),
        measurement_id=measurement_id(evidence.report),
        reference=reference,
        platform_id=platform_id(verified.root.certificate, verified.ppid) if verified else None,
        fmspc=verified.fmspc if verified else None,
        root=verified.root.kind if verified else None,
        appraised_at=now,
        evidence_digest=evidence.digest,
        endorsements_digest=endorsements.digest,
        policy_digest=policy.digest,
        collateral=life,
        root_fingerprint=verified.root.fingerprint if verified else None,
    )


def _life(endorsements: Endorsements, policy: AppraisalPolicy, now: int) -> CollateralLife | None:
    try:
        return collateral_life(
            endorsements,
            now,
            policy.maximum_collateral_age_days,
            warn_days=policy.warn_days,
            tolerance_s=policy.clock_tolerance_s,
        )
    except CollateralMalformed:
        return None  # what cannot be read is reported by _judge_endorsements or by dcap-qvl


def _verify_under_any(
    evidence: Evidence, endorsements: Endorsements, roots: Sequence[TrustRoot], now: int
) -> tuple[VerifiedEvidence | None, list[Finding]]:
    faults: list[EvidenceForged] = []
    for root in roots:
        try:
            return authenticate(evidence, endorsements.collateral, root, now), []
        except EvidenceForged as fault:
            faults.append(fault)
    # A fault under the root that the chain does end in says more than "other root" under the rest.
    telling = [each for each in faults if each.fault.code != "other_root"] or faults
    return None, [telling[0].fault]


def _match_reference(evidence: Evidence, policy: AppraisalPolicy) -> str | None:
    report = evidence.report
    if isinstance(report, TdReport):
        for domain in policy.trust_domains:
            registers = zip(domain.rt_mr, report.rt_mr, strict=True)
            if domain.mr_td == report.mr_td and all(want is None or want == have for want, have in registers):
                return domain.name
        return None
    for enclave in policy.enclaves:
        if enclave.mr_enclave is not None:
            if enclave.mr_enclave == report.mr_enclave:
                return enclave.name
        elif (
            enclave.mr_signer == report.mr_signer
            and enclave.product == report.product
            and enclave.minimum_svn is not None
            and report.svn >= enclave.minimum_svn
        ):
            return enclave.name
    return None


def _judge_report(evidence: Evidence, policy: AppraisalPolicy, reference: str | None) -> Iterator[Finding]:
    report, pins = evidence.report, policy.pins
    if isinstance(report, EnclaveReport):
        if report.flags & _FLAG_DEBUG:
            yield Finding("debug", "the enclave runs in debug mode: its host can read and change its memory")
        if report.flags & _FLAG_PROVISION_KEY:
            yield Finding("provision_key", "the enclave may use the platform's provisioning key (PROVISION_KEY)")
        if report.flags & _FLAG_EINITTOKEN_KEY:
            yield Finding("einittoken_key", "the enclave may launch others (EINITTOKEN_KEY)")
        yield from _judge_pin("attributes", "attribute flags", pins.flags, report.flags)
        yield from _judge_pin("xfrm", "extended features (XFRM)", pins.xfrm, report.xfrm)
        yield from _judge_pin("misc_select", "MISCSELECT", pins.misc_select, report.misc_select)
    else:
        attributes = int.from_bytes(report.td_attributes, "little")
        if attributes & _TD_UNDER_DEBUG:
            yield Finding("debug", "the trust domain is under debug or profiling: its host can see into it")
        yield from _judge_pin("attributes", "trust domain attributes", pins.td_attributes, attributes)
        yield from _judge_pin("xfrm", "extended features (XFAM)", pins.xfam, int.from_bytes(report.xfam, "little"))
        yield from _judge_domain(report, policy.domain_pins)
    if evidence.quote.slack_bytes:
        yield Finding("slack_bytes", f"{evidence.quote.slack_bytes} bytes inside the quote belong to no field")
    if evidence.quote.wrapper_type not in (None, CERTIFICATION_QE_REPORT):
        yield Finding("certification_type", f"certification data of type {evidence.quote.wrapper_type}, not 6")
    # dcap-qvl compares the first half alone, which holds the hash of the attestation key.
    if any(evidence.quote.qe_report.report_data[32:]):
        yield Finding("qe_report_data", "the second half of the quoting enclave's report data is not zero")
    if not (policy.enclaves or policy.trust_domains):
        yield Finding("no_reference_value", "no policy names a measurement to trust; pass one with --policy")
    elif reference is None:
        yield Finding(
            "unknown_measurement",
            f"measurement {measurement_id(report).hex()} is not among the policy's reference values",
            actual=measurement_id(report).hex(),
        )


def _judge_expectation(evidence: Evidence, expectation: Expectation, now: int) -> Iterator[Finding]:
    actual = evidence.report.report_data
    if expectation.report_data is not None and expectation.report_data != actual:
        code = expectation.known_report_data.get(actual, "report_data")
        yield Finding(
            code,
            OTHER_BINDINGS.get(code, "the report data is not the expected one: another key, chain, referee or nonce"),
            expectation.report_data.hex(),
            actual.hex(),
        )
    if evidence.signed_digest in expectation.used_evidence:
        yield Finding("nonce_reused", "this evidence was used before: it is replayed")
    if expectation.registered_until is not None and now >= expectation.registered_until:
        ago = show_span(now - expectation.registered_until)
        yield Finding(
            "registration_expired",
            f"the registration behind this evidence ended {ago} ago",
            expectation.registered_until,
            now,
        )


def _judge_pin(code: str, what: str, pin: Pin, actual: int) -> Iterator[Finding]:
    if not pin.is_met(actual):
        yield Finding(
            code,
            f"{what} {actual:#x} differ from the pinned {pin.value:#x} (mask {pin.mask:#x})",
            f"{pin.value:#x}",
            f"{actual:#x}",
        )


def _judge_domain(report: TdReport, pins: TrustDomainPins) -> Iterator[Finding]:
    for code, name in DOMAIN_REGISTERS.items():
        accepted: frozenset[bytes] | None = getattr(pins, code)
        actual: bytes = getattr(report, code)
        if accepted is not None and actual not in accepted:
            yield Finding(
                code,
                f"the trust domain's {name} {actual.hex()} is not among the policy's values",
                shown_values(accepted),
                actual.hex(),
            )


def _judge_endorsements(
    endorsements: Endorsements, policy: AppraisalPolicy, expectation: Expectation, now: int
) -> Iterator[Finding]:
    try:
        dates = endorsements.issue_dates()
        platform, quoting_enclave = endorsements.platform_statement(), endorsements.quoting_enclave_statement()
    except CollateralMalformed as error:
        yield Finding(error.reason, error.message, *(_shown(error.fields.get(name)) for name in ("expected", "actual")))
        return
    for what, issued in dates.items():
        if issued > now:
            yield Finding(
                "collateral_from_future",
                f"the {what} was issued {show_span(issued - now)} after the time of appraisal, over the policy's"
                f" tolerance of {show_span(policy.clock_tolerance_s)}: set the clock",
                now,
                issued,
            )
        # Vendors reissue the root's list about once a year: its age says nothing, its expiry does.
        elif what != "root revocation list" and now - issued > policy.maximum_collateral_age_days * SECONDS_PER_DAY:
            yield Finding(
                "collateral_too_old",
                f"the {what} is {(now - issued) // SECONDS_PER_DAY} days old, over the policy's"
                f" {policy.maximum_collateral_age_days}; fetch it again",
                now - policy.maximum_collateral_age_days * SECONDS_PER_DAY,
                issued,
            )
    numbers = platform.evaluation_number, quoting_enclave.evaluation_number
    if min(numbers) < policy.minimum_tcb_evaluation_number:
        floor = policy.minimum_tcb_evaluation_number
        yield Finding(
            "evaluation_number",
            f"TCB evaluation number {min(numbers)} is below the policy's floor, {floor}",
            floor,
            min(numbers),
        )
    if min(numbers) < expectation.seen_evaluation_number:
        seen = expectation.seen_evaluation_number
        yield Finding(
            "evaluation_went_back",
            f"TCB evaluation number {min(numbers)} is going back: {seen} was seen",
            seen,
            min(numbers),
        )
    # dcap-qvl takes the older form of TCB info, too, which names neither kind nor version of its components.
    if (platform.version, quoting_enclave.version) != (TCB_INFO_VERSION, QE_IDENTITY_VERSION):
        yield Finding(
            "collateral_of_other_kind",
            f"TCB info of version {platform.version} and QE identity of version {quoting_enclave.version},"
            f" where {TCB_INFO_VERSION} and {QE_IDENTITY_VERSION} belong",
            (str(TCB_INFO_VERSION), str(QE_IDENTITY_VERSION)),
            (str(platform.version), str(quoting_enclave.version)),
        )
    yield from judge_signers(endorsements.collateral)


def _shown(value: object) -> str | None:
    return None if value is None else str(value)


def _warnings(evidence: Evidence, verified: VerifiedEvidence | None) -> Iterator[str]:
    if evidence.quote.trailing_bytes:
        yield f"{evidence.quote.trailing_bytes} trailing bytes after the quote were ignored"
    if verified is not None and verified.root.kind is RootKind.SIMULATOR:
        yield (
            f"the root {verified.root.shown} is a simulator's: nothing here is protected by hardware, for"
            " development only"
        )
    elif verified is not None and verified.root.kind is RootKind.OTHER:
        yield f"the root {verified.root.shown} is not Intel's: it is trusted because you named it"


def _status_text(verified: VerifiedEvidence | None) -> str:
    return verified.tcb_status if verified is not None else ""
