"""Witness verdict: what another operator's enclave says of drawn entries after it checked them again.

Decided here: the EIP-712 message and how the drawn entries are named. Not decided here: the checks
(``enclave.measured``), who is drawn and how verdicts are counted (the audit). Invariant: a verdict names the header,
the seed and every entry it is about, so that it says nothing of others.
Source: docs/spec/ra-tls.md, section "Witness".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from wattest.crypto.hashing import keccak256
from wattest.crypto.secp256k1 import recover_address
from wattest.crypto.signer import Signer
from wattest.errors import InputError
from wattest.messages.eip712 import Domain, type_hash, typed_data_digest
from wattest.messages.fields import WORD, require_bytes, require_uint, uint_word

WITNESS_VERDICT_TYPE = "WitnessVerdict(bytes32 header,bytes32 seed,bytes32 entries,bool ok)"
MAX_DRAWN = 64


class DrawnEntriesInvalid(InputError):
    """Drawn entries that are not 1 to 64 strictly ascending u32 indices."""


@dataclass(frozen=True, slots=True)
class WitnessVerdict:
    """``header`` is the batch header's EIP-712 digest, ``seed`` the audit's (32 bytes each); ``entries`` ascend."""

    header: bytes
    seed: bytes
    entries: tuple[int, ...]
    ok: bool

    def __post_init__(self) -> None:
        require_bytes("header digest", self.header, WORD)
        require_bytes("seed", self.seed, WORD)
        for index in self.entries:
            require_uint("entry", index, 32)
        if not 0 < len(self.entries) <= MAX_DRAWN or any(a >= b for a, b in pairwise(self.entries)):
            raise DrawnEntriesInvalid(
                "drawn entries ascend strictly, 1 to 64 of them", limit=MAX_DRAWN, actual=len(self.entries)
            )

    @property
    def struct_hash(self) -> bytes:
        """The EIP-712 hashStruct, 32 bytes."""
        return keccak256(
            type_hash(WITNESS_VERDICT_TYPE)
            + self.header
            + self.seed
            + entries_digest(self.entries)
            + uint_word(int(self.ok))
        )

    def digest(self, domain: Domain) -> bytes:
        """The 32 bytes that the witness signs; the domain is the referee's."""
        return typed_data_digest(domain, self.struct_hash)


def entries_digest(entries: Sequence[int]) -> bytes:
    """keccak256 of the indices, u32 each, big-endian."""
    return keccak256(b"".join(index.to_bytes(4, "big") for index in entries))


def sign_witness_verdict(signer: Signer, verdict: WitnessVerdict, domain: Domain) -> bytes:
    """Sign with the witness enclave's key of the channel; 65 bytes."""
    return signer.sign_digest(verdict.digest(domain))


def recover_witness(verdict: WitnessVerdict, signature: bytes, domain: Domain) -> bytes:
    """The 20-byte address of the witness enclave's key that signed. Raises: the crypto room's errors."""
    return recover_address(verdict.digest(domain), signature)
