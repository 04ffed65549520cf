"""Write vectors/crypto/*.json from textbook arithmetic (``crypto_reference.py``), each positive beside its negatives.

Everything follows from fixed labels, so running it again changes nothing; ``--check`` writes nothing and exits 1 if a
file differs. Canonical JSON texts are written by hand: there the judgement is the point.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import crypto_reference as reference
from eth_hash.auto import keccak

OUT = Path(__file__).parent / "crypto"
ACCEPTED = "accepted"
KEY_WRONG, SIGNATURE_WRONG = "PublicKeyInvalid", "SignatureInvalid"
Case = dict[str, Any]

# Private key and message of RFC 6979, appendix A.2.5.
RFC6979_SEED = bytes.fromhex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721")
RFC6979_DIGEST = hashlib.sha256(b"sample").digest()


def content(label: str, length: int = 32) -> bytes:
    """Reproducible bytes of a label."""
    return hashlib.shake_256(f"wattest vectors crypto {label}".encode()).digest(length)


def flip(data: bytes, at: int = 0) -> bytes:
    """One bit changed."""
    at %= len(data)
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


def word(number: int) -> bytes:
    """32 bytes, big-endian."""
    return number.to_bytes(32, "big")


def keccak_cases() -> list[Case]:
    """Lengths around the block's end."""
    lengths = (0, 1, 31, 32, 33, 64, 65, 134, 135, 136, 137, 271, 272, 273, 1000)
    return [{"data": content(f"keccak {length}", length), "digest": keccak(content(f"keccak {length}", length))}
            for length in lengths]  # fmt: skip


def salt_cases() -> list[Case]:
    """Record salts, and another tag."""
    return [
        {"series_key": key, "tag": tag, "salts": [reference.salt(key, tag, index) for index in range(count)]}
        for key, tag, count in ((content("series key"), 1, 97), (bytes(32), 1, 3), (content("series key"), 255, 2))
    ]


def signed(curve: reference.Curve, seed: bytes, digest: bytes) -> tuple[bytes, bytes, int]:
    """(public key, r || s, parity)."""
    r, s, parity = curve.sign(seed, digest)
    return curve.public_key(seed), word(r) + word(s), parity


def forgeries(
    curve: reference.Curve, public_key: bytes, digest: bytes, signature: bytes
) -> dict[str, tuple[bytes, bytes, bytes, str]]:
    """(public key, digest, signature, outcome), each different from an accepted one in one field."""
    r, s = signature[:32], signature[32:]
    other = curve.public_key(content("another key"))
    opposite = public_key[:32] + word(curve.p - int.from_bytes(public_key[32:], "big"))
    return {
        "high s": (public_key, digest, r + word(curve.n - int.from_bytes(s, "big")), SIGNATURE_WRONG),
        "r flipped": (public_key, digest, flip(signature, 31), SIGNATURE_WRONG),
        "s flipped": (public_key, digest, flip(signature, 63), SIGNATURE_WRONG),
        "r zero": (public_key, digest, bytes(32) + s, SIGNATURE_WRONG),
        "s zero": (public_key, digest, r + bytes(32), SIGNATURE_WRONG),
        "r is n": (public_key, digest, word(curve.n) + s, SIGNATURE_WRONG),
        "s is n": (public_key, digest, r + word(curve.n), SIGNATURE_WRONG),
        "r and s swapped": (public_key, digest, s + r, SIGNATURE_WRONG),
        "one byte short": (public_key, digest, signature[:-1], SIGNATURE_WRONG),
        "one byte long": (public_key, digest, signature + b"\x00", SIGNATURE_WRONG),
        "empty signature": (public_key, digest, b"", SIGNATURE_WRONG),
        "another digest": (public_key, flip(digest), signature, SIGNATURE_WRONG),
        "another key": (other, digest, signature, SIGNATURE_WRONG),
        "the opposite key": (opposite, digest, signature, SIGNATURE_WRONG),
        "key off the curve": (flip(public_key, 63), digest, signature, KEY_WRONG),
        "key zero": (bytes(64), digest, signature, KEY_WRONG),
        "key coordinate at p": (word(curve.p) + public_key[32:], digest, signature, KEY_WRONG),
        "key short": (public_key[:-1], digest, signature, KEY_WRONG),
        "key with a prefix": (b"\x04" + public_key, digest, signature, KEY_WRONG),
    }


