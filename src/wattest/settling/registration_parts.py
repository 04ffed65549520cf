"""The registrations behind a settlement's headers, with everything that their verdicts were made from.

Decided here: where each piece comes from: the verdict from the chain, evidence and endorsements from what the operator
keeps under the digests that the verdict names, the policy's text from whoever issues receipts. Not decided here: which
of them a receipt needs (``receipt.build``).
"""

from __future__ import annotations

from collections.abc import Mapping

from wattest.attestation.evidence import parse_evidence
from wattest.chain.ports import RegistryPort
from wattest.crypto.hashing import sha256
from wattest.errors import ConfigError, ProtocolError
from wattest.messages.eip712 import Domain
from wattest.messages.header import recover_header_signer
from wattest.receipt.receipt import RegistrationPart
from wattest.store.operator_port import OperatorView
from wattest.store.settlement import Settlement


class PolicyTextMissing(ConfigError):
    """A registration was judged by a policy whose text was not given."""


class EvidenceNotKept(ProtocolError):
    """The operator's folder does not hold what a registration was judged from."""


def registration_parts(
    settlement: Settlement,
    view: OperatorView,
    registry: RegistryPort,
    referee: Domain,
    policies: Mapping[bytes, str],
    *,
    is_by_quote: bool,
) -> list[RegistrationPart]:
    """Every registration of every key that signed one of the batches; ``policies`` maps SHA-256 to a policy's text.

    Raises: PolicyTextMissing, EvidenceNotKept; TransportError when the chain does not answer.
    """
    places = [(settlement.metering_channel, sequence) for sequence in settlement.cited_sequences]
    places.append((settlement.statement_channel, settlement.sequence))
    wanted: dict[tuple[bytes, bytes, bytes], None] = {}
    for channel, sequence in places:
        batch = view.batch(channel, sequence)
        header, signature = batch.signed
        signer = recover_header_signer(header, signature, referee)
        wanted[channel, header.operator, signer] = None
    parts = []
    for channel, operator, signer in wanted:
        for registered in registry.registered_verdicts((referee.verifying_contract, channel, operator), signer):
            verdict = registered.verdict
            if verdict.policy_digest not in policies:
                raise PolicyTextMissing(
                    "a receipt holds the policy that its enclave was judged by, and its text was not given",
                    expected=verdict.policy_digest,
                    actual=sorted(policies),
                    hint="name the appraisers' policy file: --policy FILE; one for each policy of the period",
                )
            parts.append(
                RegistrationPart(
                    verdict,
                    () if is_by_quote else registered.signatures,
                    _kept(view, channel, "evidence", verdict.evidence_digest),
                    _kept(view, channel, "endorsements", verdict.endorsements_digest).decode(),
                    policies[verdict.policy_digest],
                )
            )
    return parts


def _kept(view: OperatorView, channel: bytes, name: str, digest: bytes) -> bytes:
    for document in (f"{name}-{digest.hex()}", name):
        body = view.document(channel, document)
        if body is not None:
            found = parse_evidence(body).digest if name == "evidence" else sha256(body)
            if found == digest:
                return body
    raise EvidenceNotKept(
        f"the {name} behind a registration are not in the operator's folder",
        channel=channel,
        digest=digest,
        hint=f"name the file as {name} of the channel in operator.toml, and run the operator once",
    )
