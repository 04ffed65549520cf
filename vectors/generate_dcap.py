"""Write vectors/dcap/dcap.json: certificates, revocation lists and quotes, and what contracts/src/dcap says of each.

All of it comes from two fixed simulator seeds, and signatures are deterministic, so the file is the same every time.
``check_dcap.py`` confirms it without wattest.
"""

from __future__ import annotations

import json
import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from eth_hash.auto import keccak

from wattest.attestation.formats.quote import EnclaveReport
from wattest.enclave.simulator.collateral import CollateralOptions
from wattest.enclave.simulator.pki import CPU_SVN, FMSPC, PCE_ID, PCE_SVN, SimulatedPki
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.enclave.simulator.sgx_extension import SGX_EXTENSION_OID, PlatformFacts, encode_sgx_extension

OUT = Path(__file__).parent / "dcap" / "dcap.json"
NOW = 1_790_000_000
SEED = bytes(range(32))
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
START, END = datetime.fromtimestamp(NOW - 86_400, UTC), datetime.fromtimestamp(NOW + 86_400, UTC)
Case = dict[str, Any]


def main() -> None:
    """Write the vector file."""
    pki = SimulatedPki.create(SEED, NOW)
    stranger = SimulatedPki.create(SEED[::-1], NOW)
    platform = SimulatedPlatform(pki)
    documents = {
        "root": der(pki.root),
        "platform CA": der(pki.platform_ca),
        "PCK": der(pki.pck),
        "TCB signing": der(pki.tcb_signing),
        "stranger's CA": der(stranger.platform_ca),
        "below the PCK": der(issue(pki.pck.subject, pki.pck_key)),
        "CA below the platform CA": der(issue(pki.platform_ca.subject, pki.platform_ca_key, authority=True)),
        "PCK, high s": with_other_s(der(pki.pck)),
        "PCK, altered": swap(der(pki.pck), FMSPC, b"WTSIN\x00"),
    }
    lists = revocation_lists(pki, platform)
    content = {
        "description": "what contracts/src/dcap says of each; docs/spec/dcap-on-chain.md",
        "certificates": [certificate_case(name, data) for name, data in documents.items()] + bad_certificates(pki),
        "lists": lists,
        "issued": [
            step("PCK by its CA", documents["PCK"], documents["platform CA"]),
            step("CA by the root", documents["platform CA"], documents["root"]),
            step("TCB signing by the root", documents["TCB signing"], documents["root"]),
            step("root by itself", documents["root"], documents["root"]),
            step("high s", documents["PCK, high s"], documents["platform CA"]),
            step("altered", documents["PCK, altered"], documents["platform CA"], "CertificateSignatureInvalid()"),
            step("stranger's CA", documents["PCK"], documents["stranger's CA"], "CertificateSignatureInvalid()"),
            step("PCK by the root", documents["PCK"], documents["root"], "IssuerMismatch(bytes32,bytes32)"),
            step("leaf as issuer", documents["below the PCK"], documents["PCK"], "IssuerNotAuthority()"),
            step("CA too deep", documents["CA below the platform CA"], documents["platform CA"], "PathTooLong()"),
        ],
        "listed": [
            step("PCK list", lists[0]["der"], documents["platform CA"]),
            step("root list", lists[1]["der"], documents["root"]),
            step("root list as PCK list", lists[1]["der"], documents["platform CA"], "IssuerMismatch(bytes32,bytes32)"),
            step("stranger's CA", lists[0]["der"], documents["stranger's CA"], "RevocationListSignatureInvalid()"),
        ],
        "quotes": quotes(platform),
    }
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(content, indent=1) + "\n")


def outcome(error: str) -> Case:
    """The error's signature and selector; both empty when there is none."""
    return {"error": error, "selector": keccak(error.encode())[:4].hex() if error else ""}


