"""Enclave keys: made inside, one per channel, bound by evidence, never shown.

Decided here: how a key is made or attested again, and the storage key that opens the enclave's own bundles. Not decided
here: whether evidence is believed (``attestation``) or a key registered (the chain). Invariant: a key signs for the
chain, referee, channel and operator that it was made for, and is sealed before its address is told.
Source: docs/spec/enclave-socket.md, method ``identity.create``; docs/spec/header.md, section "Report data".
"""

from __future__ import annotations

import secrets

from wattest.crypto.errors import KeyMaterialInvalid
from wattest.crypto.hashing import hmac_sha256, keccak256
from wattest.crypto.hpke import ReaderPrivateKey
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.enclave.measured.device import AttestationDevice
from wattest.enclave.measured.errors import IdentityConflict, IdentityUnknown, RequestInvalid
from wattest.enclave.measured.sealed_state import STORAGE_PURPOSE, SealedState, StateStore
from wattest.protocol.channel import ChannelIdentity, ChannelKind
from wattest.protocol.eip712 import Domain
from wattest.protocol.report_data import KeyBinding, report_data

FIRST_LIGHT_DOMAIN = b"wattest/first-light/1"
MAX_TEXT = 4_096


class Identities:
    """The keys of this enclave, by channel id."""

    def __init__(self, device: AttestationDevice, store: StateStore) -> None:
        self._device = device
        self._store = store
        self._states = store.load()
        self._storage_secret = device.sealing_key(STORAGE_PURPOSE)

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
        IdentityConflict; DeviceFailed; StateWriteFailed.
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
            secret = _fresh_secret()
            private_key = Secp256k1PrivateKey.from_seed(secret)
            state = SealedState(private_key, secret, domain, channel, binding.operator, start)
            self.save(state)
        elif state.domain != domain or state.operator != binding.operator:
            raise IdentityConflict(
                "the channel's key in this enclave is bound elsewhere: one operator per channel and enclave",
                hint="start another enclave with its own state folder",
                operator=state.operator,
                chain_id=state.domain.chain_id,
                referee=state.domain.verifying_contract,
            )
        return state, self._device.quote(report_data(binding, state.private_key.address))

    def storage_key(self, state: SealedState) -> ReaderPrivateKey:
        """The reader key under which this enclave opens the bundles of one channel again."""
        seed = hmac_sha256(self._storage_secret, state.channel.id + state.operator)
        return ReaderPrivateKey.from_seed(seed)

    def first_light(self, text: str, channel: bytes | None) -> tuple[SealedState, bytes, bytes]:
        """The identity used, keccak256 of the text, and its signature over the tagged digest.

        Raises: IdentityUnknown.
        """
        if channel is None:
            if not self._states:
                raise IdentityUnknown("this enclave has no key yet", hint="create an identity first")
            channel = min(self._states)
        state = self.get(channel)
        digest = keccak256(text.encode())
        return state, digest, state.private_key.sign_digest(first_light_digest(digest))


def first_light_digest(text_digest: bytes) -> bytes:
    """What is signed: keccak256("wattest/first-light/1" || keccak256(text)), 32 bytes."""
    return keccak256(FIRST_LIGHT_DOMAIN + text_digest)


def _fresh_secret() -> bytes:
    while True:
        secret = secrets.token_bytes(32)
        try:
            Secp256k1PrivateKey.from_seed(secret)
        except KeyMaterialInvalid:  # one draw in 2**127
            continue
        return secret
