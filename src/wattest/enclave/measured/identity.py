"""Enclave keys: made inside, one per channel, bound by evidence, never shown.

Decided here: how a key is made or attested again, the storage key that opens the enclave's own bundles, and that
contexts of readers live as long as this object and no longer. Not decided here: whether evidence is believed
(``attestation``) or a key registered (the chain). Invariants: a key signs for the chain, referee, channel and operator
that it was made for, and is sealed before its address is told; readers' contexts are in no sealed state and no
hand-over.
Source: docs/spec/enclave-socket.md, method ``identity.create``; docs/spec/header.md, section "Report data".
"""

from __future__ import annotations

import secrets
from dataclasses import replace

from wattest.crypto.errors import KeyMaterialInvalid
from wattest.crypto.hashing import hmac_sha256, keccak256
from wattest.crypto.hpke import ReaderPrivateKey
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.enclave.measured.device import AttestationDevice
from wattest.enclave.measured.errors import (
    HeadMismatch,
    IdentityConflict,
    IdentityUnknown,
    PhaseRefused,
    RequestInvalid,
)
from wattest.enclave.measured.sealed_state import STORAGE_PURPOSE, Phase, SealedState, StateStore, require_active
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.messages.eip712 import Domain
from wattest.messages.report_data import KeyBinding, report_data
from wattest.sealing.wrapped_keys import ReaderContexts

FIRST_LIGHT_DOMAIN = b"wattest/first-light/1"
MAX_TEXT = 4_096


