"""Public keys as meters and registers print them: DER SPKI or bare points, in hex, spaced hex, base64 or PEM.

Decided here: the curves of OCMF and which spellings of a key are read. Not decided here: whether a key belongs to a
meter; keys come to us by another way than the readings (OCMF, "Relation of Serial Numbers, Charge Point and Public
Key"). RFC 5480 (SPKI), SEC 1 2.3.3 (points), SEC 2 and RFC 5639 (curves).
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec

from wattest.errors import InputError

MAX_KEY_TEXT = 4096
_EC_PUBLIC_KEY = bytes.fromhex("06072a8648ce3d0201")


class MalformedPublicKey(InputError):
    """Text or bytes that are no elliptic curve public key we know."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A named curve; ``implementation`` is None where OpenSSL lacks it."""

    name: str
    oid: bytes  # content octets of the object identifier
    coordinate_bytes: int
    implementation: type[ec.EllipticCurve] | None


CURVES: tuple[Curve, ...] = (
    Curve("secp256r1", bytes.fromhex("2a8648ce3d030107"), 32, ec.SECP256R1),
    Curve("secp256k1", bytes.fromhex("2b8104000a"), 32, ec.SECP256K1),
    Curve("brainpool256r1", bytes.fromhex("2b2403030208010107"), 32, ec.BrainpoolP256R1),
    Curve("secp192r1", bytes.fromhex("2a8648ce3d030101"), 24, ec.SECP192R1),
    Curve("secp192k1", bytes.fromhex("2b8104001f"), 24, None),
    Curve("secp384r1", bytes.fromhex("2b81040022"), 48, ec.SECP384R1),
    Curve("brainpool384r1", bytes.fromhex("2b240303020801010b"), 48, ec.BrainpoolP384R1),
    Curve("secp521r1", bytes.fromhex("2b81040023"), 66, ec.SECP521R1),
    Curve("brainpool512r1", bytes.fromhex("2b240303020801010d"), 64, ec.BrainpoolP512R1),
)
_SYNONYMS = {
    "prime256v1": "secp256r1",
    "p-256": "secp256r1",
    "nistp256": "secp256r1",
    "prime192v1": "secp192r1",
    "p-192": "secp192r1",
    "prime384v1": "secp384r1",
    "p-384": "secp384r1",
    "p-521": "secp521r1",
    "brainpoolp256r1": "brainpool256r1",
    "brainpoolp384r1": "brainpool384r1",
    "brainpoolp512r1": "brainpool512r1",
}
DEFAULT_CURVE = CURVES[0]


def curve_by_name(name: str) -> Curve | None:
    """The curve of that name or synonym, in any letter case; None when it is unknown."""
    lowered = name.lower()
    wanted = _SYNONYMS.get(lowered, lowered)
    return next((curve for curve in CURVES if curve.name == wanted), None)


@dataclass(frozen=True, slots=True)
class MeterPublicKey:
    """A point X||Y and its curve; ``curve`` is None for a bare point, whose curve the signature section names."""

    point: bytes
    curve: Curve | None

    def on(self, curve: Curve) -> MeterPublicKey:
        """The same point, its curve settled."""
        return MeterPublicKey(self.point, curve)

    def to_spki(self) -> bytes:
        """DER SubjectPublicKeyInfo with the uncompressed point; raises ``MalformedPublicKey`` for a bare point."""
        if self.curve is None:
            raise MalformedPublicKey("a bare point does not name its curve", hint="give the key as DER or PEM")
        algorithm = _der(0x30, _EC_PUBLIC_KEY + _der(0x06, self.curve.oid))
        return _der(0x30, algorithm + _der(0x03, b"\x00\x04" + self.point))


