"""Write vectors/ra_tls/*.json: tagged evidence, and what managers and witnesses sign, each beside what is refused.

Everything follows from fixed labels, so running it again changes nothing. `check_ra_tls.py` reads it all again with
other libraries and without wattest.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from wattest.attestation.formats.tagged_evidence import Claims, claims_report_data, encode_tagged_evidence
from wattest.attestation.ra_tls import public_key_info
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.messages.eip712 import Domain
from wattest.messages.hand_over_permit import HandOverPermit, PermitKind, sign_permit
from wattest.messages.peer_policy import PeerPolicy, sign_peer_policy
from wattest.messages.witness_verdict import WitnessVerdict, sign_witness_verdict

HERE = Path(__file__).parent / "ra_tls"


def bytes_of(label: str, length: int = 32) -> bytes:
    """Reproducible bytes of a label."""
    return hashlib.shake_256(f"wattest vectors ra-tls {label}".encode()).digest(length)


def key_of(label: str) -> Secp256k1PrivateKey:
    """A reproducible private key."""
    return Secp256k1PrivateKey.from_seed(bytes_of("key " + label))


DOMAIN = Domain(31337, bytes_of("referee", 20))
MANAGER = key_of("manager")
CHANNEL = ChannelIdentity(MANAGER.address, ChannelKind.SCHEDULED, bytes_of("salt"))


def write(name: str, value: object) -> None:
    """One vector file."""
    HERE.mkdir(exist_ok=True)
    (HERE / f"{name}.json").write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")


def tagged_evidence() -> dict[str, object]:
    """Extension contents with all that a reader finds in them, and contents that differ in one thing."""
    keys = {"P-256": ec.derive_private_key(7, ec.SECP256R1()), "P-384": ec.derive_private_key(7, ec.SECP384R1())}
    cases = []
    for name, key, nonce in (
        ("a nonce of 32 bytes", keys["P-256"], bytes_of("nonce")),
        ("no nonce", keys["P-256"], None),
        ("a key on P-384 and a nonce of 1 byte", keys["P-384"], b"\x01"),
        ("a nonce of 64 bytes", keys["P-256"], bytes_of("nonce", 64)),
    ):
        info = public_key_info(key)
        claims = Claims.over(info, nonce)
        quote = bytes_of("quote " + name, 300)
        cases.append(
            {
                "name": name,
                "public_key_info": info.hex(),
                "nonce": None if nonce is None else nonce.hex(),
                "quote": quote.hex(),
                "claims_buffer": claims.to_bytes().hex(),
                "report_data": claims_report_data(claims.to_bytes()).hex(),
                "content": encode_tagged_evidence(quote, claims.to_bytes()).hex(),
            }
        )
    info = public_key_info(keys["P-256"])
    claims = Claims.over(info, b"\x01" * 32).to_bytes()
    good = encode_tagged_evidence(b"\x02" * 32, claims)
    entry = bytes.fromhex("82015820") + hashlib.sha256(info).digest()
    name, nonce_name = b"\x6bpubkey-hash", b"\x65nonce"

    def of(buffer: bytes) -> str:
        return encode_tagged_evidence(b"\x02" * 32, buffer).hex()

    refused = {
        "empty": "",
        "cut by a byte": good[:-1].hex(),
        "longer by a byte": (good + b"\x00").hex(),
        "another tag": (b"\xd9\xea\x61" + good[3:]).hex(),
        "no tag": good[3:].hex(),
        "a tag in five bytes": (b"\xda\x00\x00" + good[1:]).hex(),
        "an array of three": (good[:3] + b"\x83" + good[4:] + b"\x40").hex(),
        "an array without an end": (good[:3] + b"\x9f" + good[4:] + b"\xff").hex(),
        "a length past the end": (good[:4] + b"\x5b" + b"\xff" * 8).hex(),
        "a quote that is text": (good[:4] + b"\x78" + good[5:]).hex(),
        "no claims": of(b"\xa0"),
        "a nonce alone": of(b"\xa1" + nonce_name + b"\x41\x01"),
        "a claim twice": of(b"\xa2" + 2 * (name + b"\x58\x24" + entry)),
        "an unknown claim": of(b"\xa2" + name + b"\x58\x24" + entry + b"\x65other\x41\x01"),
        "an empty nonce": of(b"\xa2" + nonce_name + b"\x40" + name + b"\x58\x24" + entry),
        "a nonce of 65 bytes": of(b"\xa2" + nonce_name + b"\x58\x41" + bytes(65) + name + b"\x58\x24" + entry),
        "an unknown hash": of(b"\xa1" + name + b"\x58\x24" + b"\x82\x02" + entry[2:]),
        "a hash of another length": of(b"\xa1" + name + b"\x58\x24" + b"\x82\x07" + entry[2:]),
        "a hash entry that is followed by a byte": of(b"\xa1" + name + b"\x58\x25" + entry + b"\x00"),
    }
    return {"cases": cases, "refused": [{"name": key, "content": value} for key, value in refused.items()]}


def signed() -> dict[str, object]:
    """The three EIP-712 messages, their digests and signatures."""
    policy = PeerPolicy.over(CHANNEL.id, b"version = 1\n", [b"root one", b"root two"], 2_000_000_000)
    permit = HandOverPermit(
        CHANNEL.id, bytes_of("operator", 20), PermitKind.HAND_OVER, bytes_of("from"), bytes_of("to"),
        bytes_of("platform"), 2_000_000_000,
    )  # fmt: skip
    verdict = WitnessVerdict(bytes_of("header"), bytes_of("seed"), (0, 7, 1_048_575), ok=True)
    witness = key_of("witness")

    def policy_case(name: str, message: PeerPolicy) -> dict[str, object]:
        return {
            "name": name, "channel": message.channel.hex(),
            "policy": message.policy.hex(), "roots": message.roots.hex(),
            "valid_until": str(message.valid_until), "digest": message.digest(DOMAIN).hex(),
            "signature": sign_peer_policy(MANAGER, message, DOMAIN).hex(),
        }  # fmt: skip

    def permit_case(name: str, message: HandOverPermit) -> dict[str, object]:
        return {
            "name": name, "channel": message.channel.hex(),
            "operator": message.operator.hex(), "kind": int(message.kind),
            "from_measurement": message.from_measurement.hex(), "to_measurement": message.to_measurement.hex(),
            "to_platform": message.to_platform.hex(), "valid_until": str(message.valid_until),
            "digest": message.digest(DOMAIN).hex(), "signature": sign_permit(MANAGER, message, DOMAIN).signature.hex(),
        }  # fmt: skip

    def verdict_case(name: str, message: WitnessVerdict) -> dict[str, object]:
        return {
            "name": name, "header": message.header.hex(), "seed": message.seed.hex(), "entries": list(message.entries),
            "ok": message.ok, "digest": message.digest(DOMAIN).hex(),
            "signature": sign_witness_verdict(witness, message, DOMAIN).hex(),
        }  # fmt: skip

    return {
        "chain_id": str(DOMAIN.chain_id),
        "referee": DOMAIN.verifying_contract.hex(),
        "manager": MANAGER.address.hex(),
        "kind": int(CHANNEL.kind),
        "salt": CHANNEL.salt.hex(),
        "witness": witness.address.hex(),
        "policy_file": b"version = 1\n".hex(),
        "root_certificates": [b"root one".hex(), b"root two".hex()],
        "peer_policies": [
            policy_case("first", policy),
            policy_case("roots in the other order", PeerPolicy.over(
                CHANNEL.id, b"version = 1\n", [b"root two", b"root one"], 2_000_000_000)),
            policy_case("ends a second later", replace(policy, valid_until=2_000_000_001)),
        ],
        "permits": [
            permit_case("hand-over", permit),
            permit_case("standby", replace(permit, kind=PermitKind.STANDBY)),
            permit_case("to another platform", replace(permit, to_platform=bytes_of("other platform"))),
            permit_case("the other way round", replace(
                permit, from_measurement=permit.to_measurement, to_measurement=permit.from_measurement)),
        ],
        "verdicts": [
            verdict_case("good", verdict),
            verdict_case("bad", replace(verdict, ok=False)),
            verdict_case("one entry", replace(verdict, entries=(7,))),
        ],
    }  # fmt: skip


def main() -> None:
    """All files."""
    write("tagged_evidence", tagged_evidence())
    write("signed", signed())


if __name__ == "__main__":
    main()
