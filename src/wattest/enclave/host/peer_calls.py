"""The part of the enclave client that a conversation with another enclave consists of.

Decided here: how the steps of a conversation become frames. Not decided here: their order and the stream between hosts
(``peer``), and what is judged inside (``measured.peer``). Invariant: bytes from the peer go in as they came.
Source: docs/spec/enclave-socket.md, methods ``peer.*`` and ``witness.load``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from wattest.crypto.strict_fields import Field, Fields
from wattest.enclave.host.jobs import ChainHead, PeerSettings, WitnessJob
from wattest.enclave.measured.peer_service import MAX_RELAY_BYTES
from wattest.messages.hand_over_permit import SignedPermit


@dataclass(frozen=True, slots=True)
class PeerStep:
    """Bytes for the peer, whether the enclave has more of them, and the conversation's result once it is there."""

    data: bytes
    more: bool
    result: Fields | None


class PeerCalls(ABC):
    """What ``EnclaveClient`` can ask about other enclaves."""

    @abstractmethod
    def _ask(self, method: str, params: dict[str, object]) -> Fields: ...

    def load_witness(self, job: WitnessJob) -> None:
        """Open drawn entries inside, to be shown to a witness next. Raises: WitnessRefused."""
        params: dict[str, object] = {
            "header": job.header.to_bytes(),
            "signature": job.signature,
            "seed": job.seed,
            "indices": b"".join(index.to_bytes(4, "big") for index in job.indices),
            "nodes": b"".join(job.nodes),
            "entries": b"".join(job.entries),
            "blocks": list(job.blocks),
            "wrapped": b"".join(job.wrapped),
        }
        self._ask("witness.load", params).close()

    def open_peer(
        self,
        settings: PeerSettings,
        role: str,
        permit: SignedPermit | None = None,
        head: ChainHead | None = None,
    ) -> bytes:
        """Begin a conversation with another enclave (``host.peer`` carries it); the nonce for the peer, 32 bytes."""
        params: dict[str, object] = {
            "channel": settings.channel,
            "role": role,
            "now": settings.now,
            "policy": settings.policy,
            "roots": list(settings.roots),
            "policy_until": settings.valid_until,
            "policy_signature": settings.signature,
            "permit": None if permit is None else _permit(permit),
            "head": None if head is None else {"sequence": head.sequence, "digest": head.digest},
        }
        fields = self._ask("peer.open", params)
        nonce = fields["nonce"].octets(32)
        fields.close()
        return nonce

    def start_peer(self, nonce: bytes, endorsements: bytes) -> PeerStep:
        """Attest over the peer's nonce; ``endorsements`` are what its host sent for its platform."""
        return _peer_step(self._ask("peer.start", {"nonce": nonce, "endorsements": endorsements}))

    def relay_peer(self, data: bytes) -> PeerStep:
        """Hand bytes from the peer in (at most 1 MiB). Raises: PeerRefused, TlsFailed, and what was refused inside."""
        return _peer_step(self._ask("peer.relay", {"data": data}))

    def close_peer(self) -> None:
        """Forget the conversation."""
        self._ask("peer.close", {}).close()


def _permit(signed: SignedPermit) -> dict[str, object]:
    return {
        "kind": int(signed.permit.kind),
        "from_measurement": signed.permit.from_measurement,
        "to_measurement": signed.permit.to_measurement,
        "to_platform": signed.permit.to_platform,
        "valid_until": signed.permit.valid_until,
        "signature": signed.signature,
    }


def _peer_step(fields: Fields) -> PeerStep:
    step = PeerStep(
        fields["data"].blob(MAX_RELAY_BYTES), fields["more"].boolean(), fields["result"].or_none(Field.fields)
    )
    fields.close()
    return step
