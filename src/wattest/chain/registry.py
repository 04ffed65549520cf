"""The EnclaveRegistry contract with protocol types: registering, revoking and looking up enclave keys.

Decided here: how its functions and log map to protocol values. Not decided here: whose verdict counts (the verifier
contract), how a verdict is made (``attestation``).

Source: contracts/src/interfaces/IEnclaveRegistry.sol, IEvidenceVerifier.sol.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from wattest.chain.abi import AbiEvent, UnexpectedContractAnswer, load_abi
from wattest.chain.client import Block, ChainClient, Log, Receipt, Reorganised
from wattest.crypto.hashing import keccak256
from wattest.crypto.signer import Signer
from wattest.messages.eip712 import Domain
from wattest.messages.evidence_verdict import EvidenceVerdict, Revocation
from wattest.twin.registry import Binding

SIGNATURE_BYTES = 65


@dataclass(frozen=True, slots=True)
class Registration:
    """What the chain knows of a key's last registration; times are unix seconds, ``revoked_at`` zero unless revoked.

    ``issued_at`` is the verdict's; ``evidence_tag`` are the 10 bytes by which the verifier knows the evidence again.
    """

    verdict_digest: bytes
    registered_at: int
    expires_at: int
    revoked_at: int
    issued_at: int = 0
    evidence_tag: bytes = bytes(10)

    @property
    def is_known(self) -> bool:
        """Whether the key was ever registered."""
        return self.registered_at != 0


UNKNOWN_KEY = Registration(bytes(32), 0, 0, 0)


@dataclass(frozen=True, slots=True)
class RegisteredVerdict:
    """A registration as its transaction carried it: the verdict and what the verifier took for evidence."""

    verdict: EvidenceVerdict
    evidence: bytes
    registered_at_block: int
    transaction_hash: bytes

    @property
    def signatures(self) -> tuple[bytes, ...]:
        """The appraisers' signatures, when the registry's verifier is a quorum."""
        return tuple(self.evidence[at : at + SIGNATURE_BYTES] for at in range(0, len(self.evidence), SIGNATURE_BYTES))


def binding_id(binding: Binding) -> bytes:
    """The 16 bytes by which the registry knows a binding again."""
    referee, channel, operator = binding
    return keccak256(bytes(12) + referee + channel + bytes(12) + operator)[:16]


class EnclaveRegistry:
    """The registry at one address of one chain."""

    def __init__(self, client: ChainClient, address: bytes, *, deployed_at_block: int = 0) -> None:
        self.client = client
        self.address = address
        self.deployed_at_block = deployed_at_block
        self.abi = load_abi("EnclaveRegistry")
        self._registrations: dict[tuple[Binding, bytes], Registration] = {}

    @cached_property
    def domain(self) -> Domain:
        """The EIP-712 domain that verdicts are signed for."""
        return Domain(self.client.chain_id, self.address)

    def recent_nonce(self) -> Block:
        """A block whose hash can be the nonce of new evidence: the one before the latest.

        The latest itself would do on chain, but a node tries a transaction as if it were in the latest block, where
        that block's own hash is not known yet.
        """
        return self.client.block(max(0, self.client.block().number - 1))

    def register(
        self, signer: Signer, verdict: EvidenceVerdict, signatures: Sequence[bytes], *, intent: str | None = None
    ) -> Receipt:
        """Register a key; ``signatures`` are the appraisers', 65 bytes each, ascending by signer.

        For a registry whose verifier judges quotes it is one item, the evidence (``attestation.chain_evidence``).
        """
        return self.client.send(
            signer, self.abi, self.address, "register", verdict, b"".join(signatures), intent=intent
        )

    def revoke(self, signer: Signer, binding: Binding, enclave_key: bytes, *, intent: str | None = None) -> Receipt:
        """Revoke a key at once, as its operator or its channel's manager."""
        revocation = Revocation(enclave_key, *binding)
        return self.client.send(signer, self.abi, self.address, "revoke", revocation, intent=intent)

    def revoke_with_evidence(self, signer: Signer, binding: Binding, enclave_key: bytes, evidence: bytes) -> Receipt:
        """Revoke a key at once by evidence that the registry's verifier takes; anyone may."""
        revocation = Revocation(enclave_key, *binding)
        return self.client.send(signer, self.abi, self.address, "revokeWithEvidence", revocation, evidence)

    def active_key(self, referee: bytes, channel: bytes, operator: bytes, workload: bytes) -> tuple[bytes, int]:
        """The active key of a binding and when it expires; zeros when there is none."""
        key, expires_at = self._call("activeKey", referee, channel, operator, workload)
        return key, expires_at

    def active_keys(
        self, referee: bytes, operator: bytes, wanted: Sequence[tuple[bytes, bytes]]
    ) -> list[tuple[bytes, int]]:
        """``active_key`` of many (channel, workload) of an operator, in one round trip for each hundred."""
        calls = [("activeKey", (referee, channel, operator, workload)) for channel, workload in wanted]
        return [(key, expires_at) for key, expires_at in self.client.call_many(self.abi, self.address, calls)]

    def was_registered(self, referee: bytes, channel: bytes, operator: bytes, enclave_key: bytes) -> bool:
        """Whether the key was ever registered for the binding."""
        return bool(self._call("wasRegistered", referee, channel, operator, enclave_key)[0])

    def registration_of(self, binding: Binding, enclave_key: bytes) -> Registration:
        """What is known of a key in its binding: the contract keeps little, so digest and times come from its log."""
        referee, channel, _ = binding
        bound, evidence_tag, issued_at, is_revoked = self._call("registrationOf", referee, channel, enclave_key)
        if bound != binding_id(binding):
            return UNKNOWN_KEY
        known = self._registrations.get((binding, enclave_key))
        if known is None or (known.issued_at, known.evidence_tag, known.revoked_at != 0) != (
            issued_at, evidence_tag, is_revoked,
        ):  # fmt: skip
            registered = self._registered(binding, enclave_key)
            if not registered:
                raise Reorganised("the log of a registration is gone", retryable=True, enclave_key=enclave_key)
            log, event = registered[-1]
            revoked = self._events("EnclaveRevoked", binding, enclave_key) if is_revoked else []
            known = Registration(
                verdict_digest=event.arguments["verdictDigest"],
                registered_at=self.client.block(log.block_number).timestamp_s,
                expires_at=event.arguments["expiresAt"],
                revoked_at=self.client.block(revoked[-1][0].block_number).timestamp_s if revoked else 0,
                issued_at=issued_at,
                evidence_tag=evidence_tag,
            )
            self._registrations[binding, enclave_key] = known
        return known

    def verdict_digest(self, verdict: EvidenceVerdict) -> bytes:
        """The contract's own EIP-712 digest of a verdict."""
        return self._call("verdictDigest", verdict)[0]  # type: ignore[no-any-return]

    def registered_verdicts(self, binding: Binding, enclave_key: bytes) -> list[RegisteredVerdict]:
        """Every registration of a key in its binding, oldest first, read from the transactions that made them."""
        found: list[RegisteredVerdict] = []
        for log, event in self._registered(binding, enclave_key):
            fields, evidence = self.abi.decode_input("register", self.client.transaction_input(log.transaction_hash))
            verdict = EvidenceVerdict(*fields)
            if verdict.digest(self.domain) != event.arguments["verdictDigest"]:
                raise UnexpectedContractAnswer(
                    "the transaction does not carry the verdict that was registered",
                    retryable=False,
                    transaction=log.transaction_hash,
                )
            found.append(RegisteredVerdict(verdict, evidence, log.block_number, log.transaction_hash))
        return found

    def _registered(self, binding: Binding, enclave_key: bytes) -> list[tuple[Log, AbiEvent]]:
        return self._events("EnclaveRegistered", binding, enclave_key)

    def _events(self, name: str, binding: Binding, enclave_key: bytes) -> list[tuple[Log, AbiEvent]]:
        """Those of the binding alone: in a channel of their own anybody can register any key, in any transaction."""
        referee, channel, operator = binding
        topics = [self.abi.event_topic(name), channel, bytes(12) + operator, bytes(12) + enclave_key]
        logs = self.client.logs(self.address, topics, self.deployed_at_block, self.client.block().number)
        events = ((log, self.abi.decode_log(log.topics, log.data)) for log in logs)
        return [(log, event) for log, event in events if event is not None and event.arguments["referee"] == referee]

    def _call(self, function: str, *arguments: object) -> tuple[Any, ...]:
        return self.client.call(self.abi, self.address, function, *arguments)
