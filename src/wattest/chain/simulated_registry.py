"""The registry of enclave keys of a simulated chain: the contract's twin behind the port that key keepers ask.

Decided here: which call is which function of the twin, and what it notes in the log. Not decided here: any rule
(``twin.registry``), blocks and time (``simulated``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from wattest.chain.abi import load_abi
from wattest.chain.registry import UNKNOWN_KEY, RegisteredVerdict, Registration
from wattest.chain.simulated import Mined, Noted, SimulatedChain, SimulatedRequest, World
from wattest.chain.transactions import Block, Receipt
from wattest.crypto.signer import Signer
from wattest.messages.evidence_verdict import EvidenceVerdict, Revocation
from wattest.twin import registry as keys
from wattest.twin.referee.state import Call
from wattest.twin.registry import Binding


@dataclass(frozen=True, slots=True)
class _KeyEvent:
    """A registration or, without a verdict, a revocation."""

    binding: Binding
    enclave_key: bytes
    at_s: int
    registered: RegisteredVerdict | None


class SimulatedRegistry:
    """``chain.ports.RegistryPort`` over the twin, whose verifier is a quorum of appraisers."""

    def __init__(self, chain: SimulatedChain) -> None:
        self.client = chain
        self.domain = chain.world.registry.domain
        self.address = self.domain.verifying_contract
        self.abi = load_abi("EnclaveRegistry")

    def recent_nonce(self) -> Block:
        """The block before the latest."""
        return self.client.block(max(0, self.client.block().number - 1))

    def register(
        self, signer: Signer, verdict: EvidenceVerdict, signatures: Sequence[bytes], *, intent: str | None = None
    ) -> Receipt:
        """Register a key by the appraisers' signatures, ascending by signer."""
        evidence = b"".join(signatures)
        binding = (verdict.referee, verdict.channel, verdict.operator)

        def change(world: World, call: Call, chain: SimulatedChain) -> tuple[World, Noted]:
            after = keys.apply_register(world.registry, call.caller, call.now, chain.recent_blocks(), verdict, evidence)

            def note(mined: Mined, _: int) -> _KeyEvent:
                kept = RegisteredVerdict(verdict, evidence, mined.block.number, mined.transaction_hash)
                return _KeyEvent(binding, verdict.enclave_key, mined.block.timestamp_s, kept)

            return replace(world, registry=after), [note]

        return self._send(signer, change, intent)

    def revoke(self, signer: Signer, binding: Binding, enclave_key: bytes, *, intent: str | None = None) -> Receipt:
        """Revoke a key at once, as its operator or its channel's manager."""

        def change(world: World, call: Call, _: SimulatedChain) -> tuple[World, Noted]:
            channel = world.referee.channels.get(binding[1])
            manager = bytes(20) if channel is None else channel.manager
            after = keys.apply_revoke(world.registry, call.caller, Revocation(enclave_key, *binding), manager)
            return replace(world, registry=after), [
                lambda mined, _: _KeyEvent(binding, enclave_key, mined.block.timestamp_s, None)
            ]

        return self._send(signer, change, intent)

    def active_key(self, referee: bytes, channel: bytes, operator: bytes, workload: bytes) -> tuple[bytes, int]:
        """The active key of a binding and when it expires; zeros when there is none."""
        return keys.active_key(self.client.world.registry, referee, channel, operator, workload)

    def active_keys(
        self, referee: bytes, operator: bytes, wanted: Sequence[tuple[bytes, bytes]]
    ) -> list[tuple[bytes, int]]:
        """``active_key`` of many (channel, workload) of an operator."""
        return [self.active_key(referee, channel, operator, workload) for channel, workload in wanted]

    def was_registered(self, referee: bytes, channel: bytes, operator: bytes, enclave_key: bytes) -> bool:
        """Whether the key was ever registered for the binding."""
        return keys.was_registered(self.client.world.registry, referee, channel, operator, enclave_key)

    def registration_of(self, binding: Binding, enclave_key: bytes) -> Registration:
        """What is known of a key in its binding; a quorum knows no evidence again, so that the tag is zero."""
        events = self._events(binding, enclave_key)
        registered = [event for event in events if event.registered is not None]
        if not registered or registered[-1].registered is None:
            return UNKNOWN_KEY
        verdict = registered[-1].registered.verdict
        revoked = [event.at_s for event in events if event.registered is None]
        return Registration(
            verdict.digest(self.domain), registered[-1].at_s, verdict.expires_at, revoked[-1] if revoked else 0,
            verdict.issued_at,
        )  # fmt: skip

    def registered_verdicts(self, binding: Binding, enclave_key: bytes) -> list[RegisteredVerdict]:
        """Every registration of a key in its binding, oldest first."""
        return [one.registered for one in self._events(binding, enclave_key) if one.registered is not None]

    def _events(self, binding: Binding, enclave_key: bytes) -> list[_KeyEvent]:
        noted = self.client.log(0, self.client.block().number)
        wanted = (binding, enclave_key)
        return [one for one in noted if isinstance(one, _KeyEvent) and (one.binding, one.enclave_key) == wanted]

    def _send(self, signer: Signer, change: Any, intent: str | None) -> Receipt:
        return self.client.deliver(SimulatedRequest(signer, self.abi, self.address, b"", intent=intent, change=change))
