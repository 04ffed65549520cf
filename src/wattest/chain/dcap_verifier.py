"""The DcapVerifier contract with protocol types: channels' policies, and PCK certificates that it keeps.

Decided here: how its functions and log map to protocol values. Not decided here: what the contract judges, how evidence
and policies are made (``attestation.chain_evidence``, ``attestation.policy_for_chain``).
Source: contracts/src/interfaces/IDcapVerifier.sol; docs/spec/dcap-on-chain.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wattest.attestation.chain_evidence import ChainEvidence
from wattest.chain.abi import load_abi
from wattest.chain.client import ChainClient, Receipt
from wattest.chain.collateral_registry import CollateralRegistry
from wattest.crypto.signer import Signer
from wattest.messages.channel_policy import AllowedStatus, ChannelPolicy, EnclaveReference, PolicyHead, TcbStatus


@dataclass(frozen=True, slots=True)
class PolicyInForce:
    """The policy in force without its lists, and the SHA-256 of the file it was made from."""

    head: PolicyHead
    digest: bytes

    @property
    def is_set(self) -> bool:
        """Whether the channel has a policy at all."""
        return self.head.version != 0


@dataclass(frozen=True, slots=True)
class Standing:
    """What stored collateral says of a platform and its quoting enclave, unmerged; dates are unix seconds."""

    tcb_status: TcbStatus
    qe_status: TcbStatus
    tcb_advisories: bytes
    qe_advisories: bytes
    tcb_evaluation_number: int
    qe_evaluation_number: int
    tcb_date: int
    qe_date: int
    oldest_issued: int


@dataclass(frozen=True, slots=True)
class QuoteFacts:
    """What a genuine quote says, in bytes as the report has them."""

    root: bytes
    platform: bytes
    measurement: bytes
    signer: bytes
    product: int
    svn: int
    attributes: bytes
    misc_select: bytes
    report_data: bytes
    report_data_rest: bytes
    standing: Standing


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """One entry of the log about a channel's policy: the event's name, its block and what it says."""

    name: str
    block_number: int
    arguments: dict[str, Any]


class DcapVerifier:
    """The verifier at one address of one chain; all functions name a channel by its referee and id."""

    def __init__(self, client: ChainClient, address: bytes, *, deployed_at_block: int = 0) -> None:
        self.client = client
        self.address = address
        self.deployed_at_block = deployed_at_block
        self.abi = load_abi("DcapVerifier")

    @property
    def collateral(self) -> CollateralRegistry:
        """The registry that it takes collateral from."""
        return CollateralRegistry(self.client, self._call("collateral")[0])

    def policy_of(self, referee: bytes, channel: bytes) -> PolicyInForce:
        """The channel's policy."""
        head, digest = self._call("policyOf", referee, channel)
        return PolicyInForce(PolicyHead(*head), digest)

    def queued_policy_of(self, referee: bytes, channel: bytes) -> tuple[bytes, int]:
        """Hash of the queued policy and when it may be applied (unix seconds); zeros if none is queued."""
        hash_, ready_at = self._call("queuedPolicyOf", referee, channel)
        return hash_, ready_at

    def policy_changes(self, referee: bytes, channel: bytes) -> list[PolicyChange]:
        """Everything that ever happened to the channel's policy, oldest first."""
        topics = [None, bytes(12) + referee, channel]
        head = self.client.block().number
        logs = self.client.logs(self.address, topics, self.deployed_at_block, head)
        decoded = ((log, self.abi.decode_log(log.topics, log.data)) for log in logs)
        return [
            PolicyChange(event.name, log.block_number, dict(event.arguments))
            for log, event in decoded
            if event is not None and event.arguments.get("channel") == channel
        ]

    def set_policy(self, signer: Signer, referee: bytes, channel: bytes, policy: ChannelPolicy) -> Receipt:
        """Set the channel's first policy, as its manager; it holds at once."""
        return self._send(signer, "setPolicy", referee, channel, policy)

    def queue_policy(self, signer: Signer, referee: bytes, channel: bytes, policy: ChannelPolicy) -> Receipt:
        """Announce the next policy, as the channel's manager."""
        return self._send(signer, "queuePolicy", referee, channel, policy)

    def cancel_policy(self, signer: Signer, referee: bytes, channel: bytes) -> Receipt:
        """Take the announced policy back, as the channel's manager."""
        return self._send(signer, "cancelPolicy", referee, channel)

    def apply_policy(self, signer: Signer, referee: bytes, channel: bytes, policy: ChannelPolicy) -> Receipt:
        """Put the announced policy in force once its wait is over, as the channel's manager."""
        return self._send(signer, "applyPolicy", referee, channel, policy)

    def withdraw_reference(
        self, signer: Signer, referee: bytes, channel: bytes, reference: EnclaveReference
    ) -> Receipt:
        """Want an enclave no more, at once, as the channel's manager."""
        return self._send(signer, "withdrawReference", referee, channel, reference)

    def withdraw_status(self, signer: Signer, referee: bytes, channel: bytes, status: AllowedStatus) -> Receipt:
        """Allow a status no more, at once, as the channel's manager."""
        return self._send(signer, "withdrawStatus", referee, channel, TcbStatus(status.status), status.advisories)

    def withdraw_platform(self, signer: Signer, referee: bytes, channel: bytes, platform: bytes) -> Receipt:
        """Take a platform off the list, at once, as the channel's manager."""
        return self._send(signer, "withdrawPlatform", referee, channel, platform)

    def tighten_limits(
        self,
        signer: Signer,
        referee: bytes,
        channel: bytes,
        *,
        max_collateral_age_s: int,
        min_evaluation_number: int,
        max_registration_s: int,
    ) -> Receipt:
        """Make limits of the policy in force stricter, at once, as the channel's manager; all three are given."""
        limits = max_collateral_age_s, min_evaluation_number, max_registration_s
        return self._send(signer, "tightenLimits", referee, channel, *limits)

    def is_kept(self, pck: bytes) -> bool:
        """Whether the contract has verified a certificate with these facts."""
        return bool(self._call("isKept", pck)[0])

    def keep_certificate(self, signer: Signer, evidence: ChainEvidence) -> Receipt:
        """Have a PCK certificate verified once; anyone may."""
        facts = evidence.facts
        return self._send(signer, "keepCertificate", facts.root, facts.authority, evidence.certificate)

    def examine(self, evidence: ChainEvidence, *, max_collateral_age_s: int = 0) -> QuoteFacts:
        """What a quote shows by itself; raises what the contract refuses."""
        values: list[Any] = list(self._call("examine", evidence.next(), max_collateral_age_s)[0])
        status, qe_status, *rest = values.pop()
        values.append(Standing(TcbStatus(status), TcbStatus(qe_status), *rest))
        return QuoteFacts(*values)

    def evidence_for(self, evidence: ChainEvidence) -> bytes:
        """What to bring now: the certificate itself only where the contract has not verified it yet."""
        return evidence.next() if self.is_kept(evidence.facts.id) else evidence.first()

    def _send(self, signer: Signer, function: str, *arguments: object) -> Receipt:
        return self.client.send(signer, self.abi, self.address, function, *arguments)

    def _call(self, function: str, *arguments: object) -> tuple[Any, ...]:
        return self.client.call(self.abi, self.address, function, *arguments)
