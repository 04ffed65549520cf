"""Check vectors/dcap/registry.json without wattest: a registry of its own, in Python, gives the same answers.

Certificates and lists are read by cryptography, texts by json, calls by eth_abi. What is compared: whether a call
succeeds, the error's name where it does not, and every answer that the vectors have as a whole. Exits with an
assertion error at the first step that is not confirmed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from eth_abi.abi import decode, encode
from eth_hash.auto import keccak

FILE = Path(__file__).parent / "dcap" / "registry.json"
CLAIM = "(bytes32,bytes32,uint256,bytes16,uint16,bytes2,bytes6)"
STATEMENT = "(bytes32,bytes32,bytes,bytes32,bytes32)"
CALLS = {
    keccak(each.encode())[:4]: each
    for each in (
        "submitRoot(bytes)", "submitAuthority(bytes32,bytes)", "submitSigner(bytes32,bytes)",
        "submitRevocationList(bytes32,bytes32,bytes,uint256)", "submitTcbInfo" + STATEMENT,
        "submitQeIdentity" + STATEMENT, f"appraise({CLAIM},bytes,uint64)", f"recall({CLAIM},bytes)",
        "isRevoked(bytes32,bytes32,uint256)", "issuerOf(bytes32,bytes32)",
    )
}  # fmt: skip
STATUSES = ["UpToDate", "SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded", "OutOfDate"]
ROOT, AUTHORITY, ROOT_LIST, LIST, SIGNER, INFO, QE, PLATFORM = range(8)


class Refused(Exception):
    """A revert: the error's name, and its fields with their types where they are compared."""

    def __init__(self, name: str, types: str = "", *fields: object) -> None:
        super().__init__(name)
        self.name = name
        listed = types.split(",") if types else []
        self.data = keccak(f"{name}({types})".encode())[:4] + encode(listed, fields)


@dataclass
class Authority:
    """A root or CA."""

    certificate: x509.Certificate
    list_number: int = 0
    list_from: int = 0
    list_until: int = 0
    revoked: bool = False


@dataclass
class Signer:
    """A TCB signing certificate."""

    certificate: x509.Certificate
    revoked: bool = False


@dataclass
class Text:
    """A signed text."""

    content: dict[str, Any]
    raw: str
    signer: bytes