def certificate_case(name: str, data: bytes, error: str = "") -> Case:
    """A certificate, and for one that parses what is read of it; ``sgx`` is empty without the extension."""
    case: Case = {"name": name, "der": data.hex(), **outcome(error)}
    if error:
        return case
    parsed = x509.load_der_x509_certificate(data)
    key = parsed.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    point = key.public_numbers()
    has_sgx = any(each.oid.dotted_string == SGX_EXTENSION_OID for each in parsed.extensions)
    fmspc = b"WTSIN\x00" if "altered" in name else FMSPC
    return case | {
        "serial": f"{parsed.serial_number:064x}",
        "issuer": keccak(parsed.issuer.public_bytes()).hex(),
        "subject": keccak(parsed.subject.public_bytes()).hex(),
        "not_before": int(parsed.not_valid_before_utc.timestamp()),
        "not_after": int(parsed.not_valid_after_utc.timestamp()),
        "authority": parsed.extensions.get_extension_for_class(x509.BasicConstraints).value.ca,
        "x": f"{point.x:064x}",
        "y": f"{point.y:064x}",
        "components": CPU_SVN.hex() if has_sgx else "",
        "pce_svn": PCE_SVN if has_sgx else 0,
        "pce_id": PCE_ID.hex() if has_sgx else "",
        "fmspc": fmspc.hex() if has_sgx else "",
    }


def bad_certificates(pki: SimulatedPki) -> list[Case]:
    """The PCK certificate with one thing wrong in each."""
    good = der(pki.pck)
    body = good[4:]
    extension = encode_sgx_extension(PlatformFacts(pki.ppid, CPU_SVN, PCE_SVN, PCE_ID, FMSPC, bytes(16)))
    fmspc = extension.index(FMSPC)
    month = good.index(b"\x17\x0d") + 4
    unknown = x509.ObjectIdentifier("1.2.3.4")
    made = {
        "trailing byte": (good + b"\x00", "DerTrailing(uint256)"),
        "last byte missing": (good[:-1], "DerTruncated(uint256)"),
        "nothing": (b"", "DerTruncated(uint256)"),
        "indefinite length": (b"\x30\x80" + body, "DerLengthInvalid(uint256)"),
        "length in three octets": (b"\x30\x83\x00" + good[2:], "DerLengthInvalid(uint256)"),
        "set for sequence": (b"\x31" + good[1:], "DerTagUnexpected(uint256,uint8,uint8)"),
        "version 1": (swap(good, bytes.fromhex("a003020102"), bytes.fromhex("a003020100")),
                      "CertificateVersionUnknown(uint256)"),
        "SHA-384": (good.replace(bytes.fromhex("2a8648ce3d040302"), bytes.fromhex("2a8648ce3d040303")),
                    "SignatureAlgorithmUnknown(uint256)"),
        "negative serial": (good[:15] + bytes([good[15] | 0x80]) + good[16:], "DerIntegerInvalid(uint256)"),
        "month 13": (good[:month] + b"13" + good[month + 2 :], "DerTimeInvalid(uint256)"),
        "boolean 1": (swap(good, b"\x01\x01\xff", b"\x01\x01\x01"), "DerBooleanInvalid(uint256)"),
        "repeated extension": (swap(good, b"\x06\x03\x55\x1d\x0e", b"\x06\x03\x55\x1d\x23"),
                               "ExtensionRepeated(uint256)"),
        "compressed point": (swap(good, bytes.fromhex("03420004"), bytes.fromhex("03420002")),
                             "PublicKeyUnknown(uint256)"),
        "P-384 key": (der(issue(pki.platform_ca.subject, pki.platform_ca_key,
                                key=ec.derive_private_key(7, ec.SECP384R1()))), "PublicKeyUnknown(uint256)"),
        "critical unknown extension": (der(issue(pki.platform_ca.subject, pki.platform_ca_key,
                                                 more=[(x509.UnrecognizedExtension(unknown, b""), True)])),
                                       "CriticalExtensionUnknown(uint256)"),
        "too many extensions": (der(issue(pki.platform_ca.subject, pki.platform_ca_key, more=[
            (x509.UnrecognizedExtension(x509.ObjectIdentifier(f"1.2.3.{each}"), b""), False) for each in range(17)
        ])), "TooManyExtensions()"),
        "no SGX extension": (der(pki.tcb_signing), "SgxExtensionMissing()"),
        "FMSPC under another name": (swap(good, b"\x0d\x01\x04\x04\x06", b"\x0d\x01\x08\x04\x06"),
                                     "SgxFieldUnexpected(uint256)"),
        "component above 255": (swap(good, b"\x0d\x01\x02\x10\x02\x01\x05\x30", b"\x0d\x01\x02\x10\x02\x01\x85\x30"),
                                "DerIntegerInvalid(uint256)"),
    }  # fmt: skip
    assert extension[fmspc - 2 : fmspc] == b"\x04\x06"
    return [certificate_case(name, data, error) for name, (data, error) in made.items()]


