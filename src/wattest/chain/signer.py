"""Who signs transactions: a local secp256k1 key, read from a file that only its owner may read.

Decided here: EIP-1559 transactions, signed in this process. Not decided here: nonces and fees (``client``). Invariant:
the key appears in no repr, log or error.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from wattest.chain.files import KeyFileInvalid, read_key_file

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount


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
        from eth_account import Account

        try:
            self._account: LocalAccount = Account.from_key(private_key)
        except Exception as error:  # noqa: BLE001 - the library's errors repeat what they were given
            raise KeyFileInvalid("not a secp256k1 private key") from error.with_traceback(None)
        self.address = bytes.fromhex(self._account.address[2:])

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read the key from a 0600 file of 64 hex digits."""
        return cls(read_key_file(path))

    def sign(self, transaction: UnsignedTransaction) -> SignedTransaction:
        """Sign a transaction."""
        fields: dict[str, object] = {
            "type": 2,
            "chainId": transaction.chain_id,
            "nonce": transaction.nonce,
            "to": b"" if transaction.to is None else transaction.to,
            "data": transaction.data,
            "value": transaction.value_wei,
            "gas": transaction.gas,
            "maxFeePerGas": transaction.max_fee_wei,
            "maxPriorityFeePerGas": transaction.priority_fee_wei,
        }
        signed = self._account.sign_transaction(fields)  # type: ignore[arg-type]
        return SignedTransaction(bytes(signed.raw_transaction), bytes(signed.hash))

    def __repr__(self) -> str:
        """The address, never the key."""
        return f"LocalSigner(0x{self.address.hex()})"