@dataclass
class _Registry:
    """What the contract must do, written down once more."""

    now: int = 0
    authorities: dict[tuple[bytes, bytes], Authority] = field(default_factory=dict)
    signers: dict[tuple[bytes, bytes], Signer] = field(default_factory=dict)
    holders: dict[tuple[bytes, int], bytes] = field(default_factory=dict)
    revoked: set[tuple[bytes, bytes, int]] = field(default_factory=set)
    texts: dict[tuple[int, bytes, bytes], Text] = field(default_factory=dict)

    def dated(self, kind: int, of: bytes, start: int, end: int) -> None:
        if self.now < start:
            raise Refused("CollateralFromFuture", "uint8,bytes32,uint64", kind, of, start)
        if self.now >= end:
            raise Refused("CollateralExpired", "uint8,bytes32,uint64", kind, of, end)

    def in_force(self, root: bytes, *, with_list: bool = True, dated: bool = True) -> Authority:
        found = self.authorities.get((root, root))
        if found is None:
            raise Refused("CollateralMissing", "uint8,bytes32", ROOT, root)
        if dated:
            self.dated(ROOT, root, 0, _until(found.certificate))
            if with_list:
                self.listed(ROOT_LIST, root, found)
        return found

    def listed(self, kind: int, of: bytes, issuer: Authority) -> None:
        if not issuer.list_until:
            raise Refused("CollateralMissing", "uint8,bytes32", kind, of)
        self.dated(kind, of, issuer.list_from, issuer.list_until)

    def authority(self, root: bytes, of: bytes, *, dated: bool = True) -> Authority:
        found = None if of == root else self.authorities.get((root, of))
        if found is None:
            raise Refused("CollateralMissing", "uint8,bytes32", AUTHORITY, of)
        if found.revoked:
            raise Refused("CollateralRevoked", "uint8,bytes32", AUTHORITY, of)
        if dated:
            self.dated(AUTHORITY, of, 0, _until(found.certificate))
        return found

    def signer(self, root: bytes, of: bytes, *, dated: bool = True) -> Signer:
        found = self.signers.get((root, of))
        if found is None:
            raise Refused("CollateralMissing", "uint8,bytes32", SIGNER, of)
        if found.revoked:
            raise Refused("CollateralRevoked", "uint8,bytes32", SIGNER, of)
        if dated:
            self.dated(SIGNER, of, 0, _until(found.certificate))
        return found

    def newer(self, kind: int, of: bytes, stored: tuple[int, int], brought: tuple[int, int]) -> None:
        if brought <= stored:
            types = "uint8,bytes32,uint256,uint64,uint256,uint64"
            raise Refused("CollateralNotNewer", types, kind, of, *stored, *brought)

    def submit_root(self, der: bytes) -> bytes:
        found = x509.load_der_x509_certificate(der)
        _issued(found, found)
        basic = found.extensions.get_extension_for_class(x509.BasicConstraints).value
        if not _signs_all(found) or basic.path_length == 0:
            raise Refused("CertificateUnfit", "uint8", ROOT)
        spki = found.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        root = hashlib.sha256(spki).digest()
        self.dated(ROOT, root, _since(found), _until(found))
        before = self.authorities.get((root, root))
        if before is not None and before.certificate.subject != found.subject:
            raise Refused("RootRenamed", "bytes32,bytes32", _name_of(before.certificate), _name_of(found))
        self.keep(ROOT, root, root, found)
        return root

    def submit_authority(self, root: bytes, der: bytes) -> bytes:
        found = x509.load_der_x509_certificate(der)
        if not _signs_all(found) or found.subject == found.issuer:
            raise Refused("CertificateUnfit", "uint8", AUTHORITY)
        of = self.claim(AUTHORITY, root, found)
        self.keep(AUTHORITY, root, of, found)
        return of

    def keep(self, kind: int, root: bytes, of: bytes, certificate: x509.Certificate) -> None:
        before = self.authorities.get((root, of))
        if before is None:
            self.authorities[root, of] = Authority(certificate)
            return
        if not before.revoked:
            self.newer(kind, of, (0, _until(before.certificate)), (0, _until(certificate)))
        before.certificate, before.revoked = certificate, False

    def submit_signer(self, root: bytes, der: bytes) -> bytes:
        found = x509.load_der_x509_certificate(der)
        usage = found.extensions.get_extension_for_class(x509.KeyUsage).value
        has_sgx = any(each.oid.dotted_string == "1.2.840.113741.1.13.1" for each in found.extensions)
        if _is_authority(found) or not usage.digital_signature or has_sgx:
            raise Refused("CertificateUnfit", "uint8", SIGNER)
        of = self.claim(SIGNER, root, found)
        before = self.signers.get((root, of))
        if before is not None and not before.revoked:
            self.newer(SIGNER, of, (0, _until(before.certificate)), (0, _until(found)))
        self.signers[root, of] = Signer(found)
        return of

    def claim(self, kind: int, root: bytes, certificate: x509.Certificate) -> bytes:
        _issued(certificate, self.in_force(root).certificate)
        of = _identifier(root, certificate)
        self.dated(kind, of, _since(certificate), _until(certificate))
        serial = certificate.serial_number
        if (root, root, serial) in self.revoked:
            raise Refused("CollateralRevoked", "uint8,bytes32", kind, of)
        if self.holders.setdefault((root, serial), of) != of:
            raise Refused("SerialReused", "bytes32,uint256", root, serial)
        return of

    def submit_list(self, root: bytes, of: bytes, der: bytes, most: int) -> bool:
        kind = ROOT_LIST if root == of else LIST
        issuer = self.in_force(root, with_list=root != of)
        if root != of:
            issuer = self.authority(root, of)
        found = x509.load_der_x509_crl(der)
        if found.issuer != issuer.certificate.subject:
            raise Refused(
                "IssuerMismatch", "bytes32,bytes32", _name_of(issuer.certificate), keccak(found.issuer.public_bytes())
            )
        if not found.is_signature_valid(_key_of(issuer.certificate)):
            raise Refused("RevocationListSignatureInvalid")
        assert found.next_update_utc is not None
        start, end = int(found.last_update_utc.timestamp()), int(found.next_update_utc.timestamp())
        self.dated(kind, of, start, end)
        number = found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        self.newer(kind, of, (issuer.list_number, issuer.list_from), (number, start))
        for serial in (each.serial_number for each in found):
            if (root, of, serial) in self.revoked:
                continue
            if not most:
                return False
            most -= 1
            self.revoked.add((root, of, serial))
            if root == of:
                self.end(root, serial)
        issuer.list_number, issuer.list_from, issuer.list_until = number, start, end
        return True

    def end(self, root: bytes, serial: int) -> None:
        kept: list[tuple[tuple[bytes, bytes], Authority | Signer]] = [*self.authorities.items(), *self.signers.items()]
        for (under, of), each in kept:
            if under == root != of and each.certificate.serial_number == serial:
                each.revoked = True

    def submit_text(self, kind: int, root: bytes, by: bytes, text: bytes, r: bytes, s: bytes) -> None:
        self.in_force(root)
        key = _key_of(self.signer(root, by).certificate)
        try:
            key.verify(
                utils.encode_dss_signature(int.from_bytes(r), int.from_bytes(s)), text, ec.ECDSA(hashes.SHA256())
            )
        except InvalidSignature:
            raise Refused("StatementSignatureInvalid", "uint8", kind) from None
        content = json.loads(text)
        of = root if kind == QE else bytes.fromhex(content["fmspc"] + content["pceId"]).ljust(32, b"\0")
        self.dated(kind, of, *_dates(content))
        before = self.texts.get((kind, root, of))
        if before is not None and not self.signers[root, before.signer].revoked:
            self.newer(kind, of, _rank(before.content), _rank(content))
        self.texts[kind, root, of] = Text(content, text.decode(), by)

    def appraise(self, claim: tuple[Any, ...], report: bytes, age: int, *, dated: bool) -> bytes:
        root, by, serial, components, pce_svn, pce_id, fmspc = claim
        if len(report) != 384:
            raise Refused("ReportLengthInvalid", "uint256", len(report))
        self.in_force(root, dated=dated)
        issuer = self.authority(root, by, dated=dated)
        if dated:
            self.listed(LIST, by, issuer)
            self.aged(LIST, by, issuer.list_from, age)
        if (root, by, serial) in self.revoked:
            raise Refused("CollateralRevoked", "uint8,bytes32", PLATFORM, serial.to_bytes(32))
        found = []
        for kind, of in ((INFO, (fmspc + pce_id).ljust(32, b"\0")), (QE, root)):
            text = self.texts.get((kind, root, of))
            if text is None:
                raise Refused("CollateralMissing", "uint8,bytes32", kind, of)
            if dated:
                self.dated(kind, of, *_dates(text.content))
                self.aged(kind, of, _dates(text.content)[0], age)
            self.signer(root, text.signer, dated=dated)
            found.append(text)
        levels = [_platform_level(found[0].content, components, pce_svn), _qe_level(found[1].content, report)]
        advisories = [_advisory_digest(each) for each in levels]
        numbers = [each.content["tcbEvaluationDataNumber"] for each in found]
        times = [_stamp(each["tcbDate"]) for each in levels]
        oldest = min([issuer.list_from] + [_dates(each.content)[0] for each in found])
        return encode(
            ["uint8", "uint8", "bytes32", "bytes32", "uint32", "uint32", "uint64", "uint64", "uint64"],
            [*(STATUSES.index(each["tcbStatus"]) for each in levels), *advisories, *numbers, *times, oldest],
        )

    def aged(self, kind: int, of: bytes, start: int, age: int) -> None:
        if age and self.now - start > age:
            raise Refused("CollateralTooOld", "uint8,bytes32,uint64,uint64", kind, of, start, age)

    def issuer_of(self, root: bytes, of: bytes) -> bytes:
        numbers = _key_of(self.authority(root, of).certificate).public_numbers()
        return _name_of(self.authorities[root, of].certificate) + numbers.x.to_bytes(32) + numbers.y.to_bytes(32)

    def answer(self, data: bytes) -> bytes:
        """One call."""
        signature = CALLS[data[:4]]
        types = signature[signature.index("(") + 1 : -1].replace(CLAIM, "*").split(",")
        values = decode([CLAIM if each == "*" else each for each in types], data[4:])
        match signature.partition("(")[0]:
            case "submitRoot":
                return self.submit_root(*values)
            case "submitAuthority":
                return self.submit_authority(*values)
            case "submitSigner":
                return self.submit_signer(*values)
            case "submitRevocationList":
                return int(self.submit_list(*values)).to_bytes(32)
            case "submitTcbInfo":
                self.submit_text(INFO, *values)
            case "submitQeIdentity":
                self.submit_text(QE, *values)
            case "appraise":
                claim, report, age = values
                return self.appraise(claim, report, age, dated=True)
            case "recall":
                claim, report = values
                return self.appraise(claim, report, 0, dated=False)
            case "isRevoked":
                root, of, serial = values
                held = self.authorities.get((root, of))
                return int((root, of, serial) in self.revoked or (held is not None and held.revoked)).to_bytes(32)
            case "issuerOf":
                return self.issuer_of(*values)
        return b""