def revocation_lists(pki: SimulatedPki, platform: SimulatedPlatform) -> list[Case]:
    """The platform CA's list, the root's, and lists that are refused."""
    collateral = platform.collateral(NOW)
    revoked = platform.collateral(NOW, CollateralOptions(revoke_pck=True))
    good, with_entry = bytes(collateral.pck_crl), bytes(revoked.pck_crl)
    number = (x509.CRLNumber(7), False)
    indicator = (x509.DeltaCRLIndicator(6), True)
    indirect = (x509.CertificateIssuer([x509.DNSName("other.invalid")]), True)
    made = {
        "PCK list": (good, ""),
        "root list": (bytes(collateral.root_ca_crl), ""),
        "PCK revoked": (with_entry, ""),
        "three revoked": (sign_list(pki, [number], [(3, []), (1, []), (2 ** 159 - 1, [])]), ""),
        "reason": (sign_list(pki, [number], [(3, [(x509.CRLReason(x509.ReasonFlags.key_compromise), False)])]), ""),
        "no number": (sign_list(pki, [], []), "RevocationListNumberMissing()"),
        "delta": (sign_list(pki, [number, indicator], []), "CriticalExtensionUnknown(uint256)"),
        "indirect": (sign_list(pki, [number], [(3, [indirect])]), "CriticalExtensionUnknown(uint256)"),
        "trailing byte": (good + b"\x00", "DerTrailing(uint256)"),
        "last byte missing": (good[:-1], "DerTruncated(uint256)"),
        "a certificate": (der(pki.pck), "DerTagUnexpected(uint256,uint8,uint8)"),
        "version 1": (good.replace(b"\x02\x01\x01\x30\x0a", b"\x02\x01\x00\x30\x0a", 1),
                      "RevocationListVersionUnknown(uint256)"),
    }  # fmt: skip
    cases = []
    for name, (data, error) in made.items():
        case: Case = {"name": name, "der": data.hex(), **outcome(error)}
        if not error:
            parsed = x509.load_der_x509_crl(data)
            assert parsed.next_update_utc is not None
            case |= {
                "issuer": keccak(parsed.issuer.public_bytes()).hex(),
                "this_update": int(parsed.last_update_utc.timestamp()),
                "next_update": int(parsed.next_update_utc.timestamp()),
                "number": parsed.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number,
                "serials": "".join(f"{each.serial_number:064x}" for each in parsed),
            }
        cases.append(case)
    return cases


def quotes(platform: SimulatedPlatform) -> list[Case]:
    """Quotes without certification data, as contracts take them, under the platform's PCK certificate."""
    attributes = struct.pack("<QQ", 0x5, 0xE7)
    made = {"measurement": bytes([0x11] * 32), "signer": bytes([0x22] * 32), "product": 7, "svn": 3}

    def quote(flags: int) -> bytes:
        return cut(
            platform.quote(**made, report_data=bytes(range(64)), attributes=struct.pack("<QQ", flags, 0xE7))  # type: ignore[arg-type]
        )

    good = quote(0x5)
    report = EnclaveReport(bytes([0x11] * 32), bytes([0x22] * 32), 7, 3, bytes(range(64)), attributes)
    foreign = platform.quoting_enclave.unsafe_quote_with_key(report, ec.derive_private_key(7, ec.SECP256R1()))
    cases = {
        "healthy": (good, ""),
        "other length field, in no signature": (good[:432] + bytes(4) + good[436:], ""),
        "high s": (good[:468] + (ORDER - int.from_bytes(good[468:500])).to_bytes(32) + good[500:], ""),
        "s zero": (good[:468] + bytes(32) + good[500:], "ReportSignatureInvalid()"),
        "s the order": (good[:468] + ORDER.to_bytes(32) + good[500:], "ReportSignatureInvalid()"),
        "measurement altered": (flip(good, 112), "ReportSignatureInvalid()"),
        "report signature altered": (flip(good, 436), "ReportSignatureInvalid()"),
        "attestation key altered": (flip(good, 500), "AttestationKeyForeign()"),
        "foreign attestation key": (cut(foreign), "AttestationKeyForeign()"),
        "authentication data altered": (flip(good, len(good) - 1), "AttestationKeyForeign()"),
        "QE report altered": (flip(good, 564 + 64), "QeReportSignatureInvalid()"),
        "QE signature altered": (flip(good, 948), "QeReportSignatureInvalid()"),
        "one byte short": (good[:-1], "QuoteLengthInvalid(uint256,uint256)"),
        "one byte long": (good + b"\x00", "QuoteLengthInvalid(uint256,uint256)"),
        "nothing": (b"", "QuoteLengthInvalid(uint256,uint256)"),
        "version 4": (b"\x04" + good[1:], "QuoteKindUnknown(bytes8)"),
        "trust domain": (good[:4] + b"\x81" + good[5:], "QuoteKindUnknown(bytes8)"),
        "other vendor": (flip(good, 12), "QeVendorUnknown(bytes16)"),
        "long authentication data": (good[:1012] + b"\x01\x04" + good[1014:],
                                     "AuthenticationDataTooLong(uint256,uint256)"),
        "debug": (quote(0x7), "EnclaveInDebugMode()"),
        "not initialised": (quote(0x4), "EnclaveNotInitialised()"),
        "provision key": (quote(0x15), "EnclaveHasProvisionKey()"),
        "launch key": (quote(0x25), "EnclaveHasLaunchKey()"),
        "32 bits": (quote(0x1), "AttributesMismatch(bytes16,bytes16)"),
    }  # fmt: skip
    return [{"name": name, "quote": data.hex(), **outcome(error)} for name, (data, error) in cases.items()]


