"""Signatures in bulk, on all cores: P-256, secp256k1 and Ed25519.

Decided here: one verdict for each signature, all three judged by the core without the interpreter's lock. Not decided
here: why one does not hold (``p256`` and ``secp256k1`` say so for a single one), nor what is signed. The rules are the
single ones': s in the lower half, keys on the curve.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from itertools import accumulate

from wattest.crypto import native
from wattest.crypto.errors import BufferRefused

SIGNATURE_BYTES = 64


class Algorithm(Enum):
    """How messages were signed; the value is the core's name for it."""

    P256 = "p256"
    """ECDSA over P-256 and SHA-256; keys X||Y of 64 bytes, signatures r||s with s low."""
    SECP256K1 = "secp256k1"
    """The same over secp256k1."""
    ED25519 = "ed25519"
    """RFC 8032; keys of 32 bytes."""

    @property
    def key_bytes(self) -> int:
        """Bytes of a public key."""
        return 32 if self is Algorithm.ED25519 else 64


def judge_signatures(
    algorithm: Algorithm,
    public_keys: Sequence[bytes],
    messages: Sequence[bytes],
    signatures: Sequence[bytes],
    *,
    threads: int | None = None,
) -> list[bool]:
    """For each message whether its 64-byte signature holds under its key; ``threads`` is one a core unless said.

    A key that is no point does not hold. Raises: BufferRefused for sequences of unequal lengths, or a key or signature
    of another length.
    """
    if not len(public_keys) == len(messages) == len(signatures):
        raise BufferRefused(
            "a key and a signature belong to each message",
            expected=len(messages),
            actual=[len(public_keys), len(signatures)],
        )
    for what, parts, length in (("key", public_keys, algorithm.key_bytes), ("signature", signatures, SIGNATURE_BYTES)):
        odd = next((index for index, part in enumerate(parts) if len(part) != length), None)
        if odd is not None:
            raise BufferRefused(f"{what} {odd} has another length", expected=length, actual=len(parts[odd]))
    ends = b"".join(end.to_bytes(8, "big") for end in accumulate(map(len, messages)))
    joined = (b"".join(public_keys), b"".join(messages), ends, b"".join(signatures))
    return [verdict == 1 for verdict in native.verify_signatures(algorithm.value, *joined, threads)]
