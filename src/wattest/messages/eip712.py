"""EIP-712 by hand: the domain of every wattest signature and the digest of a typed message.

Decided here: the one domain (name ``wattest``, version ``1``, chain id, verifying contract) and the digest rule. Not
decided here: the message types; each stands beside its value. Invariant: a signature for one chain or contract never
verifies on another, because both are in the digest.
Source: EIP-712; docs/spec/header.md, section "Domain".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from wattest.crypto.hashing import keccak256
from wattest.messages.fields import ADDRESS_BYTES, address_word, require_bytes, require_uint, uint_word

DOMAIN_NAME = "wattest"
DOMAIN_VERSION = "1"
DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"


@dataclass(frozen=True, slots=True)
class Domain:
    """Where a signature counts: a chain id and the 20-byte address of the verifying contract.

    Headers and member lists are signed for the referee, verdicts and revocations for the enclave registry.
    """

    chain_id: int
    verifying_contract: bytes

    def __post_init__(self) -> None:
        require_uint("chain id", self.chain_id, 256)
        require_bytes("verifying contract", self.verifying_contract, ADDRESS_BYTES)

    @property
    def separator(self) -> bytes:
        """The 32-byte EIP-712 domain separator."""
        return _separator(self.chain_id, self.verifying_contract)


@lru_cache(maxsize=64)
def _separator(chain_id: int, verifying_contract: bytes) -> bytes:
    return keccak256(
        type_hash(DOMAIN_TYPE)
        + keccak256(DOMAIN_NAME.encode())
        + keccak256(DOMAIN_VERSION.encode())
        + uint_word(chain_id)
        + address_word(verifying_contract)
    )


@lru_cache(maxsize=64)
def type_hash(type_string: str) -> bytes:
    """keccak256 of an EIP-712 type string, 32 bytes."""
    return keccak256(type_string.encode())


def typed_data_digest(domain: Domain, struct_hash: bytes) -> bytes:
    """The 32-byte digest that is signed: keccak256(0x19 0x01 || domain separator || struct hash)."""
    return keccak256(b"\x19\x01" + domain.separator + struct_hash)