def _since(certificate: x509.Certificate) -> int:
    return int(certificate.not_valid_before_utc.timestamp())


def _until(certificate: x509.Certificate) -> int:
    return int(certificate.not_valid_after_utc.timestamp())


def _name_of(certificate: x509.Certificate) -> bytes:
    return keccak(certificate.subject.public_bytes())


def _key_of(certificate: x509.Certificate) -> ec.EllipticCurvePublicKey:
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key


def _identifier(root: bytes, certificate: x509.Certificate) -> bytes:
    numbers = _key_of(certificate).public_numbers()
    return keccak(root + _name_of(certificate) + numbers.x.to_bytes(32) + numbers.y.to_bytes(32))


def _is_authority(certificate: x509.Certificate) -> bool:
    return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def _signs_all(certificate: x509.Certificate) -> bool:
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    return _is_authority(certificate) and usage.key_cert_sign and usage.crl_sign


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    if certificate.issuer != issuer.subject:
        fields = (_name_of(issuer), keccak(certificate.issuer.public_bytes()))
        raise Refused("IssuerMismatch", "bytes32,bytes32", *fields)
    if not _is_authority(issuer):
        raise Refused("IssuerNotAuthority")
    try:
        certificate.verify_directly_issued_by(issuer)
    except InvalidSignature:
        raise Refused("CertificateSignatureInvalid") from None


