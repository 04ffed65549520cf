"""Check vectors/bundle/bundle.json without wattest: cbor2 for the CAR header, own varints, hashlib for the digests.

Exits with an assertion error at the first value that this reading does not confirm.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import cbor2

HERE = Path(__file__).parent / "bundle"


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A shortest-form LEB128 number and the position after it."""
    value = shift = 0
    start = at
    while True:
        octet = data[at]
        value += (octet % 128) << shift
        shift, at = shift + 7, at + 1
        if octet < 128:
            assert at - start == max(1, -(-value.bit_length() // 7)), "not in shortest form"
            return value, at


def digest_of(cid: bytes) -> bytes:
    """The digest in a CIDv1 that is raw and SHA-256."""
    version, at = varint(cid, 0)
    codec, at = varint(cid, at)
    function, at = varint(cid, at)
    length, at = varint(cid, at)
    assert (version, codec, function, length) == (1, 0x55, 0x12, 32)
    assert len(cid) - at == 32
    return cid[at:]


def read(data: bytes) -> tuple[bytes, list[bytes]]:
    """Root digest and blocks of a CAR file; raises AssertionError or IndexError for a bad one."""
    length, at = varint(data, 0)
    header = cbor2.loads(data[at : at + length])
    assert cbor2.dumps(header, canonical=True) == data[at : at + length], "header not canonical"
    assert set(header) == {"roots", "version"}
    assert header["version"] == 1
    (link,) = header["roots"]
    assert link.tag == 42
    assert link.value[0] == 0
    root = digest_of(link.value[1:])
    at += length
    blocks: list[bytes] = []
    while at < len(data):
        length, at = varint(data, at)
        assert length >= 36
        assert at + length <= len(data), "truncated"
        block = data[at + 36 : at + length]
        assert hashlib.sha256(block).digest() == digest_of(data[at : at + 36]), "digest"
        blocks.append(block)
        at += length
    assert blocks, "no root block"
    assert hashlib.sha256(blocks[0]).digest() == root
    return root, blocks


def main() -> None:
    """Confirm every accepted file and refuse every other."""
    vectors = json.loads((HERE / "bundle.json").read_text())
    for vector in vectors["accepted"]:
        root, (manifest, *blocks) = read(bytes.fromhex(vector["bytes"]))
        assert manifest.hex() == vector["manifest"]
        assert [block.hex() for block in blocks] == vector["blocks"]
        assert root.hex() == vector["content_id"]
        cid = b"\x01\x55\x12\x20" + root
        assert "b" + base64.b32encode(cid).decode().lower().rstrip("=") == vector["cid"]
    for vector in vectors["refused"]:
        try:
            read(bytes.fromhex(vector["bytes"]))
        except (AssertionError, IndexError, TypeError, AttributeError, ValueError, cbor2.CBORDecodeError):
            continue
        raise AssertionError(f"accepted what must be refused: {vector['name']}")


if __name__ == "__main__":
    main()
