"""What every case of vectors/metering is made of: labels, one meter, records, digests and signatures by the book.

Shares nothing with wattest: bytes by ``struct``, signatures and trees by the references beside this file.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from typing import Any

import crypto_reference as reference
import merkle_reference as trees

START = 1_780_272_000  # 2026-06-01T00:00Z
Case = dict[str, Any]


def content(label: str, length: int = 32) -> bytes:
    """Reproducible bytes of a label."""
    return hashlib.shake_256(f"wattest vectors metering {label}".encode()).digest(length)


def sha256(data: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(data).digest()


SEED = content("meter seed")
KEY = reference.P256.public_key(SEED)
METER_KEY, CHANNEL, SERIES_KEY = content("meter key"), content("channel"), content("series key")


def device_record(pseudonym: bytes, index: int, **changes: int) -> bytes:
    """One 63-byte record; ``changes`` replace fields by name."""
    fields = {
        "version": 1, "start": START + 900 * index, "duration": 900, "import_register": 5_000_000 + 1_000 * (index + 1),
        "export_register": 70 * (index + 1), "imported": 1_000, "exported": 70, "quality": 0,
    } | changes  # fmt: skip
    return struct.pack(">B16sQIQQQQH", fields.pop("version"), pseudonym, *fields.values())


def signed_digest(key: bytes, start: int, end: int, records: list[bytes]) -> bytes:
    """What a meter signs."""
    root = trees.root([trees.item_hash(record) for record in records], trees.sha256)
    return sha256(b"wattest/device-block/1" + sha256(key) + struct.pack(">QQI", start, end, len(records)) + root)


def grid_digest(key: bytes, columns: bytes) -> bytes:
    """What a meter signs in version 2."""
    return sha256(b"wattest/device-block/2" + sha256(key) + columns)


def sign(digest: bytes, seed: bytes = SEED) -> bytes:
    """r || s, s low."""
    r, s, _ = reference.P256.sign(seed, digest)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def entry(kind: int, count: int, root: bytes, evidence: bytes, **changes: int) -> bytes:
    """118 bytes."""
    fields = {"version": 1, "kind": kind, "start": START, "end": START + 86_400} | changes
    blinded = hmac.digest(METER_KEY, CHANNEL + struct.pack(">Q", START), "sha256")
    head = bytes((fields["version"], fields["kind"])) + blinded
    return head + struct.pack(">QQI", fields["start"], fields["end"], count) + root + evidence


def series_root(records: list[bytes]) -> bytes:
    """The salted tree's root."""
    leaves = [trees.leaf_hash(reference.salt(SERIES_KEY, 1, index), record) for index, record in enumerate(records)]
    return trees.root(leaves)
