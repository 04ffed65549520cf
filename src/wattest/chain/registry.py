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

from wattest.chain.abi import UnexpectedContractAnswer, load_abi
from wattest.chain.client import Block, ChainClient, Receipt
from wattest.chain.signer import LocalSigner
from wattest.protocol.eip712 import Domain
from wattest.protocol.verdict import EvidenceVerdict

SIGNATURE_BYTES = 65


@dataclass(frozen=True, slots=True)
class Registration:
    """What the registry knows of a key; times are unix seconds, ``revoked_at`` zero unless revoked."""

    verdict_digest: bytes
    registered_at: int
    expires_at: int
    revoked_at: int

    @property
    def is_known(self) -> bool:
        """Whether the key was ever registered."""
        return self.registered_at != 0


@dataclass(frozen=True, slots=True)
class RegisteredVerdict:
    """A registration as its transaction carried it: the verdict and the appraisers' signatures."""

    verdict: EvidenceVerdict
    signatures: tuple[bytes, ...]
    registered_at_block: int
    transaction_hash: bytes


class EnclaveRegistry:
    """The registry at one address of one chain."""

    def __init__(self, client: ChainClient, address: bytes, *, deployed_at_block: int = 0) -> None:
        self.client = client
        self.address = address
        self.deployed_at_block = deployed_at_block
        self.abi = load_abi("EnclaveRegistry")

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
        self, signer: LocalSigner, verdict: EvidenceVerdict, signatures: Sequence[bytes], *, intent: str | None = None
    ) -> Receipt:
        """Register a key; ``signatures`` are the appraisers', 65 bytes each, ascending by signer."""
        return self.client.send(
            signer, self.abi, self.address, "register", verdict, b"".join(signatures), intent=intent
        )

    def revoke(self, signer: LocalSigner, enclave_key: bytes, *, intent: str | None = None) -> Receipt:
        """Revoke a key at once, as its operator or its channel's manager."""
        return self.client.send(signer, self.abi, self.address, "revoke", enclave_key, intent=intent)

    def active_key(self, referee: bytes, channel: bytes, operator: bytes, workload: bytes) -> tuple[bytes, int]:
        """The active key of a binding and when it expires; zeros when there is none."""
        key, expires_at = self._call("activeKey", referee, channel, operator, workload)
        return key, expires_at

    def was_registered(self, referee: bytes, channel: bytes, operator: bytes, enclave_key: bytes) -> bool:
        """Whether the key was ever registered for the binding."""
        return bool(self._call("wasRegistered", referee, channel, operator, enclave_key)[0])

    def registration_of(self, enclave_key: bytes) -> Registration:
        """What is known of a key."""
        return Registration(*self._call("registrationOf", enclave_key))

    def verdict_digest(self, verdict: EvidenceVerdict) -> bytes:
        """The contract's own EIP-712 digest of a verdict."""
        return self._call("verdictDigest", verdict)[0]  # type: ignore[no-any-return]

    def registered_verdicts(self, enclave_key: bytes) -> list[RegisteredVerdict]:
        """Every registration of a key, oldest first, read from the transactions that made them."""
        topics = [self.abi.event_topic("EnclaveRegistered"), None, None, bytes(12) + enclave_key]
        found: list[RegisteredVerdict] = []
        for log in self.client.logs(self.address, topics, self.deployed_at_block, self.client.block().number):
            event = self.abi.decode_log(log.topics, log.data)
            assert event is not None  # the topic was asked for
            fields, evidence = self.abi.decode_input("register", self.client.transaction_input(log.transaction_hash))
            verdict = EvidenceVerdict(*fields)
            if verdict.digest(self.domain) != event.arguments["verdictDigest"]:
                raise UnexpectedContractAnswer(
                    "the transaction does not carry the verdict that was registered",
                    retryable=False,
                    transaction=log.transaction_hash,
                )
            parts = tuple(evidence[at : at + SIGNATURE_BYTES] for at in range(0, len(evidence), SIGNATURE_BYTES))
            found.append(RegisteredVerdict(verdict, parts, log.block_number, log.transaction_hash))
        return found

    def _call(self, function: str, *arguments: object) -> tuple[Any, ...]:
        return self.client.call(self.abi, self.address, function, *arguments)
