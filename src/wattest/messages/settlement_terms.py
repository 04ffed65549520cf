"""Settlement terms: by which tariff and allocation, and to which addresses, a community's money may flow.

Decided here: the EIP-712 message that the statement channel's manager signs, and when a statement keeps to it. Not
decided here: what the tariff or the allocation say (``settlement``). Invariant: a statement settles one metering
channel for one member list; a host chooses none of tariff, allocation, payees and metering channel.
Source: docs/spec/settlement-terms.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wattest.crypto.hashing import keccak256, sha256
from wattest.crypto.secp256k1 import recover_address
from wattest.crypto.signer import Signer
from wattest.errors import InputError, VerificationError
from wattest.messages.channel import ChannelIdentity
from wattest.messages.eip712 import Domain, type_hash, typed_data_digest
from wattest.messages.fields import ADDRESS_BYTES, WORD, require_bytes, require_uint, uint_word
from wattest.messages.member_list import MemberList

SIGNATURE_BYTES = 65
SETTLEMENT_TERMS_TYPE = (
    "SettlementTerms(bytes32 statementChannel,bytes32 meteringChannel,uint64 validFrom,uint64 validUntil,"
    "bytes32 members,bytes32 tariff,bytes32 allocation,bytes32 payees)"
)


class TermsInvalid(InputError):
    """Settlement terms that end before they begin."""


class TermsUnsigned(VerificationError):
    """Settlement terms that the statement channel's manager did not sign, or that do not cover the period."""


@dataclass(frozen=True, slots=True)
class SettlementTerms:
    """What one statement channel's manager allows for periods within [valid_from, valid_until), unix seconds.

    Channels 32 bytes; ``members`` is the member list's EIP-712 hashStruct, the others SHA-256 of the tariff's bytes, of
    the allocation's bytes, and of the 20-byte payee addresses back to back in member order. Raises TermsInvalid.
    """

    statement_channel: bytes
    metering_channel: bytes
    valid_from: int
    valid_until: int
    members: bytes
    tariff: bytes
    allocation: bytes
    payees: bytes

    def __post_init__(self) -> None:
        for name in ("statement_channel", "metering_channel", "members", "tariff", "allocation", "payees"):
            require_bytes(name, getattr(self, name), WORD)
        require_uint("valid_from", self.valid_from, 64)
        require_uint("valid_until", self.valid_until, 64)
        if self.valid_from >= self.valid_until:
            raise TermsInvalid(
                "settlement terms end after they begin", expected=self.valid_from, actual=self.valid_until
            )

    @classmethod
    def over(
        cls,
        statement_channel: bytes,
        members: MemberList,
        tariff: bytes,
        allocation: bytes,
        payees: Sequence[bytes],
        valid_from: int,
        valid_until: int,
    ) -> SettlementTerms:
        """The terms over these very parameters. Raises: TermsInvalid, FieldInvalid."""
        for payee in payees:
            require_bytes("payee", payee, ADDRESS_BYTES)
        return cls(
            statement_channel,
            members.channel,
            valid_from,
            valid_until,
            members.struct_hash,
            sha256(tariff),
            sha256(allocation),
            sha256(b"".join(payees)),
        )

    @property
    def struct_hash(self) -> bytes:
        """The EIP-712 hashStruct, 32 bytes."""
        return keccak256(
            type_hash(SETTLEMENT_TERMS_TYPE)
            + self.statement_channel
            + self.metering_channel
            + uint_word(self.valid_from)
            + uint_word(self.valid_until)
            + self.members
            + self.tariff
            + self.allocation
            + self.payees
        )

    def digest(self, domain: Domain) -> bytes:
        """The 32 bytes that the manager signs; the domain is the referee's."""
        return typed_data_digest(domain, self.struct_hash)


@dataclass(frozen=True, slots=True)
class SignedTerms:
    """What goes beside the parameters: the terms' span (unix seconds, half-open), the manager's 65-byte r||s||v."""

    valid_from: int
    valid_until: int
    signature: bytes

    def __post_init__(self) -> None:
        require_uint("valid_from", self.valid_from, 64)
        require_uint("valid_until", self.valid_until, 64)
        require_bytes("terms signature", self.signature, SIGNATURE_BYTES)


def sign_terms(signer: Signer, terms: SettlementTerms, domain: Domain) -> SignedTerms:
    """Sign as the statement channel's manager."""
    return SignedTerms(terms.valid_from, terms.valid_until, signer.sign_digest(terms.digest(domain)))


def verify_terms(
    terms: SettlementTerms,
    signature: bytes,
    statement_channel: ChannelIdentity,
    domain: Domain,
    period: tuple[int, int],
) -> None:
    """Check that the statement channel's manager signed the terms, and that they cover the period (half-open).

    Raises: TermsUnsigned; the crypto room's errors for a malformed signature.
    """
    if terms.statement_channel != statement_channel.id:
        raise TermsUnsigned(
            "the settlement terms are of another statement channel",
            expected=statement_channel.id,
            actual=terms.statement_channel,
        )
    signer = recover_address(terms.digest(domain), signature)
    if signer != statement_channel.manager:
        raise TermsUnsigned(
            "the settlement terms are not signed by the statement channel's manager",
            hint="tariff, allocation, payees, member list and metering channel must be the ones that were signed",
            expected=statement_channel.manager,
            actual=signer,
        )
    if not terms.valid_from <= period[0] < period[1] <= terms.valid_until:
        raise TermsUnsigned(
            "the settlement terms do not cover the period",
            hint="ask the manager for terms over this period",
            expected=[terms.valid_from, terms.valid_until],
            actual=list(period),
        )
