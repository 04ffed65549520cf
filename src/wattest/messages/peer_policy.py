"""Peer policy: by which appraisal policy and under which roots the enclaves of a channel trust one another.

Decided here: the EIP-712 message that the channel's manager signs over the policy's bytes and the roots. Not decided
here: what the policy says (``attestation.appraisal_policy``). Invariant: a host, which brings policy and roots to its
enclave, chooses neither. Source: docs/spec/ra-tls.md, section "Peer policy".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wattest.crypto.hashing import keccak256, sha256
from wattest.crypto.secp256k1 import recover_address
from wattest.crypto.signer import Signer
from wattest.errors import VerificationError
from wattest.messages.channel import ChannelIdentity
from wattest.messages.eip712 import Domain, type_hash, typed_data_digest
from wattest.messages.fields import WORD, require_bytes, require_uint, uint_word

PEER_POLICY_TYPE = "PeerPolicy(bytes32 channel,bytes32 policy,bytes32 roots,uint64 validUntil)"


class PeerPolicyUnsigned(VerificationError):
    """A peer policy that the channel's manager did not sign, or whose time is over."""


@dataclass(frozen=True, slots=True)
class PeerPolicy:
    """What a channel's manager lets its enclaves accept in peers until ``valid_until`` (unix seconds, exclusive).

    ``policy`` is the SHA-256 of the policy file's bytes, ``roots`` the SHA-256 over the roots' SHA-256 in order.
    """

    channel: bytes
    policy: bytes
    roots: bytes
    valid_until: int

    def __post_init__(self) -> None:
        for name in ("channel", "policy", "roots"):
            require_bytes(name, getattr(self, name), WORD)
        require_uint("valid_until", self.valid_until, 64)

    @classmethod
    def over(cls, channel: bytes, policy: bytes, roots: Sequence[bytes], valid_until: int) -> PeerPolicy:
        """The message over a policy file's bytes and root certificates (DER)."""
        return cls(channel, sha256(policy), sha256(b"".join(sha256(root) for root in roots)), valid_until)

    @property
    def struct_hash(self) -> bytes:
        """The EIP-712 hashStruct, 32 bytes."""
        return keccak256(
            type_hash(PEER_POLICY_TYPE) + self.channel + self.policy + self.roots + uint_word(self.valid_until)
        )

    def digest(self, domain: Domain) -> bytes:
        """The 32 bytes that the manager signs; the domain is the referee's."""
        return typed_data_digest(domain, self.struct_hash)


def sign_peer_policy(signer: Signer, policy: PeerPolicy, domain: Domain) -> bytes:
    """Sign as the channel's manager; 65 bytes."""
    return signer.sign_digest(policy.digest(domain))


def verify_peer_policy(
    policy: PeerPolicy, signature: bytes, channel: ChannelIdentity, domain: Domain, now: int
) -> None:
    """Check that the channel's manager signed the policy and that it holds at ``now`` (unix seconds).

    Raises: PeerPolicyUnsigned; the crypto room's errors for a malformed signature.
    """
    if policy.channel != channel.id:
        raise PeerPolicyUnsigned("the peer policy is of another channel", expected=channel.id, actual=policy.channel)
    signer = recover_address(policy.digest(domain), signature)
    if signer != channel.manager:
        raise PeerPolicyUnsigned(
            "the peer policy is not signed by the channel's manager",
            hint="policy file, roots and end must be the very ones that were signed",
            expected=channel.manager,
            actual=signer,
        )
    if now >= policy.valid_until:
        raise PeerPolicyUnsigned(
            "the peer policy's time is over",
            hint="ask the manager for a new one",
            expected=policy.valid_until,
            actual=now,
        )
