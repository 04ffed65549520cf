"""The evidence of a registration, appraised again as of its time.

Decided here: what the evidence must bind and match, and that the same registration at the same time is appraised once,
however many receipts rest on it. Not decided here: how evidence is appraised (``attestation``), and which time counts
(``chain_links``). Invariant: what is remembered is found by everything that the judgement depends on, byte for byte.
"""

from __future__ import annotations

from functools import cached_property, lru_cache

from wattest.attestation.appraisal import Expectation, appraise
from wattest.attestation.appraisal_policy import parse_policy
from wattest.attestation.endorsements import parse_endorsements
from wattest.attestation.evidence import parse_evidence
from wattest.attestation.roots import TrustRoot, parse_root
from wattest.messages.report_data import KeyBinding, report_data
from wattest.receipt.deployment import Deployment
from wattest.receipt.link import require
from wattest.receipt.receipt import MAX_REGISTRATIONS, RegistrationPart


class RegistrationEvidence:
    """Appraises the registrations of one deployment's receipts, under its roots."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._remembered = lru_cache(maxsize=MAX_REGISTRATIONS)(self._appraise)  # refusals are not remembered

    def root_of(self, part: RegistrationPart, at: int) -> str:
        """Judge the evidence as of ``at`` (unix seconds); whose root it is genuine under.

        Raises: LinkBroken, the attestation room's errors.
        """
        return self._remembered(part, at)

    @cached_property
    def _roots(self) -> list[TrustRoot]:
        return [parse_root(root) for root in self._deployment.trust_roots]

    def _appraise(self, part: RegistrationPart, at: int) -> str:
        verdict = part.verdict
        evidence = parse_evidence(part.quote)
        endorsements = parse_endorsements(part.collateral.encode())
        policy = parse_policy(part.policy.encode())
        require("the quote has bytes that it does not declare", evidence.quote.raw, part.quote)
        require("the quote is not the verdict's", verdict.evidence_digest, evidence.digest)
        canonical = endorsements.collateral.to_json()
        require("the collateral is not in canonical form", canonical, part.collateral.encode())
        require("the collateral is not the verdict's", verdict.endorsements_digest, endorsements.digest)
        require("the policy is not the verdict's", verdict.policy_digest, policy.digest)
        binding = KeyBinding(
            self._deployment.chain_id, verdict.referee, verdict.channel, verdict.operator, verdict.nonce
        )
        expected = Expectation(report_data=report_data(binding, verdict.enclave_key))
        result = appraise(evidence, endorsements, policy, self._roots, at, expectation=expected)
        result.verify_accepted()
        require("the verdict names another measurement", result.measurement_id, verdict.measurement)
        require("the verdict names another platform", result.platform_id, verdict.platform)
        return result.root.value if result.root is not None else "none"