class Identities:
    """The keys of this enclave, by channel id."""

    def __init__(self, device: AttestationDevice, store: StateStore) -> None:
        self._device = device
        self._store = store
        self._states = store.load()
        self._storage_secret = device.sealing_key(STORAGE_PURPOSE)
        self._reader_contexts: dict[bytes, ReaderContexts] = {}

    def all(self) -> list[SealedState]:
        """Every identity, by channel id."""
        return [self._states[channel] for channel in sorted(self._states)]

    def get(self, channel: bytes) -> SealedState:
        """The identity of a channel.

        Raises: IdentityUnknown.
        """
        state = self._states.get(channel)
        if state is None:
            raise IdentityUnknown(
                "this enclave has no key for the channel", channel=channel, hint="create the identity first"
            )
        return state

    def save(self, state: SealedState) -> None:
        """Seal ``state``, then believe it.

        Raises: StateWriteFailed; the state before is then kept.
        """
        self._store.save(state)
        self._states[state.channel.id] = state

    def create(
        self, binding: KeyBinding, channel: ChannelIdentity, start: tuple[int, bytes]
    ) -> tuple[SealedState, bytes]:
        """The key for ``binding``, made if absent, and fresh evidence over its nonce.

        A key made where the operator committed before continues from ``start``, the chain's head (sequence, digest),
        which is sealed with the new key and never changed: state rolled back to it still meets a head it does not know.
        Raises: RequestInvalid when binding and channel differ, or for such a start in an open channel;
        IdentityConflict; PhaseRefused for a key that may not sign; DeviceFailed; StateWriteFailed.
        """
        if channel.id != binding.channel:
            raise RequestInvalid(
                "the channel id is not that of its preimage", expected=channel.id, actual=binding.channel
            )
        domain = Domain(binding.chain_id, binding.referee)
        state = self._states.get(channel.id)
        if state is None:
            if (start[0] == 0) != (start[1] == bytes(32)):
                raise RequestInvalid("a head has a digest exactly when it has a sequence", field="start_digest")
            if start[0] and channel.kind is ChannelKind.OPEN:
                raise RequestInvalid(
                    "a new key cannot continue an open channel: it does not know the payouts promised there",
                    hint="open another statement channel and distribution; the old root stays claimable",
                    field="start_sequence",
                )
            state = _new_state(domain, channel, binding.operator, start, Phase.ACTIVE)
            self.save(state)
        _require_same_binding(state, domain, binding.operator)
        require_active(state)
        return state, self._device.quote(report_data(binding, state.private_key.address))

    def prepare(self, binding: KeyBinding, channel: ChannelIdentity) -> SealedState:
        """A key that waits for another enclave's state, made if absent; it signs nothing until then.

        Raises: RequestInvalid, IdentityConflict; PhaseRefused when the channel's key here is no successor.
        """
        if channel.id != binding.channel:
            raise RequestInvalid(
                "the channel id is not that of its preimage", expected=channel.id, actual=binding.channel
            )
        domain = Domain(binding.chain_id, binding.referee)
        state = self._states.get(channel.id)
        if state is None:
            state = _new_state(domain, channel, binding.operator, (0, bytes(32)), Phase.AWAITING)
            self.save(state)
        _require_same_binding(state, domain, binding.operator)
        if state.phase is Phase.HANDED_OVER or (state.phase is Phase.ACTIVE and not state.heritage.predecessors):
            raise PhaseRefused(
                "this enclave's key of the channel took nothing over and cannot: it has a life of its own",
                hint="start another enclave with its own state folder",
                phase=state.phase.name.lower(),
            )
        return state

    def activate(self, channel: bytes, head: tuple[int, bytes]) -> SealedState:
        """Let a standby sign, from the chain's head on; one that was activated at that head, or sealed since, stays.

        Raises: IdentityUnknown; PhaseRefused when the key is no standby; HeadMismatch when its replica is not of that
        head.
        """
        state = self.get(channel)
        is_again = state.phase is Phase.ACTIVE and bool(state.heritage.predecessors)
        if is_again and (head == state.start or state.last is not None):
            return state
        if state.phase is not Phase.STANDBY and not is_again:
            raise PhaseRefused("only a standby is activated", expected="standby", phase=state.phase.name.lower())
        if head != state.start:
            raise HeadMismatch(
                "the replica is not of the chain's head",
                hint="commit what the primary released, or make a new key that starts at the chain's head",
                expected=list(state.start),
                actual=list(head),
            )
        state = replace(state, phase=Phase.ACTIVE)
        self.save(state)
        return state

    def storage_seed(self, state: SealedState) -> bytes:
        """32 secret bytes behind the storage key: the ones taken over, else this platform's."""
        return state.heritage.storage_seed or hmac_sha256(self._storage_secret, state.channel.id + state.operator)

    def storage_key(self, state: SealedState) -> ReaderPrivateKey:
        """The reader key under which this enclave opens the bundles of one channel again."""
        return ReaderPrivateKey.from_seed(self.storage_seed(state))

    def reader_contexts(self, channel: bytes) -> ReaderContexts:
        """What series keys of one channel are wrapped under, until the process ends.

        Raises: IdentityUnknown.
        """
        return self._reader_contexts.setdefault(self.get(channel).channel.id, ReaderContexts(channel))

    def first_light(self, text: str, channel: bytes | None) -> tuple[SealedState, bytes, bytes]:
        """The identity used, keccak256 of the text, and its signature over the tagged digest.

        Raises: IdentityUnknown, PhaseRefused.
        """
        if channel is None:
            if not self._states:
                raise IdentityUnknown("this enclave has no key yet", hint="create an identity first")
            channel = min(self._states)
        state = self.get(channel)
        require_active(state)
        digest = keccak256(text.encode())
        return state, digest, state.private_key.sign_digest(first_light_digest(digest))


def first_light_digest(text_digest: bytes) -> bytes:
    """What is signed: keccak256("wattest/first-light/1" || keccak256(text)), 32 bytes."""
    return keccak256(FIRST_LIGHT_DOMAIN + text_digest)


def _new_state(
    domain: Domain, channel: ChannelIdentity, operator: bytes, start: tuple[int, bytes], phase: Phase
) -> SealedState:
    secret = _fresh_secret()
    key = Secp256k1PrivateKey.from_seed(secret)
    return SealedState(key, secret, domain, channel, operator, start, phase=phase)


def _require_same_binding(state: SealedState, domain: Domain, operator: bytes) -> None:
    if state.domain != domain or state.operator != operator:
        raise IdentityConflict(
            "the channel's key in this enclave is bound elsewhere: one operator per channel and enclave",
            hint="start another enclave with its own state folder",
            operator=state.operator,
            chain_id=state.domain.chain_id,
            referee=state.domain.verifying_contract,
        )


def _fresh_secret() -> bytes:
    while True:
        secret = secrets.token_bytes(32)
        try:
            Secp256k1PrivateKey.from_seed(secret)
        except KeyMaterialInvalid:  # one draw in 2**127
            continue
        return secret
