"""Who signs transactions: a local secp256k1 key, read from a file that only its owner may read.

Decided here: EIP-1559 transactions, encoded and signed in this process. Not decided here: nonces, fees (``sending``).
Invariant: the key appears in no repr, log or error. Encoded here and not by a library, which takes five times as long
as the signature itself; the tests hold every byte against eth-account's.

Source: EIP-1559, EIP-2718; RLP as in the Ethereum Yellow Paper, appendix B.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from wattest.crypto.errors import KeyMaterialInvalid
from wattest.crypto.hashing import keccak256
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.io.files import KeyFileInvalid, read_key_file

TRANSACTION_TYPE = b"\x02"
_EMPTY_LIST = b"\xc0"
_LONG = 56
_V_OFFSET = 27


@dataclass(frozen=True, slots=True)
class UnsignedTransaction:
    """An EIP-1559 transaction before signing; ``to`` is None for a deployment; amounts in wei."""

    chain_id: int
    nonce: int
    to: bytes | None
    data: bytes
    value_wei: int
    gas: int
    max_fee_wei: int
    priority_fee_wei: int


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """The bytes that go to a node, and the 32-byte hash it will be known by."""

    raw: bytes
    hash: bytes


class LocalSigner:
    """Signs with one private key of 32 bytes."""

    def __init__(self, private_key: bytes) -> None:
        try:
            self._key = Secp256k1PrivateKey.from_seed(private_key)
        except KeyMaterialInvalid as error:
            raise KeyFileInvalid("not a secp256k1 private key") from error.with_traceback(None)
        self.address = self._key.address

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read the key from a 0600 file of 64 hex digits."""
        return cls(read_key_file(path))

    def sign(self, transaction: UnsignedTransaction) -> SignedTransaction:
        """Sign a transaction."""
        numbers = (
            transaction.chain_id,
            transaction.nonce,
            transaction.priority_fee_wei,
            transaction.max_fee_wei,
            transaction.gas,
        )
        body = b"".join(map(_rlp_number, numbers))
        body += _rlp_string(transaction.to or b"") + _rlp_number(transaction.value_wei)
        body += _rlp_string(transaction.data) + _EMPTY_LIST  # no access list
        signature = self._key.sign_digest(keccak256(TRANSACTION_TYPE + _rlp_list(body)))
        r, s = (int.from_bytes(signature[at : at + 32], "big") for at in (0, 32))
        body += _rlp_number(signature[64] - _V_OFFSET) + _rlp_number(r) + _rlp_number(s)
        raw = TRANSACTION_TYPE + _rlp_list(body)
        return SignedTransaction(raw, keccak256(raw))

    def __repr__(self) -> str:
        """The address, never the key."""
        return f"LocalSigner(0x{self.address.hex()})"


def _rlp_number(value: int) -> bytes:
    return _rlp_string(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _rlp_string(data: bytes) -> bytes:
    return data if len(data) == 1 and data[0] < 0x80 else _rlp_length(len(data), 0x80) + data


def _rlp_list(body: bytes) -> bytes:
    return _rlp_length(len(body), 0xC0) + body


def _rlp_length(length: int, offset: int) -> bytes:
    if length < _LONG:
        return bytes([offset + length])
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([offset + _LONG - 1 + len(size)]) + size
