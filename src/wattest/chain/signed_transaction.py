"""EIP-1559 transactions: their bytes, and what a signer makes of them.

Decided here: the encoding, what is hashed for the signature. Not decided here: who signs (``signer``), nonces, fees
(``sending``). Encoded here and not by a library, which takes five times as long as the signature itself; the tests
hold every byte against eth-account's.

Source: EIP-1559, EIP-2718; RLP as in the Ethereum Yellow Paper, appendix B.
"""

from __future__ import annotations

from dataclasses import dataclass

from wattest.crypto.hashing import keccak256
from wattest.crypto.signer import Signer

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


def sign_transaction(signer: Signer, transaction: UnsignedTransaction) -> SignedTransaction:
    """The transaction with its sender's signature over all of it, the chain's number included."""
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
    signature = signer.sign_digest(keccak256(TRANSACTION_TYPE + _rlp_list(body)))
    r, s = (int.from_bytes(signature[at : at + 32], "big") for at in (0, 32))
    body += _rlp_number(signature[64] - _V_OFFSET) + _rlp_number(r) + _rlp_number(s)
    raw = TRANSACTION_TYPE + _rlp_list(body)
    return SignedTransaction(raw, keccak256(raw))


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
