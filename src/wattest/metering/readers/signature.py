"""Signatures of legacy meters: what their text decodes to, and whether they hold.

Decided here: which encodings count as one signature (r, s), and the check itself. Not decided here: which bytes were
signed (``ocmf``). Real meters write DER that is not strict (RFC 3279 asks for it): superfluous or missing zero octets,
zero padding at the end. The pair (r, s) is what signs, so such encodings are read and named in a note; what is not
strict and as long as bare r||s could mean two pairs and is refused. Legacy meters know no low-s rule, hence none is
asked for here.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from wattest.crypto.hashing import sha256
from wattest.errors import InputError, VerificationError
from wattest.metering.readers import secp192k1
from wattest.metering.readers.public_key import Curve, MeterPublicKey

MAX_SIGNATURE_TEXT = 2048
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "256": hashes.SHA256,
    "384": hashes.SHA384,
    "512": hashes.SHA512,
}


class MalformedSignature(InputError):
    """Signature text that decodes to no pair (r, s)."""


class MeterSignatureInvalid(VerificationError):
    """A well-formed signature that does not hold over the signed bytes under the registered key."""


class UnsupportedSignature(VerificationError):
    """A signature whose algorithm cannot be checked here; it is never taken for valid."""


@dataclass(frozen=True, slots=True)
class DecodedSignature:
    """The pair (r, s) and, for people, how its encoding departs from the standard."""

    r: int
    s: int
    notes: tuple[str, ...] = ()


def decode_text(text: str, encoding: str) -> Iterator[tuple[bytes, tuple[str, ...]]]:
    """Every reading of ``text`` as bytes, the declared encoding (hex or base64) first; none when there is none."""
    if len(text) > MAX_SIGNATURE_TEXT:
        raise MalformedSignature("the signature's text is too long", actual=len(text))
    body = text if text.isalnum() else re.sub(r"[\s:]", "", text)
    ways = ("base64", "hex") if encoding == "base64" else ("hex", "base64")
    for name in ways:
        data = _decoded(body, name)
        if data is not None:
            yield (
                data,
                () if name == encoding else (f"the signature is encoded in {name}, not in {encoding} as declared",),
            )


def _decoded(body: str, encoding: str) -> bytes | None:
    if encoding == "hex":
        return bytes.fromhex(body) if _HEX.fullmatch(body) else None
    try:
        standard = body.replace("-", "+").replace("_", "/").rstrip("=")
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def parse_signature(data: bytes, curve: Curve) -> DecodedSignature:
    """Read DER, strict or as real meters write it, or bare r||s; raises ``MalformedSignature``."""
    size = curve.coordinate_bytes
    decoded = _parse_der(data, size)
    if decoded is not None:
        if decoded.notes and len(data) == 2 * size:
            raise MalformedSignature(
                "the signature could be r||s as well as DER that is not strict",
                hint="write it as strict DER",
                actual=len(data),
            )
        return decoded
    if len(data) == 2 * size:
        note = "the signature is bare r||s, not DER"
        return DecodedSignature(int.from_bytes(data[:size], "big"), int.from_bytes(data[size:], "big"), (note,))
    raise MalformedSignature("the signature is neither DER nor r||s", hint="it may be truncated", actual=len(data))


def verify_signature(key: MeterPublicKey, hash_bits: str, message: bytes, signature: DecodedSignature) -> None:
    """Check (r, s) over ``message``; the key's curve must be settled.

    Raises ``MeterSignatureInvalid`` or, for a curve or hash that is not available, ``UnsupportedSignature``.
    """
    curve = key.curve
    if curve is None:
        raise UnsupportedSignature("the key's curve is not known")
    if curve.implementation is None:
        if curve.name != "secp192k1" or hash_bits != "256":
            raise UnsupportedSignature(f"unsupported curve or hash: {curve.name}, SHA-{hash_bits}")
        size = curve.coordinate_bytes
        x, y = int.from_bytes(key.point[:size], "big"), int.from_bytes(key.point[size:], "big")
        if not secp192k1.is_on_curve(x, y):
            raise MeterSignatureInvalid(f"the key is no point on {curve.name}")
        if not secp192k1.is_signature(x, y, sha256(message), signature.r, signature.s):
            raise MeterSignatureInvalid("the signature does not hold over the signed bytes")
        return
    try:
        # From its encoding: given two numbers OpenSSL reduces them, and a point would have more than one form.
        public_key = ec.EllipticCurvePublicKey.from_encoded_point(curve.implementation(), b"\x04" + key.point)
    except ValueError as error:
        raise MeterSignatureInvalid(f"the key is no point on {curve.name}") from error
    except UnsupportedAlgorithm as error:
        raise UnsupportedSignature(f"unsupported curve: {curve.name}") from error
    encoded = utils.encode_dss_signature(signature.r, signature.s)
    try:
        public_key.verify(encoded, message, ec.ECDSA(_HASHES[hash_bits]()))
    except InvalidSignature as error:
        raise MeterSignatureInvalid("the signature does not hold over the signed bytes") from error


def _parse_der(data: bytes, size: int) -> DecodedSignature | None:
    """SEQUENCE of two INTEGERs, read leniently; None when it is no such thing."""
    notes: list[str] = []
    if len(data) < 8 or data[0] != 0x30:
        return None
    length, at = data[1], 2
    if length == 0x81:
        length, at = data[2], 3
        if length < 0x80:
            notes.append("long form of a short length")
    elif length >= 0x80:
        return None
    declared_end = at + length
    numbers: list[int] = []
    for _ in range(2):
        if at + 2 > len(data) or data[at] != 0x02 or not 0 < data[at + 1] < 0x80:
            return None
        content = data[at + 2 : at + 2 + data[at + 1]]
        if len(content) != data[at + 1] or len(content.lstrip(b"\x00")) > size:
            return None
        if content[0] & 0x80:
            notes.append("an integer lacks its leading zero octet")
        elif len(content) > 1 and content[0] == 0 and not content[1] & 0x80:
            notes.append("an integer has superfluous zero octets")
        numbers.append(int.from_bytes(content, "big"))
        at += 2 + len(content)
    if declared_end != at:
        notes.append("the outer length is wrong")
    if any(data[at:]):
        return None
    if data[at:]:
        notes.append("zero octets follow the signature")
    shown = (f"the signature is not strict DER ({'; '.join(dict.fromkeys(notes))})",) if notes else ()
    return DecodedSignature(numbers[0], numbers[1], shown)
