"""Write vectors/bundle/bundle.json: accepted bundles, and refused files that differ from an accepted one in one place.

Everything follows from fixed labels. `check_bundle.py` reads the same files with a CBOR decoder and without wattest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from wattest.sealing.bundle import cid_text
from wattest.store.bundle_store import Bundle

OUT = Path(__file__).parent / "bundle" / "bundle.json"
HEADER_AT, ROOT_AT = 1, 59  # after the header's length; the root section


def content(label: str, length: int) -> bytes:
    """Reproducible bytes of a label."""
    return hashlib.shake_256(f"wattest vectors bundle {label}".encode()).digest(length)


def bundle_of(manifest: bytes, blocks: tuple[bytes, ...]) -> Bundle:
    """A bundle named by its manifest."""
    return Bundle(manifest, blocks, hashlib.sha256(manifest).digest())


def flipped(at: int) -> Callable[[bytes], bytes]:
    """One bit of one byte changed; a negative position counts from the end."""
    return lambda data: data[: at % len(data)] + bytes((data[at] ^ 1,)) + data[at % len(data) + 1 :]


def replaced(at: int, length: int, new: bytes) -> Callable[[bytes], bytes]:
    """``length`` bytes at ``at`` replaced."""
    return lambda data: data[:at] + new + data[at + length :]


def varint(number: int) -> bytes:
    """Unsigned LEB128."""
    low = number & 0x7F
    return bytes((low,)) if number == low else bytes((low | 0x80,)) + varint(number >> 7)


def section(cid: bytes, data: bytes) -> bytes:
    """A block under any CID."""
    return varint(len(cid) + len(data)) + cid + data


def header(text: bytes) -> Callable[[bytes], bytes]:
    """Another header before the same sections."""
    return lambda data: varint(len(text)) + text + data[ROOT_AT:]


def other_shapes(manifest: bytes, block: bytes) -> list[tuple[str, str, Callable[[bytes], bytes]]]:
    """Files that CAR allows, or that other readers let pass, and that are no bundle."""
    digest = hashlib.sha256(manifest).digest()
    link = b"\xd8\x2a\x58\x25\x00\x01\x55\x12\x20" + digest
    roots, version = b"\x65roots", b"\x67version\x01"
    root, last = section(b"\x01\x55\x12\x20" + digest, manifest), hashlib.sha256(block).digest()
    raw = section(b"\x01\x55\x12\x20" + last, block)
    return [
        ("two roots", "MalformedCar", header(b"\xa2" + roots + b"\x82" + link * 2 + version)),
        ("no roots", "MalformedCar", header(b"\xa2" + roots + b"\x80" + version)),
        ("roots missing", "MalformedCar", header(b"\xa1" + version)),
        ("version missing", "MalformedCar", header(b"\xa1" + roots + b"\x81" + link)),
        ("header keys in another order", "MalformedCar", header(b"\xa2" + version + roots + b"\x81" + link)),
        ("a third key", "MalformedCar", header(b"\xa3" + roots + b"\x81" + link + version + b"\x61x\x00")),
        ("version in two octets", "MalformedCar",
         header(b"\xa2" + roots + b"\x81" + link + b"\x67version\x18\x01")),
        ("roots of indefinite length", "MalformedCar", header(b"\xa2" + roots + b"\x9f" + link + b"\xff" + version)),
        ("an octet more in the header", "MalformedCar", header(b"\xa2" + roots + b"\x81" + link + version + b"\x00")),
        ("header empty", "MalformedCar", header(b"")),
        ("the root second", "MalformedCar", lambda data: data[:ROOT_AT] + raw + root),
        ("the root missing, its block twice", "MalformedCar", lambda data: data[:ROOT_AT] + raw + raw),
        ("a section of no octets between", "MalformedCar", lambda data: data[:ROOT_AT] + root + b"\x00" + raw),
        ("a section without a CID", "MalformedCar", lambda data: data[:ROOT_AT] + root + varint(len(block)) + block),
        ("block CID version 0", "MalformedCar",
         lambda data: data[:ROOT_AT] + root + section(b"\x12\x20" + last, block)),
        ("block CID of SHA-512", "MalformedCar",
         lambda data: data[:ROOT_AT] + root + section(b"\x01\x55\x13\x40" + hashlib.sha512(block).digest(), block)),
        ("block CID of 20 octets", "MalformedCar",
         lambda data: data[:ROOT_AT] + root + section(b"\x01\x55\x12\x14" + last[:20], block)),
        ("block CID is the block itself", "MalformedCar",
         lambda data: data[:ROOT_AT] + root + section(b"\x01\x55\x00" + bytes((len(block),)) + block, block)),
        ("block CID with a needless octet", "MalformedCar",
         lambda data: data[:ROOT_AT] + root + section(b"\x01\xd5\x00\x12\x20" + last, block)),
        ("block named by the root's CID", "BlockDigestMismatch",
         lambda data: data[:ROOT_AT] + root + section(b"\x01\x55\x12\x20" + digest, block)),
        ("a block an octet longer than its CID says", "BlockDigestMismatch",
         lambda data: data[:ROOT_AT] + root + section(b"\x01\x55\x12\x20" + last, block + b"x")),
        ("cut within a CID", "MalformedCar", lambda data: (data[:ROOT_AT] + root + raw)[: ROOT_AT + len(root) + 20]),
        ("cut after a length", "MalformedCar", lambda data: (data[:ROOT_AT] + root + raw)[: ROOT_AT + len(root) + 1]),
        ("cut within the header", "MalformedCar", lambda data: data[:30]),
        ("CARv2 around it", "MalformedCar", in_version_2),
    ]  # fmt: skip


def in_version_2(data: bytes) -> bytes:
    """The same file as the payload of a CARv2 without an index."""
    places = b"".join(number.to_bytes(8, "little") for number in (51, len(data), 0))
    return b"\x0a\xa1\x67version\x02" + bytes(16) + places + data


# What CAR itself allows, or go-car lets pass: told by go-car (tests/differential/test_differential_gocar.py).
GENERAL = {
    "no root block", "root block missing", "block codec dag-cbor", "two roots", "no roots", "roots missing",
    "header keys in another order", "version in two octets", "roots of indefinite length",
    "an octet more in the header", "the root second", "the root missing, its block twice", "block CID version 0",
    "block CID of SHA-512", "block CID of 20 octets", "block CID is the block itself", "cut after a length",
}  # fmt: skip


def main() -> None:
    """Write the vector file."""
    accepted = {
        "manifest only": bundle_of(b"{}", ()),
        "one block": bundle_of(content("manifest", 90), (content("block", 40),)),
        "long and short blocks": bundle_of(
            content("manifest", 300), (content("a", 1), content("b", 127), content("c", 5000), content("d", 92))
        ),
        "an empty block": bundle_of(content("manifest", 12), (b"",)),
        "an empty manifest": bundle_of(b"", (content("block", 40),)),
        "the manifest again as a block": bundle_of(content("manifest", 12), (content("manifest", 12),)),
        "lengths around one octet's": bundle_of(content("manifest", 91), (content("a", 92), content("b", 90))),
        "two equal blocks": bundle_of(content("manifest", 12), (content("twin", 33), content("twin", 33))),
    }
    base = accepted["one block"].to_bytes()
    last_section_at = len(base) - 40 - 36 - 1
    refused: list[tuple[str, str, Callable[[bytes], bytes]]] = [
        ("empty", "MalformedCar", lambda _: b""),
        ("header length", "MalformedCar", flipped(0)),
        ("header length with a needless byte", "MalformedCar", replaced(0, 1, b"\xba\x00")),
        ("header map size", "MalformedCar", flipped(HEADER_AT)),
        ("header version 2", "MalformedCar", replaced(ROOT_AT - 1, 1, b"\x02")),
        ("root CID version", "MalformedCar", flipped(HEADER_AT + 12)),
        ("root digest", "MalformedCar", flipped(HEADER_AT + 16)),
        ("no root block", "MalformedCar", lambda data: data[:ROOT_AT]),
        ("root block missing", "MalformedCar", lambda data: data[:ROOT_AT] + data[last_section_at:]),
        ("block codec dag-cbor", "MalformedCar", replaced(last_section_at + 2, 1, b"\x71")),
        ("block hash function", "MalformedCar", replaced(last_section_at + 3, 1, b"\x13")),
        ("block digest", "BlockDigestMismatch", flipped(last_section_at + 5)),
        ("block byte", "BlockDigestMismatch", flipped(-1)),
        ("manifest byte", "BlockDigestMismatch", flipped(ROOT_AT + 2 + 36)),
        ("section length below a CID", "MalformedCar", replaced(last_section_at, 1, b"\x23")),
        (
            "section length one less",
            "BlockDigestMismatch",
            lambda data: replaced(last_section_at, 1, b"\x4b")(data)[:-1],
        ),
        ("section length one more", "MalformedCar", replaced(last_section_at, 1, b"\x4d")),
        ("section length with a needless byte", "MalformedCar", replaced(last_section_at, 1, b"\xcc\x00")),
        ("section length of ten bytes", "MalformedCar", replaced(last_section_at, 1, b"\xff" * 9 + b"\x01")),
        ("section of a terabyte", "CarTooLarge", replaced(last_section_at, 1, b"\x80\x80\x80\x80\x80\x20")),
        ("truncated block", "MalformedCar", lambda data: data[:-1]),
        ("byte after the end", "MalformedCar", lambda data: data + b"\x00"),
        *other_shapes(content("manifest", 90), content("block", 40)),
    ]
    value = {
        "accepted": [
            {
                "name": name,
                "bytes": bundle.to_bytes().hex(),
                "manifest": bundle.manifest.hex(),
                "blocks": [block.hex() for block in bundle.blocks],
                "content_id": bundle.content_id.hex(),
                "cid": cid_text(bundle.content_id),
            }
            for name, bundle in accepted.items()
        ],
        "refused": [
            {
                "name": name,
                "error": error,
                "bytes": change(base).hex(),
                "instead_of": "one block",
                "general": name in GENERAL,
            }
            for name, error, change in refused
        ],
    }
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
