"""The enclave registry's pure twin: which enclave keys may sign batches.

Decided here: registration, replacement and revocation, behind a quorum of appraisers. Not decided here: how evidence is
appraised. Invariants: one active key per (referee, channel, operator); in a channel a key belongs to one operator for
ever and stays known after expiry, replacement and revocation, so that fraud can still be proved against it; its
verdicts only go forward in time. What a key is registered for in one channel says nothing in another.
Source: contracts/src/EnclaveRegistry.sol, contracts/src/AppraiserQuorum.sol.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

from wattest.crypto.secp256k1 import recover_address
from wattest.errors import WattestError
from wattest.messages.eip712 import Domain
from wattest.messages.evidence_verdict import MAX_APPRAISERS, EvidenceVerdict, Revocation
from wattest.messages.fields import ZERO_ADDRESS, ZERO_WORD
from wattest.twin.errors import (
    AppraiserSetInvalid,
    AppraisersNotAscending,
    AppraiserUnknown,
    InvalidSignature,
    KeyBoundElsewhere,
    KeyNeverRegistered,
    KeyRevoked,
    NonceStale,
    NotOperator,
    NotRevoker,
    QuorumTooSmall,
    RegistrationTooLong,
    VerdictExpired,
    VerdictFromFuture,
    VerdictIncomplete,
    VerdictNotNewer,
)

SIGNATURE_BYTES = 65
Binding = tuple[bytes, bytes, bytes]  # referee, channel, operator
KeyId = tuple[bytes, bytes, bytes]  # referee, channel, enclave key


@dataclass(frozen=True, slots=True)
class AppraiserQuorum:
    """Who appraises, strictly ascending addresses (20 bytes), and how many of them must sign.

    Raises AppraiserSetInvalid.
    """

    appraisers: tuple[bytes, ...]
    threshold: int

    def __post_init__(self) -> None:
        in_order = all(before < after for before, after in pairwise((ZERO_ADDRESS, *self.appraisers)))
        if not in_order or not 0 < self.threshold <= len(self.appraisers) <= MAX_APPRAISERS:
            raise AppraiserSetInvalid


@dataclass(frozen=True, slots=True)
class Registration:
    """What is known of a key: its binding, and of its last verdict workload and times (unix seconds).

    The contract keeps the binding as 16 bytes of its hash, and workload and expiry with the active key only.
    """

    binding: Binding
    workload: bytes
    issued_at: int
    expires_at: int
    is_revoked: bool = False


@dataclass(frozen=True, slots=True)
class RegistryState:
    """The contract's storage; ``domain`` is the registry's own."""

    domain: Domain
    quorum: AppraiserQuorum
    max_registration_s: int = 30 * 86_400
    keys: Mapping[KeyId, Registration] = field(default_factory=dict)
    active: Mapping[Binding, bytes] = field(default_factory=dict)


def active_key(
    registry: RegistryState, referee: bytes, channel: bytes, operator: bytes, workload: bytes
) -> tuple[bytes, int]:
    """The active key for binding and workload with its expiry; zeros if there is none."""
    key = registry.active.get((referee, channel, operator), ZERO_ADDRESS)
    found = registry.keys.get((referee, channel, key))
    if found is None or found.workload != workload:
        return ZERO_ADDRESS, 0
    return key, found.expires_at


def was_registered(
    registry: RegistryState, referee: bytes, channel: bytes, operator: bytes, enclave_key: bytes
) -> bool:
    """Whether the key was ever registered for the binding, whatever happened since."""
    found = registry.keys.get((referee, channel, enclave_key))
    return found is not None and found.binding == (referee, channel, operator)


def apply_register(
    registry: RegistryState,
    caller: bytes,
    now: int,
    recent_blocks: Mapping[int, bytes],
    verdict: EvidenceVerdict,
    evidence: bytes,
) -> RegistryState:
    """Register the verdict's key, replacing the binding's active one.

    ``recent_blocks`` maps the numbers of the last 256 blocks to their hashes; ``evidence`` is the appraisers' 65-byte
    signatures, concatenated.

    Raises: the errors of the contract's ``register``.
    """
    if verdict.operator != caller:
        raise NotOperator(verdict.operator, caller)
    if ZERO_ADDRESS in (verdict.enclave_key, verdict.referee) or verdict.workload == ZERO_WORD:
        raise VerdictIncomplete
    if verdict.issued_at > now:
        raise VerdictFromFuture(verdict.issued_at, now)
    if now >= verdict.expires_at:
        raise VerdictExpired(verdict.expires_at, now)
    length = verdict.expires_at - verdict.issued_at
    if length > registry.max_registration_s:
        raise RegistrationTooLong(registry.max_registration_s, length)
    if verdict.nonce == ZERO_WORD or recent_blocks.get(verdict.nonce_block) != verdict.nonce:
        raise NonceStale(verdict.nonce_block, verdict.nonce)
    binding = (verdict.referee, verdict.channel, verdict.operator)
    key_id = (verdict.referee, verdict.channel, verdict.enclave_key)
    found = registry.keys.get(key_id)
    if found is not None:
        if found.is_revoked:
            raise KeyRevoked(verdict.enclave_key)
        if found.binding != binding:
            raise KeyBoundElsewhere(verdict.enclave_key)
        if verdict.issued_at <= found.issued_at:
            raise VerdictNotNewer(found.issued_at, verdict.issued_at)
    require_quorum(registry.quorum, verdict.digest(registry.domain), evidence)
    registered = Registration(binding, verdict.workload, verdict.issued_at, verdict.expires_at)
    return replace(
        registry,
        keys={**registry.keys, key_id: registered},
        active={**registry.active, binding: verdict.enclave_key},
    )


def apply_revoke(registry: RegistryState, caller: bytes, revocation: Revocation, manager: bytes) -> RegistryState:
    """Revoke a key at once; ``manager`` is the one of the key's channel, as its referee names it.

    Raises: KeyNeverRegistered, NotRevoker, KeyRevoked.
    """
    found = _known(registry, revocation)
    if caller not in (revocation.operator, manager):
        raise NotRevoker(caller)
    return _revoked(registry, revocation, found)


def apply_revoke_with_evidence(registry: RegistryState, revocation: Revocation, evidence: bytes) -> RegistryState:
    """Revoke a key by the quorum's word; anyone may bring it.

    Raises: KeyNeverRegistered, KeyRevoked, and the quorum's errors.
    """
    found = _known(registry, revocation)
    require_quorum(registry.quorum, revocation.digest(registry.domain), evidence)
    return _revoked(registry, revocation, found)


def require_quorum(quorum: AppraiserQuorum, digest: bytes, evidence: bytes) -> None:
    """Check concatenated 65-byte signatures of appraisers over ``digest``, strictly ascending by signer.

    Raises: QuorumTooSmall, InvalidSignature, AppraiserUnknown, AppraisersNotAscending.
    """
    count = len(evidence) // SIGNATURE_BYTES
    if len(evidence) % SIGNATURE_BYTES != 0 or count < quorum.threshold:
        raise QuorumTooSmall(quorum.threshold, count)
    before = ZERO_ADDRESS
    for at in range(0, len(evidence), SIGNATURE_BYTES):
        try:
            signer = recover_address(digest, evidence[at : at + SIGNATURE_BYTES])
        except WattestError as error:
            raise InvalidSignature from error
        if signer not in quorum.appraisers:
            raise AppraiserUnknown(signer)
        if signer <= before:
            raise AppraisersNotAscending(signer)
        before = signer


def _known(registry: RegistryState, revocation: Revocation) -> Registration:
    found = registry.keys.get(_id_of(revocation))
    if found is None or found.binding != (revocation.referee, revocation.channel, revocation.operator):
        raise KeyNeverRegistered(revocation.enclave_key)
    return found


def _revoked(registry: RegistryState, revocation: Revocation, found: Registration) -> RegistryState:
    if found.is_revoked:
        raise KeyRevoked(revocation.enclave_key)
    ended = (found.binding, revocation.enclave_key)
    active = {binding: key for binding, key in registry.active.items() if (binding, key) != ended}
    keys = {**registry.keys, _id_of(revocation): replace(found, is_revoked=True)}
    return replace(registry, keys=keys, active=active)


def _id_of(revocation: Revocation) -> KeyId:
    return revocation.referee, revocation.channel, revocation.enclave_key