def signature_cases(curve: reference.Curve, with_v: bool) -> list[Case]:
    """Accepted signatures of several keys, and the forgeries of one."""
    seeds = {
        "RFC 6979, A.2.5": RFC6979_SEED, "scalar 1": word(1), "scalar n - 1": word(curve.n - 1),
        "drawn": content("seed"),
    }  # fmt: skip
    digests = {"sample": RFC6979_DIGEST, "zero": bytes(32), "all ones": b"\xff" * 32}
    cases = []
    for seed_name, seed in seeds.items():
        for digest_name, digest in digests.items():
            public_key, signature, parity = signed(curve, seed, digest)
            case = {
                "name": f"{seed_name}, digest {digest_name}", "seed": seed, "public_key": public_key, "digest": digest,
                "signature": signature, "outcome": ACCEPTED,
            }  # fmt: skip
            if with_v:
                case |= {"address": reference.address(public_key), "v": 27 + parity}
            cases.append(case)
    public_key, signature, parity = signed(curve, content("seed"), RFC6979_DIGEST)
    for name, (key, digest, forged, outcome) in forgeries(curve, public_key, RFC6979_DIGEST, signature).items():
        case = {"name": name, "public_key": key, "digest": digest, "signature": forged, "outcome": outcome}
        if with_v:
            case |= {"address": reference.address(key), "v": 27 + parity}
        cases.append(case)
    return cases


def aead_cases() -> list[Case]:
    """Sealed texts of several lengths, and the forgeries of one."""
    key, nonce = content("aead key"), content("aead nonce", 12)
    cases = []
    for length, associated in ((0, b""), (1, b""), (16, b"header"), (95, content("associated", 100))):
        plaintext = content("plaintext", length)
        sealed = reference.aes_gcm(key, nonce, plaintext, associated)
        cases.append((f"{length} bytes", key, nonce, associated, plaintext, sealed, ACCEPTED))
    plaintext, associated = content("plaintext", 33), b"header"
    sealed, failed = reference.aes_gcm(key, nonce, plaintext, associated), "AuthenticationFailed"
    cases += [
        ("ciphertext flipped", key, nonce, associated, plaintext, flip(sealed), failed),
        ("tag flipped", key, nonce, associated, plaintext, flip(sealed, -1), failed),
        ("truncated", key, nonce, associated, plaintext, sealed[:-1], failed),
        ("another key", flip(key), nonce, associated, plaintext, sealed, failed),
        ("another nonce", key, flip(nonce), associated, plaintext, sealed, failed),
        ("another header", key, nonce, b"headers", plaintext, sealed, failed),
        ("no header", key, nonce, b"", plaintext, sealed, failed),
        ("shorter than a tag", key, nonce, associated, plaintext, sealed[:15], "BufferRefused"),
        ("empty", key, nonce, associated, plaintext, b"", "BufferRefused"),
        ("nonce of 16", key, nonce + b"\x00" * 4, associated, plaintext, sealed, "BufferRefused"),
        ("key of 16", key[:16], nonce, associated, plaintext, sealed, "KeyMaterialInvalid"),
    ]
    names = ("name", "key", "nonce", "associated", "plaintext", "sealed", "outcome")
    return [dict(zip(names, case, strict=True)) for case in cases]


def hpke_cases() -> list[Case]:
    """Messages of a context with a known ephemeral secret, and what must not open."""
    seed, plain, info, bound = (
        content("reader"),
        content("wrapped key"),
        b"wattest/vectors/1",
        content("associated", 40),
    )
    made: list[Case] = []

    def add(name: str, number: int, *, of: bytes = info, associated: bytes = bound, plaintext: bytes = plain) -> Case:
        context = reference.hpke_set_up(reference.x25519_public_key(seed), content(f"ephemeral {len(of)}"), of)
        case = {
            "name": name, "seed": seed, "public_key": reference.x25519_public_key(seed), "info": of,
            "enc": context.enc, "secret": context.secret, "number": str(number), "associated": associated,
            "plaintext": plaintext, "sealed": reference.hpke_seal(context, number, plaintext, associated),
            "outcome": ACCEPTED,
        }  # fmt: skip
        made.append(case)
        return case

    def refuse(name: str, outcome: str = "AuthenticationFailed", **changed: object) -> None:
        made.append({**{key: value for key, value in good.items() if key != "secret"}, "name": name, **changed,
                     "outcome": outcome})  # fmt: skip

    add("message 0, nothing associated, no info", 0, of=b"", associated=b"")
    add("message 0", 0)
    add("message 1", 1)
    add("message 2**96 - 1", 2**96 - 1)
    add("no plaintext", 2, plaintext=b"")
    good = add("message of batch 3, entry 5", 3 << 20 | 5)
    other = content("another reader")
    enc, sealed = bytes(good["enc"]), bytes(good["sealed"])
    refuse("another info", info=info + b"1")
    refuse("info left out", info=b"")
    refuse("another number", number=str(3 << 20 | 4))
    refuse("another batch's number", number=str(4 << 20 | 5))
    refuse("another associated", associated=flip(bound))
    refuse("associated left out", associated=b"")
    refuse("another reader", seed=other, public_key=reference.x25519_public_key(other))
    refuse("enc flipped", enc=flip(enc))
    refuse("another context's enc", enc=made[0]["enc"])
    refuse("enc of small order", enc=bytes(32))
    refuse("ciphertext flipped", sealed=flip(sealed))
    refuse("tag flipped", sealed=flip(sealed, -1))
    refuse("one byte short", sealed=sealed[:-1])
    refuse("one byte long", sealed=sealed + b"\x00")
    refuse("shorter than a tag", "BufferRefused", sealed=sealed[:15])
    refuse("empty", "BufferRefused", sealed=b"")
    refuse("enc one byte short", "BufferRefused", enc=enc[:-1])
    refuse("number 2**96", "BufferRefused", number=str(2**96))
    return made


