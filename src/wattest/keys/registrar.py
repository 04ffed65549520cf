"""How an enclave key's evidence becomes something that the registry takes: one port, whoever judges.

Decided here: the port, and the quorum of appraisers behind it. Not decided here: how evidence is judged (``appraiser``,
or a verifier contract), when a key is registered (``key_keeper``), how its transaction survives (``chain.client``).
Invariant: what a registrar gives is checked against what was asked before it is paid for.
docs/spec/verdict.md
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from wattest.appraiser.appraiser import RegistrationRequest
from wattest.attestation.result import EvidenceRefused
from wattest.errors import TransportError, VerificationError
from wattest.messages.eip712 import Domain
from wattest.messages.evidence_verdict import EvidenceVerdict


class AppraisersDisagree(VerificationError):
    """Appraisers saw different things, or a verdict does not say what was asked."""


class QuorumUnreachable(TransportError):
    """Fewer appraisers answered than the registry wants."""


@dataclass(frozen=True, slots=True)
class Proven:
    """A verdict and the bytes that prove it to the registry's verifier."""

    verdict: EvidenceVerdict
    proof: bytes


class Registrar(Protocol):
    """Whoever turns evidence into a registration: appraisers, or the registry's own verification of the quote."""

    def prove(self, request: RegistrationRequest, now: int) -> Proven:
        """The verdict on a request at ``now`` (chain time, unix seconds) with its proof.

        Raises: EvidenceRefused with every reason; TransportError, retryable, when nobody answers.
        """
        ...


class VerdictSource(Protocol):
    """One appraiser, in this process or elsewhere."""

    def ask(self, request: RegistrationRequest, registry: Domain, now: int) -> tuple[EvidenceVerdict, bytes, bytes]:
        """Its verdict, its 20-byte address and its 65-byte signature; raises as ``Registrar.prove`` does."""
        ...


class QuorumRegistrar:
    """Asks appraisers one by one until as many signed the same verdict as the registry wants."""

    def __init__(self, sources: Sequence[VerdictSource], threshold: int, registry: Domain) -> None:
        self._sources = tuple(sources)
        self._threshold = threshold
        self._registry = registry

    def prove(self, request: RegistrationRequest, now: int) -> Proven:
        """The agreed verdict; its proof is the signatures, ascending by signer.

        An appraiser that is silent or refuses is passed over as long as enough others sign; the first reason is told.
        Raises: EvidenceRefused, AppraisersDisagree, QuorumUnreachable.
        """
        signed: dict[bytes, bytes] = {}
        agreed: EvidenceVerdict | None = None
        refusal: VerificationError | None = None
        silence: TransportError | None = None
        for source in self._sources:
            if len(signed) >= self._threshold:
                break
            try:
                verdict, signer, signature = source.ask(request, self._registry, now)
                require_answer(request, verdict, now)
                if agreed is not None and verdict != agreed:
                    raise AppraisersDisagree(
                        "appraisers judge by different policies", hint="give them the same policy file"
                    )
            except VerificationError as error:
                refusal = refusal or error
                continue
            except TransportError as error:
                silence = silence or error
                continue
            agreed = verdict
            signed[signer] = signature
        if agreed is None or len(signed) < self._threshold:
            if refusal is not None:
                raise refusal
            raise QuorumUnreachable(
                "too few appraisers answered",
                retryable=True,
                expected=self._threshold,
                actual=len(signed),
                cause=None if silence is None else silence.message,
                hint="see that the appraisers run and can be reached",
            ) from silence
        return Proven(agreed, b"".join(signature for _, signature in sorted(signed.items())))


def require_answer(request: RegistrationRequest, verdict: EvidenceVerdict, now: int) -> None:
    """Check that a verdict is on this request: key, binding, workload, nonce, time.

    Raises: AppraisersDisagree.
    """
    binding = request.binding
    expected = (
        request.enclave_key, binding.referee, binding.channel, binding.operator, request.workload,
        request.nonce_block, binding.nonce, now,
    )  # fmt: skip
    actual = (
        verdict.enclave_key, verdict.referee, verdict.channel, verdict.operator, verdict.workload,
        verdict.nonce_block, verdict.nonce, verdict.issued_at,
    )  # fmt: skip
    if expected != actual:
        raise AppraisersDisagree("the verdict is on something else than was asked", expected=expected, actual=actual)


__all__ = [
    "AppraisersDisagree",
    "EvidenceRefused",
    "Proven",
    "QuorumRegistrar",
    "QuorumUnreachable",
    "Registrar",
    "VerdictSource",
    "require_answer",
]
