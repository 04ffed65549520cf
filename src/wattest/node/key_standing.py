"""What the registry says of one of an operator's enclave keys.

Decided here: what is asked, and that a key which is not the binding's active one has no expiry. Not decided here: what
follows from it (``key_keeper``, ``operator_status``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from wattest.chain.registry import EnclaveRegistry
from wattest.node.key_store import KeyStore
from wattest.workload.configuration import EngineConfiguration
from wattest.workload.engine import workload_digest
from wattest.workload.guests import load_guest_bytes


@dataclass(frozen=True, slots=True)
class Standing:
    """A key on chain: its newest verdict's time and its expiry (unix seconds; zero unless it is the active key)."""

    active_key: bytes
    issued_at: int
    expires_at: int
    is_known: bool
    is_revoked: bool


@cache
def sealing_workload() -> bytes:
    """The workload digest of this program's ``vee``, 32 bytes: what its scheduled headers carry."""
    return workload_digest(load_guest_bytes("vee"), EngineConfiguration.for_enclave())


def registered_workload(keys: KeyStore, channel: bytes) -> bytes:
    """The workload that the channel's newest registration was for; this program's before the first."""
    known = keys.registered(channel)
    return sealing_workload() if known is None else known.verdict.workload


def fetch_standing(
    registry: EnclaveRegistry, referee: bytes, channel: bytes, operator: bytes, workload: bytes, enclave_key: bytes
) -> Standing:
    """What stands in the registry now; raises ``TransportError`` when the chain does not answer."""
    known = registry.registration_of((referee, channel, operator), enclave_key)
    active, expires_at = registry.active_key(referee, channel, operator, workload)
    return Standing(
        active, known.issued_at, expires_at if active == enclave_key else 0, known.is_known, known.revoked_at != 0
    )
