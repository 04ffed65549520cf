"""What the registry says of one of an operator's enclave keys.

Decided here: what is asked, that a key which is not the binding's active one has no expiry, and which commits an expiry
holds back. Not decided here: what else follows from it (``key_keeper``, ``operator_status``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from wattest.chain.ports import RefereePort, RegistryPort
from wattest.chain.referee_core import ChannelHead
from wattest.crypto.secp256k1 import recover_address
from wattest.errors import ProtocolError
from wattest.keys.key_life import KeySettings
from wattest.store.batch_state import StoredBatch
from wattest.store.duty import OpenUse
from wattest.store.operator_port import KeyStore
from wattest.workload.configuration import EngineConfiguration
from wattest.workload.engine import workload_digest
from wattest.workload.guests import load_guest_bytes


class EnclaveKeyExpiring(ProtocolError):
    """A commit was held back: its key's registration could end before the commit is mined."""


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


@cache
def settling_workload() -> bytes:
    """The workload digest of this program's ``settle``, 32 bytes: what headers of statements carry."""
    return workload_digest(load_guest_bytes("settle"), EngineConfiguration.for_enclave())


def workload_of(use: OpenUse | None) -> bytes:
    """What this program's headers carry in a channel of this use; None for a scheduled one."""
    return settling_workload() if use is OpenUse.STATEMENTS else sealing_workload()


def registered_workload(keys: KeyStore, channel: bytes, use: OpenUse | None = None) -> bytes:
    """The workload that the channel's newest registration was for; this program's before the first."""
    known = keys.registered(channel)
    return workload_of(use) if known is None else known.verdict.workload


def fetch_standing(
    registry: RegistryPort, referee: bytes, channel: bytes, operator: bytes, workload: bytes, enclave_key: bytes
) -> Standing:
    """What stands in the registry now; raises ``TransportError`` when the chain does not answer."""
    known = registry.registration_of((referee, channel, operator), enclave_key)
    active, expires_at = registry.active_key(referee, channel, operator, workload)
    return Standing(
        active, known.issued_at, expires_at if active == enclave_key else 0, known.is_known, known.revoked_at != 0
    )


def _is_timely(batch: StoredBatch, head: ChannelHead, now: int) -> bool:
    """Whether the chain still takes the batch for its time; an open channel (no epoch) has no deadline."""
    return not head.epoch_s or now < batch.period_end + head.commit_deadline_s


def held_back(
    registry: RegistryPort,
    referee: RefereePort,
    settings: KeySettings,
    operator: bytes,
    batches: Sequence[StoredBatch],
    now: int,
) -> dict[bytes, EnclaveKeyExpiring]:
    """Sealed batches, one of a channel, that must not be committed now: by channel, why; asked for all at once.

    Past a batch's deadline the contract has the word. Raises ``TransportError`` when the chain does not answer.
    """
    heads = referee.heads_of([batch.channel for batch in batches], operator)
    timely = [one for one in batches if _is_timely(one, heads[one.channel][0], now)]
    headers = [batch.signed[0] for batch in timely]
    keys = registry.active_keys(referee.address, operator, [(header.channel, header.workload) for header in headers])
    held: dict[bytes, EnclaveKeyExpiring] = {}
    for batch, (key, expires_at) in zip(timely, keys, strict=True):
        header, signature = batch.signed
        signer = recover_address(header.digest(referee.domain), signature)
        if key == signer and not settings.is_committable(expires_at, now):
            held[batch.channel] = EnclaveKeyExpiring(
                "the commit waits for its key's renewal",
                enclave_key=signer,
                expires_at=expires_at,
                now_s=now,
                margin_s=settings.inclusion_margin_s,
                hint="see why the registration is not renewed: wattest operator status",
            )
    return held
