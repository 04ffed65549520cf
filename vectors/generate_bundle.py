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


def main() -> None:
    """Write the vector file."""
    accepted = {
        "manifest only": bundle_of(b"{}", ()),
        "one block": bundle_of(content("manifest", 90), (content("block", 40),)),
        "long and short blocks": bundle_of(
            content("manifest", 300), (content("a", 1), content("b", 127), content("c", 5000), content("d", 92))
        ),
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
            {"name": name, "error": error, "bytes": change(base).hex(), "instead_of": "one block"}
            for name, error, change in refused
        ],
    }
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
