"""Write vectors/signatures/*.json: signatures at the edges of three curves, and encodings at the edges of DER.

Everything follows from fixed labels and textbook arithmetic (``signature_edges.py`` over ``crypto_reference.py``), so
running it again changes nothing; ``--check`` writes nothing and exits 1 if a file differs. ``check_signatures.py``
confirms the answers by other arithmetic and other readers. Format: docs/spec/signature-cases.md.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import crypto_reference as reference
from signature_edges import Edge, Field, digest_of, edges
from signature_encodings import ACCEPTED, bit_string_cases, key_cases, pair, signature_cases, tlv

OUT = Path(__file__).parent / "signatures"
FIELDS = (
    Field("secp256r1", reference.P256, 32),
    Field("secp256k1", reference.SECP256K1, 32),
    Field("secp192k1", reference.SECP192K1, 24),
)
STRICT_CURVES = {"secp256r1", "secp256k1"}
Case = dict[str, Any]


def main() -> int:
    """Write or compare every file."""
    files = {field.name: [case_of(field, edge) for edge in edges(field)] for field in FIELDS}
    for field in FIELDS:
        if field.name in STRICT_CURVES:
            files[field.name] += form_cases(field)
    files["recovery"] = recovery_cases(FIELDS[1])
    files["der"] = signature_cases()
    files["bit_strings"] = bit_string_cases()
    files["keys"] = key_cases({field.name: field.key(field.draw("ordinary")) for field in FIELDS})
    changed = []
    OUT.mkdir(exist_ok=True)
    for name, cases in files.items():
        file = OUT / f"{name}.json"
        text = json.dumps({"cases": cases}, indent=1) + "\n"
        if "--check" not in sys.argv:
            file.write_text(text)
        elif not file.is_file() or file.read_text() != text:
            changed.append(file.name)
    if changed:
        sys.stderr.write(f"differ from what the reference makes: {', '.join(changed)}\n")
    return 1 if changed else 0


def case_of(field: Field, edge: Edge) -> Case:
    """What textbook ECDSA says, and for the curves of our own signatures what the strict rule says."""
    holds = field.holds(edge.key, edge.digest, edge.r, edge.s)
    case: Case = {
        "name": edge.name,
        "kind": edge.kind,
        "public_key": "".join(word(part, field.size) for part in edge.key),
        "digest": edge.digest.hex(),
        "message": None if edge.message is None else edge.message.hex(),
        "signature": word(edge.r, field.size) + word(edge.s, field.size),
        "ecdsa": holds,
    }
    if field.name in STRICT_CURVES:
        n = field.curve.n
        if not (1 <= edge.r < n and 1 <= edge.s <= n // 2):
            case["outcome"] = "SignatureInvalid"
        elif not field.is_on_curve(edge.key):
            case["outcome"] = "PublicKeyInvalid"
        else:
            case["outcome"] = ACCEPTED if holds else "SignatureInvalid"
    return case


def word(number: int, size: int) -> str:
    """Big-endian hex."""
    return number.to_bytes(size, "big").hex()


def form_cases(field: Field) -> list[Case]:
    """An accepted signature and key in other lengths and encodings."""
    secret, message = field.draw("ordinary"), b"forms"
    key = "".join(word(part, 32) for part in field.key(secret))
    r, s = field.sign(secret, digest_of(message), field.draw("nonce of forms"))
    s = min(s, field.curve.n - s)
    good = word(r, 32) + word(s, 32)
    small, one = field.point_from(1), 1
    small_key = field.key_for(small, field.number(digest_of(message)), small[0], one)
    short_key = "".join(word(part, 32) for part in small_key)
    compressed = f"{2 + int(key[-1], 16) % 2:02x}" + key[:64]
    rows = [
        ("signature in its form", key, good, ACCEPTED),
        ("no signature", key, "", "SignatureInvalid"),
        ("signature of one octet", key, "00", "SignatureInvalid"),
        ("signature one octet short", key, good[:-2], "SignatureInvalid"),
        ("signature one octet long", key, good + "00", "SignatureInvalid"),
        ("signature with an octet before", key, "00" + good, "SignatureInvalid"),
        ("signature twice", key, good * 2, "SignatureInvalid"),
        ("r and s in 33 octets", key, "00" + good[:64] + "00" + good[64:], "SignatureInvalid"),
        ("signature in DER", key, tlv(0x30, pair(r, s)).hex(), "SignatureInvalid"),
        ("small r and s in 64 octets", short_key, word(small[0], 32) + word(one, 32), ACCEPTED),
        ("small r and s in two octets", short_key, word(small[0], 1) + word(one, 1), "SignatureInvalid"),
        ("small r and s in 62 octets", short_key, word(small[0], 31) + word(one, 31), "SignatureInvalid"),
        ("no key", "", good, "PublicKeyInvalid"),
        ("key with its first octet", "04" + key, good, "PublicKeyInvalid"),
        ("key compressed", compressed, good, "PublicKeyInvalid"),
        ("key hybrid", f"{6 + int(key[-1], 16) % 2:02x}" + key, good, "PublicKeyInvalid"),
        ("key at infinity", "00", good, "PublicKeyInvalid"),
        ("key one octet short", key[:-2], good, "PublicKeyInvalid"),
        ("key one octet long", key + "00", good, "PublicKeyInvalid"),
    ]
    return [
        {"name": name, "kind": "form", "public_key": given, "digest": digest_of(message).hex(),
         "message": message.hex(), "signature": signature, "ecdsa": outcome == ACCEPTED, "outcome": outcome}
        for name, given, signature, outcome in rows
    ]  # fmt: skip


def recovery_cases(field: Field) -> list[Case]:
    """Signatures of 65 octets, the address that each recovers, zero where none does."""
    n, secret = field.curve.n, field.draw("recovery")
    digest = digest_of(b"recovery")
    e = field.number(digest)
    point = field.key(field.draw("nonce of recovery"))
    r, s = field.sign(secret, digest, field.draw("nonce of recovery"))
    odd = point[1] % 2
    if s > n // 2:
        s, odd = n - s, odd ^ 1
    rows = [(f"v = {v}", digest, r, s, v) for v in (27 + odd, 28 - odd, 0, 1, 2, 3, 4, 26, 29, 30, 31, 35, 36, 255)]
    rows += [("high s", digest, r, n - s, v) for v in (28 - odd, 27 + odd)]
    limits = {"0": 0, "1": 1, "n - 1": n - 1, "n": n, "n + 1": n + 1, "all ones": 2**256 - 1}
    rows += [(f"r = {name}", digest, value, s, v) for name, value in limits.items() for v in (27, 28)]
    rows += [(f"s = {name}", digest, r, value, 27 + odd) for name, value in limits.items()]
    rows += [("s = (n - 1) / 2", digest, r, n // 2, 27), ("s = (n + 1) / 2", digest, r, n // 2 + 1, 27)]
    no_x = next(x for x in range(1, 100) if field.lift(x) is None)
    rows += [("r is no x", digest, no_x, s, v) for v in (27, 28)]
    high = field.point_from(n + 1)  # what verifies here recovers another key, or none
    rows += [("x of R above n", digest, high[0] - n, s, v) for v in (27, 28)]
    top = field.point_below(n)
    rows += [("the largest r", digest, top[0], s, v) for v in (27, 28)]
    rows += [("r + n would be an x", digest, field.point_from(1)[0], s, v) for v in (27, 28)]
    # R = (e/s) G leaves infinity for the key.
    for label in ("first", "second"):
        nonce = field.draw(f"recovered infinity {label}")
        low = e * pow(nonce, -1, n) % n
        commitment = field.key(nonce)
        sign = commitment[1] % 2 ^ (low > n // 2)
        low = min(low, n - low)
        rows += [(f"infinity, {label}", digest, commitment[0], low, 27 + sign)]
        rows += [(f"infinity, {label}, the other v", digest, commitment[0], low, 28 - sign)]
    for name, special in (("0", 0), ("n", n), ("n - 1", n - 1), ("all ones", 2**256 - 1)):
        rows.append((f"digest {name}", special.to_bytes(32, "big"), r, s, 27 + odd))
    rows.append(("another digest", digest_of(b"another"), r, s, 27 + odd))
    cases = [recovery_case(field, *row, row[2].to_bytes(32, "big") + row[3].to_bytes(32, "big")) for row in rows]
    good = bytes.fromhex(cases[0]["signature"])
    for name, data in (("empty", b""), ("without v", good[:-1]), ("an octet long", good + b"\x00"),
                       ("an octet before", b"\x00" + good), ("v first", good[-1:] + good[:-1]),
                       ("compact (EIP-2098)", good[:32] + bytes((good[32] | odd << 7,)) + good[33:64])):  # fmt: skip
        cases.append({"name": name, "digest": digest.hex(), "signature": data.hex(), "signer": bytes(20).hex(),
                      "outcome": "SignatureInvalid"})  # fmt: skip
    return cases


def recovery_case(field: Field, name: str, digest: bytes, r: int, s: int, v: int, compact: bytes) -> Case:
    """A case whose address the reference finds."""
    address = recovered(field, digest, r, s, v)
    return {
        "name": name if name.startswith("v = ") else f"{name}, v = {v}",
        "digest": digest.hex(),
        "signature": (compact + bytes((v,))).hex(),
        "signer": (address or bytes(20)).hex(),
        "outcome": ACCEPTED if address else "SignatureInvalid",
    }


def recovered(field: Field, digest: bytes, r: int, s: int, v: int) -> bytes | None:
    """SEC 1, 4.1.6, for the two v that Ethereum knows, s low."""
    n = field.curve.n
    if v not in (27, 28) or not (1 <= r < n and 1 <= s <= n // 2):
        return None
    even = field.lift(r)
    if even is None:
        return None
    point = even if even[1] % 2 == v - 27 else (even[0], field.curve.p - even[1])
    inverse = pow(r, -1, n)
    key = field.combine(-field.number(digest) * inverse, s * inverse, point)
    return None if key is None else reference.address(b"".join(part.to_bytes(32, "big") for part in key))


if __name__ == "__main__":
    raise SystemExit(main())
