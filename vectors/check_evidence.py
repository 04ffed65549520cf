"""Check vectors/evidence without wattest and without dcap-qvl: is each case genuine, and of which TCB status?

A second reading of docs/spec/evidence.md for versions 3, 4 and 5, with cryptography for X.509 and signatures and
asn1crypto (by way of ``check_attestation``) for the SGX extension. ``check_evidence.py DIR`` reads the folders that
``generate_evidence.py DIR`` wrote and ends with an assertion error at the first case it does not confirm. Not checked:
policy and reason codes, which are wattest's own.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from check_attestation import SGX, Fault, extension, signed, when
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec

LIMIT, QUOTE_LIMIT = 1 << 20, 1 << 16
VENDOR = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
BODIES = {1: 384, 2: 584, 3: 648, 4: 885}
PLATFORM_STATUSES = {
    *("UpToDate", "SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded", "OutOfDate"),
    "OutOfDateConfigurationNeeded",
}
ENCLAVE_STATUSES = {"UpToDate", "ConfigurationNeeded", "OutOfDate", "OutOfDateConfigurationNeeded"}
KNOWN = {x509.BasicConstraints, x509.KeyUsage}
CONFIGURE = {"ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded", "OutOfDateConfigurationNeeded"}


class Unreadable(Exception):
    """A quote or collateral that cannot be read at all."""


class Reader:
    """Bytes from the front; the end is an error."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        """The next bytes."""
        if self.at + size > len(self.data):
            raise Unreadable("the quote ends early")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, size: int) -> int:
        """The next little-endian integer."""
        return int.from_bytes(self.take(size), "little")


def read_quote(data: bytes) -> dict[str, Any]:
    """A quote taken apart."""
    if len(data) > LIMIT:
        raise Unreadable("too long")
    reader = Reader(data)
    version, key_type, tee = reader.number(2), reader.number(2), reader.number(4)
    vendor = reader.take(20)[4:]
    reader.take(20)
    if version not in (3, 4, 5) or key_type != 2 or tee not in ((0,) if version == 3 else (0, 0x81)):
        raise Unreadable("another version, key or TEE")
    kind = reader.number(2) if version == 5 else (1 if tee == 0 else 2)
    if (version == 5 and BODIES.get(kind) != reader.number(4)) or (kind == 1) != (tee == 0):
        raise Unreadable("another body")
    body = reader.take(BODIES[kind])
    signed_part = data[: reader.at]
    size = reader.number(4)
    if reader.at + size > QUOTE_LIMIT:
        raise Unreadable("too long")
    inner = Reader(reader.take(size))
    signature, key = inner.take(64), inner.take(64)
    if version > 3:
        inner.take(2)
        inner = Reader(inner.take(inner.number(4)))
    qe, qe_signature = inner.take(384), inner.take(64)
    authentication = inner.take(inner.number(2))
    certification = inner.number(2)
    chain = inner.take(inner.number(4))
    return {
        "version": version,
        "tdx": tee != 0,
        "vendor": vendor,
        "body": body,
        "kind": kind,
        "signed": signed_part,
        "signature": signature,
        "key": key,
        "qe": qe,
        "qe_signature": qe_signature,
        "authentication": authentication,
        "certification": certification,
        "chain": chain,
    }


def path(pem: bytes, root: x509.Certificate, now: int) -> list[x509.Certificate]:
    """From the first certificate to the root (which is left out), by names and signatures (RFC 5280, section 6)."""
    try:
        found = x509.load_pem_x509_certificates(pem.rstrip(b"\0"))
    except ValueError:
        raise Fault("certificates") from None
    line, rest = [found[0]], found[1:]
    for certificate in (*found[:1], *rest):
        if any(extension.critical and type(extension.value) not in KNOWN for extension in certificate.extensions):
            raise Fault("critical extension")
    while not issued(line[-1], root):
        above = next((each for each in rest if each != root and each not in line and issued(line[-1], each)), None)
        if above is None or not certifies(above, len(line) - 1):
            raise Fault("no path")
        line.append(above)
    if not certifies(root, len(line) - 1) or line[0].extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
        raise Fault("no path")
    for certificate in line:
        if not certificate.not_valid_before_utc.timestamp() <= now <= certificate.not_valid_after_utc.timestamp():
            raise Fault("dates")
    return line


def issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether name and signature are the issuer's."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def certifies(certificate: x509.Certificate, below: int) -> bool:
    """Whether a certificate may certify, with so many authorities below it."""
    try:
        limits = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return limits.ca and usage.key_cert_sign and (limits.path_length is None or below <= limits.path_length)


TEXT, BYTE, SHORT, INT = "text", 0xFF, 0xFFFF, 0xFFFFFFFF
_ISV_LEVEL = {"tcbDate": TEXT, "tcbStatus": TEXT, "advisoryIDs?": [TEXT]}
_MODULE = {"mrsigner": TEXT, "attributes": TEXT, "attributesMask": TEXT}
_COMPONENTS = [{"svn": BYTE}]
# What dcap-qvl reads: other keys are passed over, an optional one may be absent, and a module null, too.
READ: dict[str, Any] = {
    "tcb_info": {
        "id": TEXT,
        "version": BYTE,
        "issueDate": TEXT,
        "nextUpdate": TEXT,
        "fmspc": TEXT,
        "pceId": TEXT,
        "tcbType": INT,
        "tcbEvaluationDataNumber": INT,
        "tdxModule?": (_MODULE,),
        "tdxModuleIdentities?": [{"id": TEXT, **_MODULE, "tcbLevels": [{"tcb": {"isvsvn": BYTE}, **_ISV_LEVEL}]}],
        "tcbLevels": [
            {"tcb": {"sgxtcbcomponents": _COMPONENTS, "pcesvn": SHORT, "tdxtcbcomponents?": _COMPONENTS}, **_ISV_LEVEL}
        ],
    },
    "qe_identity": {
        "id": TEXT,
        "version": BYTE,
        "issueDate": TEXT,
        "nextUpdate": TEXT,
        "tcbEvaluationDataNumber": INT,
        "miscselect": TEXT,
        "miscselectMask": TEXT,
        "attributes": TEXT,
        "attributesMask": TEXT,
        "mrsigner": TEXT,
        "isvprodid": SHORT,
        "tcbLevels": [{"tcb": {"isvsvn": SHORT}, **_ISV_LEVEL}],
    },
}
SIZES = {"miscselect": 4, "miscselectMask": 4, "attributes": 16, "attributesMask": 16, "mrsigner": 32}
MODULE_SIZES = {"mrsigner": 48, "attributes": 8, "attributesMask": 8}


class Pairs(list[tuple[str, Any]]):
    """A JSON object with all its keys, repeated ones too."""


def no_constant(name: str) -> Any:
    """NaN and its like are no JSON."""
    raise Fault(f"{name} is no JSON")


def fits(value: Any, shape: Any) -> Any:
    """A value as dcap-qvl reads it, or Fault: text, integer up to a limit, list, object without repetitions."""
    if isinstance(shape, tuple):
        return None if value is None else fits(value, shape[0])
    if isinstance(shape, list):
        if type(value) is not list:
            raise Fault("no list")
        return [fits(each, shape[0]) for each in value]
    if isinstance(shape, dict):
        if not isinstance(value, Pairs):
            raise Fault("no object")
        found = dict(value)
        read = {}
        for name, inner in shape.items():
            key = name.rstrip("?")
            if sum(other == key for other, _ in value) > 1:
                raise Fault("a key twice")
            if key in found:
                read[key] = fits(found[key], inner)
            elif key == name:
                raise Fault(f"no {key}")
        return read
    if type(value) is not (str if shape is TEXT else int) or (type(value) is int and not 0 <= value <= shape):
        raise Fault("another kind of value")
    return value


def dated(text: str) -> int:
    """Unix seconds of a date in RFC 3339, whose parts may be parted by a blank and written in lower case."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", text):
        raise Fault("no date")
    return when(text.upper())


