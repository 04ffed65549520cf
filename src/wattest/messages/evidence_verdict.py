"""The evidence verdict: what appraisers sign about an enclave key, and how they take it back.

Decided here: the fields, the EIP-712 digest, and what k of n signatures mean. Not decided here: how evidence is
appraised (``attestation``) and when a registration holds (``registry``). Invariant: the verdict binds the quote,
endorsements and policy it was made from by digest, so that anyone can appraise again.
Source: docs/spec/verdict.md; RFC 9334 (Attestation Result).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields

from wattest.crypto.hashing import keccak256
from wattest.crypto.secp256k1 import recover_address
from wattest.crypto.signer import Signer
from wattest.errors import VerificationError
from wattest.messages.eip712 import Domain, type_hash, typed_data_digest
from wattest.messages.fields import (
    ADDRESS_BYTES,
    WORD,
    FieldInvalid,
    address_word,
    read_address,
    read_uint,
    require_bytes,
    require_uint,
    uint_word,
)

VERDICT_TYPE = (
    "EvidenceVerdict(address enclaveKey,address referee,bytes32 channel,address operator,bytes32 measurement,"
    "bytes32 workload,bytes32 platform,uint64 issuedAt,uint64 expiresAt,uint64 nonceBlock,bytes32 nonce,"
    "bytes32 evidenceDigest,bytes32 endorsementsDigest,bytes32 policyDigest)"
)
REVOCATION_TYPE = "Revocation(address enclaveKey,address referee,bytes32 channel,address operator)"
VERDICT_BYTES = 14 * WORD
MAX_APPRAISERS = 32
_ADDRESSES = ("enclave_key", "referee", "operator")
_NUMBERS = ("issued_at", "expires_at", "nonce_block")


class VerdictUnsigned(VerificationError):
    """Too few signatures, a signer who is no appraiser, or signers that do not ascend."""


@dataclass(frozen=True, slots=True)
class EvidenceVerdict:
    """That the evidence for an enclave key passed a policy; addresses 20 bytes, the rest 32, times unix seconds.

    ``workload`` is the one workload digest that headers of this key may carry; ``nonce`` is the hash of block
    ``nonce_block``; the three digests are SHA-256 over the trimmed quote, the endorsements and the policy file.
    Raises FieldInvalid.
    """

    enclave_key: bytes
    referee: bytes
    channel: bytes
    operator: bytes
    measurement: bytes
    workload: bytes
    platform: bytes
    issued_at: int
    expires_at: int
    nonce_block: int
    nonce: bytes
    evidence_digest: bytes
    endorsements_digest: bytes
    policy_digest: bytes

    def __post_init__(self) -> None:
        for name in VERDICT_FIELDS:
            if name in _NUMBERS:
                require_uint(name, getattr(self, name), 64)
            else:
                require_bytes(name, getattr(self, name), ADDRESS_BYTES if name in _ADDRESSES else WORD)

    def to_bytes(self) -> bytes:
        """The fourteen ABI words in the order of the type string, 448 bytes."""
        values = (getattr(self, name) for name in VERDICT_FIELDS)
        return b"".join(uint_word(value) if isinstance(value, int) else address_word(value) for value in values)

    @property
    def struct_hash(self) -> bytes:
        """The EIP-712 hashStruct, 32 bytes."""
        return keccak256(type_hash(VERDICT_TYPE) + self.to_bytes())

    def digest(self, domain: Domain) -> bytes:
        """The 32 bytes that appraisers sign."""
        return typed_data_digest(domain, self.struct_hash)


@dataclass(frozen=True, slots=True)
class Revocation:
    """The withdrawal of a key's registration, for good; addresses 20 bytes, channel 32."""

    enclave_key: bytes
    referee: bytes
    channel: bytes
    operator: bytes

    def __post_init__(self) -> None:
        require_bytes("enclave_key", self.enclave_key, ADDRESS_BYTES)
        require_bytes("referee", self.referee, ADDRESS_BYTES)
        require_bytes("channel", self.channel, WORD)
        require_bytes("operator", self.operator, ADDRESS_BYTES)

    def digest(self, domain: Domain) -> bytes:
        """The 32 bytes that appraisers sign to revoke."""
        words = (self.enclave_key, self.referee, self.channel, self.operator)
        struct = type_hash(REVOCATION_TYPE) + b"".join(address_word(word) for word in words)
        return typed_data_digest(domain, keccak256(struct))


VERDICT_FIELDS = tuple(field.name for field in fields(EvidenceVerdict))


def parse_verdict(data: bytes) -> EvidenceVerdict:
    """Read the 448-byte form.

    Raises: FieldInvalid.
    """
    if len(data) != VERDICT_BYTES:
        raise FieldInvalid("a verdict has 448 bytes", field="verdict", expected=VERDICT_BYTES, actual=len(data))
    values: dict[str, bytes | int] = {}
    for position, name in enumerate(VERDICT_FIELDS):
        word = bytes(data[position * WORD : (position + 1) * WORD])
        if name in _NUMBERS:
            values[name] = read_uint(name, word, 64)
        else:
            values[name] = read_address(name, word) if name in _ADDRESSES else word
    return EvidenceVerdict(**values)  # type: ignore[arg-type]


def sign_verdict(signer: Signer, verdict: EvidenceVerdict | Revocation, domain: Domain) -> bytes:
    """Sign as an appraiser for the registry's domain: 65 bytes r||s||v."""
    return signer.sign_digest(verdict.digest(domain))


def verify_quorum(
    signed: EvidenceVerdict | Revocation,
    signatures: Sequence[bytes],
    domain: Domain,
    appraisers: Collection[bytes],
    threshold: int,
) -> None:
    """Check that ``threshold`` appraisers signed, signatures in strictly ascending order of signer address.

    ``domain`` is the registry's.

    Raises: VerdictUnsigned; the crypto room's errors for a malformed signature.
    """
    if not 0 < threshold <= len(signatures) <= MAX_APPRAISERS:
        raise VerdictUnsigned(
            "the verdict has the wrong number of signatures",
            expected=f"{threshold} to {MAX_APPRAISERS}",
            actual=len(signatures),
        )
    digest = signed.digest(domain)
    before = b""
    for signature in signatures:
        signer = recover_address(digest, signature)
        if signer <= before:
            raise VerdictUnsigned("signers must ascend strictly", before=before, after=signer)
        if signer not in appraisers:
            raise VerdictUnsigned("the signer is not an appraiser of this registry", actual=signer)
        before = signer
