"""What both curves share: the one accepted form of a signature, r || s with 1 <= r < n and 1 <= s <= n/2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from wattest.crypto.errors import BufferRefused, KeyMaterialInvalid, PublicKeyInvalid, SignatureInvalid

DIGEST_BYTES = 32
PUBLIC_KEY_BYTES = 64
SIGNATURE_BYTES = 64


@dataclass(frozen=True)
class Group:
    """A curve's name and the order n of its base point."""

    name: str
    order: int

    def parse_strict(self, signature: bytes) -> tuple[int, int]:
        """(r, s) out of 64 bytes, or ``SignatureInvalid`` for any other length, range, or a high s."""
        if len(signature) != SIGNATURE_BYTES:
            raise self._invalid("has 64 bytes", expected=SIGNATURE_BYTES, actual=len(signature))
        r, s = _integers(signature)
        if not 1 <= r < self.order or not 1 <= s < self.order:
            raise self._invalid("has 1 <= r, s < n")
        if s > self.order // 2:
            raise self._invalid("has its s in the lower half, so that it exists in one form only")
        return r, s

    def normalise(self, signature: bytes) -> bytes:
        """The same signature with s in the lower half; ``BufferRefused`` for a wrong length or range."""
        if len(signature) != SIGNATURE_BYTES:
            raise BufferRefused("a signature r || s has 64 bytes", expected=SIGNATURE_BYTES, actual=len(signature))
        r, s = _integers(signature)
        if not 1 <= r < self.order or not 1 <= s < self.order:
            raise BufferRefused(f"a {self.name} signature has 1 <= r, s < n")
        return self.join(r, s)

    def join(self, r: int, s: int) -> bytes:
        """r || s, 64 bytes, with s brought into the lower half."""
        return r.to_bytes(32, "big") + min(s, self.order - s).to_bytes(32, "big")

    def scalar(self, seed: bytes) -> int:
        """A private scalar out of 32 big-endian bytes, or ``KeyMaterialInvalid``; the value is never shown."""
        if len(seed) != 32:
            raise KeyMaterialInvalid(f"a {self.name} seed has 32 bytes", expected=32, actual=len(seed))
        scalar = int.from_bytes(seed, "big")
        if not 1 <= scalar < self.order:
            raise KeyMaterialInvalid(f"a {self.name} seed lies in 1 .. n - 1", hint="draw another 32 random bytes")
        return scalar

    def check_public_key(self, public_key: bytes) -> None:
        """Refuses anything but 64 bytes; whether they are a point the curve's own module checks."""
        if len(public_key) != PUBLIC_KEY_BYTES:
            raise PublicKeyInvalid(
                f"a {self.name} public key is X || Y, 64 bytes", expected=PUBLIC_KEY_BYTES, actual=len(public_key)
            )

    def refuse_signature(self, public_key: bytes, digest: bytes) -> NoReturn:
        """The signature is well formed and does not hold."""
        raise SignatureInvalid(
            f"the {self.name} signature does not hold for this key and digest",
            hint="the bytes were changed after signing, or another key signed them",
            public_key=public_key,
            digest=digest,
        )

    def _invalid(self, rule: str, **fields: int) -> SignatureInvalid:
        return SignatureInvalid(f"a {self.name} signature {rule}", hint=None, **fields)


def check_digest(digest: bytes) -> None:
    """Refuses anything but 32 bytes, so that no message is signed for its digest."""
    if len(digest) != DIGEST_BYTES:
        raise BufferRefused("a digest to sign or verify has 32 bytes", expected=DIGEST_BYTES, actual=len(digest))


def _integers(signature: bytes) -> tuple[int, int]:
    return int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
