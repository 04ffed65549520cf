"""Check vectors/dcap/verifier.json without wattest: cryptography, eth_abi and hashlib alone.

The certificate is parsed again for every fact, the forms are put together again, and the policies are decoded and
encoded again. Exits with an assertion error at the first value that is not confirmed.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from eth_abi.abi import decode, encode
from eth_hash.auto import keccak

FILE = Path(__file__).parent / "dcap" / "verifier.json"
SGX = x509.ObjectIdentifier("1.2.840.113741.1.13.1")
REFERENCE = "(bytes32,bytes32,bytes32,uint16,uint16,bytes32,uint64)"
STATUS = "(uint8,bytes32,uint64)"
POLICY = f"(bytes32,bool,uint32,uint32,uint32,bytes8,bytes8,bytes8,bytes4,bool,{REFERENCE}[],{STATUS}[],bytes32[])"
NO_END = 2**64 - 1
PARTS = {
    "digest": lambda p: p[0] == bytes(32),
    "maxCollateralAgeS": lambda p: not 0 < p[2] <= 365 * 86_400,
    "maxRegistrationS": lambda p: p[4] == 0,
    "flags": lambda p: p[5][0] & 0x32 != 0 or p[5][0] & 1 == 0,
    "xfrm": lambda p: p[7][0] & 3 != 3 or any(value & ~mask & 0xFF for value, mask in zip(p[6], p[7], strict=True)),
    "references": lambda p: not 0 < len(p[10]) <= 64,
    "reference": lambda p: any(not sound(one) for one in p[10]),
    "reference twice": lambda p: len(set(map(key, p[10]))) != len(p[10]),
    "statuses": lambda p: len(p[11]) > 64,
    "status": lambda p: any(s in (0, 6) or u == 0 or (s in (4, 5) and u == NO_END) for s, _, u in p[11]),
    "status twice": lambda p: len({one[:2] for one in p[11]}) != len(p[11]),
    "platforms": lambda p: len(p[12]) > 256 or (not p[9] and len(p[12]) != 0),
}


def sound(one: Any) -> bool:
    """Whether a reference names a root, a workload, an end, and either a measurement or a signer."""
    root, measurement, signer, product, svn, workload, until = one
    named = any(measurement) != any(signer)
    return any(root) and any(workload) and until != 0 and named and not (any(measurement) and (product or svn))


def key(one: Any) -> Any:
    """What makes two references the same entry."""
    root, measurement, signer, product, _, workload, _ = one
    return (root, measurement, workload) if any(measurement) else (root, signer, product, workload)


def check(content: dict[str, Any]) -> None:
    """Confirm every value."""
    check_evidence({name: bytes.fromhex(value) for name, value in content["evidence"].items()})
    names = [case["name"] for case in content["policies"]]
    assert len(set(names)) == len(names) > 20
    for case in content["policies"]:
        encoded = bytes.fromhex(case["abi"])
        (policy,) = decode([POLICY], encoded)
        assert encode([POLICY], [policy]) == encoded, case["name"]
        assert keccak(encoded).hex() == case["hash"], case["name"]
        broken = [name for name, is_broken in PARTS.items() if is_broken(policy)]
        expected = [case["part"]] if case["part"] else []
        # the same reference 65 times is both too many and twice; the first is said
        assert [name for name in broken if name != "reference twice" or broken == [name]] == expected, case["name"]


def check_evidence(of: dict[str, bytes]) -> None:
    """Put the forms together again from the whole quote."""
    size = int.from_bytes(of["whole_quote"][1012:1014], "little")
    assert of["quote"] == of["whole_quote"][: 1014 + size]
    pem = of["whole_quote"][1014 + size + 6 :].rstrip(b"\0")
    leaf, authority, root = x509.load_pem_x509_certificates(pem)
    assert leaf.public_bytes(Encoding.DER) == of["certificate"]
    assert root.public_bytes(Encoding.DER) == of["root_certificate"]
    info = root.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    root_id = hashlib.sha256(info).digest()
    authority_id = keccak(root_id + keccak(authority.subject.public_bytes()) + point(authority))
    fields = extension(leaf)
    facts = b"".join(
        (
            root_id,
            authority_id,
            point(leaf),
            leaf.serial_number.to_bytes(20, "big"),
            fields["1"],
            b"".join(fields[f"2.{component}"][-1:] for component in range(1, 17)),
            int.from_bytes(fields["2.17"], "big").to_bytes(2, "big"),
            fields["3"],
            fields["4"],
            int(leaf.not_valid_after_utc.timestamp()).to_bytes(8, "big"),
        )
    )
    assert facts == of["facts"]
    assert len(facts) == 198
    assert keccak(facts) == of["pck"]
    assert hashlib.sha256(b"wattest/platform-id/1" + root_id + fields["1"]).digest() == of["platform"]
    length = len(of["certificate"]).to_bytes(2, "big")
    assert of["first"] == b"\x02" + root_id + authority_id + length + of["certificate"] + of["quote"]
    assert of["next"] == b"\x01" + facts + of["quote"]
    assert of["revocation"] == b"\x55" * 32 + b"\x66" * 32 + of["next"]


def point(certificate: x509.Certificate) -> bytes:
    """X || Y of a certificate's key."""
    public = certificate.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    return public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]


def extension(leaf: x509.Certificate) -> dict[str, bytes]:
    """The SGX extension's values by the last parts of their names."""
    value = leaf.extensions.get_extension_for_oid(SGX).value
    assert isinstance(value, x509.UnrecognizedExtension)
    found: dict[str, bytes] = {}

    def walk(der: bytes, prefix: str) -> None:
        for item in items(der):
            name, content = items(item[1])
            last = prefix + str(name[1][-1])
            if content[0] == 0x30:
                walk(content[1], last + ".")
            else:
                found[last] = content[1]

    walk(items(value.value)[0][1], "")
    return found


def items(der: bytes) -> list[tuple[int, bytes]]:
    """Tag and content of each element of a sequence's content."""
    found, at = [], 0
    while at < len(der):
        tag, length, at = der[at], der[at + 1], at + 2
        if length & 0x80:
            count = length & 0x7F
            length, at = int.from_bytes(der[at : at + count], "big"), at + count
        found.append((tag, der[at : at + length]))
        at += length
    return found


if __name__ == "__main__":
    check(json.loads(FILE.read_text()))