def statement(collateral: dict[str, str], name: str, root: x509.Certificate, now: int) -> tuple[dict[str, Any], Any]:
    """TCB info or QE identity, and the certificate that signs it."""
    try:
        value = fits(json.loads(collateral[name], object_pairs_hook=Pairs, parse_constant=no_constant), READ[name])
        begins, ends = dated(value["issueDate"]), dated(value["nextUpdate"])
    except (ValueError, KeyError, TypeError):
        raise Fault("statement") from None
    if not begins <= now <= ends:
        raise Fault("dates")
    if not collateral[f"{name}_issuer_chain"]:
        raise Fault("chain missing")
    signer = path(collateral[f"{name}_issuer_chain"].encode(), root, now)[0]
    signed(signer.public_key(), bytes.fromhex(collateral[f"{name}_signature"]), collateral[name].encode(), "signature")
    return value, signer


def revoked(der: str, issuer: x509.Certificate, now: int) -> x509.CertificateRevocationList:
    """A revocation list, if it is the issuer's and in force."""
    try:
        found = x509.load_der_x509_crl(bytes.fromhex(der))
    except ValueError:
        raise Fault("list") from None
    if found.issuer != issuer.subject or not found.is_signature_valid(issuer.public_key()):
        raise Fault("list of another")
    if now >= found.next_update_utc.timestamp():
        raise Fault("list expired")
    return found


