"""Signed acceptance: an operator's word that a meter's device block is on its disk and will be in its period's batch.

Decided here: the EIP-712 message, and the file that a meter keeps. Not decided here: when an operator gives its word
(``operator.server``), what follows from one that it broke. Invariant: the word is one account's, for one chain,
channel, meter, period and block. Source: docs/spec/acceptance.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from wattest.crypto.canonical import encode, parse
from wattest.crypto.hashing import keccak256
from wattest.crypto.secp256k1 import recover_address
from wattest.crypto.signer import Signer
from wattest.crypto.strict_fields import Reader, Refusal
from wattest.errors import InputError, VerificationError
from wattest.messages.eip712 import Domain, type_hash, typed_data_digest
from wattest.messages.fields import ADDRESS_BYTES, WORD, address_word, require_bytes, require_uint, uint_word

SIGNATURE_BYTES = 65
MAX_ACCEPTANCE_BYTES = 4_096
ACCEPTANCE_FORMAT = "wattest/block-acceptance/1"
BLOCK_ACCEPTANCE_TYPE = (
    "BlockAcceptance(bytes32 channel,address operator,bytes32 blindedMeter,uint64 periodStart,bytes32 blockDigest)"
)
_NAMES = (
    "format", "chain_id", "referee", "channel", "operator", "blinded_meter", "period_start", "block_digest", "signature"
)  # fmt: skip


class AcceptanceInvalid(InputError):
    """A kept acceptance that is not of its format."""


class AcceptanceUnsigned(VerificationError):
    """An acceptance that the operator's account did not sign, or that is of another meter, period or block."""


def _refuse(refusal: Refusal) -> AcceptanceInvalid:
    place = refusal.where or "the whole"
    return AcceptanceInvalid(f"{place}: {refusal.message}", field=place, **refusal.details)


_READER = Reader(_refuse, shows_text=True)


@dataclass(frozen=True, slots=True)
class BlockAcceptance:
    """Which operator (20 bytes) took which block for which meter; the other bytes are 32.

    ``period_start`` is the channel's period that holds the block, unix seconds; ``blinded_meter`` the meter's name in
    it; ``block_digest`` the SHA-256 of the block's bytes.
    """

    channel: bytes
    operator: bytes
    blinded_meter: bytes
    period_start: int
    block_digest: bytes

    def __post_init__(self) -> None:
        for name in ("channel", "blinded_meter", "block_digest"):
            require_bytes(name, getattr(self, name), WORD)
        require_bytes("operator", self.operator, ADDRESS_BYTES)
        require_uint("period_start", self.period_start, 64)

    @property
    def struct_hash(self) -> bytes:
        """The EIP-712 hashStruct, 32 bytes."""
        return keccak256(
            type_hash(BLOCK_ACCEPTANCE_TYPE)
            + self.channel
            + address_word(self.operator)
            + self.blinded_meter
            + uint_word(self.period_start)
            + self.block_digest
        )

    def digest(self, domain: Domain) -> bytes:
        """The 32 bytes that the operator's account signs; the domain is the referee's."""
        return typed_data_digest(domain, self.struct_hash)


@dataclass(frozen=True, slots=True)
class SignedAcceptance:
    """An acceptance, the domain that it counts in, and the operator's 65-byte r||s||v."""

    acceptance: BlockAcceptance
    domain: Domain
    signature: bytes

    def __post_init__(self) -> None:
        require_bytes("acceptance signature", self.signature, SIGNATURE_BYTES)

    def to_bytes(self) -> bytes:
        """The file that a meter keeps: canonical JSON (RFC 8785)."""
        it = self.acceptance
        return encode(
            {
                "format": ACCEPTANCE_FORMAT,
                "chain_id": str(self.domain.chain_id),
                "referee": self.domain.verifying_contract.hex(),
                "channel": it.channel.hex(),
                "operator": it.operator.hex(),
                "blinded_meter": it.blinded_meter.hex(),
                "period_start": str(it.period_start),
                "block_digest": it.block_digest.hex(),
                "signature": self.signature.hex(),
            }
        )


def parse_acceptance(data: bytes) -> SignedAcceptance:
    """Read a kept acceptance; nothing is verified here.

    Raises: AcceptanceInvalid, FieldInvalid, CanonicalJsonInvalid.
    """
    if len(data) > MAX_ACCEPTANCE_BYTES:
        raise AcceptanceInvalid("a kept acceptance is short", expected=MAX_ACCEPTANCE_BYTES, actual=len(data))
    told = _READER.fields(parse(data), *_NAMES)
    found = told["format"].text(64)
    if found != ACCEPTANCE_FORMAT:
        raise AcceptanceInvalid("not an acceptance of this version", expected=ACCEPTANCE_FORMAT, actual=found)
    return SignedAcceptance(
        BlockAcceptance(
            told["channel"].hex(WORD),
            told["operator"].hex(ADDRESS_BYTES),
            told["blinded_meter"].hex(WORD),
            told["period_start"].decimal(64),
            told["block_digest"].hex(WORD),
        ),
        Domain(told["chain_id"].decimal(256), told["referee"].hex(ADDRESS_BYTES)),
        told["signature"].hex(SIGNATURE_BYTES),
    )


def sign_acceptance(signer: Signer, acceptance: BlockAcceptance, domain: Domain) -> SignedAcceptance:
    """Sign as the operator; ``signer`` is its account."""
    return SignedAcceptance(acceptance, domain, signer.sign_digest(acceptance.digest(domain)))


def verify_acceptance(signed: SignedAcceptance) -> None:
    """Check that the account that the acceptance names signed it.

    Raises: AcceptanceUnsigned; the crypto room's errors for a malformed signature.
    """
    signer = recover_address(signed.acceptance.digest(signed.domain), signed.signature)
    if signer != signed.acceptance.operator:
        raise AcceptanceUnsigned(
            "the acceptance is not signed by the operator's account",
            hint="nobody can hold the operator to it: keep the block, and ask the operator which account signs",
            expected=signed.acceptance.operator,
            actual=signer,
        )
