"""Check vectors/ra_tls without wattest: a second reading of docs/spec/ra-tls.md with cbor2, hashlib and eth_account.

Ends with an assertion error at the first value that it does not confirm.
"""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import cbor2
from eth_account import Account
from eth_account.messages import encode_typed_data

HERE = Path(__file__).parent / "ra_tls"
HASHES = {1: "sha256", 7: "sha384", 8: "sha512"}


def one(data: bytes) -> Any:
    """The one CBOR item that fills ``data`` in its shortest form."""
    stream = io.BytesIO(data)
    value = cbor2.load(stream)
    assert not stream.read(1), "bytes left over"
    assert len(cbor2.dumps(value)) == len(data), "not the shortest form"
    return value


def read(content: bytes) -> tuple[bytes, bytes, dict[str, bytes]]:
    """Quote, claims buffer and claims of an extension's content, once all of the page holds."""
    tagged = one(content)
    assert isinstance(tagged, cbor2.CBORTag), "a tag"
    assert tagged.tag == 60_000, "the tag"
    quote, buffer = tagged.value
    assert type(quote) is bytes, "a quote"
    assert type(buffer) is bytes, "a claims buffer"
    claims = one(buffer)
    assert type(claims) is dict, "a map"
    assert "pubkey-hash" in claims, "the key's hash"
    assert set(claims) <= {"pubkey-hash", "nonce"}, "known claims"
    assert 1 <= len(claims.get("nonce", b"n")) <= 64, "nonce"
    algorithm, value = one(claims["pubkey-hash"])
    assert len(value) == hashlib.new(HASHES[algorithm]).digest_size, "hash"
    return quote, buffer, claims


def is_refused(content: bytes) -> bool:
    """Whether this reading refuses the content."""
    try:
        read(content)
    except (AssertionError, KeyError, TypeError, ValueError, EOFError, cbor2.CBORError, MemoryError, OverflowError):
        return True
    return False


def check_evidence() -> None:
    """Contents and refusals."""
    vectors = json.loads((HERE / "tagged_evidence.json").read_text())
    for case in vectors["cases"]:
        quote, buffer, claims = read(bytes.fromhex(case["content"]))
        assert quote.hex() == case["quote"], case["name"]
        assert buffer.hex() == case["claims_buffer"], case["name"]
        nonce = claims.get("nonce")
        assert (None if nonce is None else nonce.hex()) == case["nonce"], case["name"]
        info = bytes.fromhex(case["public_key_info"])
        assert one(claims["pubkey-hash"]) == [1, hashlib.sha256(info).digest()], case["name"]
        assert case["report_data"] == hashlib.sha256(buffer).hexdigest() + "00" * 32, case["name"]
        assert cbor2.dumps(claims, canonical=True) == buffer, case["name"]
    for case in vectors["refused"]:
        assert is_refused(bytes.fromhex(case["content"])), case["name"]


FIELDS = {
    "PeerPolicy": [("channel", "bytes32"), ("policy", "bytes32"), ("roots", "bytes32"), ("validUntil", "uint64")],
    "HandOverPermit": [
        ("channel", "bytes32"),
        ("operator", "address"),
        ("kind", "uint8"),
        ("fromMeasurement", "bytes32"),
        ("toMeasurement", "bytes32"),
        ("toPlatform", "bytes32"),
        ("validUntil", "uint64"),
    ],
    "WitnessVerdict": [("header", "bytes32"), ("seed", "bytes32"), ("entries", "bytes32"), ("ok", "bool")],
}


def check_message(vectors: dict[str, Any], kind: str, message: dict[str, Any], case: dict[str, Any], by: str) -> None:
    """Digest and signer of one message."""
    from eth_utils import keccak

    domain = {
        "name": "wattest",
        "version": "1",
        "chainId": int(vectors["chain_id"]),
        "verifyingContract": "0x" + vectors["referee"],
    }
    types = {kind: [{"name": name, "type": type_} for name, type_ in FIELDS[kind]]}
    signable = encode_typed_data(domain, types, message)
    assert keccak(b"\x19\x01" + signable.header + signable.body).hex() == case["digest"], case["name"]
    assert Account.recover_message(signable, signature=bytes.fromhex(case["signature"])).lower() == "0x" + by, case[
        "name"
    ]


def check_signed() -> None:
    """The three messages, and what the policy's hashes are of."""
    from eth_utils import keccak

    vectors = json.loads((HERE / "signed.json").read_text())
    roots = [bytes.fromhex(root) for root in vectors["root_certificates"]]
    first = vectors["peer_policies"][0]
    assert first["policy"] == hashlib.sha256(bytes.fromhex(vectors["policy_file"])).hexdigest()
    assert first["roots"] == hashlib.sha256(b"".join(hashlib.sha256(root).digest() for root in roots)).hexdigest()
    for case in vectors["peer_policies"]:
        message = {name: bytes.fromhex(case[name]) for name in ("channel", "policy", "roots")}
        check_message(
            vectors, "PeerPolicy", {**message, "validUntil": int(case["valid_until"])}, case, vectors["manager"]
        )
    for case in vectors["permits"]:
        message = {
            "channel": bytes.fromhex(case["channel"]),
            "operator": "0x" + case["operator"],
            "kind": case["kind"],
            "fromMeasurement": bytes.fromhex(case["from_measurement"]),
            "toMeasurement": bytes.fromhex(case["to_measurement"]),
            "toPlatform": bytes.fromhex(case["to_platform"]),
            "validUntil": int(case["valid_until"]),
        }
        check_message(vectors, "HandOverPermit", message, case, vectors["manager"])
    for case in vectors["verdicts"]:
        entries = b"".join(index.to_bytes(4, "big") for index in case["entries"])
        message = {
            "header": bytes.fromhex(case["header"]),
            "seed": bytes.fromhex(case["seed"]),
            "entries": keccak(entries),
            "ok": case["ok"],
        }
        check_message(vectors, "WitnessVerdict", message, case, vectors["witness"])
    digests = [case["digest"] for name in ("peer_policies", "permits", "verdicts") for case in vectors[name]]
    assert len(set(digests)) == len(digests), "two messages have one digest"


def main() -> None:
    """Everything."""
    check_evidence()
    check_signed()


if __name__ == "__main__":
    main()