def parse_public_key(text: str) -> MeterPublicKey:
    """Read a key from hex (blanks, colons and 0x allowed), base64 or PEM text; raises ``MalformedPublicKey``."""
    if len(text) > MAX_KEY_TEXT:
        raise MalformedPublicKey("the key's text is too long", expected=MAX_KEY_TEXT, actual=len(text))
    body = re.sub(r"-----(BEGIN|END) [A-Z ]+-----", "", text)
    body = re.sub(r"[\s:]", "", body)
    body = body[2:] if body[:2] in ("0x", "0X") else body
    if re.fullmatch(r"(?:[0-9A-Fa-f]{2})+", body):
        return parse_public_key_bytes(bytes.fromhex(body))
    try:
        standard = body.replace("-", "+").replace("_", "/").rstrip("=")
        data = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedPublicKey(
            "the key is neither hex nor base64 nor PEM",
            hint="copy the meter's public key as printed in its register or on its label",
        ) from error
    return parse_public_key_bytes(data)


def parse_public_key_bytes(data: bytes) -> MeterPublicKey:
    """Read DER SPKI, an uncompressed or compressed SEC 1 point, or bare X||Y; raises ``MalformedPublicKey``."""
    if data[:1] == b"\x30":
        spki = _parse_spki(data)
        if spki is not None:
            return spki
    if data[:1] == b"\x04" and (len(data) - 1) // 2 in _SIZES and len(data) % 2:
        return MeterPublicKey(data[1:], None)
    if len(data) % 2 == 0 and len(data) // 2 in _SIZES:
        return MeterPublicKey(data, None)
    raise MalformedPublicKey(
        f"{len(data)} bytes are no public key of a known curve",
        hint="DER SubjectPublicKeyInfo, 04||X||Y and X||Y are read",
        actual=len(data),
    )


_SIZES = frozenset(curve.coordinate_bytes for curve in CURVES)


def _parse_spki(data: bytes) -> MeterPublicKey | None:
    outer = _children(data)
    if outer is None or len(outer) != 1 or outer[0][0] != 0x30:
        return None
    parts = _children(outer[0][1])
    if parts is None or [tag for tag, _ in parts] != [0x30, 0x03]:
        return None
    algorithm = _children(parts[0][1])
    if algorithm is None or [tag for tag, _ in algorithm] != [0x06, 0x06] or algorithm[0][1] != _EC_PUBLIC_KEY[2:]:
        raise MalformedPublicKey("the key is not an elliptic curve key on a named curve")
    curve = next((curve for curve in CURVES if curve.oid == algorithm[1][1]), None)
    if curve is None:
        raise MalformedPublicKey(
            "unsupported curve",
            hint="supported: " + ", ".join(curve.name for curve in CURVES),
            actual=algorithm[1][1],
        )
    point = parts[1][1][1:]
    if parts[1][1][:1] == b"\x00" and point[:1] in (b"\x02", b"\x03") and len(point) == 1 + curve.coordinate_bytes:
        return MeterPublicKey(_decompress(point, curve), curve)
    if parts[1][1][:2] != b"\x00\x04" or len(point) != 1 + 2 * curve.coordinate_bytes:
        raise MalformedPublicKey(f"the key's point does not fit {curve.name}", actual=len(point))
    return MeterPublicKey(point[1:], curve)


def _decompress(point: bytes, curve: Curve) -> bytes:
    if curve.implementation is None:
        raise MalformedPublicKey(f"a compressed point on {curve.name} is not read", hint="give it uncompressed")
    try:
        numbers = ec.EllipticCurvePublicKey.from_encoded_point(curve.implementation(), point).public_numbers()
    except ValueError as error:
        raise MalformedPublicKey(f"the key's point is not on {curve.name}") from error
    size = curve.coordinate_bytes
    return numbers.x.to_bytes(size, "big") + numbers.y.to_bytes(size, "big")


def _children(data: bytes) -> list[tuple[int, bytes]] | None:
    """Tag and content of each DER element in ``data``; None when it does not add up."""
    found: list[tuple[int, bytes]] = []
    at = 0
    while at < len(data):
        if at + 2 > len(data):
            return None
        tag, length, at = data[at], data[at + 1], at + 2
        if length == 0x81 and at < len(data):
            length, at = data[at], at + 1
            if length < 0x80:  # not the shortest form
                return None
        elif length >= 0x80:
            return None
        if at + length > len(data):
            return None
        found.append((tag, data[at : at + length]))
        at += length
    return found


def _der(tag: int, content: bytes) -> bytes:
    length = bytes((len(content),)) if len(content) < 0x80 else bytes((0x81, len(content)))
    return bytes((tag,)) + length + content
