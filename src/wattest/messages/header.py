"""The batch header: what an enclave signs and what the referee keeps a digest of.

Decided here: the fifteen fields, their widths, the EIP-712 digest, the 480-byte form, signing and recovery. Not decided
here: which values a commit may have (``referee``), nor what the roots are over (``merkle``, ``metering``). Invariant: a
header has one byte form, and its digest depends on the chain and the referee.
Source: docs/spec/header.md; EIP-712.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from wattest.crypto.hashing import keccak256
from wattest.crypto.secp256k1 import recover_address
from wattest.crypto.signer import Signer
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

HEADER_TYPE = (
    "BatchHeader(bytes32 channel,address operator,uint64 sequence,bytes32 previous,uint64 periodStart,"
    "uint64 periodEnd,bytes32 root,uint32 entryCount,bytes32 roster,bytes32 inputs,bytes32 state,bytes32 workload,"
    "bytes32 contentId,bytes32 witnesses,bytes32 zkRoot)"
)
HEADER_BYTES = 15 * WORD
MAX_ENTRIES = 1 << 20
_UINT_BITS = {"sequence": 64, "period_start": 64, "period_end": 64, "entry_count": 32}


@dataclass(frozen=True, slots=True)
class BatchHeader:
    """One batch in fifteen fields; bytes fields are 32 bytes, ``operator`` is a 20-byte address, times unix seconds.

    ``sequence`` starts at 1; ``previous`` is the digest of the header before, zero at first; the period is half-open.
    ``witnesses`` and ``zk_root`` are zero until used. Raises FieldInvalid when a field does not fit its width.
    """

    channel: bytes
    operator: bytes
    sequence: int
    previous: bytes
    period_start: int
    period_end: int
    root: bytes
    entry_count: int
    roster: bytes
    inputs: bytes
    state: bytes
    workload: bytes
    content_id: bytes
    witnesses: bytes
    zk_root: bytes

    def __post_init__(self) -> None:
        for name in HEADER_FIELDS:
            value = getattr(self, name)
            if name in _UINT_BITS:
                require_uint(name, value, _UINT_BITS[name])
            else:
                require_bytes(name, value, ADDRESS_BYTES if name == "operator" else WORD)

    def to_bytes(self) -> bytes:
        """The 480-byte form: the fifteen ABI words in the order of the type string."""
        return b"".join(_word(getattr(self, name)) for name in HEADER_FIELDS)

    @property
    def struct_hash(self) -> bytes:
        """The EIP-712 hashStruct, 32 bytes, without the domain."""
        return keccak256(type_hash(HEADER_TYPE) + self.to_bytes())

    def digest(self, domain: Domain) -> bytes:
        """The 32 bytes that the enclave key signs; the next header's ``previous``."""
        return typed_data_digest(domain, self.struct_hash)


HEADER_FIELDS = tuple(field.name for field in fields(BatchHeader))


def _word(value: bytes | int) -> bytes:
    return uint_word(value) if isinstance(value, int) else address_word(value)


def parse_header(data: bytes) -> BatchHeader:
    """Read the 480-byte form.

    Raises: FieldInvalid for another length, a number wider than its field or dirty padding.
    """
    if len(data) != HEADER_BYTES:
        raise FieldInvalid("a header has 480 bytes", field="header", expected=HEADER_BYTES, actual=len(data))
    values: dict[str, bytes | int] = {}
    for position, name in enumerate(HEADER_FIELDS):
        word = bytes(data[position * WORD : (position + 1) * WORD])
        if name in _UINT_BITS:
            values[name] = read_uint(name, word, _UINT_BITS[name])
        else:
            values[name] = read_address(name, word) if name == "operator" else word
    return BatchHeader(**values)  # type: ignore[arg-type]


def sign_header(signer: Signer, header: BatchHeader, domain: Domain) -> bytes:
    """Sign the header's digest: 65 bytes r||s||v, s low, v 27 or 28."""
    return signer.sign_digest(header.digest(domain))


def recover_header_signer(header: BatchHeader, signature: bytes, domain: Domain) -> bytes:
    """The 20-byte address of the enclave key that signed ``header``; whether it is registered is not judged here.

    Raises: the crypto room's InputError or VerificationError for a signature that is malformed or has a high s.
    """
    return recover_address(header.digest(domain), signature)
