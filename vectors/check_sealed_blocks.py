"""Recompute vectors/sealed_blocks/sealed_blocks.json without wattest: hashlib, hmac, json, an AEAD and a Keccak.

Accepted values must come out as written, refused ones must not. Exits with an assertion otherwise.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

from Crypto.Hash import keccak
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FILE = Path(__file__).parent / "sealed_blocks" / "sealed_blocks.json"


def keccak256(data: bytes) -> bytes:
    """Keccak-256 of another library."""
    return keccak.new(digest_bits=256, data=data).digest()


def mac(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA256."""
    return hmac.new(key, data, hashlib.sha256).digest()


def open_block(case: dict[str, Any]) -> bytes | None:
    """The plaintext, or None when the tag is wrong."""
    key = mac(bytes.fromhex(case["series_key"]), b"\x04")
    place = bytes.fromhex(case["channel"]) + int(case["sequence"]).to_bytes(8, "big") + bytes.fromhex(case["name"])
    try:
        return AESGCM(key).decrypt(bytes(12), bytes.fromhex(case["ciphertext"]), b"wattest/series-block/1" + place)
    except InvalidTag:
        return None


def open_key(case: dict[str, Any]) -> bytes | None:
    """The wrapped series key by RFC 9180 over a library's X25519 and AES-GCM, or None when it does not open."""
    private = X25519PrivateKey.from_private_bytes(bytes.fromhex(case["reader_seed"]))
    public_key = private.public_key().public_bytes_raw()
    wrapped, channel = bytes.fromhex(case["wrapped"]), bytes.fromhex(case["channel"])
    sequence, index = int(case["sequence"]), int(case["index"])
    suite, kem = b"HPKE-v1HPKE\x00\x20\x00\x01\x00\x02", b"HPKE-v1KEM\x00\x20"
    try:
        secret = private.exchange(X25519PublicKey.from_public_bytes(wrapped[:32]))
    except ValueError:
        return None
    prk = mac(b"", kem + b"eae_prk" + secret)
    shared = mac(prk, b"\x00\x20" + kem + b"shared_secret" + wrapped[:32] + public_key + b"\x01")
    info = mac(b"", suite + b"info_hash" + b"wattest/series-key/2" + channel)
    schedule = b"\x00" + mac(b"", suite + b"psk_id_hash") + info
    prk = mac(shared, suite + b"secret")
    key = mac(prk, b"\x00\x20" + suite + b"key" + schedule + b"\x01")
    base_nonce = mac(prk, b"\x00\x0c" + suite + b"base_nonce" + schedule + b"\x01")[:12]
    nonce = (int.from_bytes(base_nonce, "big") ^ (sequence * 2**20 + index)).to_bytes(12, "big")
    try:
        return AESGCM(key).decrypt(nonce, wrapped[32:], sequence.to_bytes(8, "big") + bytes.fromhex(case["name"]))
    except InvalidTag:
        return None


def manifest_text(case: dict[str, Any]) -> str:
    """The manifest's one text."""
    cids = [
        "b" + base64.b32encode(b"\x01\x55\x12\x20" + bytes.fromhex(digest)).decode().rstrip("=").lower()
        for digest in case["block_digests"]
    ]
    fields = {
        "blocks": cids, "channel": case["channel"], "count": str(len(cids)), "period_end": case["period_end"],
        "period_start": case["period_start"], "version": "1",
    }  # fmt: skip
    return json.dumps(fields, separators=(",", ":"), sort_keys=True)


def root_of(leaves: list[bytes]) -> bytes:
    """RFC 9162 shape with keccak nodes, recursively."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return keccak256(b"\x01" + root_of(leaves[:split]) + root_of(leaves[split:]))


def check_statement(case: dict[str, Any]) -> None:
    """Every value of one statement."""
    meter_key, channel = bytes.fromhex(case["meter_key"]), bytes.fromhex(case["channel"])
    place = channel + int(case["period_start"]).to_bytes(8, "big")
    assert mac(meter_key, b"wattest/statement/1" + place).hex() == case["job_id"]
    assert mac(meter_key, b"wattest/bill-blinding/1" + place)[:16].hex() == case["blinding"]
    assert hashlib.sha256(b"wattest/payout/1" + place).hexdigest() == case["payout_job_id"]
    source = b"wattest/statement-input/1"
    source += hashlib.sha256(bytes.fromhex(case["tariff"])).digest()
    source += hashlib.sha256(bytes.fromhex(case["allocation"])).digest()
    source += len(case["cited"]).to_bytes(4, "big")
    for cited in case["cited"]:
        source += bytes.fromhex(cited["digest"]) + cited["entry"].to_bytes(4, "big")
    assert source.hex() == case["input"]
    assert hashlib.sha256(source).hexdigest() == case["input_digest"]
    key, listed = bytes.fromhex(case["payout_series_key"]), bytes.fromhex(case["payouts"])
    rows = [listed[at : at + 52] for at in range(0, len(listed), 52)]
    salts = [mac(key, b"\x05" + at.to_bytes(4, "big"))[:16] for at in range(len(rows))]
    assert b"".join(salts).hex() == case["payout_salts"]
    leaves = [keccak256(b"\x00" + salt + b"\x01" + row) for salt, row in zip(salts, rows, strict=True)]
    root = root_of(leaves) if leaves else bytes(32)
    total = sum(int.from_bytes(row[20:], "big") for row in rows)
    assert (root.hex(), str(total)) == (case["payout_root"], case["payout_total"])
    assert keccak256(root + total.to_bytes(32, "big")).hex() == case["payout_result"]


def main() -> None:
    """Check the file."""
    vectors = json.loads(FILE.read_text())
    for case in vectors["blocks"]:
        opened = open_block(case)
        assert opened is not None
        assert opened.hex() == case["plaintext"]
        for bad in case["refused"]:
            assert open_block({**case, bad["part"]: bad["value"]}) is None
    for case in vectors["wrapped_keys"]:
        opened = open_key(case)
        assert opened is not None
        assert opened.hex() == case["series_key"]
        for bad in case["refused"]:
            assert open_key({**case, bad["part"]: bad["value"]}) is None
    encs = [case["wrapped"][:64] for case in vectors["wrapped_keys"]]
    assert encs[0] == encs[1] == encs[2] != encs[3]
    accepted = vectors["manifests"]["accepted"]
    for case in accepted:
        assert manifest_text(case) == case["text"]
        assert hashlib.sha256(case["text"].encode()).hexdigest() == case["content_id"]
    for bad in vectors["manifests"]["refused"]:
        assert bad["text"] not in [case["text"] for case in accepted], bad["label"]
    for case in vectors["statements"]:
        check_statement(case)


if __name__ == "__main__":
    main()
