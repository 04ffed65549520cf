"""A commit's signature as two words (EIP-2098): r, and s with v - 27 in its top bit, which a low s leaves free.

Decided here: the two encodings, each from the other. Not decided here: who signed (``referee.batches``).
Source: EIP-2098; contracts/src/lib/Secp256k1Signature.sol.
"""

from __future__ import annotations

from wattest.messages.fields import WORD
from wattest.twin.errors import InvalidSignature

SIGNATURE_BYTES = 65
_TOP_BIT = 1 << 255
_V_OFFSET = 27


def signature_words(signature: bytes) -> tuple[bytes, bytes]:
    """r and vs of a 65-byte signature r || s || v.

    Raises: InvalidSignature for what has no such words: another length, v other than 27 and 28, s of 256 bits.
    """
    if len(signature) != SIGNATURE_BYTES or signature[64] - _V_OFFSET not in (0, 1) or signature[32] & 0x80:
        raise InvalidSignature
    s = int.from_bytes(signature[WORD : 2 * WORD], "big")
    return signature[:WORD], (s | (signature[64] - _V_OFFSET) << 255).to_bytes(WORD, "big")


def signature_of_words(r: bytes, vs: bytes) -> bytes:
    """The 65-byte signature of two words of 32 bytes."""
    value = int.from_bytes(vs, "big")
    return r + (value & _TOP_BIT - 1).to_bytes(WORD, "big") + bytes([_V_OFFSET + (value >> 255)])
