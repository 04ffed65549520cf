"""Hand-over permit: the manager's word that one enclave's channel state may go to another.

Decided here: the EIP-712 message, and when it covers a hand-over. Not decided here: the hand-over itself
(``enclave.measured``). Invariant: permission comes from the channel's manager, never from a host; it names operator,
both measurements and the platform that receives.
Source: docs/spec/ra-tls.md, section "Permit".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from wattest.crypto.hashing import keccak256
from wattest.crypto.secp256k1 import recover_address
from wattest.crypto.signer import Signer
from wattest.errors import InputError, VerificationError
from wattest.messages.channel import ChannelIdentity
from wattest.messages.eip712 import Domain, type_hash, typed_data_digest
from wattest.messages.fields import ADDRESS_BYTES, WORD, address_word, require_bytes, require_uint, uint_word

SIGNATURE_BYTES = 65
HAND_OVER_PERMIT_TYPE = (
    "HandOverPermit(bytes32 channel,address operator,uint8 kind,bytes32 fromMeasurement,bytes32 toMeasurement,"
    "bytes32 toPlatform,uint64 validUntil)"
)


class PermitInvalid(InputError):
    """A permit of an unknown kind."""


class PermitRefused(VerificationError):
    """A permit that the channel's manager did not sign, that is over, or that is for other enclaves."""


class PermitKind(IntEnum):
    """What may happen: the giver stops signing for ever, or goes on and keeps a standby current."""

    HAND_OVER = 1
    STANDBY = 2


@dataclass(frozen=True, slots=True)
class HandOverPermit:
    """From which measurement to which, on which platform, for one operator's state in one channel.

    Channel, measurements and platform id 32 bytes, operator 20; ``valid_until`` in unix seconds, exclusive.
    """

    channel: bytes
    operator: bytes
    kind: PermitKind
    from_measurement: bytes
    to_measurement: bytes
    to_platform: bytes
    valid_until: int

    def __post_init__(self) -> None:
        for name in ("channel", "from_measurement", "to_measurement", "to_platform"):
            require_bytes(name, getattr(self, name), WORD)
        require_bytes("operator", self.operator, ADDRESS_BYTES)
        require_uint("valid_until", self.valid_until, 64)

    @property
    def struct_hash(self) -> bytes:
        """The EIP-712 hashStruct, 32 bytes."""
        return keccak256(
            type_hash(HAND_OVER_PERMIT_TYPE)
            + self.channel
            + address_word(self.operator)
            + uint_word(int(self.kind))
            + self.from_measurement
            + self.to_measurement
            + self.to_platform
            + uint_word(self.valid_until)
        )

    def digest(self, domain: Domain) -> bytes:
        """The 32 bytes that the manager signs; the domain is the referee's."""
        return typed_data_digest(domain, self.struct_hash)


@dataclass(frozen=True, slots=True)
class SignedPermit:
    """A permit and the manager's 65-byte r||s||v."""

    permit: HandOverPermit
    signature: bytes

    def __post_init__(self) -> None:
        require_bytes("permit signature", self.signature, SIGNATURE_BYTES)


def parse_permit_kind(number: int) -> PermitKind:
    """The kind of a number. Raises: PermitInvalid."""
    try:
        return PermitKind(number)
    except ValueError as error:
        raise PermitInvalid("unknown kind of permit", expected=[1, 2], actual=number) from error


def sign_permit(signer: Signer, permit: HandOverPermit, domain: Domain) -> SignedPermit:
    """Sign as the channel's manager."""
    return SignedPermit(permit, signer.sign_digest(permit.digest(domain)))


def verify_permit(
    signed: SignedPermit, channel: ChannelIdentity, operator: bytes, kind: PermitKind, domain: Domain, now: int
) -> None:
    """Check channel, operator, kind, the manager's signature and the time (unix seconds).

    Raises: PermitRefused; the crypto room's errors for a malformed signature.
    """
    permit = signed.permit
    for what, expected, actual in (
        ("channel", channel.id, permit.channel),
        ("operator", operator, permit.operator),
        ("kind", kind, permit.kind),
    ):
        if expected != actual:
            raise PermitRefused(f"the permit is of another {what}", field=what, expected=expected, actual=actual)
    signer = recover_address(permit.digest(domain), signed.signature)
    if signer != channel.manager:
        raise PermitRefused(
            "the permit is not signed by the channel's manager",
            hint="ask the manager for a permit over these measurements, platform and end",
            expected=channel.manager,
            actual=signer,
        )
    if now >= permit.valid_until:
        raise PermitRefused("the permit's time is over", expected=permit.valid_until, actual=now)


def verify_ends(permit: HandOverPermit, giver: bytes, taker: bytes, platform: bytes | None) -> None:
    """Check the attested measurements (32 bytes each) of both ends and the taker's platform id.

    Raises: PermitRefused.
    """
    for what, expected, actual in (
        ("giver's measurement", permit.from_measurement, giver),
        ("taker's measurement", permit.to_measurement, taker),
        ("taker's platform", permit.to_platform, platform),
    ):
        if expected != actual:
            raise PermitRefused(f"the {what} is not the permit's", field=what, expected=expected, actual=actual)
