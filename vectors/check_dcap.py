"""Check vectors/dcap/dcap.json without wattest: cryptography, hashlib and struct alone.

What parses is parsed again and compared, every signature is checked again, and each error has the selector of an error
that the contracts declare. Exits with an assertion error at the first value that is not confirmed.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from eth_hash.auto import keccak

FILE = Path(__file__).parent / "dcap" / "dcap.json"
SOURCES = Path(__file__).parents[1] / "contracts" / "src" / "dcap"
SGX = x509.ObjectIdentifier("1.2.840.113741.1.13.1")
SGX_DER = bytes.fromhex("2a864886f84d010d01")
# what a signature decides, and nothing in the form
OF_SIGNATURES = {
    "CertificateSignatureInvalid()",
    "RevocationListSignatureInvalid()",
    "ReportSignatureInvalid()",
    "QeReportSignatureInvalid()",
}
Case = dict[str, Any]


def check(content: dict[str, Any]) -> None:
    """Confirm every case."""
    declared = {
        f"{name}({','.join(each.split()[0] for each in fields.split(',') if each.strip())})"
        for source in SOURCES.glob("*.sol")
        for name, fields in re.findall(r"^    error (\w+)\(([^)]*)\);", source.read_text(), re.MULTILINE)
    }
    every = [case for part in ("certificates", "lists", "issued", "listed", "quotes") for case in content[part]]
    for case in every:
        if case["error"]:
            assert case["error"] in declared, case["name"]
            assert keccak(case["error"].encode())[:4].hex() == case["selector"], case["name"]
        else:
            assert not case["selector"], case["name"]
    for part in ("certificates", "lists", "quotes"):
        seen = {case.get("der", case.get("quote")) for case in content[part] if not case["error"]}
        refused = [case for case in content[part] if case["error"] and case["error"] != "SgxExtensionMissing()"]
        assert not seen & {case.get("der", case.get("quote")) for case in refused}, part
    for case in content["certificates"]:
        if not case["error"]:
            check_certificate(case)
    for case in content["lists"]:
        if not case["error"]:
            check_list(case)
    for part in ("issued", "listed"):
        for case in content[part]:
            check_step(part, case)
    pck = next(case for case in content["certificates"] if case["name"] == "PCK")
    for case in content["quotes"]:
        check_quote(case, bytes.fromhex(pck["x"] + pck["y"]))


def check_certificate(case: Case) -> None:
    """One certificate against another parser."""
    parsed = x509.load_der_x509_certificate(bytes.fromhex(case["der"]))
    key = parsed.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert parsed.serial_number == int(case["serial"], 16), case["name"]
    assert keccak(parsed.issuer.public_bytes()).hex() == case["issuer"], case["name"]
    assert keccak(parsed.subject.public_bytes()).hex() == case["subject"], case["name"]
    assert int(parsed.not_valid_before_utc.timestamp()) == case["not_before"], case["name"]
    assert int(parsed.not_valid_after_utc.timestamp()) == case["not_after"], case["name"]
    assert parsed.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is case["authority"], case["name"]
    assert key.public_numbers().x == int(case["x"], 16), case["name"]
    assert key.public_numbers().y == int(case["y"], 16), case["name"]
    found = [each.value for each in parsed.extensions if each.oid == SGX]
    assert bool(found) == bool(case["fmspc"]), case["name"]
    if not found:
        return
    assert isinstance(found[0], x509.UnrecognizedExtension)
    value = found[0].value
    assert field(value, b"\x04") == bytes.fromhex(case["fmspc"]), case["name"]
    assert field(value, b"\x03") == bytes.fromhex(case["pce_id"]), case["name"]
    components = [int.from_bytes(field(value, bytes([2, each + 1]))) for each in range(16)]
    assert bytes(components) == bytes.fromhex(case["components"]), case["name"]
    assert int.from_bytes(field(value, b"\x02\x11")) == case["pce_svn"], case["name"]


def field(extension: bytes, name: bytes) -> bytes:
    """The content of the short element after an object identifier below the extension's own."""
    identifier = SGX_DER + name
    start = extension.index(bytes([6, len(identifier)]) + identifier) + 2 + len(identifier)
    return extension[start + 2 : start + 2 + extension[start + 1]]