def check_quoting_enclave(quote: dict[str, Any], identity: dict[str, Any], pck: x509.Certificate) -> str:
    """The quoting enclave's own status."""
    qe = quote["qe"]
    if not isinstance(pck.public_key().curve, ec.SECP256R1):
        raise Fault("curve")
    signed(pck.public_key(), quote["qe_signature"], qe, "QE report")
    if qe[320:352] != hashlib.sha256(quote["key"] + quote["authentication"]).digest():
        raise Fault("attestation key")
    if quote["vendor"] != VENDOR or qe[48] & 2:
        raise Fault("vendor or debug")
    if (identity["id"], identity["version"]) != ("TD_QE" if quote["tdx"] else "QE", 2):
        raise Fault("QE identity of another kind")
    for name, size in SIZES.items():
        if len(bytes.fromhex(identity[name])) != size:
            raise Fault(name)
    masks = ((qe[48:64], "attributes", "attributesMask"), (qe[16:20], "miscselect", "miscselectMask"))
    for have, name, mask in masks:
        if masked(have, bytes.fromhex(identity[mask])) != bytes.fromhex(identity[name]):
            raise Fault(name)
    if (
        qe[128:160] != bytes.fromhex(identity["mrsigner"])
        or struct.unpack_from("<H", qe, 256)[0] != identity["isvprodid"]
    ):
        raise Fault("another quoting enclave")
    return level_by_svn(identity["tcbLevels"], struct.unpack_from("<H", qe, 258)[0], ENCLAVE_STATUSES)


def level_by_svn(levels: list[dict[str, Any]], svn: int, known: set[str]) -> str:
    """The status of the first level that an SVN meets; every level must be known."""
    if any(level["tcbStatus"] not in known | {"Revoked"} for level in levels):
        raise Fault("unknown status")
    found = next((level["tcbStatus"] for level in levels if svn >= level["tcb"]["isvsvn"]), None)
    if found in (None, "Revoked"):
        raise Fault("below every level, or revoked")
    return str(found)


def masked(have: bytes, mask: bytes) -> bytes:
    """Bitwise and."""
    return bytes(one & other for one, other in zip(have, mask, strict=True))


def platform_level(info: dict[str, Any], facts: dict[str, Any], tdx: bytes | None) -> str:
    """The status of the first TCB level that the platform meets."""
    for level in info["tcbLevels"]:
        tcb = level["tcb"]
        components = [each["svn"] for each in tcb["sgxtcbcomponents"]]
        trusted = (
            [each["svn"] for each in tcb["tdxtcbcomponents"]] if tdx is not None and "tdxtcbcomponents" in tcb else []
        )
        if (
            len(components) != 16
            or min(components) < 0
            or (tdx is not None and len(trusted) != 16)
            or "pcesvn" not in tcb
        ):
            raise Fault("level malformed")
        if level["tcbStatus"] not in PLATFORM_STATUSES | {"Revoked"}:
            raise Fault("unknown status")
    for level in sorted(info["tcbLevels"], key=asked, reverse=True):  # dcap-qvl sorts them, whatever the vendor wrote
        tcb = level["tcb"]
        met = facts[f"{SGX}.2.17"] >= tcb["pcesvn"]
        met = met and all(facts[f"{SGX}.2.{i + 1}"] >= c["svn"] for i, c in enumerate(tcb["sgxtcbcomponents"]))
        if tdx is not None:
            first = 2 if tdx[1] else 0  # a module of its own major version has levels of its own
            met = met and all(tdx[i] >= c["svn"] for i, c in enumerate(tcb["tdxtcbcomponents"]) if i >= first)
        if met:
            if level["tcbStatus"] == "Revoked":
                raise Fault("revoked")
            return str(level["tcbStatus"])
    raise Fault("below every level")


def asked(level: dict[str, Any]) -> tuple[list[int], int]:
    """What a level asks for, to sort by."""
    return [each["svn"] for each in level["tcb"]["sgxtcbcomponents"]], level["tcb"]["pcesvn"]


def check_domain(quote: dict[str, Any]) -> None:
    """What no trust domain in production may be."""
    body = quote["body"]
    attributes = int.from_bytes(body[120:128], "little")
    allowed = 1 << 28 | 1 << 30 | 1 << 31 | 1 << 63
    if attributes & ~allowed or not attributes & 1 << 28:
        raise Fault("TD attributes")
    if quote["kind"] >= 3 and any(body[600:648]):
        raise Fault("service domain")


def domain_status(quote: dict[str, Any], info: dict[str, Any], facts: dict[str, Any]) -> str:
    """The status of platform and TDX module together, and whether the domain should be started anew."""
    check_domain(quote)
    body = quote["body"]
    status = merged(platform_level(info, facts, body[:16]), module_level(body, body[:16], info))
    if quote["kind"] >= 3:
        now = merged(platform_level(info, facts, body[584:600]), module_level(body, body[584:600], info))
        if now == "UpToDate" and status in ("OutOfDate", "OutOfDateConfigurationNeeded"):
            return "TDRelaunchAdvised" + ("ConfigurationNeeded" if status.endswith("ConfigurationNeeded") else "")
    return status


