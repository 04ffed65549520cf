"""What a quote binds: the enclave's key to one chain, referee, channel and operator, fresh by a recent block hash.

Decided here: the 64 bytes of report data. Not decided here: whether the nonce is recent (the appraiser, who sees the
chain) and whether the quote is genuine (``attestation``). Invariant: evidence made for one operator, channel or chain
fits no other.
Source: docs/spec/header.md, section "Report data".
"""

from __future__ import annotations

from dataclasses import dataclass

from wattest.crypto.hashing import keccak256
from wattest.messages.fields import ADDRESS_BYTES, WORD, address_word, require_bytes, require_uint, uint_word

ENCLAVE_KEY_TAG = keccak256(b"wattest/enclave-key/1")
REPORT_DATA_BYTES = 64


@dataclass(frozen=True, slots=True)
class KeyBinding:
    """To what a new enclave key is bound; addresses 20 bytes, ``channel`` and ``nonce`` (a recent block hash) 32."""

    chain_id: int
    referee: bytes
    channel: bytes
    operator: bytes
    nonce: bytes

    def __post_init__(self) -> None:
        require_uint("chain id", self.chain_id, 256)
        require_bytes("referee", self.referee, ADDRESS_BYTES)
        require_bytes("channel", self.channel, WORD)
        require_bytes("operator", self.operator, ADDRESS_BYTES)
        require_bytes("nonce", self.nonce, WORD)


def report_data(binding: KeyBinding, enclave_key: bytes) -> bytes:
    """The 64 bytes for the quote: keccak256 of the binding and the key's 20-byte address, then 32 zero bytes.

    Raises: FieldInvalid.
    """
    require_bytes("enclave key", enclave_key, ADDRESS_BYTES)
    digest = keccak256(
        ENCLAVE_KEY_TAG
        + uint_word(binding.chain_id)
        + address_word(binding.referee)
        + binding.channel
        + address_word(binding.operator)
        + address_word(enclave_key)
        + binding.nonce
    )
    return digest.ljust(REPORT_DATA_BYTES, b"\x00")
