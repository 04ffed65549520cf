"""Registration without an appraiser: the registry's verifier judges the quote by itself.

Decided here: the verdict that an operator writes for itself, and what it brings as proof. Not decided here: whether the
contract accepts it: a transaction is tried before it is sent, so that a refusal costs nothing. Invariant: everything
in the verdict that the contract compares is taken from the evidence; its digests name the documents that the operator
serves to whoever appraises again. docs/spec/dcap-on-chain.md, section "Registration".
"""

from __future__ import annotations

from wattest.appraiser.appraiser import DEFAULT_REGISTRATION_S, RegistrationRequest
from wattest.attestation.chain_evidence import chain_evidence
from wattest.attestation.endorsements import parse_endorsements
from wattest.attestation.evidence import parse_evidence
from wattest.attestation.result import measurement_id
from wattest.attestation.roots import parse_root
from wattest.chain.dcap_verifier import DcapVerifier, PolicyInForce
from wattest.collateral.chain_collateral import stored_life
from wattest.crypto.signer import Signer
from wattest.keys.registrar import Proven
from wattest.messages.evidence_verdict import EvidenceVerdict
from wattest.twin.dcap_errors import PolicyMissing


class QuoteRegistrar:
    """A ``Registrar`` for registries whose verifier is a DcapVerifier.

    With ``publisher`` the request's endorsements are brought on chain first, as far as they are newer than what is
    there; without one somebody else does.
    """

    def __init__(
        self, verifier: DcapVerifier, *, longest_s: int = DEFAULT_REGISTRATION_S, publisher: Signer | None = None
    ) -> None:
        self._verifier = verifier
        self._publisher = publisher
        self._longest_s = longest_s

    def prove(self, request: RegistrationRequest, now: int) -> Proven:
        """The verdict at ``now`` with the quote as proof; the PCK certificate goes along the first time.

        Raises: PolicyMissing; ChainCollateralUnusable, before anything is signed or paid for; InputError for evidence
        that the contract cannot read.
        """
        policy = self._policy_of(request)
        collateral = parse_endorsements(request.endorsements).collateral
        root = parse_root(chain_evidence(parse_evidence(request.evidence), collateral).root_certificate)
        registry = self._verifier.collateral
        if self._publisher is not None:
            registry.publish(self._publisher, root, collateral)
        stored_life(registry, root, collateral, policy.head.max_collateral_age_s).require(now)
        return self.write(request, now)

    def write(self, request: RegistrationRequest, now: int) -> Proven:
        """The same without a look at collateral: the contract has the word.

        Raises: PolicyMissing; InputError for evidence that the contract cannot read.
        """
        binding, policy = request.binding, self._policy_of(request)
        evidence = parse_evidence(request.evidence)
        endorsements = parse_endorsements(request.endorsements)
        on_chain = chain_evidence(evidence, endorsements.collateral)
        measurement = measurement_id(evidence.report)
        verdict = EvidenceVerdict(
            enclave_key=request.enclave_key,
            referee=binding.referee,
            channel=binding.channel,
            operator=binding.operator,
            measurement=measurement,
            workload=request.workload,
            platform=on_chain.facts.platform,
            issued_at=now,
            expires_at=now + min(policy.head.max_registration_s, self._longest_s),
            nonce_block=request.nonce_block,
            nonce=binding.nonce,
            evidence_digest=evidence.digest,
            endorsements_digest=endorsements.digest,
            policy_digest=policy.digest,
        )
        return Proven(verdict, self._verifier.evidence_for(on_chain))

    def _policy_of(self, request: RegistrationRequest) -> PolicyInForce:
        referee, channel = request.binding.referee, request.binding.channel
        policy = self._verifier.policy_of(referee, channel)
        if not policy.is_set:
            raise PolicyMissing(referee, channel)
        return policy
