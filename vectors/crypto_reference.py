"""Signatures, wrapped keys and sealing by textbook arithmetic: slow, not constant-time, for test vectors only.

Shares nothing with wattest: curve points over Python integers, RFC 6979 nonces over ``hmac``, the X25519 ladder of RFC
7748, HPKE of RFC 9180 over its labelled functions, AES-GCM and Keccak from PyCryptodome.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from Crypto.Cipher import AES
from eth_hash.auto import keccak

Point = tuple[int, int] | None


@dataclass(frozen=True)
class Curve:
    """y^2 = x^3 + ax + b over the field of p, base point g of order n."""

    p: int
    a: int
    b: int
    g: tuple[int, int]
    n: int

    def add(self, left: Point, right: Point) -> Point:
        """The chord and tangent rule; None is the point at infinity."""
        if left is None or right is None:
            return right if left is None else left
        if left[0] == right[0]:
            if (left[1] + right[1]) % self.p == 0:
                return None
            slope = (3 * left[0] ** 2 + self.a) * pow(2 * left[1], -1, self.p)
        else:
            slope = (right[1] - left[1]) * pow(right[0] - left[0], -1, self.p)
        x = (slope * slope - left[0] - right[0]) % self.p
        return x, (slope * (left[0] - x) - left[1]) % self.p

    def multiply(self, scalar: int, point: Point) -> Point:
        """Double and add."""
        total: Point = None
        while scalar:
            if scalar & 1:
                total = self.add(total, point)
            point = self.add(point, point)
            scalar >>= 1
        return total

    def public_key(self, seed: bytes) -> bytes:
        """X || Y of a scalar."""
        point = self.multiply(int.from_bytes(seed, "big"), self.g)
        assert point is not None
        return point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big")

    def sign(self, seed: bytes, digest: bytes) -> tuple[int, int, int]:
        """(r, low s, parity of R's y as recovery needs it), nonce by RFC 6979 with HMAC-SHA256."""
        scalar, hashed = int.from_bytes(seed, "big"), int.from_bytes(digest, "big")
        nonce = self.nonce(seed, (hashed % self.n).to_bytes(32, "big"))
        point = self.multiply(nonce, self.g)
        assert point is not None
        r = point[0] % self.n
        s = pow(nonce, -1, self.n) * (hashed + r * scalar) % self.n
        parity = point[1] & 1
        return (r, self.n - s, parity ^ 1) if s > self.n // 2 else (r, s, parity)

    def nonce(self, seed: bytes, digest: bytes) -> int:
        """RFC 6979, section 3.2."""
        value, key = b"\x01" * 32, bytes(32)
        for separator in (b"\x00", b"\x01"):
            key = hmac.digest(key, value + separator + seed + digest, "sha256")
            value = hmac.digest(key, value, "sha256")
        while True:
            value = hmac.digest(key, value, "sha256")
            if 1 <= int.from_bytes(value, "big") < self.n:
                return int.from_bytes(value, "big")
            key = hmac.digest(key, value + b"\x00", "sha256")
            value = hmac.digest(key, value, "sha256")


P256 = Curve(
    p=2**256 - 2**224 + 2**192 + 2**96 - 1,
    a=-3,
    b=0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
    g=(
        0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
        0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    ),
    n=0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
)
SECP256K1 = Curve(
    p=2**256 - 2**32 - 977,
    a=0,
    b=7,
    g=(
        0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
        0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
    ),
    n=0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141,
)
SECP192K1 = Curve(
    p=2**192 - 2**32 - 2**12 - 2**8 - 2**7 - 2**6 - 2**3 - 1,
    a=0,
    b=3,
    g=(0xDB4FF10EC057E9AE26B07D0280B7F4341DA5D1B1EAE06C7D, 0x9B2F2F6D9C5628A7844163D015BE86344082AA88D95E2F9D),
    n=0xFFFFFFFFFFFFFFFFFFFFFFFE26F2FC170F69466A74DEFD8D,
)


def address(public_key: bytes) -> bytes:
    """The Ethereum address of X || Y."""
    return keccak(public_key)[12:]


def x25519(secret: bytes, u: bytes) -> bytes:
    """RFC 7748, section 5, as a plain Montgomery ladder."""
    p = 2**255 - 19
    scalar = int.from_bytes(secret, "little")
    scalar = scalar & ~7 & ~(1 << 255) | 1 << 254
    x1 = int.from_bytes(u, "little") & ((1 << 255) - 1)
    x2, z2, x3, z3 = 1, 0, x1, 1
    for bit in range(254, -1, -1):
        if scalar >> bit & 1:
            x2, z2, x3, z3 = x3, z3, x2, z2
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        x3, z3 = (d * a + c * b) ** 2 % p, x1 * (d * a - c * b) ** 2 % p
        x2, z2 = a * a * b * b % p, (a * a - b * b) * (a * a + 121665 * (a * a - b * b)) % p
        if scalar >> bit & 1:
            x2, z2, x3, z3 = x3, z3, x2, z2
    return (x2 * pow(z2, p - 2, p) % p).to_bytes(32, "little")


def x25519_public_key(secret: bytes) -> bytes:
    """The base point times a secret."""
    return x25519(secret, (9).to_bytes(32, "little"))


def aes_gcm(key: bytes, nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """Ciphertext and tag."""
    cipher = AES.new(key, AES.MODE_GCM, nonce=nonce)
    cipher.update(associated)
    ciphertext, tag = cipher.encrypt_and_digest(plaintext)
    return ciphertext + tag


KEM_SUITE = b"KEM" + (0x0020).to_bytes(2, "big")
HPKE_SUITE = b"HPKE" + b"".join(part.to_bytes(2, "big") for part in (0x0020, 0x0001, 0x0002))


def extract(suite: bytes, salt: bytes, label: bytes, material: bytes) -> bytes:
    """LabeledExtract of RFC 9180, section 4."""
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + material, "sha256")


def expand(suite: bytes, key: bytes, label: bytes, info: bytes, length: int) -> bytes:
    """LabeledExpand of RFC 9180, section 4; one HKDF block is enough for every length here."""
    labelled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.digest(key, labelled + b"\x01", "sha256")[:length]


@dataclass(frozen=True)
class HpkeContext:
    """A set-up in base mode: what is sent, the X25519 shared secret, and what follows from it."""

    enc: bytes
    secret: bytes
    key: bytes
    base_nonce: bytes


def hpke_set_up(public_key: bytes, ephemeral: bytes, info: bytes) -> HpkeContext:
    """RFC 9180, sections 4.1 and 5.1, with the ephemeral secret given."""
    enc, secret = x25519_public_key(ephemeral), x25519(ephemeral, public_key)
    shared = expand(KEM_SUITE, extract(KEM_SUITE, b"", b"eae_prk", secret), b"shared_secret", enc + public_key, 32)
    context = b"\x00" + extract(HPKE_SUITE, b"", b"psk_id_hash", b"") + extract(HPKE_SUITE, b"", b"info_hash", info)
    prk = extract(HPKE_SUITE, shared, b"secret", b"")
    return HpkeContext(
        enc,
        secret,
        expand(HPKE_SUITE, prk, b"key", context, 32),
        expand(HPKE_SUITE, prk, b"base_nonce", context, 12),
    )


def hpke_seal(context: HpkeContext, number: int, plaintext: bytes, associated: bytes) -> bytes:
    """RFC 9180, section 5.2, for the message of one number."""
    nonce = bytes(one ^ other for one, other in zip(context.base_nonce, number.to_bytes(12, "big"), strict=True))
    return aes_gcm(context.key, nonce, plaintext, associated)


def salt(series_key: bytes, tag: int, index: int) -> bytes:
    """One record's salt, HMAC spelled out as in RFC 2104."""
    block = series_key.ljust(64, b"\x00")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block) + bytes((tag,)) + index.to_bytes(4, "big")).digest()
    return hashlib.sha256(bytes(byte ^ 0x5C for byte in block) + inner).digest()[:16]
