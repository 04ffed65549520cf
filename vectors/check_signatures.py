"""Check vectors/signatures/*.json without wattest and without the arithmetic that made them.

ECDSA is computed again in projective coordinates with the complete addition of Renes, Costello and Batina (2016), which
has no special case for infinity or doubling, and asked of OpenSSL where it has the curve. What a careless verifier
would take is shown to be taken by one, so that these cases are not refused for another reason. DER is read again by
cryptography's own strict reader. Exits with an assertion error at the first value that is not confirmed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import load_der_public_key
from eth_hash.auto import keccak

HERE = Path(__file__).parent / "signatures"
Case = dict[str, Any]
Projective = tuple[int, int, int]
INFINITY: Projective = (0, 1, 0)


@dataclass(frozen=True)
class Group:
    """A curve of prime order: y^2 = x^3 + ax + b modulo p, base point G of order n."""

    p: int
    n: int
    a: int
    b: int
    base: Projective
    openssl: type[ec.EllipticCurve] | None

    @property
    def size(self) -> int:
        """Bytes of a coordinate."""
        return (self.p.bit_length() + 7) // 8

    def is_point(self, x: int, y: int) -> bool:
        """Whether (x, y) is reduced and on the curve."""
        return max(x, y) < self.p and (x * x * x + self.a * x + self.b) % self.p == y * y % self.p

    def add(self, one: Projective, two: Projective) -> Projective:
        """The complete addition, their equation before algorithm 1."""
        (x1, y1, z1), (x2, y2, z2), a, b3, p = one, two, self.a, 3 * self.b, self.p
        xx, yy, zz = x1 * x2, y1 * y2, z1 * z2
        xy, xz, yz = x1 * y2 + x2 * y1, x1 * z2 + x2 * z1, y1 * z2 + y2 * z1
        minus, plus = yy - a * xz - b3 * zz, yy + a * xz + b3 * zz
        middle, slope = a * xx + b3 * xz - a * a * zz, 3 * xx + a * zz
        return (xy * minus - yz * middle) % p, (slope * middle + plus * minus) % p, (yz * plus + xy * slope) % p

    def times(self, scalar: int, point: Projective) -> Projective:
        """Bits from the highest down."""
        total = INFINITY
        for bit in f"{scalar % self.n:b}":
            total = self.add(total, total)
            if bit == "1":
                total = self.add(total, point)
        return total

    def sum_of(self, x: int, y: int, e: int, r: int, s: int) -> Projective:
        """(e/s) G + (r/s) Q for any pair of numbers."""
        inverse = pow(s, self.n - 2, self.n)
        return self.add(self.times(e * inverse, self.base), self.times(r * inverse, (x % self.p, y % self.p, 1)))

    def is_x(self, point: Projective, x: int) -> bool:
        """Whether a finite point has this x."""
        return point[2] % self.p != 0 and (point[0] - x * point[2]) % self.p == 0

    def holds(self, x: int, y: int, e: int, r: int, s: int) -> bool:
        """SEC 1, 4.1.4, without leaving the projective plane: x is r, or r + n where that is below p."""
        if not self.is_point(x, y) or not (0 < r < self.n and 0 < s < self.n):
            return False
        point = self.sum_of(x, y, e, r, s)
        return self.is_x(point, r) or (r + self.n < self.p and self.is_x(point, r + self.n))


GROUPS = {
    "secp256r1": Group(
        2**256 - 2**224 + 2**192 + 2**96 - 1,
        0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
        -3,
        0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
        (
            0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
            0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
            1,
        ),
        ec.SECP256R1,
    ),
    "secp256k1": Group(
        2**256 - 2**32 - 977,
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141,
        0,
        7,
        (
            0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
            0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
            1,
        ),
        ec.SECP256K1,
    ),
    "secp192k1": Group(
        2**192 - 2**32 - 4553,
        0xFFFFFFFFFFFFFFFFFFFFFFFE26F2FC170F69466A74DEFD8D,
        0,
        3,
        (0xDB4FF10EC057E9AE26B07D0280B7F4341DA5D1B1EAE06C7D, 0x9B2F2F6D9C5628A7844163D015BE86344082AA88D95E2F9D, 1),
        None,
    ),
}


def cases(name: str) -> list[Case]:
    """One file's cases; no two have the same name."""
    read: list[Case] = json.loads((HERE / f"{name}.json").read_text())["cases"]
    names = [(case.get("kind"), case["name"]) for case in read]
    assert len(set(names)) == len(names), name
    return read


