"""The member list: whose meters count in a channel, who may read, signed by the channel's manager.

Decided here: the list's rules (members strictly ascending by public key, meter key commitments unique, watcher keys
strictly ascending), its EIP-712 digest, its byte form and the manager's signature. Not decided here: the roster of one
period (``roster``) and the meter keys behind the commitments (the enclave checks them). Invariants: one set of members
has one byte form and one digest; two members never share a blinded meter, because they never share a meter key.
Source: docs/spec/member-list.md.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from wattest.crypto.hashing import keccak256
from wattest.crypto.secp256k1 import recover_address
from wattest.crypto.signer import Signer
from wattest.errors import InputError, VerificationError
from wattest.messages.channel import ChannelIdentity, parse_channel_kind
from wattest.messages.eip712 import Domain, type_hash, typed_data_digest
from wattest.messages.fields import WORD, ZERO_WORD, require_bytes, require_uint, uint_word

MAX_MEMBERS = 1 << 20
MAX_WATCHERS = 64
PUBLIC_KEY_BYTES = 64
MEMBER_BYTES = PUBLIC_KEY_BYTES + 2 * WORD
SIGNATURE_BYTES = 65
MEMBER_TYPE = "Member(bytes32 publicKeyX,bytes32 publicKeyY,bytes32 meterKeyCommitment,bytes32 readerKey)"
MEMBER_LIST_TYPE = (
    "MemberList(bytes32 channel,uint64 validFrom,Member[] members,bytes32[] watcherReaderKeys)" + MEMBER_TYPE
)
_VERSION = 1
# version, manager, kind, salt, valid from, member count, watcher count
_PREFIX = struct.Struct(">B20sB32sQIH")


class MemberListInvalid(InputError):
    """A member list whose bytes or rules do not hold: length, version, order, a duplicate, a zero key, a limit."""


class MemberListUnsigned(VerificationError):
    """A member list that its channel's manager did not sign, or that is of another channel."""


@dataclass(frozen=True, slots=True)
class Member:
    """One household: P-256 meter key X||Y (64 bytes), commitment to its meter key (32), X25519 reader key (32)."""

    public_key: bytes
    meter_key_commitment: bytes
    reader_key: bytes

    def __post_init__(self) -> None:
        require_bytes("member public key", self.public_key, PUBLIC_KEY_BYTES)
        require_bytes("meter key commitment", self.meter_key_commitment, WORD)
        require_bytes("reader key", self.reader_key, WORD)
        if ZERO_WORD in (self.meter_key_commitment, self.reader_key):
            raise MemberListInvalid("a member's commitment and reader key must not be zero", member=self.public_key)

    def to_bytes(self) -> bytes:
        """Public key, commitment, reader key: 128 bytes."""
        return self.public_key + self.meter_key_commitment + self.reader_key


@dataclass(frozen=True, slots=True)
class MemberList:
    """The members of one channel for periods that start at or after ``valid_from`` (unix seconds).

    Members ascend strictly by public key, watcher reader keys (X25519, 32 bytes) strictly by value. Raises
    MemberListInvalid.
    """

    channel: bytes
    valid_from: int
    members: tuple[Member, ...]
    watcher_reader_keys: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        require_bytes("channel", self.channel, WORD)
        require_uint("valid_from", self.valid_from, 64)
        if not 0 < len(self.members) <= MAX_MEMBERS:
            raise MemberListInvalid(
                "member count out of bounds", expected=f"1 to {MAX_MEMBERS}", actual=len(self.members)
            )
        if len(self.watcher_reader_keys) > MAX_WATCHERS:
            raise MemberListInvalid(
                "too many watchers", expected=f"at most {MAX_WATCHERS}", actual=len(self.watcher_reader_keys)
            )
        for key in self.watcher_reader_keys:
            require_bytes("watcher reader key", key, WORD)
        if ZERO_WORD in self.watcher_reader_keys:
            raise MemberListInvalid("a watcher's reader key must not be zero")
        require_ascending("member public keys", [member.public_key for member in self.members])
        require_ascending("watcher reader keys", self.watcher_reader_keys)
        if len({member.meter_key_commitment for member in self.members}) != len(self.members):
            raise MemberListInvalid(
                "two members share a meter key commitment",
                hint="every household needs a meter key of its own, or their entries would collide",
            )

    @property
    def struct_hash(self) -> bytes:
        """The EIP-712 hashStruct, 32 bytes; a member's struct is its 128 bytes, which are its four words."""
        member_type = type_hash(MEMBER_TYPE)
        members = b"".join(keccak256(member_type + member.to_bytes()) for member in self.members)
        return keccak256(
            type_hash(MEMBER_LIST_TYPE)
            + self.channel
            + uint_word(self.valid_from)
            + keccak256(members)
            + keccak256(b"".join(self.watcher_reader_keys))
        )

    def digest(self, domain: Domain) -> bytes:
        """The 32 bytes that the manager signs."""
        return typed_data_digest(domain, self.struct_hash)