def _stamp(text: str) -> int:
    return int(datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())


def _dates(content: dict[str, Any]) -> tuple[int, int]:
    return _stamp(content["issueDate"]), _stamp(content["nextUpdate"])


def _rank(content: dict[str, Any]) -> tuple[int, int]:
    return content["tcbEvaluationDataNumber"], _dates(content)[0]


def _advisory_digest(level: dict[str, Any]) -> bytes:
    if "advisoryIDs" not in level:
        return bytes(32)
    return keccak(json.dumps(level["advisoryIDs"], separators=(",", ":")).encode())


def _platform_level(content: dict[str, Any], components: bytes, pce_svn: int) -> dict[str, Any]:
    for level in content["tcbLevels"]:
        least = [each["svn"] for each in level["tcb"]["sgxtcbcomponents"]]
        if pce_svn >= level["tcb"]["pcesvn"] and all(a >= b for a, b in zip(components, least, strict=True)):
            return dict(level)
    raise Refused("TcbLevelMissing", "bytes16,uint16", components, pce_svn)


def _qe_level(content: dict[str, Any], report: bytes) -> dict[str, Any]:
    if report[48] & 2:
        raise Refused("EnclaveInDebugMode")
    mask = bytes.fromhex(content["attributesMask"])
    wanted, actual = (
        bytes(a & b for a, b in zip(each, mask, strict=True))
        for each in (bytes.fromhex(content["attributes"]), report[48:64])
    )
    if wanted != actual:
        raise Refused("AttributesMismatch", "bytes16,bytes16", wanted, actual)
    misc = int.from_bytes(report[16:20], "little") & int(content["miscselectMask"], 16)
    pinned = int(content["miscselect"], 16) & int(content["miscselectMask"], 16)
    if misc != pinned:
        raise Refused("MiscSelectMismatch", "bytes4,bytes4", pinned.to_bytes(4, "little"), misc.to_bytes(4, "little"))
    if report[128:160].hex().upper() != content["mrsigner"]:
        raise Refused("QeSignerMismatch", "bytes32,bytes32", bytes.fromhex(content["mrsigner"]), report[128:160])
    product, svn = int.from_bytes(report[256:258], "little"), int.from_bytes(report[258:260], "little")
    if product != content["isvprodid"]:
        raise Refused("QeProductMismatch", "uint16,uint16", content["isvprodid"], product)
    for level in content["tcbLevels"]:
        if svn >= level["tcb"]["isvsvn"]:
            return dict(level)
    raise Refused("QeLevelMissing", "uint16", svn)


def replay(registry: _Registry, steps: dict[str, Any], scenario: str) -> None:
    """Confirm every step."""
    columns = (steps["times"], steps["calls"], steps["errors"], steps["answers"], steps["whole"])
    for place, (at, data, error, answer, whole) in enumerate(zip(*columns, strict=True)):
        registry.now = at
        try:
            found, refused = registry.answer(bytes.fromhex(data[2:])), ""
        except Refused as reason:
            found, refused = reason.data, reason.name
        wanted = bytes.fromhex(answer[2:])
        assert refused == error, f"{scenario}, step {place}: {refused or 'no error'}, not {error or 'none'}"
        assert found == wanted if whole else (not error or found[:4] == wanted), f"{scenario}, step {place}"


def check(content: dict[str, Any]) -> None:
    """Confirm every scenario."""
    healthy = _Registry()
    replay(healthy, content["base"], "base")
    for scenario, on_base, steps in zip(content["names"], content["on_base"], content["scenarios"], strict=True):
        registry = _Registry()
        if on_base:
            replay(registry, content["base"], "base")
        replay(registry, steps, scenario)


if __name__ == "__main__":
    check(json.loads(FILE.read_text()))
