"""The port of whoever signs for an account: 20 bytes of address, and a signature over a digest.

Decided here: what everything above may ask of a signer, and nothing about where the key lies. Not decided here: which
kinds there are (``chain.signers``), what is hashed (``chain.signed_transaction``, ``messages``). A key in memory
(``secp256k1.Secp256k1PrivateKey``), such as an enclave's, signs the same way.
Every kind passes one suite: ``tests/support/signer_conformance.py``.
"""

from __future__ import annotations

from typing import Protocol


class Signer(Protocol):
    """Signs with one secp256k1 key that never leaves it: in no repr, no error, no pickle."""

    @property
    def address(self) -> bytes:
        """The account, 20 bytes, the same for the signer's whole life."""

    def sign_digest(self, digest: bytes) -> bytes:
        """65 bytes r || s || v over a 32-byte digest, s low, v in {27, 28}, which recover to ``address``.

        The digest is a transaction's or an EIP-712 one. Two signatures of one digest may differ.

        Raises:
            BufferRefused: a digest that is not 32 bytes.
        """
