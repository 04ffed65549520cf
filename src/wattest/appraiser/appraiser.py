"""The appraiser: judges an enclave's evidence and signs a verdict that the registry takes.

Decided here: what an appraiser demands besides its policy (that the report data binds exactly this key, chain, referee,
channel, operator and nonce), how long a registration may last, and what the verdict says. Not decided here: how
evidence is judged (``attestation.appraisal``), that the nonce is a recent block of the chain (whoever asks brings it;
the registry checks it again), and how many appraisers must agree (the registry's quorum).
Source: docs/spec/verdict.md; RFC 9334.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from wattest.attestation.appraisal import Expectation, appraise
from wattest.attestation.appraisal_policy import parse_policy
from wattest.attestation.endorsements import parse_endorsements
from wattest.attestation.evidence import parse_evidence
from wattest.attestation.result import AppraisalResult, EvidenceRefused
from wattest.attestation.roots import TrustRoot
from wattest.crypto.signer import Signer
from wattest.messages.eip712 import Domain
from wattest.messages.evidence_verdict import EvidenceVerdict, sign_verdict
from wattest.messages.report_data import KeyBinding, report_data
from wattest.units import SECONDS_PER_DAY

DEFAULT_REGISTRATION_S = 30 * SECONDS_PER_DAY


@dataclass(frozen=True, slots=True)
class RegistrationRequest:
    """What an operator shows to have its enclave's key registered.

    ``enclave_key`` is the key's 20-byte address, ``evidence`` the quote, ``endorsements`` collateral in JSON,
    ``nonce_block`` the number of the block whose hash is the binding's nonce, ``workload`` the 32-byte digest that the
    key's headers will carry.
    """

    binding: KeyBinding
    enclave_key: bytes
    evidence: bytes
    endorsements: bytes
    nonce_block: int
    workload: bytes


@dataclass(frozen=True, slots=True)
class Appraiser:
    """One appraiser: its key, its policy file as bytes, the roots it trusts, the workloads it knows.

    The policy says which measurements are wanted; ``workloads`` which modules those measurements may run. ``report``
    gets the warnings that come with evidence that is accepted: collateral about to end, a clock that is behind.
    """

    key: Signer
    policy: bytes
    roots: Sequence[TrustRoot]
    workloads: frozenset[bytes]
    registration_s: int = DEFAULT_REGISTRATION_S
    report: Callable[[str], None] = field(default=lambda _: None, repr=False, compare=False)

    def judge(self, request: RegistrationRequest, now: int) -> AppraisalResult:
        """Appraise at ``now`` without signing; the result says why.

        Raises: InputError for evidence, endorsements or a policy that cannot be read.
        """
        expected = Expectation(report_data=report_data(request.binding, request.enclave_key))
        return appraise(
            parse_evidence(request.evidence),
            parse_endorsements(request.endorsements),
            parse_policy(self.policy),
            self.roots,
            now,
            expectation=expected,
        )

    def verdict(self, request: RegistrationRequest, now: int) -> EvidenceVerdict:
        """The verdict on evidence that passes, unsigned.

        Raises: EvidenceRefused with every reason; InputError as ``judge`` does.
        """
        if request.workload not in self.workloads:
            raise EvidenceRefused(
                "the workload is not one that this appraiser knows",
                expected=sorted(self.workloads),
                actual=request.workload,
                hint="register with the digest of the module that the channel agreed on",
            )
        result = self.judge(request, now)
        if not result.accepted or result.platform_id is None:
            raise EvidenceRefused(
                "the evidence is refused: " + "; ".join(finding.text for finding in result.findings),
                codes=[finding.code for finding in result.findings],
                measurement=result.measurement_id,
            )
        for warning in result.warnings:
            self.report(f"evidence of operator 0x{request.binding.operator.hex()}: {warning}")
        return EvidenceVerdict(
            enclave_key=request.enclave_key,
            referee=request.binding.referee,
            channel=request.binding.channel,
            operator=request.binding.operator,
            measurement=result.measurement_id,
            workload=request.workload,
            platform=result.platform_id,
            issued_at=now,
            expires_at=now + self.registration_s,
            nonce_block=request.nonce_block,
            nonce=request.binding.nonce,
            evidence_digest=result.evidence_digest,
            endorsements_digest=result.endorsements_digest,
            policy_digest=result.policy_digest,
        )

    def sign(self, verdict: EvidenceVerdict, registry: Domain) -> bytes:
        """This appraiser's signature over ``verdict`` for the registry's domain: 65 bytes r||s||v."""
        return sign_verdict(self.key, verdict, registry)

    def ask(self, request: RegistrationRequest, registry: Domain, now: int) -> tuple[EvidenceVerdict, bytes, bytes]:
        """The verdict at ``now``, this appraiser's address and its signature; raises as ``verdict`` does."""
        verdict = self.verdict(request, now)
        return verdict, self.key.address, self.sign(verdict, registry)


def collect_verdict(
    appraisers: Sequence[Appraiser], request: RegistrationRequest, registry: Domain, now: int
) -> tuple[EvidenceVerdict, list[bytes]]:
    """Let every appraiser judge for itself and gather the signatures in ascending order of signer address.

    Raises: EvidenceRefused from the first appraiser that refuses, or when appraisers disagree on what they saw.
    """
    signed: list[tuple[bytes, bytes]] = []
    agreed: EvidenceVerdict | None = None
    for appraiser in appraisers:
        verdict = appraiser.verdict(request, now)
        if agreed is not None and verdict != agreed:
            raise EvidenceRefused("appraisers judge by different policies", hint="give them the same policy file")
        agreed = verdict
        signed.append((appraiser.key.address, appraiser.sign(verdict, registry)))
    if agreed is None:
        raise EvidenceRefused("there is no appraiser to ask")
    return agreed, [signature for _, signature in sorted(signed)]
