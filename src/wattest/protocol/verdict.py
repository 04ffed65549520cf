"""The evidence verdict: what appraisers sign about an enclave key, and what the registry stores.

Decided here: the fields, the EIP-712 digest, and what k of n signatures mean. Not decided here: how evidence is
appraised (``attestation``) and when a registration holds (``registry``). Invariant: the verdict binds the quote,
endorsements and policy it was made from by digest, so that anyone can appraise again.
Source: docs/spec/header.md, section "Evidence verdict"; RFC 9334 (Attestation Result).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields

from wattest.crypto.hashing import keccak256
from wattest.crypto.secp256k1 import Secp256k1PrivateKey, recover_address
from wattest.errors import VerificationError
from wattest.protocol.eip712 import Domain, type_hash, typed_data_digest
from wattest.protocol.fields import (
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
    "EvidenceVerdict(address enclaveKey,bytes32 channel,address operator,bytes32 measurement,bytes32 workloadPolicy,"
    "bytes32 platformId,uint64 issuedAt,uint64 expiresAt,bytes32 evidence,bytes32 endorsements,bytes32 policy)"
)
VERDICT_BYTES = 11 * WORD
MAX_APPRAISERS = 32
_ADDRESSES = ("enclave_key", "operator")
_TIMES = ("issued_at", "expires_at")


class VerdictUnsigned(VerificationError):
    """Too few signatures, a signer who is no appraiser, or signers that do not ascend."""


@dataclass(frozen=True, slots=True)
class EvidenceVerdict:
    """That the evidence for an enclave key passed a policy; addresses 20 bytes, the rest 32, times unix seconds.

    ``workload_policy`` is the one workload digest that headers of this key may carry; ``evidence``, ``endorsements``
    and ``policy`` are SHA-256 digests of the trimmed quote, the collateral's canonical JSON and the policy file.
    Raises FieldInvalid.
    """

    enclave_key: bytes
    channel: bytes
    operator: bytes
    measurement: bytes
    workload_policy: bytes
    platform_id: bytes
    issued_at: int
    expires_at: int
    evidence: bytes
    endorsements: bytes
    policy: bytes

    def __post_init__(self) -> None:
        for name in VERDICT_FIELDS:
            if name in _TIMES:
                require_uint(name, getattr(self, name), 64)
            else:
                require_bytes(name, getattr(self, name), ADDRESS_BYTES if name in _ADDRESSES else WORD)

    def to_bytes(self) -> bytes:
        """The eleven ABI words in the order of the type string, 352 bytes."""
        values = (getattr(self, name) for name in VERDICT_FIELDS)
        return b"".join(uint_word(value) if isinstance(value, int) else address_word(value) for value in values)

    @property
    def struct_hash(self) -> bytes:
        """The EIP-712 hashStruct, 32 bytes."""
        return keccak256(type_hash(VERDICT_TYPE) + self.to_bytes())

    def digest(self, domain: Domain) -> bytes:
        """The 32 bytes that appraisers sign."""
        return typed_data_digest(domain, self.struct_hash)


VERDICT_FIELDS = tuple(field.name for field in fields(EvidenceVerdict))


def parse_verdict(data: bytes) -> EvidenceVerdict:
    """Read the 352-byte form.

    Raises: FieldInvalid.
    """
    if len(data) != VERDICT_BYTES:
        raise FieldInvalid("a verdict has 352 bytes", field="verdict", expected=VERDICT_BYTES, actual=len(data))
    values: dict[str, bytes | int] = {}
    for position, name in enumerate(VERDICT_FIELDS):
        word = bytes(data[position * WORD : (position + 1) * WORD])
        if name in _TIMES:
            values[name] = read_uint(name, word, 64)
        else:
            values[name] = read_address(name, word) if name in _ADDRESSES else word
    return EvidenceVerdict(**values)  # type: ignore[arg-type]


def sign_verdict(private_key: Secp256k1PrivateKey, verdict: EvidenceVerdict, domain: Domain) -> bytes:
    """Sign as an appraiser: 65 bytes r||s||v."""
    return private_key.sign_digest(verdict.digest(domain))


def verify_verdict(
    verdict: EvidenceVerdict,
    signatures: Sequence[bytes],
    domain: Domain,
    appraisers: Collection[bytes],
    threshold: int,
) -> None:
    """Check that ``threshold`` appraisers signed, signatures in strictly ascending order of signer address.

    Raises: VerdictUnsigned; the crypto room's errors for a malformed signature.
    """
    if not 0 < threshold <= len(signatures) <= MAX_APPRAISERS:
        raise VerdictUnsigned(
            "the verdict has the wrong number of signatures",
            expected=f"{threshold} to {MAX_APPRAISERS}",
            actual=len(signatures),
        )
    digest = verdict.digest(domain)
    before = b""
    for signature in signatures:
        signer = recover_address(digest, signature)
        if signer <= before:
            raise VerdictUnsigned("signers must ascend strictly", before=before, after=signer)
        if signer not in appraisers:
            raise VerdictUnsigned("the signer is not an appraiser of this registry", actual=signer)
        before = signer