def check_curve(name: str, group: Group) -> None:
    """Each verdict of a curve, twice, and the strict rule that follows from it."""
    careless = 0
    for case in cases(name):
        place = f"{name}: {case['kind']}: {case['name']}"
        key, signature, digest = (bytes.fromhex(case[part]) for part in ("public_key", "signature", "digest"))
        if case["message"] is not None:
            hasher = hashes.Hash(hashes.SHA256())
            hasher.update(bytes.fromhex(case["message"]))
            assert hasher.finalize() == digest, place
        if len(key) != 2 * group.size or len(signature) != 2 * group.size:
            assert not case["ecdsa"], place
            wrong = "PublicKeyInvalid" if len(key) != 2 * group.size else "SignatureInvalid"
            assert (case["kind"], case["outcome"]) == ("form", wrong), place
            continue
        x, y, r, s = (int.from_bytes(part[at : at + group.size]) for part in (key, signature) for at in (0, group.size))
        e = int.from_bytes(digest[: group.size])
        assert group.holds(x, y, e, r, s) == case["ecdsa"], place
        if group.openssl is not None:
            assert by_openssl(group.openssl, x, y, digest, r, s) == case["ecdsa"], place
            assert strictly(group, x, y, r, s, case["ecdsa"]) == case["outcome"], place
        careless += taken_by_the_careless(group, case, (x, y), e, r, s)
    assert careless >= 18, careless


