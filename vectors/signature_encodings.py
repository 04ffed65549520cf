"""How signatures and keys are written down: DER strict and otherwise, and what a strict and a lenient reader say.

The expected answers are written by hand, since here the judgement is the point; ``check_signatures.py`` confirms them
with readers of its own. X.690, RFC 3279, RFC 5480, RFC 5758.
"""

from __future__ import annotations

import hashlib
from typing import Any

Case = dict[str, Any]
STRICT, NOTED, REFUSED = "strict", "noted", "refused"
ACCEPTED = "accepted"


def drawn(label: str, length: int, first: int) -> bytes:
    """Reproducible bytes with a given first octet and an odd last one."""
    body = hashlib.shake_256(f"wattest vectors encodings {label}".encode()).digest(length)
    return bytes((first,)) + body[1:-1] + bytes((body[-1] | 1,))


def tlv(tag: int, content: bytes, length: bytes | None = None) -> bytes:
    """An element, its length in the shortest form unless given."""
    if length is None:
        size = len(content)
        length = bytes((size,)) if size < 0x80 else bytes((0x81, size)) if size < 0x100 else b"\x82" + size.to_bytes(2)
    return bytes((tag,)) + length + content


def number(value: int) -> bytes:
    """A DER INTEGER."""
    return tlv(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def pair(r: int, s: int) -> bytes:
    """Two integers."""
    return number(r) + number(s)


R, S = drawn("r", 32, 0x9C), drawn("s", 32, 0x41)  # the one needs a leading zero octet, the other none
R_ELEMENT, S_ELEMENT = tlv(2, b"\x00" + R), tlv(2, S)
BODY = R_ELEMENT + S_ELEMENT
GOOD = tlv(0x30, BODY)


def signature_cases() -> list[Case]:
    """A SEQUENCE of two INTEGERs, and what is nearly one; the lenient reader expects coordinates of 32 bytes."""
    r, s, most = int.from_bytes(R), int.from_bytes(S), 2**256 - 1
    size = len(BODY)
    raw = drawn("raw r", 32, 0x05)[:1] + b"\x02" + drawn("raw r", 32, 0x05)[2:] + S
    looks_like_der = b"\x30\x3e\x05" + raw[3:]
    whole = pair(*(int.from_bytes(drawn(label, 29, 0x51)) for label in ("29 r", "29 s")))
    padded = tlv(0x30, pair(*(int.from_bytes(drawn(label, 28, 0x51)) for label in ("28 r", "28 s"))))
    loose = tlv(0x30, tlv(2, b"\x00" + drawn("28 r", 28, 0x51)) + tlv(2, drawn("29 s", 29, 0x51)))
    accepted = [
        ("strict", GOOD, r, s), ("both one", tlv(0x30, pair(1, 1)), 1, 1), ("r zero", tlv(0x30, pair(0, s)), 0, s),
        ("s zero", tlv(0x30, pair(r, 0)), r, 0), ("r at most 2^256 - 1", tlv(0x30, pair(most, s)), most, s),
        ("r 127", tlv(0x30, pair(127, s)), 127, s), ("r 128", tlv(0x30, pair(128, s)), 128, s),
        ("r and s exchanged", tlv(0x30, pair(s, r)), s, r),
        ("64 octets, as many as r||s", tlv(0x30, whole), int.from_bytes(drawn("29 r", 29, 0x51)),
         int.from_bytes(drawn("29 s", 29, 0x51))),
    ]  # fmt: skip
    noted = [
        ("a superfluous zero octet in r", tlv(0x30, tlv(2, bytes(2) + R) + S_ELEMENT), "DerIntegerInvalid", r, s),
        ("a superfluous zero octet in s", tlv(0x30, R_ELEMENT + tlv(2, b"\x00" + S)), "DerIntegerInvalid", r, s),
        ("r without its zero octet", tlv(0x30, tlv(2, R) + S_ELEMENT), "DerIntegerInvalid", r, s),
        ("r is -1", tlv(0x30, b"\x02\x01\xff" + S_ELEMENT), "DerIntegerInvalid", 255, s),
        ("r is zero in two octets", tlv(0x30, b"\x02\x02\x00\x00" + S_ELEMENT), "DerIntegerInvalid", 0, s),
        ("long form of a short length", tlv(0x30, BODY, bytes((0x81, size))), "DerLengthInvalid", r, s),
        ("outer length one more", tlv(0x30, BODY, bytes((size + 1,))), "DerTruncated", r, s),
        ("outer length one less", tlv(0x30, BODY, bytes((size - 1,))), "DerTrailing", r, s),
        ("outer length zero", tlv(0x30, BODY, b"\x00"), "DerTrailing", r, s),
        ("outer length 127", tlv(0x30, BODY, b"\x7f"), "DerTruncated", r, s),
        ("a zero octet after it", GOOD + b"\x00", "DerTrailing", r, s),
        ("eight zero octets after it", GOOD + bytes(8), "DerTrailing", r, s),
        ("zero octets inside, at the end", tlv(0x30, BODY + bytes(2)), "DerTrailing", r, s),
        ("bare r||s", raw, "DerTagUnexpected", int.from_bytes(raw[:32]), s),
        ("bare r||s that begins as DER does", looks_like_der, "DerTagUnexpected", int.from_bytes(looks_like_der[:32]),
         s),
    ]  # fmt: skip
    refused = [
        ("r is 2^256", tlv(0x30, pair(2**256, s)), "DerIntegerInvalid"),
        ("r empty", tlv(0x30, b"\x02\x00" + S_ELEMENT), "DerIntegerInvalid"),
        ("s empty", tlv(0x30, R_ELEMENT + b"\x02\x00"), "DerIntegerInvalid"),
        ("r negative in 33 octets", tlv(0x30, tlv(2, b"\xff" + R) + S_ELEMENT), "DerIntegerInvalid"),
        ("length in three octets", tlv(0x30, BODY, bytes((0x82, 0, size))), "DerLengthInvalid"),
        ("length in four octets", tlv(0x30, BODY, bytes((0x83, 0, 0, size))), "DerLengthInvalid"),
        ("length in nine octets", tlv(0x30, BODY, bytes((0x88, *bytes(7), size))), "DerLengthInvalid"),
        ("length in 128 octets", tlv(0x30, BODY, bytes((0xFF, *bytes(126), size))), "DerLengthInvalid"),
        ("length of 2^32 - 1", tlv(0x30, BODY, b"\x84\xff\xff\xff\xff"), "DerLengthInvalid"),
        ("length of 65,535", tlv(0x30, BODY, b"\x82\xff\xff"), "DerTruncated"),
        ("indefinite length", tlv(0x30, BODY + bytes(2), b"\x80"), "DerLengthInvalid"),
        ("indefinite length without an end", tlv(0x30, BODY, b"\x80"), "DerLengthInvalid"),
        ("r: long form", tlv(0x30, tlv(2, b"\x00" + R, b"\x81\x21") + S_ELEMENT), "DerLengthInvalid"),
        ("s: long form", tlv(0x30, R_ELEMENT + tlv(2, S, b"\x81\x20")), "DerLengthInvalid"),
        ("s: length in three octets", tlv(0x30, R_ELEMENT + tlv(2, S, b"\x82\x00\x20")), "DerLengthInvalid"),
        ("r: indefinite length", tlv(0x30, tlv(2, R + bytes(2), b"\x80") + S_ELEMENT), "DerLengthInvalid"),
        ("r: length one more", tlv(0x30, tlv(2, b"\x00" + R, b"\x22") + S_ELEMENT), "DerIntegerInvalid"),
        ("r: length one less", tlv(0x30, tlv(2, b"\x00" + R, b"\x20") + S_ELEMENT), "DerTagUnexpected"),
        ("s: length one more", tlv(0x30, R_ELEMENT + tlv(2, S, b"\x21")), "DerTruncated"),
        ("s: length one less", tlv(0x30, R_ELEMENT + tlv(2, S, b"\x1f")), "DerTrailing"),
        ("s: length 127", tlv(0x30, R_ELEMENT + tlv(2, S, b"\x7f")), "DerTruncated"),
        ("a SET", tlv(0x31, BODY), "DerTagUnexpected"),
        ("a primitive sequence", tlv(0x10, BODY), "DerTagUnexpected"),
        ("a sequence of another class", tlv(0x70, BODY), "DerTagUnexpected"),
        ("an OCTET STRING", tlv(0x04, BODY), "DerTagUnexpected"),
        ("a tag in two octets", b"\x1f" + tlv(0x30, BODY), "DerTagUnexpected"),
        *((f"r with tag {tag:02x}", tlv(0x30, tlv(tag, b"\x00" + R) + S_ELEMENT), "DerTagUnexpected")
          for tag in (0x00, 0x03, 0x04, 0x0A, 0x22, 0x30, 0x82)),
        ("s with tag 04", tlv(0x30, R_ELEMENT + tlv(0x04, S)), "DerTagUnexpected"),
        ("r a NULL", tlv(0x30, b"\x05\x00" + S_ELEMENT), "DerTagUnexpected"),
        ("s a NULL", tlv(0x30, R_ELEMENT + b"\x05\x00"), "DerTagUnexpected"),
        ("r a sequence of itself", tlv(0x30, tlv(0x30, R_ELEMENT) + S_ELEMENT), "DerTagUnexpected"),
        ("a sequence in a sequence", tlv(0x30, GOOD), "DerTagUnexpected"),
        ("one octet after it", GOOD + b"\x01", "DerTrailing"),
        ("zero octets and another after it", GOOD + b"\x00\x00\x01", "DerTrailing"),
        ("an integer after it", GOOD + number(1), "DerTrailing"),
        ("itself after it", GOOD + GOOD, "DerTrailing"),
        ("a third integer", tlv(0x30, BODY + number(1)), "DerTrailing"),
        ("a NULL inside, at the end", tlv(0x30, BODY + b"\x05\x00"), "DerTrailing"),
        ("a zero octet before it", b"\x00" + GOOD, "DerTagUnexpected"),
        ("r alone", tlv(0x30, R_ELEMENT), "DerTruncated"),
        ("nothing inside", tlv(0x30, b""), "DerTruncated"),
        ("nothing", b"", "DerTruncated"),
        ("a tag alone", b"\x30", "DerTruncated"),
        ("a length that is cut", b"\x30\x82\x01", "DerTruncated"),
        ("the last octet missing", GOOD[:-1], "DerTruncated"),
        ("cut within r", GOOD[:20], "DerTruncated"),
        ("cut after r", GOOD[:37], "DerTruncated"),
        ("bare r||s, one octet short", raw[:-1], "DerTagUnexpected"),
        ("bare r||s, one octet long", raw + b"\x01", "DerTagUnexpected"),
        ("bare r||s, three octets long", raw + bytes(3), "DerTagUnexpected"),
        ("zero octets up to the length of r||s", padded + bytes(64 - len(padded)), "DerTrailing"),
        ("not strict, of the length of r||s", loose, "DerIntegerInvalid"),
    ]  # fmt: skip
    return [
        *(encoding(name, data, ACCEPTED, STRICT, (one, other)) for name, data, one, other in accepted),
        *(encoding(name, data, error, NOTED, (one, other)) for name, data, error, one, other in noted),
        *(encoding(name, data, error, REFUSED, None) for name, data, error in refused),
    ]


def encoding(name: str, data: bytes, outcome: str, lenient: str, numbers: tuple[int, int] | None) -> Case:
    """A case; ``bit_string`` is the same inside the element of a certificate."""
    r, s = ("", "") if numbers is None else (f"{value:064x}" for value in numbers)
    return {
        "name": name, "bytes": data.hex(), "bit_string": tlv(3, b"\x00" + data).hex(), "outcome": outcome,
        "lenient": lenient, "r": r, "s": s,
    }  # fmt: skip


def bit_string_cases() -> list[Case]:
    """The element around a signature."""
    inside = b"\x00" + GOOD
    size = len(inside)
    cases = [
        ("strict", tlv(3, inside), ACCEPTED),
        ("one unused bit", tlv(3, b"\x01" + GOOD), "SignatureMalformed"),
        ("eight unused bits", tlv(3, b"\x08" + GOOD), "SignatureMalformed"),
        ("empty", tlv(3, b""), "SignatureMalformed"),
        ("the count alone", tlv(3, b"\x00"), "DerTruncated"),
        ("without the count", tlv(3, GOOD), "SignatureMalformed"),
        ("constructed", tlv(0x23, inside), "DerTagUnexpected"),
        ("an OCTET STRING", tlv(4, inside), "DerTagUnexpected"),
        ("the signature alone", GOOD, "DerTagUnexpected"),
        ("long form", tlv(3, inside, bytes((0x81, size))), "DerLengthInvalid"),
        ("length in three octets", tlv(3, inside, bytes((0x82, 0, size))), "DerLengthInvalid"),
        ("indefinite", tlv(3, inside + bytes(2), b"\x80"), "DerLengthInvalid"),
        ("length one more", tlv(3, inside, bytes((size + 1,))), "DerTruncated"),
        ("length one less", tlv(3, inside, bytes((size - 1,))), "DerTrailing"),
        ("an octet after it", tlv(3, inside) + b"\x00", "DerTrailing"),
        ("an octet inside, at the end", tlv(3, inside + b"\x00"), "DerTrailing"),
        ("nothing", b"", "DerTruncated"),
    ]
    return [{"name": name, "bit_string": data.hex(), "outcome": outcome} for name, data, outcome in cases]


EC = bytes.fromhex("06072a8648ce3d0201")
OIDS = {
    "secp256r1": bytes.fromhex("06082a8648ce3d030107"), "secp256k1": bytes.fromhex("06052b8104000a"),
    "secp192k1": bytes.fromhex("06052b8104001f"),
}  # fmt: skip


def key_cases(points: dict[str, tuple[int, int]]) -> list[Case]:
    """Public keys as meters' registers write them; ``points`` are one for each curve."""
    cases: list[Case] = []
    for curve, (x, y) in points.items():
        size = 24 if curve == "secp192k1" else 32
        point = x.to_bytes(size, "big") + y.to_bytes(size, "big")
        spki = tlv(0x30, tlv(0x30, EC + OIDS[curve]) + tlv(3, b"\x00\x04" + point))
        cases += [key(f"{curve}, SubjectPublicKeyInfo", spki, curve, point), key(f"{curve}, X||Y", point, None, point),
                  key(f"{curve}, 04||X||Y", b"\x04" + point, None, point)]  # fmt: skip
    x, y = points["secp256r1"]
    point = x.to_bytes(32, "big") + y.to_bytes(32, "big")
    algorithm, bits = tlv(0x30, EC + OIDS["secp256r1"]), tlv(3, b"\x00\x04" + point)
    compressed = bytes((2 + y % 2,)) + point[:32]
    cases.append(key("compressed", tlv(0x30, algorithm + tlv(3, b"\x00" + compressed)), "secp256r1", point))
    off = point[:-1] + bytes((point[-1] ^ 1,))
    cases.append(key("off the curve", tlv(0x30, algorithm + tlv(3, b"\x00\x04" + off)), "secp256r1", off, False))
    zero = bytes(64)
    cases.append(key("both zero", tlv(0x30, algorithm + tlv(3, b"\x00\x04" + zero)), "secp256r1", zero, False))
    body = algorithm + bits
    no_point = (1).to_bytes(32, "big")
    wrong = {
        "long form of a short length": tlv(0x30, body, bytes((0x81, len(body)))),
        "algorithm: long form": tlv(0x30, tlv(0x30, EC + OIDS["secp256r1"], b"\x81\x13") + bits),
        "point: long form": tlv(0x30, algorithm + tlv(3, b"\x00\x04" + point, b"\x81\x42")),
        "indefinite length": tlv(0x30, body + bytes(2), b"\x80"),
        "length in three octets": tlv(0x30, body, bytes((0x82, 0, len(body)))),
        "length one more": tlv(0x30, body, bytes((len(body) + 1,))),
        "length one less": tlv(0x30, body, bytes((len(body) - 1,))),
        "an octet after it": tlv(0x30, body) + b"\x00",
        "a NULL inside, at the end": tlv(0x30, body + b"\x05\x00"),
        "algorithm with a NULL": tlv(0x30, tlv(0x30, EC + OIDS["secp256r1"] + b"\x05\x00") + bits),
        "algorithm without a curve": tlv(0x30, tlv(0x30, EC) + bits),
        "NULL for a curve": tlv(0x30, tlv(0x30, EC + b"\x05\x00") + bits),
        "a curve that nobody has": tlv(0x30, tlv(0x30, EC + bytes.fromhex("06032a0304")) + bits),
        "RSA": tlv(0x30, tlv(0x30, bytes.fromhex("06092a864886f70d010101") + b"\x05\x00") + bits),
        "one unused bit": tlv(0x30, algorithm + tlv(3, b"\x01\x04" + point)),
        "an OCTET STRING": tlv(0x30, algorithm + tlv(4, b"\x00\x04" + point)),
        "point at infinity": tlv(0x30, algorithm + tlv(3, b"\x00\x00")),
        "no point": tlv(0x30, algorithm + tlv(3, b"\x00")),
        "point one octet short": tlv(0x30, algorithm + tlv(3, b"\x00\x04" + point[:-1])),
        "point one octet long": tlv(0x30, algorithm + tlv(3, b"\x00\x04" + point + b"\x00")),
        "hybrid": tlv(0x30, algorithm + tlv(3, bytes((0, 6 + y % 2)) + point)),
        "point without its first octet": tlv(0x30, algorithm + tlv(3, b"\x00" + point)),
        "compressed, x of no point": tlv(0x30, algorithm + tlv(3, b"\x00\x02" + no_point)),
        "compressed, x not reduced": tlv(0x30, algorithm + tlv(3, b"\x00\x02" + b"\xff" * 32)),
        "bare, hybrid": bytes((6 + y % 2,)) + point,
        "bare, one octet short": point[:-1],
        "nothing": b"",
    }
    return cases + [
        {"name": name, "bytes": data.hex(), "curve": "", "point": "", "on_curve": False,
         "outcome": "MalformedPublicKey"} for name, data in wrong.items()
    ]  # fmt: skip


def key(name: str, data: bytes, curve: str | None, point: bytes, on_curve: bool = True) -> Case:
    """A key that is read; whether its point lies on the curve is asked when it is used."""
    return {
        "name": name, "bytes": data.hex(), "curve": curve or "", "point": point.hex(), "on_curve": on_curve,
        "outcome": ACCEPTED,
    }  # fmt: skip