def step(name: str, below: bytes | str, issuer: bytes, error: str = "") -> Case:
    """A certificate or list and its supposed issuer."""
    return {"name": name, "below": below if isinstance(below, str) else below.hex(), "issuer": issuer.hex()} | outcome(
        error
    )


def cut(quote: bytes) -> bytes:
    """A quote without its certification data."""
    return quote[: 1014 + int.from_bytes(quote[1012:1014], "little")]


def flip(data: bytes, at: int) -> bytes:
    """One bit changed."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def swap(data: bytes, old: bytes, new: bytes) -> bytes:
    """One occurrence replaced; there must be one."""
    assert old in data, old.hex()
    return data.replace(old, new, 1)


def der(certificate: x509.Certificate) -> bytes:
    """DER of a certificate."""
    return certificate.public_bytes(Encoding.DER)


def with_other_s(data: bytes) -> bytes:
    """The same certificate under the signature (r, n - s)."""
    parsed = x509.load_der_x509_certificate(data)
    r, s = utils.decode_dss_signature(parsed.signature)
    signature = b"\x00" + utils.encode_dss_signature(r, ORDER - s)
    inner = parsed.tbs_certificate_bytes + bytes.fromhex("300a06082a8648ce3d040302")
    inner += bytes([0x03, len(signature)]) + signature
    return b"\x30\x82" + len(inner).to_bytes(2) + inner


def issue(
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    key: ec.EllipticCurvePrivateKey | None = None,
    authority: bool = False,
    more: list[tuple[x509.ExtensionType, bool]] | None = None,
) -> x509.Certificate:
    """A certificate of our own below any issuer."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "of a test")]))
        .issuer_name(issuer)
        .public_key((key or ec.derive_private_key(9, ec.SECP256R1())).public_key())
        .serial_number(0x1234)
        .not_valid_before(START)
        .not_valid_after(END)
        .add_extension(x509.BasicConstraints(authority, 0 if authority else None), critical=True)
    )
    for extension, critical in more or []:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, hashes.SHA256(), ecdsa_deterministic=True)


def sign_list(
    pki: SimulatedPki,
    extensions: list[tuple[x509.ExtensionType, bool]],
    entries: list[tuple[int, list[tuple[x509.ExtensionType, bool]]]],
) -> bytes:
    """A list of the platform CA's with any extensions and entries."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(pki.platform_ca.subject)
    builder = builder.last_update(START).next_update(END)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    for serial, of_entry in entries:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(START)
        for extension, critical in of_entry:
            entry = entry.add_extension(extension, critical)
        builder = builder.add_revoked_certificate(entry.build())
    signed = builder.sign(pki.platform_ca_key, hashes.SHA256(), ecdsa_deterministic=True)
    return signed.public_bytes(Encoding.DER)


if __name__ == "__main__":
    main()