def check_list(case: Case) -> None:
    """One revocation list against another parser."""
    parsed = x509.load_der_x509_crl(bytes.fromhex(case["der"]))
    assert parsed.next_update_utc is not None
    assert keccak(parsed.issuer.public_bytes()).hex() == case["issuer"], case["name"]
    assert int(parsed.last_update_utc.timestamp()) == case["this_update"], case["name"]
    assert int(parsed.next_update_utc.timestamp()) == case["next_update"], case["name"]
    number = parsed.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    assert number == case["number"], case["name"]
    assert "".join(f"{each.serial_number:064x}" for each in parsed) == case["serials"], case["name"]


def check_step(part: str, case: Case) -> None:
    """Whether the issuer signed, by name and by key."""
    issuer = x509.load_der_x509_certificate(bytes.fromhex(case["issuer"]))
    data = bytes.fromhex(case["below"])
    below: x509.Certificate | x509.CertificateRevocationList
    if part == "issued":
        below = x509.load_der_x509_certificate(data)
        signed = below.tbs_certificate_bytes
    else:
        below = x509.load_der_x509_crl(data)
        signed = below.tbs_certlist_bytes
    key = issuer.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert (below.issuer == issuer.subject) != case["error"].startswith("IssuerMismatch"), case["name"]
    if below.issuer == issuer.subject:
        assert is_signed(key, below.signature, signed) == (case["error"] not in OF_SIGNATURES), case["name"]
    if case["error"] == "IssuerNotAuthority()":
        assert not issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    if case["error"] == "PathTooLong()":
        assert issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0


def check_quote(case: Case, pck: bytes) -> None:
    """The three bindings and the attributes of one quote, by its offsets."""
    data = bytes.fromhex(case["quote"])
    if len(data) < 1014 or len(data) != 1014 + struct.unpack_from("<H", data, 1012)[0]:
        assert case["error"].split("(")[0] in ("QuoteLengthInvalid", "AuthenticationDataTooLong"), case["name"]
        return
    if data[:8] != bytes.fromhex("0300020000000000"):
        assert case["error"] == "QuoteKindUnknown(bytes8)", case["name"]
        return
    if data[12:28] != bytes.fromhex("939a7233f79c4ca9940a0db3957f0607"):
        assert case["error"] == "QeVendorUnknown(bytes16)", case["name"]
        return
    flags = data[96]
    vouched = hashlib.sha256(data[500:564] + data[1014:]).digest() + bytes(32)
    found = [
        ("QeReportSignatureInvalid()", not is_signed(point(pck), raw(data[948:1012]), data[564:948])),
        ("AttestationKeyForeign()", data[884:948] != vouched),
    ]
    if not found[1][1]:
        found.append(("ReportSignatureInvalid()", not is_signed(point(data[500:564]), raw(data[436:500]), data[:432])))
    found += [
        ("EnclaveInDebugMode()", bool(flags & 2)),
        ("EnclaveNotInitialised()", not flags & 1),
        ("EnclaveHasProvisionKey()", bool(flags & 16)),
        ("EnclaveHasLaunchKey()", bool(flags & 32)),
        ("AttributesMismatch(bytes16,bytes16)", not flags & 4),
    ]
    assert case["error"] == next((name for name, wrong in found if wrong), ""), case["name"]


def point(data: bytes) -> ec.EllipticCurvePublicKey:
    """A key from X || Y."""
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + data)


def raw(signature: bytes) -> bytes:
    """r || s as DER."""
    return utils.encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))


def is_signed(key: ec.EllipticCurvePublicKey, signature: bytes, message: bytes) -> bool:
    """Whether the signature (DER) holds."""
    try:
        key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


if __name__ == "__main__":
    check(json.loads(FILE.read_text()))