CANONICAL_TEXTS: dict[str, bytes] = {
    "empty object": b"{}", "empty list": b"[]", "null": b"null", "true": b"true", "text": b'"watt"', "zero": b"0",
    "negative": b"-1", "largest integer": b"9007199254740991", "smallest integer": b"-9007199254740991",
    "sorted keys": b'{"a":1,"b":[true,false,null],"c":{"d":"e"}}',
    "umlaut unescaped": '"\u00e4"'.encode(), "control escaped": b'"\\u0001\\b\\t\\n\\f\\r\\"\\\\"',
    "delete unescaped": b'"\x7f"', "slash unescaped": b'"/"',
    "keys by UTF-16 units": '{"\U00010000":1,"\uff5e":2}'.encode(),
    "64 levels": b"[" * 64 + b"]" * 64,
}  # fmt: skip
NOT_CANONICAL: dict[str, bytes] = {
    "nothing": b"", "white space before": b" {}", "line feed after": b"{}\n", "space inside": b'{"a": 1}',
    "byte order mark": b"\xef\xbb\xbf{}", "UTF-16": b"{\x00}\x00", "not UTF-8": b'"\xff"',
    "overlong UTF-8": b'"\xc0\xaf"',
    "surrogate in UTF-8": b'"\xed\xa0\x80"', "lone surrogate": b'"\\ud800"', "escaped umlaut": b'"\\u00e4"',
    "escaped slash": b'"\\/"', "escaped pair": b'"\\ud800\\udc00"', "long escape": b'"\\u000a"',
    "upper-case escape": b'"\\u001F"', "raw control": b'"\n"', "keys out of order": b'{"b":1,"a":1}',
    "keys by code point": '{"\uff5e":2,"\U00010000":1}'.encode(), "key twice": b'{"a":1,"a":1}',
    "key twice in another spelling": b'{"a":1,"\\u0061":2}', "key unquoted": b"{a:1}", "key a number": b"{1:1}",
    "fraction": b"1.5", "fraction of zero": b"1.0", "exponent": b"1e3", "minus zero": b"-0", "leading zero": b"01",
    "plus": b"+1", "NaN": b"NaN", "infinity": b"-Infinity", "integer too large": b"9007199254740992",
    "integer far too large": b"1" * 5000, "trailing comma": b"[1,]", "comment": b"[/**/]", "two values": b"{}{}",
    "unclosed": b"[", "unclosed text": b'"', "closed twice": b"[]]", "single quotes": b"'a'", "True": b"True",
    "65 levels": b"[" * 65 + b"]" * 65, "10,000 levels": b"[" * 10_000,
    "brackets after an escaped quote": b'"\\"' + b"[" * 10_000, "NUL after": b"{}\x00",
}  # fmt: skip


def canonical_cases() -> list[Case]:
    """Texts that are their value's one encoding, and texts that are not."""
    return [
        {"name": name, "text": text, "outcome": outcome}
        for texts, outcome in ((CANONICAL_TEXTS, ACCEPTED), (NOT_CANONICAL, "CanonicalJsonInvalid"))
        for name, text in texts.items()
    ]


def plain(value: object) -> object:
    """Bytes as lower-case hex."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return value


def main() -> int:
    """Write or compare every file."""
    families = {
        "keccak": keccak_cases(), "salts": salt_cases(), "p256": signature_cases(reference.P256, with_v=False),
        "secp256k1": signature_cases(reference.SECP256K1, with_v=True), "aead": aead_cases(), "hpke": hpke_cases(),
        "canonical": canonical_cases(),
    }  # fmt: skip
    changed = []
    for family, cases in families.items():
        file = OUT / f"{family}.json"
        text = json.dumps(plain({"cases": cases}), indent=1) + "\n"
        if "--check" not in sys.argv:
            file.write_text(text)
        elif not file.is_file() or file.read_text() != text:
            changed.append(file.name)
    if changed:
        sys.stderr.write(f"differ from what the reference makes: {', '.join(changed)}\n")
    return 1 if changed else 0


if __name__ == "__main__":
    raise SystemExit(main())