@dataclass(frozen=True, slots=True)
class SignedMemberList:
    """A member list, the preimage of its channel id, and the manager's signature (65 bytes r||s||v)."""

    member_list: MemberList
    identity: ChannelIdentity
    signature: bytes

    def __post_init__(self) -> None:
        require_bytes("member list signature", self.signature, SIGNATURE_BYTES)

    def to_bytes(self) -> bytes:
        """The byte form; the channel id is not in it, because it follows from the identity.

        Raises: MemberListUnsigned when list and identity name different channels.
        """
        _require_same_channel(self)
        listed = self.member_list
        prefix = _PREFIX.pack(
            _VERSION,
            self.identity.manager,
            self.identity.kind,
            self.identity.salt,
            listed.valid_from,
            len(listed.members),
            len(listed.watcher_reader_keys),
        )
        members = b"".join(member.to_bytes() for member in listed.members)
        return prefix + members + b"".join(listed.watcher_reader_keys) + self.signature


def sign_member_list(
    signer: Signer, member_list: MemberList, identity: ChannelIdentity, domain: Domain
) -> SignedMemberList:
    """Sign as the manager.

    Raises: MemberListUnsigned when the key is not the manager's or the identity is of another channel.
    """
    signed = SignedMemberList(member_list, identity, signer.sign_digest(member_list.digest(domain)))
    verify_member_list(signed, domain)
    return signed


def verify_member_list(signed: SignedMemberList, domain: Domain) -> None:
    """Check that the channel is the identity's and that its manager signed the list.

    Raises: MemberListUnsigned; the crypto room's errors for a malformed signature.
    """
    _require_same_channel(signed)
    signer = recover_address(signed.member_list.digest(domain), signed.signature)
    if signer != signed.identity.manager:
        raise MemberListUnsigned(
            "the member list is not signed by the channel's manager",
            expected=signed.identity.manager,
            actual=signer,
            hint="ask the manager for a list signed for this chain and this referee",
        )


def parse_signed_member_list(data: bytes) -> SignedMemberList:
    """Read the byte form; the signature is not checked.

    Raises: MemberListInvalid; FieldInvalid for an unknown kind.
    """
    if len(data) < _PREFIX.size:
        raise MemberListInvalid("member list truncated", expected=f"at least {_PREFIX.size} bytes", actual=len(data))
    version, manager, kind, salt, valid_from, member_count, watcher_count = _PREFIX.unpack_from(data)
    if version != _VERSION:
        raise MemberListInvalid("unknown member list version", expected=_VERSION, actual=version)
    if not 0 < member_count <= MAX_MEMBERS or watcher_count > MAX_WATCHERS:
        raise MemberListInvalid(
            "member list over its limits",
            expected=f"1 to {MAX_MEMBERS} members, at most {MAX_WATCHERS} watchers",
            actual=f"{member_count} members, {watcher_count} watchers",
        )
    watchers_at = _PREFIX.size + member_count * MEMBER_BYTES
    signature_at = watchers_at + watcher_count * WORD
    if len(data) != signature_at + SIGNATURE_BYTES:
        raise MemberListInvalid(
            "member list of the wrong length", expected=signature_at + SIGNATURE_BYTES, actual=len(data)
        )
    identity = ChannelIdentity(manager, parse_channel_kind(kind), salt)
    members = tuple(
        Member(data[at : at + 64], data[at + 64 : at + 96], data[at + 96 : at + 128])
        for at in range(_PREFIX.size, watchers_at, MEMBER_BYTES)
    )
    watchers = tuple(data[at : at + WORD] for at in range(watchers_at, signature_at, WORD))
    return SignedMemberList(MemberList(identity.id, valid_from, members, watchers), identity, data[signature_at:])


def _require_same_channel(signed: SignedMemberList) -> None:
    if signed.identity.id != signed.member_list.channel:
        raise MemberListUnsigned(
            "the member list is of another channel", expected=signed.identity.id, actual=signed.member_list.channel
        )


def require_ascending(what: str, keys: Sequence[bytes]) -> None:
    """Raise ``MemberListInvalid`` unless each key is above the one before."""
    for before, after in pairwise(keys):
        if before >= after:
            raise MemberListInvalid(f"{what} must ascend strictly, without repeats", before=before, after=after)