def by_openssl(curve: type[ec.EllipticCurve], x: int, y: int, digest: bytes, r: int, s: int) -> bool:
    """OpenSSL's opinion, of the point's encoding: given two numbers it reduces them."""
    size = (curve().key_size + 7) // 8
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(curve(), b"\x04" + x.to_bytes(size) + y.to_bytes(size))
        key.verify(utils.encode_dss_signature(r, s), digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
    except (ValueError, InvalidSignature):
        return False
    return True


def strictly(group: Group, x: int, y: int, r: int, s: int, holds: bool) -> str:
    """docs/spec/hashing-and-keys.md, "Signatures": the signature's form first, then the key, then whether it holds."""
    if not (0 < r < group.n and s > 0 and 2 * s < group.n):
        return "SignatureInvalid"
    if not group.is_point(x, y):
        return "PublicKeyInvalid"
    return "accepted" if holds else "SignatureInvalid"


def taken_by_the_careless(group: Group, case: Case, key: tuple[int, int], e: int, r: int, s: int) -> int:
    """Shows that what is refused would be taken without one of the checks; counts the cases that say so."""
    place = f"{case['kind']}: {case['name']}"
    x, y = key
    if case["kind"] == "wrapped":
        assert group.holds(x, y, e, r % group.n, s % group.n), place
    elif case["kind"] == "x reduced by p":
        assert r + group.n > group.p, place
        assert group.is_x(group.sum_of(x, y, e, r, s), (r + group.n) % group.p), place
    elif case["kind"] == "infinity":
        assert group.sum_of(x, y, e, r, s)[2] == 0, place
    elif case["name"].startswith("key zero, forged"):
        assert group.is_x(group.times(e * pow(s, -1, group.n), group.base), r), place
    elif case["name"].startswith("on another curve"):
        # with e zero and r = s nothing is computed but the key itself
        assert (e, r, s) == (0, x, x), place
    elif case["name"] == "x not reduced":
        assert group.holds(x % group.p, y, e, r, s), place
    elif case["name"].endswith("not reduced"):
        assert group.holds(x, y, e, r - group.n, s), place
    else:
        return 0
    return 1


def check_recovery(group: Group) -> None:
    """Each address again: the key is Q with rQ = sR - eG."""
    for case in cases("recovery"):
        signature, digest = bytes.fromhex(case["signature"]), bytes.fromhex(case["digest"])
        address = address_of(group, signature, digest)
        assert case["signer"] == (address or bytes(20)).hex(), case["name"]
        assert case["outcome"] == ("SignatureInvalid" if address is None else "accepted"), case["name"]


def address_of(group: Group, signature: bytes, digest: bytes) -> bytes | None:
    """SEC 1, 4.1.6, in Ethereum's form with s low."""
    if len(signature) != 65 or signature[64] not in (27, 28):
        return None
    r, s, e = (int.from_bytes(part) for part in (signature[:32], signature[32:64], digest))
    if not (0 < r < group.n and 0 < s <= group.n // 2):
        return None
    y = pow(r**3 + group.b, (group.p + 1) // 4, group.p)
    if not group.is_point(r, y):
        return None
    if y % 2 != signature[64] - 27:
        y = group.p - y
    both = group.add(group.times(s, (r, y, 1)), group.times(group.n - e % group.n, group.base))
    key = group.times(pow(r, -1, group.n), both)
    if key[2] == 0:
        return None
    inverse = pow(key[2], -1, group.p)
    return keccak(b"".join((part * inverse % group.p).to_bytes(32) for part in key[:2]))[12:]


def check_der() -> None:
    """Strictness as cryptography has it; what lenient readers take is what is left of the structure."""
    seen = set()
    for case in cases("der"):
        data = bytes.fromhex(case["bytes"])
        try:
            pair = utils.decode_dss_signature(data)
        except ValueError:
            pair = None
        if pair is not None and max(pair) >= 2**256:
            pair = None
        assert (pair is not None) == (case["outcome"] == "accepted"), case["name"]
        numbers = (int(case["r"], 16), int(case["s"], 16)) if case["r"] else None
        loose = loosely(data)
        assert numbers == loose, case["name"]
        assert pair in (None, numbers), case["name"]
        expected = "strict" if pair is not None else "noted" if loose is not None else "refused"
        assert case["lenient"] == expected, case["name"]
        length = bytes((len(data) + 1,)) if len(data) < 127 else bytes((0x81, len(data) + 1))
        assert case["bit_string"] == (b"\x03" + length + b"\x00" + data).hex(), case["name"]
        seen.add((case["outcome"], case["lenient"]))
    assert len(seen) > 8, seen
    for case in cases("bit_strings"):
        data = bytes.fromhex(case["bit_string"])
        strict = data[:1] == b"\x03" and len(data) > 2 and data[1] == len(data) - 2 < 0x80 and data[2] == 0
        inner = data[3:]
        try:
            utils.decode_dss_signature(inner)
        except ValueError:
            strict = False
        assert strict == (case["outcome"] == "accepted"), case["name"]


def loosely(data: bytes) -> tuple[int, int] | None:
    """Two integers wherever the outer length ends, then zero octets; or r||s; None for both at once or for neither."""
    found = None
    for start in (2, 3):
        if data[:1] != b"\x30" or (start == 3) != (data[1:2] == b"\x81") or data[1 : start - 1] not in (b"", b"\x81"):
            continue
        if start == 2 and data[1:2] >= b"\x80":
            continue
        parts, at = [], start
        while len(parts) < 2 and data[at : at + 1] == b"\x02" and 0 < int.from_bytes(data[at + 1 : at + 2]) < 0x80:
            end = at + 2 + data[at + 1]
            parts.append(int.from_bytes(data[at + 2 : end]) if end <= len(data) else 2**256)
            at = end
        if len(parts) == 2 and max(parts) < 2**256 and not any(data[at:]):
            found = (parts[0], parts[1])
    if len(data) != 64:
        return found
    if found is None:
        return int.from_bytes(data[:32]), int.from_bytes(data[32:])
    return found if data == utils.encode_dss_signature(*found) else None


def check_keys() -> None:
    """A key is read where cryptography reads it, but for points off the curve, which are found when they are used."""
    for case in cases("keys"):
        data, point = bytes.fromhex(case["bytes"]), bytes.fromhex(case["point"])
        read = case["outcome"] == "accepted"
        assert read == bool(point), case["name"]
        if read:
            size = len(point) // 2
            x, y = int.from_bytes(point[:size]), int.from_bytes(point[size:])
            on = [group.is_point(x, y) for group in GROUPS.values() if group.size == size]
            assert any(on) == case["on_curve"], case["name"]
        if data[:1] != b"\x30":
            assert not read or data in (point, b"\x04" + point), case["name"]
            continue
        if case["curve"] == "secp192k1":  # which cryptography has not
            assert data.endswith(bytes.fromhex("06052b8104001f033200") + b"\x04" + point), case["name"]
            continue
        try:
            key = load_der_public_key(data)
        except (ValueError, UnsupportedAlgorithm):
            assert not read or not case["on_curve"], case["name"]
            continue
        if isinstance(key, ec.EllipticCurvePublicKey) and case["name"] != "hybrid":
            numbers = key.public_numbers()
            assert read, case["name"]
            assert point == numbers.x.to_bytes(32) + numbers.y.to_bytes(32), case["name"]
            assert case["curve"] == key.curve.name, case["name"]


def main() -> None:
    """Confirm every file."""
    for name, group in GROUPS.items():
        check_curve(name, group)
    check_recovery(GROUPS["secp256k1"])
    check_der()
    check_keys()


if __name__ == "__main__":
    main()
