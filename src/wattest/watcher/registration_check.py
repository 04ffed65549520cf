"""Appraising again what the appraisers or the contract appraised: a watcher need not believe them.

Decided here: that the evidence and endorsements an operator serves are those its verdict names, that the evidence binds
the registered key, and that the watcher's own policy accepts them at the time of the verdict. Not decided here: how
evidence is judged (``attestation.appraisal``). docs/spec/verdict.md
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from wattest.attestation.appraisal import Expectation, appraise
from wattest.attestation.appraisal_policy import parse_policy
from wattest.attestation.chain_evidence import chain_quote
from wattest.attestation.endorsements import parse_endorsements
from wattest.attestation.evidence import parse_evidence
from wattest.attestation.roots import TrustRoot
from wattest.chain.ports import RegistryPort
from wattest.crypto.hashing import sha256
from wattest.errors import TransportError, VerificationError
from wattest.messages.evidence_verdict import EvidenceVerdict
from wattest.messages.header import BatchHeader
from wattest.messages.report_data import KeyBinding, report_data
from wattest.store.remote_operator import OperatorRemote, OperatorUnreachable, Withheld


class EvidenceNotServed(VerificationError):
    """The operator serves no evidence for its registration, or other bytes than the verdict names."""


class RegistrationAppraiser:
    """Judges the registration behind a header by one's own policy and roots; call it with a header and its signer."""

    def __init__(
        self,
        registry: RegistryPort,
        referee: bytes,
        remotes: Mapping[bytes, OperatorRemote],
        *,
        policy: bytes,
        roots: Sequence[TrustRoot],
        report: Callable[[str], None] = lambda _: None,
        is_judged_by_quote: bool = False,
    ) -> None:
        self._registry = registry
        self._referee = referee
        self._remotes = remotes
        self._policy = parse_policy(policy)
        self._roots = tuple(roots)
        self._report = report
        self._is_judged_by_quote = is_judged_by_quote
        self._accepted: set[bytes] = set()

    def __call__(self, header: BatchHeader, signer: bytes) -> None:
        """Raise ``EvidenceNotServed`` or ``EvidenceRefused`` unless the newest registration of ``signer`` holds."""
        binding = self._referee, header.channel, header.operator
        registered = self._registry.registered_verdicts(binding, signer)[-1]
        verdict = registered.verdict
        digest = verdict.digest(self._registry.domain)
        if digest in self._accepted:
            return
        remote = self._remotes[header.operator]
        evidence = self._document(remote, verdict.channel, "evidence", verdict.evidence_digest)
        endorsements = self._document(remote, verdict.channel, "endorsements", verdict.endorsements_digest)
        parsed = parse_evidence(evidence)
        for name, expected, actual in (
            ("evidence", verdict.evidence_digest, parsed.digest),
            ("endorsements", verdict.endorsements_digest, sha256(endorsements)),
        ):
            if expected != actual:
                raise EvidenceNotServed(
                    f"the served {name} are not those that the verdict names", expected=expected, actual=actual
                )
        # The contract does not compare the digest, which names a file with certificates that it never saw.
        if self._is_judged_by_quote and not registered.evidence.endswith(chain_quote(parsed)):
            raise EvidenceNotServed("the served evidence is another quote than the contract judged", signer=signer)
        result = appraise(
            parsed,
            parse_endorsements(endorsements),
            self._policy,
            self._roots,
            verdict.issued_at,
            expectation=Expectation(report_data=_bound(verdict, self._registry.client.chain_id)),
        )
        result.verify_accepted()
        for warning in result.warnings:
            self._report(f"registration of 0x{signer.hex()}, as of its verdict: {warning}")
        self._accepted.add(digest)

    @staticmethod
    def _document(remote: OperatorRemote, channel: bytes, name: str, digest: bytes) -> bytes:
        """By its digest, since another registration may be the newest by now; else whatever is served as the newest."""
        try:
            try:
                return remote.fetch_document(channel, f"{name}-{digest.hex()}")
            except OperatorUnreachable:
                raise
            except Withheld:
                return remote.fetch_document(channel, name)
        except TransportError as error:
            raise EvidenceNotServed(
                f"the {name} behind the registration are not served", cause=error.message
            ) from error


def _bound(verdict: EvidenceVerdict, chain_id: int) -> bytes:
    binding = KeyBinding(chain_id, verdict.referee, verdict.channel, verdict.operator, verdict.nonce)
    return report_data(binding, verdict.enclave_key)