def module_level(body: bytes, svn: bytes, info: dict[str, Any]) -> str:
    """The TDX module's own status."""
    described: dict[str, Any] | None = info.get("tdxModule")
    levels = None
    if svn[1]:
        described = next(
            (each for each in info.get("tdxModuleIdentities", ()) if each["id"].upper() == f"TDX_{svn[1]:02X}"), None
        )
        levels = described["tcbLevels"] if described else None
    for module in (info.get("tdxModule"), described):
        if module is None:
            raise Fault("TDX module")
        for name, size in MODULE_SIZES.items():
            if len(bytes.fromhex(module[name])) != size:
                raise Fault("TDX module malformed")
    for level in levels or ():
        dated(level["tcbDate"])
    if described is None or body[64:112] != bytes.fromhex(described["mrsigner"]):
        raise Fault("TDX module")
    if masked(body[112:120], bytes.fromhex(described["attributesMask"])) != bytes.fromhex(described["attributes"]):
        raise Fault("TDX module")
    return level_by_svn(levels, svn[0], PLATFORM_STATUSES) if levels is not None else "UpToDate"


def merged(status: str, other: str) -> str:
    """The status of the whole, when a quoting enclave or module has a status of its own."""
    if other != "OutOfDate":
        return status
    return "OutOfDateConfigurationNeeded" if status in CONFIGURE else "OutOfDate"


def status_of(quote: dict[str, Any], collateral: dict[str, str], root: x509.Certificate, now: int) -> str:
    """The TCB status, or Fault."""
    info, info_signer = statement(collateral, "tcb_info", root, now)
    identity, identity_signer = statement(collateral, "qe_identity", root, now)
    pem = collateral.get("pck_certificate_chain", "").encode() or quote["chain"]
    if quote["certification"] != 5 or b"BEGIN" not in pem:
        raise Fault("no PCK certificate")
    line = path(pem, root, now)
    facts = extension(line[0])
    root_list = revoked(collateral["root_ca_crl"], root, now)
    pck_list = revoked(collateral["pck_crl"], line[1] if len(line) > 1 else root, now)
    for certificate in (info_signer, identity_signer, *line[1:]):
        if root_list.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None:
            raise Fault("revoked")
    if pck_list.get_revoked_certificate_by_serial_number(line[0].serial_number) is not None:
        raise Fault("revoked")
    qe_status = check_quoting_enclave(quote, identity, line[0])
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + quote["key"])
    signed(key, quote["signature"], quote["signed"], "report")
    tdx = quote["tdx"]
    # The older form of TCB info is taken for SGX; the policy refuses it.
    if info["id"] != ("TDX" if tdx else "SGX") or info["version"] not in ((3,) if tdx else (2, 3)):
        raise Fault("TCB info of another kind")
    if facts[f"{SGX}.4"] != bytes.fromhex(info["fmspc"]):
        raise Fault("FMSPC")
    if not tdx and quote["body"][48] & 2:
        raise Fault("debug")
    status = domain_status(quote, info, facts) if tdx else platform_level(info, facts, None)
    return merged(status, qe_status)


def judge(folder: Path) -> tuple[bool, str | None, str]:
    """Whether a case is genuine, its status, and why not."""
    given = json.loads((folder / "expected.json").read_text())
    collateral = json.loads((folder / "collateral.json").read_text())
    root = x509.load_der_x509_certificate((folder / "root.der").read_bytes())
    try:
        if any(not text.isascii() for text in collateral.values()):
            raise Unreadable("not ASCII")
        quote = read_quote((folder / "quote.bin").read_bytes())
        return True, status_of(quote, collateral, root, given["at"]), ""
    except Unreadable as fault:
        return False, None, f"unreadable: {fault}"
    except (Fault, ValueError, KeyError, TypeError, IndexError, x509.ExtensionNotFound) as fault:
        return False, None, f"{type(fault).__name__}: {fault}"


def disagreements(files: Path) -> Iterator[str]:
    """Each case that is not what its file expects."""
    for folder in sorted(files.iterdir()):
        expected = json.loads((folder / "expected.json").read_text())["expected"]
        genuine, status, why = judge(folder)
        if (genuine, status) != (expected["genuine"], expected["tcb_status"]):
            yield f"{folder.name}: {genuine} {status} {why}, expected {expected}"
        if why.startswith("unreadable") != ("error" in expected):
            yield f"{folder.name}: {why}, expected {expected}"


def main(files: Path) -> None:
    """Check every case."""
    found = list(disagreements(files))
    assert not found, "\n".join(found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
