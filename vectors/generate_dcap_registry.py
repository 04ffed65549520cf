"""Write vectors/dcap/registry.json: what is brought to CollateralRegistry, asked of it, and answered.

A step is one call's data at one time, with the answer or the error. ``base`` is brought first; each scenario goes on
from there or from an empty registry. All keys follow from fixed scalars and signatures are deterministic, so the file
is the same every time. ``check_dcap_registry.py`` confirms it with a registry of its own, without wattest.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from eth_abi.abi import encode
from eth_hash.auto import keccak

from wattest.enclave.simulator.collateral import CollateralOptions
from wattest.enclave.simulator.pki import SimulatedPki, public_key_bytes, sign_raw
from wattest.enclave.simulator.platform import SimulatedPlatform

OUT = Path(__file__).parent / "dcap" / "registry.json"
NOW = 1_790_000_000
DAY = 86_400
SEED = bytes(range(32))
ALL = 2**256 - 1
PCK_SERIAL = 0xC0FFEE
FMSPC, PCE_ID = b"WTSIM\x00", bytes(2)
LEVEL_TAIL = '"tcbDate":"2026-01-01T00:00:00Z"'
ERRORS = {
    "CollateralMissing": "CollateralMissing(uint8,bytes32)",
    "CollateralExpired": "CollateralExpired(uint8,bytes32,uint64)",
    "CollateralFromFuture": "CollateralFromFuture(uint8,bytes32,uint64)",
    "CollateralRevoked": "CollateralRevoked(uint8,bytes32)",
    "CollateralTooOld": "CollateralTooOld(uint8,bytes32,uint64,uint64)",
    "CollateralNotNewer": "CollateralNotNewer(uint8,bytes32,uint256,uint64,uint256,uint64)",
    "CertificateUnfit": "CertificateUnfit(uint8)",
    "SerialReused": "SerialReused(bytes32,uint256)",
    "RootRenamed": "RootRenamed(bytes32,bytes32)",
    "StatementSignatureInvalid": "StatementSignatureInvalid(uint8)",
    "IssuerMismatch": "IssuerMismatch(bytes32,bytes32)",
    "IssuerNotAuthority": "IssuerNotAuthority()",
    "CertificateSignatureInvalid": "CertificateSignatureInvalid()",
    "RevocationListSignatureInvalid": "RevocationListSignatureInvalid()",
    "TcbLevelMissing": "TcbLevelMissing(bytes16,uint16)",
    "QeLevelMissing": "QeLevelMissing(uint16)",
    "QeSignerMismatch": "QeSignerMismatch(bytes32,bytes32)",
    "QeProductMismatch": "QeProductMismatch(uint16,uint16)",
    "EnclaveInDebugMode": "EnclaveInDebugMode()",
    "AttributesMismatch": "AttributesMismatch(bytes16,bytes16)",
    "MiscSelectMismatch": "MiscSelectMismatch(bytes4,bytes4)",
    "ReportLengthInvalid": "ReportLengthInvalid(uint256)",
}
ROOT, AUTHORITY, ROOT_LIST, LIST, SIGNER, INFO, QE, PLATFORM = range(8)  # CollateralKind
Step = dict[str, Any]
Key = ec.EllipticCurvePrivateKey


def key(scalar: int) -> Key:
    """The key with this private scalar."""
    return ec.derive_private_key(scalar, ec.SECP256R1())


ROOT_KEY, OTHER_ROOT_KEY = key(101), key(102)
CA_KEY, NEW_CA_KEY = key(201), key(202)
SIGNER_KEY, NEW_SIGNER_KEY = key(301), key(302)


def name(common: str) -> x509.Name:
    """A name of one part."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def moment(time: int) -> datetime:
    """Unix seconds as X.509 builders want them."""
    return datetime.fromtimestamp(time, UTC)


@dataclass(frozen=True)
class Plan:
    """A certificate to be issued."""

    subject: str = "root"
    subject_key: Key = ROOT_KEY
    issuer: str = "root"
    issuer_key: Key = ROOT_KEY
    serial: int = 1
    start: int = NOW - DAY
    end: int = NOW + 3650 * DAY
    authority: bool = True
    path: int | None = 1
    signs_lists: bool = True
    signs: bool = False

    def der(self) -> bytes:
        """The certificate."""
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(self.subject))
            .issuer_name(name(self.issuer))
            .public_key(self.subject_key.public_key())
            .serial_number(self.serial)
            .not_valid_before(moment(self.start))
            .not_valid_after(moment(self.end))
            .add_extension(x509.BasicConstraints(self.authority, self.path if self.authority else None), critical=True)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=self.signs,
                    content_commitment=not self.authority,
                    key_encipherment=False,
                    data_encipherment=False,
                    key_agreement=False,
                    key_cert_sign=self.authority,
                    crl_sign=self.authority and self.signs_lists,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
        )
        return builder.sign(self.issuer_key, hashes.SHA256(), ecdsa_deterministic=True).public_bytes(Encoding.DER)


ROOT_PLAN = Plan()
OTHER_ROOT_PLAN = Plan(subject="other root", subject_key=OTHER_ROOT_KEY, issuer="other root", issuer_key=OTHER_ROOT_KEY)
CA_PLAN = Plan(subject="platform CA", subject_key=CA_KEY, serial=20, path=0)
SIGNER_PLAN = Plan(subject="TCB signing", subject_key=SIGNER_KEY, serial=30, authority=False, signs=True)


def fingerprint(of: Key) -> bytes:
    """A root's id."""
    return hashlib.sha256(of.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


def identifier(root: bytes, plan: Plan) -> bytes:
    """An authority's or a signer's id."""
    point = public_key_bytes(plan.subject_key)
    words = [root, keccak(name(plan.subject).public_bytes()), point[:32], point[32:]]
    return keccak(encode(["bytes32"] * 4, words))


R, R2 = fingerprint(ROOT_KEY), fingerprint(OTHER_ROOT_KEY)
CA, SIGNER_ID = identifier(R, CA_PLAN), identifier(R, SIGNER_PLAN)


def listing(
    issuer: str = "platform CA",
    issuer_key: Key = CA_KEY,
    serials: list[int] | None = None,
    number: int = 5,
    start: int = NOW,
    days: int = 30,
) -> bytes:
    """A revocation list."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(name(issuer))
    builder = builder.last_update(moment(start)).next_update(moment(start + days * DAY))
    builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    for serial in serials or []:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(moment(start))
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(issuer_key, hashes.SHA256(), ecdsa_deterministic=True).public_bytes(Encoding.DER)


def root_listing(serials: list[int] | None = None, start: int = NOW, number: int = 1) -> bytes:
    """The root's list, for a year."""
    return listing("root", ROOT_KEY, serials, number, start, 365)


def iso(time: int) -> str:
    """A time as Intel's texts have it."""
    return moment(time).strftime("%Y-%m-%dT%H:%M:%SZ")


def level(svn: int, status: str, advisories: str = "") -> str:
    """A level at which every component has this SVN."""
    components = ",".join([f'{{"svn":{svn}}}'] * 16)
    tcb = f'{{"sgxtcbcomponents":[{components}],"pcesvn":{svn + 6}}}'
    return f'{{"tcb":{tcb},{LEVEL_TAIL},"tcbStatus":"{status}"{advisories}}}'


LEVELS = ",".join([
    level(5, "UpToDate"), level(4, "SWHardeningNeeded", ',"advisoryIDs":["SA-1","SA-2"]'), level(1, "OutOfDate"),
])  # fmt: skip


def info(number: int = 20, start: int = NOW, days: int = 30, levels: str = LEVELS, fmspc: bytes = FMSPC) -> bytes:
    """TCB info."""
    return (
        f'{{"id":"SGX","version":3,"issueDate":"{iso(start)}","nextUpdate":"{iso(start + days * DAY)}",'
        f'"fmspc":"{fmspc.hex()}","pceId":"0000","tcbType":0,"tcbEvaluationDataNumber":{number},"tcbLevels":[{levels}]}}'
    ).encode()


def identity(number: int = 20, start: int = NOW, days: int = 30) -> bytes:
    """The simulator's own QE identity with other dates and a second level."""
    made = platform().collateral(start, CollateralOptions(valid_days=days, evaluation_number=number)).qe_identity
    second = f'{{"tcb":{{"isvsvn":2}},{LEVEL_TAIL},"tcbStatus":"OutOfDate","advisoryIDs":["SA-3"]}}'
    return made.replace("}]}", f"}},{second}]}}").encode()


def platform() -> SimulatedPlatform:
    """The platform whose quoting enclave reports."""
    return SimulatedPlatform(SimulatedPki.create(SEED, NOW))


REPORT = platform().quote(
    measurement=bytes(32), signer=bytes(32), product=0, svn=0, report_data=bytes(64)
)[564:948]  # fmt: skip


def call(signature: str, *arguments: object) -> str:
    """Call data, 0x-hex as forge reads it."""
    types = signature[signature.index("(") + 1 : -1]
    parsed = split_types(types)
    return f"0x{(keccak(signature.encode())[:4] + encode(parsed, arguments)).hex()}"


def split_types(types: str) -> list[str]:
    """The top-level types of a signature's list."""
    found, depth = [""], 0
    for character in types:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and not depth:
            found.append("")
        else:
            found[-1] += character
    return found


def step(data: str, error: str = "", *fields: object, at: int = NOW, answer: bytes | None = None) -> Step:
    """A call with its answer; an error with all of its fields."""
    is_whole = bool(error) or answer is not None
    output = answer or b""
    if error:
        types = split_types(ERRORS[error][len(error) + 1 : -1])
        is_whole = types == [""] or bool(fields)
        output = keccak(ERRORS[error].encode())[:4] + (encode(types, fields) if fields else b"")
    return {"at": at, "call": data, "error": error, "answer": f"0x{output.hex()}", "whole": is_whole}


def root(plan: Plan = ROOT_PLAN, *rest: Any, **more: Any) -> Step:
    """Bring a root."""
    return step(call("submitRoot(bytes)", plan.der()), *rest, **more)


def authority(plan: Plan = CA_PLAN, *rest: Any, under: bytes = R, **more: Any) -> Step:
    """Bring a CA."""
    return step(call("submitAuthority(bytes32,bytes)", under, plan.der()), *rest, **more)


def signer(plan: Plan = SIGNER_PLAN, *rest: Any, under: bytes = R, **more: Any) -> Step:
    """Bring a TCB signing certificate."""
    return step(call("submitSigner(bytes32,bytes)", under, plan.der()), *rest, **more)


def revocations(der: bytes, *rest: Any, under: bytes = R, by: bytes = CA, most: int = ALL, **more: Any) -> Step:
    """Bring a revocation list."""
    return step(call("submitRevocationList(bytes32,bytes32,bytes,uint256)", under, by, der, most), *rest, **more)


def root_revocations(der: bytes, *rest: Any, **more: Any) -> Step:
    """Bring a revocation list of the root's."""
    return revocations(der, *rest, by=R, **more)


def statement(
    kind: str, text: bytes, *rest: Any, by: bytes = SIGNER_ID, signed_by: Key = SIGNER_KEY, **more: Any
) -> Step:
    """Bring a signed text."""
    signature = sign_raw(signed_by, text)
    data = call(f"submit{kind}(bytes32,bytes32,bytes,bytes32,bytes32)", R, by, text, signature[:32], signature[32:])
    return step(data, *rest, **more)


def tcb(text: bytes, *rest: Any, **more: Any) -> Step:
    """Bring TCB info."""
    return statement("TcbInfo", text, *rest, **more)


def qe(text: bytes, *rest: Any, **more: Any) -> Step:
    """Bring a QE identity."""
    return statement("QeIdentity", text, *rest, **more)


@dataclass(frozen=True)
class Claim:
    """A platform that asks."""

    root: bytes = R
    authority: bytes = CA
    serial: int = PCK_SERIAL
    components: bytes = bytes([5] * 16)
    pce_svn: int = 11
    pce_id: bytes = PCE_ID
    fmspc: bytes = FMSPC

    def fields(self) -> tuple[object, ...]:
        """As the ABI has it."""
        return (self.root, self.authority, self.serial, self.components, self.pce_svn, self.pce_id, self.fmspc)


CLAIM_TYPE = "(bytes32,bytes32,uint256,bytes16,uint16,bytes2,bytes6)"


def appraise(*rest: Any, claim: Claim | None = None, report: bytes = REPORT, age: int = 0, **more: Any) -> Step:
    """Ask what the collateral says of a platform."""
    data = call(f"appraise({CLAIM_TYPE},bytes,uint64)", (claim or Claim()).fields(), report, age)
    return step(data, *rest, **more)


def recall(*rest: Any, claim: Claim | None = None, report: bytes = REPORT, **more: Any) -> Step:
    """The same without dates."""
    return step(call(f"recall({CLAIM_TYPE},bytes)", (claim or Claim()).fields(), report), *rest, **more)


def is_revoked(answer: bool, serial: int = PCK_SERIAL, by: bytes = CA, at: int = NOW) -> Step:
    """Ask for a serial."""
    data = call("isRevoked(bytes32,bytes32,uint256)", R, by, serial)
    return step(data, at=at, answer=int(answer).to_bytes(32))


def standing(
    status: int = 0, advisories: str = "", *, number: int = 20, qe_status: int = 0, qe_advisories: str = "",
    qe_number: int = 20, oldest: int = NOW,
) -> bytes:  # fmt: skip
    """What appraise answers; every level of these texts has one date."""
    date = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    digests = [keccak(each.encode()) if each else bytes(32) for each in (advisories, qe_advisories)]
    return encode(
        ["uint8", "uint8", "bytes32", "bytes32", "uint32", "uint32", "uint64", "uint64", "uint64"],
        [status, qe_status, *digests, number, qe_number, date, date, oldest],
    )


def changed(data: bytes, at: int, value: bytes) -> bytes:
    """Bytes replaced."""
    return data[:at] + value + data[at + len(value) :]


def word(number: int) -> bytes:
    """A number as an id."""
    return number.to_bytes(32)


def base() -> list[Step]:
    """A healthy registry."""
    return [
        root(answer=R), root_revocations(root_listing(), answer=word(1)), authority(answer=CA),
        revocations(listing(serials=[7, 8]), answer=word(1)), signer(answer=SIGNER_ID), tcb(info()), qe(identity()),
    ]  # fmt: skip


MODEL = FMSPC + PCE_ID + bytes(24)


def from_nothing() -> dict[str, list[Step]]:
    """Scenarios of an empty registry."""
    leaf = replace(ROOT_PLAN, authority=False, signs=True)
    return {
        "nothing is there": [
            appraise("CollateralMissing", ROOT, R),
            recall("CollateralMissing", ROOT, R),
            authority(CA_PLAN, "CollateralMissing", ROOT, R),
            signer(SIGNER_PLAN, "CollateralMissing", ROOT, R),
            root_revocations(root_listing(), "CollateralMissing", ROOT, R),
            revocations(listing(), "CollateralMissing", ROOT, R),
            tcb(info(), "CollateralMissing", ROOT, R),
            qe(identity(), "CollateralMissing", ROOT, R),
        ],
        "one after the other": [
            root(answer=R),
            authority(CA_PLAN, "CollateralMissing", ROOT_LIST, R),
            signer(SIGNER_PLAN, "CollateralMissing", ROOT_LIST, R),
            appraise("CollateralMissing", ROOT_LIST, R),
            root_revocations(root_listing(), answer=word(1)),
            appraise("CollateralMissing", AUTHORITY, CA),
            tcb(info(), "CollateralMissing", SIGNER, SIGNER_ID),
            revocations(listing(), "CollateralMissing", AUTHORITY, CA),
            authority(answer=CA),
            appraise("CollateralMissing", LIST, CA),
            revocations(listing(), answer=word(1)),
            appraise("CollateralMissing", INFO, MODEL),
            signer(answer=SIGNER_ID),
            tcb(info()),
            appraise("CollateralMissing", QE, R),
            qe(identity()),
            appraise(answer=standing()),
        ],
        "unfit roots": [
            root(CA_PLAN, "IssuerMismatch"),
            root(leaf, "IssuerNotAuthority"),
            root(replace(ROOT_PLAN, issuer_key=OTHER_ROOT_KEY), "CertificateSignatureInvalid"),
            root(replace(ROOT_PLAN, path=0), "CertificateUnfit", ROOT),
            root(replace(ROOT_PLAN, signs_lists=False), "CertificateUnfit", ROOT),
            root(replace(ROOT_PLAN, end=NOW), "CollateralExpired", ROOT, R, NOW),
            root(replace(ROOT_PLAN, start=NOW + 1), "CollateralFromFuture", ROOT, R, NOW + 1),
            root(replace(ROOT_PLAN, path=None), answer=R),
        ],
    }  # fmt: skip


def of_certificates() -> dict[str, list[Step]]:
    """Scenarios of certificates."""
    end = CA_PLAN.end
    renewed = replace(CA_PLAN, serial=21, end=end + DAY)
    shorter = replace(CA_PLAN, serial=23, end=end - 1)
    rollover = replace(CA_PLAN, serial=22, subject_key=NEW_CA_KEY)
    rolled = identifier(R, rollover)
    second = replace(SIGNER_PLAN, serial=31, subject_key=NEW_SIGNER_KEY)
    second_id = identifier(R, second)
    low = replace(SIGNER_PLAN, subject="platform CA", subject_key=CA_KEY, serial=32)
    strange = replace(CA_PLAN, issuer_key=OTHER_ROOT_KEY)
    return {
        "another root is another domain": [
            root(OTHER_ROOT_PLAN, answer=R2),
            authority(CA_PLAN, "CollateralMissing", ROOT_LIST, R2, under=R2),
            root_revocations(root_listing(), "CollateralNotNewer"),
            revocations(root_listing(), "IssuerMismatch", under=R2, by=R2),
            revocations(listing("other root", OTHER_ROOT_KEY), under=R2, by=R2, answer=word(1)),
            authority(CA_PLAN, "IssuerMismatch", under=R2),
            authority(replace(CA_PLAN, issuer="other root"), "CertificateSignatureInvalid", under=R2),
            appraise("CollateralMissing", AUTHORITY, CA, claim=Claim(root=R2)),
            appraise(answer=standing()),
        ],
        "root again, renewed, renamed": [
            root(ROOT_PLAN, "CollateralNotNewer", ROOT, R, 0, end, 0, end),
            root(replace(ROOT_PLAN, end=end - 1), "CollateralNotNewer", ROOT, R, 0, end, 0, end - 1),
            root(replace(ROOT_PLAN, end=end + 1, serial=2), answer=R),
            root(replace(ROOT_PLAN, subject="new", issuer="new", end=end + 2), "RootRenamed"),
            appraise(answer=standing()),
        ],
        "unfit CAs": [
            authority(ROOT_PLAN, "CertificateUnfit", AUTHORITY),
            authority(SIGNER_PLAN, "CertificateUnfit", AUTHORITY),
            authority(replace(CA_PLAN, signs_lists=False), "CertificateUnfit", AUTHORITY),
            authority(strange, "CertificateSignatureInvalid"),
            authority(replace(CA_PLAN, issuer="platform CA", subject="below", issuer_key=CA_KEY), "IssuerMismatch"),
            authority(replace(renewed, start=NOW + 1), "CollateralFromFuture", AUTHORITY, CA, NOW + 1),
            authority(replace(renewed, end=NOW), "CollateralExpired", AUTHORITY, CA, NOW),
            authority(replace(rollover, serial=CA_PLAN.serial), "SerialReused", R, CA_PLAN.serial),
            appraise("CollateralMissing", AUTHORITY, R, claim=Claim(authority=R)),
            appraise("CollateralMissing", AUTHORITY, word(1), claim=Claim(authority=word(1))),
        ],
        "CA again and renewed": [
            authority(CA_PLAN, "CollateralNotNewer", AUTHORITY, CA, 0, end, 0, end),
            authority(shorter, "CollateralNotNewer", AUTHORITY, CA, 0, end, 0, end - 1),
            authority(renewed, answer=CA),
            # The list of the same key goes on, and the replaced certificate can no longer end anything.
            root_revocations(root_listing([CA_PLAN.serial], NOW + 1), at=NOW + 1, answer=word(1)),
            appraise(at=NOW + 1, answer=standing()),
            root_revocations(root_listing([CA_PLAN.serial, 21], NOW + 2), at=NOW + 2, answer=word(1)),
            appraise("CollateralRevoked", AUTHORITY, CA, at=NOW + 2),
        ],
        "CA with another key": [
            authority(rollover, answer=rolled),
            appraise("CollateralMissing", LIST, rolled, claim=Claim(authority=rolled)),
            revocations(listing(), "RevocationListSignatureInvalid", by=rolled),
            revocations(listing(issuer_key=NEW_CA_KEY, serials=[PCK_SERIAL]), by=rolled, answer=word(1)),
            appraise("CollateralRevoked", PLATFORM, word(PCK_SERIAL), claim=Claim(authority=rolled)),
            appraise(claim=Claim(authority=rolled, serial=9), answer=standing()),
            appraise(answer=standing()),
            is_revoked(False),
            is_revoked(True, by=rolled),
        ],
        "CA revoked after it was stored": [
            root_revocations(root_listing([CA_PLAN.serial], NOW + 1), at=NOW + 1, answer=word(1)),
            appraise("CollateralRevoked", AUTHORITY, CA, at=NOW + 1),
            recall("CollateralRevoked", AUTHORITY, CA, at=NOW + 1),
            step(call("issuerOf(bytes32,bytes32)", R, CA), "CollateralRevoked", AUTHORITY, CA, at=NOW + 1),
            is_revoked(True, at=NOW + 1),
            revocations(listing(start=NOW + 1), "CollateralRevoked", AUTHORITY, CA, at=NOW + 1),
            authority(CA_PLAN, "CollateralRevoked", AUTHORITY, CA, at=NOW + 1),
            # A list that no longer names it does not bring it back.
            root_revocations(root_listing([], NOW + 2), at=NOW + 2, answer=word(1)),
            appraise("CollateralRevoked", AUTHORITY, CA, at=NOW + 2),
            authority(CA_PLAN, "CollateralRevoked", AUTHORITY, CA, at=NOW + 2),
            authority(replace(CA_PLAN, serial=24, end=end - 1), at=NOW + 2, answer=CA),
            appraise(at=NOW + 2, answer=standing()),
        ],
        "CA revoked before it was brought": [
            root_revocations(root_listing([22], NOW + 1), at=NOW + 1, answer=word(1)),
            authority(rollover, "CollateralRevoked", AUTHORITY, rolled, at=NOW + 1),
        ],
        "unfit signers": [
            signer(CA_PLAN, "CertificateUnfit", SIGNER),
            signer(replace(second, signs=False), "CertificateUnfit", SIGNER),
            step(call("submitSigner(bytes32,bytes)", R, pck()), "CertificateUnfit", SIGNER),
            signer(replace(low, issuer="platform CA", issuer_key=CA_KEY), "IssuerMismatch"),
            signer(replace(second, issuer_key=OTHER_ROOT_KEY), "CertificateSignatureInvalid"),
            signer(replace(second, end=NOW), "CollateralExpired", SIGNER, second_id, NOW),
            signer(replace(second, start=NOW + 9), "CollateralFromFuture", SIGNER, second_id, NOW + 9),
            signer(replace(second, serial=30), "SerialReused", R, 30),
            signer(SIGNER_PLAN, "CollateralNotNewer", SIGNER, SIGNER_ID, 0, end, 0, end),
        ],
        "signer revoked": [
            tcb(info(2**32 - 1, NOW, 3000)),
            appraise(answer=standing(number=2**32 - 1)),
            signer(second, answer=second_id),
            tcb(info(21), "CollateralNotNewer", by=second_id, signed_by=NEW_SIGNER_KEY),
            root_revocations(root_listing([30], NOW + 1), at=NOW + 1, answer=word(1)),
            appraise("CollateralRevoked", SIGNER, SIGNER_ID, at=NOW + 1),
            recall("CollateralRevoked", SIGNER, SIGNER_ID, at=NOW + 1),
            tcb(info(22), "CollateralRevoked", SIGNER, SIGNER_ID, at=NOW + 1),
            signer(SIGNER_PLAN, "CollateralRevoked", SIGNER, SIGNER_ID, at=NOW + 1),
            # What the revoked key said no longer blocks what a good one says.
            tcb(info(21), by=second_id, signed_by=NEW_SIGNER_KEY, at=NOW + 1),
            appraise("CollateralRevoked", SIGNER, SIGNER_ID, at=NOW + 1),
            qe(identity(), by=second_id, signed_by=NEW_SIGNER_KEY, at=NOW + 1),
            appraise(at=NOW + 1, answer=standing(number=21)),
            tcb(info(20, NOW + 1), "CollateralNotNewer", by=second_id, signed_by=NEW_SIGNER_KEY, at=NOW + 1),
        ],
        "signer renewed": [
            signer(replace(SIGNER_PLAN, serial=33, end=end + 1), answer=SIGNER_ID),
            root_revocations(root_listing([30], NOW + 1), at=NOW + 1, answer=word(1)),
            appraise(at=NOW + 1, answer=standing()),
        ],
        "signer's certificate ends": [
            signer(replace(second, end=NOW + DAY), answer=second_id),
            tcb(info(21), by=second_id, signed_by=NEW_SIGNER_KEY),
            appraise(answer=standing(number=21), at=NOW + DAY - 1),
            appraise("CollateralExpired", SIGNER, second_id, NOW + DAY, at=NOW + DAY),
            recall(answer=standing(number=21), at=NOW + DAY),
            tcb(info(22), "CollateralExpired", SIGNER, second_id, NOW + DAY, by=second_id, signed_by=NEW_SIGNER_KEY,
                at=NOW + DAY),
        ],
    }  # fmt: skip


def of_lists() -> dict[str, list[Step]]:
    """Scenarios of revocation lists."""
    later = NOW + 5
    long = list(range(1000, 1040))
    return {
        "PCK revoked": [
            appraise("CollateralRevoked", PLATFORM, word(7), claim=Claim(serial=7)),
            is_revoked(True, 7),
            is_revoked(False),
            revocations(listing(serials=[PCK_SERIAL], start=later), at=later, answer=word(1)),
            appraise("CollateralRevoked", PLATFORM, word(PCK_SERIAL), at=later),
            recall("CollateralRevoked", PLATFORM, word(PCK_SERIAL), at=later),
            is_revoked(True, at=later),
            # Once revoked, always revoked: an empty list takes nothing back.
            revocations(listing(start=later + 1), at=later + 1, answer=word(1)),
            is_revoked(True, 7, at=later + 1),
            appraise("CollateralRevoked", PLATFORM, word(PCK_SERIAL), at=later + 1),
            is_revoked(False, PCK_SERIAL, R),
        ],
        "foreign lists": [
            revocations(root_listing([], later), "IssuerMismatch", at=later),
            root_revocations(listing(start=later), "IssuerMismatch", at=later),
            revocations(listing(issuer_key=NEW_CA_KEY, start=later), "RevocationListSignatureInvalid", at=later),
            revocations(listing(), "CollateralMissing", AUTHORITY, SIGNER_ID, by=SIGNER_ID),
            revocations(listing(start=later), "CollateralFromFuture", LIST, CA, later),
            revocations(listing(start=NOW - DAY, days=1, number=6), "CollateralExpired", LIST, CA, NOW),
        ],
        "numbers and dates": [
            revocations(listing(serials=[7, 8]), "CollateralNotNewer", LIST, CA, 5, NOW, 5, NOW),
            revocations(listing(start=later, number=4), "CollateralNotNewer", LIST, CA, 5, NOW, 4, later, at=later),
            revocations(listing(start=NOW - 1), "CollateralNotNewer", LIST, CA, 5, NOW, 5, NOW - 1),
            revocations(listing(start=NOW, number=6), answer=word(1)),
            revocations(listing(start=later), "CollateralNotNewer", LIST, CA, 6, NOW, 5, later, at=later),
            revocations(listing(start=later, number=6), at=later, answer=word(1)),
            revocations(listing(start=NOW, number=2**159), at=later, answer=word(1)),
            appraise(at=later, answer=standing()),
        ],
        "a list in steps": [
            revocations(listing(serials=long, start=later), at=later, most=15, answer=word(0)),
            is_revoked(True, 1014, at=later),
            is_revoked(False, 1015, at=later),
            # Until it is whole, the list before it is the one in force.
            appraise(at=later, answer=standing()),
            appraise("CollateralRevoked", PLATFORM, word(1000), claim=Claim(serial=1000), at=later),
            revocations(listing(serials=long, start=later), at=later, most=0, answer=word(0)),
            revocations(listing(serials=long, start=later), at=later, most=15, answer=word(0)),
            revocations(listing(serials=long, start=later), at=later, most=10, answer=word(1)),
            is_revoked(True, 1039, at=later),
            revocations(listing(serials=long, start=later), "CollateralNotNewer", at=later),
            # Nothing new to store: whole at once.
            revocations(listing(serials=long[:9], start=later + 1), at=later + 1, most=0, answer=word(1)),
        ],
        "lists end": [
            tcb(info(20, NOW + 29 * DAY), at=NOW + 29 * DAY),
            qe(identity(20, NOW + 29 * DAY), at=NOW + 29 * DAY),
            appraise(at=NOW + 30 * DAY - 1, answer=standing()),
            appraise("CollateralExpired", LIST, CA, NOW + 30 * DAY, at=NOW + 30 * DAY),
            recall(at=NOW + 30 * DAY, answer=standing()),
            appraise("CollateralExpired", ROOT_LIST, R, NOW + 365 * DAY, at=NOW + 365 * DAY),
            authority(replace(CA_PLAN, serial=25, end=CA_PLAN.end + 1), "CollateralExpired", ROOT_LIST, R,
                      NOW + 365 * DAY, at=NOW + 365 * DAY),
            tcb(info(21, NOW + 365 * DAY), "CollateralExpired", ROOT_LIST, R, NOW + 365 * DAY, at=NOW + 365 * DAY),
            appraise("CollateralExpired", ROOT, R, ROOT_PLAN.end, at=ROOT_PLAN.end),
        ],
    }  # fmt: skip


def of_texts() -> dict[str, list[Step]]:
    """Scenarios of TCB info and QE identity."""
    later = NOW + 5
    other = bytes.fromhex("00606a000000")
    lower = Claim(components=bytes([5] * 15 + [4]))
    return {
        "levels": [
            appraise(claim=lower, answer=standing(1, '["SA-1","SA-2"]')),
            appraise(claim=Claim(components=bytes([4] + [255] * 15)), answer=standing(1, '["SA-1","SA-2"]')),
            appraise(claim=Claim(pce_svn=10), answer=standing(1, '["SA-1","SA-2"]')),
            appraise(claim=Claim(pce_svn=9), answer=standing(4)),
            appraise(claim=Claim(components=bytes([255] * 16), pce_svn=65535), answer=standing()),
            appraise("TcbLevelMissing", bytes(16), 11, claim=Claim(components=bytes(16))),
            appraise("TcbLevelMissing", bytes([5] * 16), 6, claim=Claim(pce_svn=6)),
            appraise("CollateralMissing", INFO, other + bytes(26), claim=Claim(fmspc=other)),
            appraise("CollateralMissing", INFO, FMSPC + b"\x00\x01" + bytes(24), claim=Claim(pce_id=b"\x00\x01")),
        ],
        "the quoting enclave": [
            appraise(report=changed(REPORT, 258, b"\x07\x00"), answer=standing(qe_status=4, qe_advisories='["SA-3"]')),
            appraise("QeLevelMissing", 1, report=changed(REPORT, 258, b"\x01\x00")),
            appraise("QeSignerMismatch", report=changed(REPORT, 128, bytes(32))),
            appraise("QeProductMismatch", 1, 2, report=changed(REPORT, 256, b"\x02\x00")),
            appraise("EnclaveInDebugMode", report=changed(REPORT, 48, b"\x13")),
            appraise("AttributesMismatch", report=changed(REPORT, 48, b"\x05")),
            appraise("MiscSelectMismatch", report=changed(REPORT, 16, b"\x01")),
            appraise("ReportLengthInvalid", 383, report=REPORT[:-1]),
            appraise("ReportLengthInvalid", 0, report=b""),
        ],
        "numbers and dates of TCB info": [
            tcb(info(), "CollateralNotNewer", INFO, MODEL, 20, NOW, 20, NOW),
            tcb(info(19, later), "CollateralNotNewer", INFO, MODEL, 20, NOW, 19, later, at=later),
            tcb(info(20, NOW - 1), "CollateralNotNewer", INFO, MODEL, 20, NOW, 20, NOW - 1),
            tcb(info(20, later), at=later),
            tcb(info(21, NOW - DAY), at=later),
            appraise(at=later, answer=standing(number=21, oldest=NOW - DAY)),
            tcb(info(20, later), "CollateralNotNewer", INFO, MODEL, 21, NOW - DAY, 20, later, at=later),
            tcb(info(22, later), "CollateralFromFuture", INFO, MODEL, later),
            tcb(info(22, NOW - DAY, 1), "CollateralExpired", INFO, MODEL, NOW),
            # An old text of a model that was never brought counts: the number is there for the policy to refuse.
            tcb(info(3, NOW - DAY, fmspc=other), at=later),
            appraise(claim=Claim(fmspc=other), at=later, answer=standing(number=3, oldest=NOW - DAY)),
        ],
        "numbers and dates of the QE identity": [
            qe(identity(), "CollateralNotNewer", QE, R, 20, NOW, 20, NOW),
            qe(identity(19, later), "CollateralNotNewer", QE, R, 20, NOW, 19, later, at=later),
            qe(identity(22, later), "CollateralFromFuture", QE, R, later),
            qe(identity(22, NOW - DAY, 1), "CollateralExpired", QE, R, NOW),
            qe(identity(21, later), at=later),
            appraise(at=later, answer=standing(qe_number=21)),
        ],
        "signatures": [
            tcb(info(21), "StatementSignatureInvalid", INFO, signed_by=NEW_SIGNER_KEY),
            qe(identity(21), "StatementSignatureInvalid", QE, signed_by=CA_KEY),
            tcb(info(21), "CollateralMissing", SIGNER, CA, by=CA, signed_by=CA_KEY),
            tcb(info(21), "CollateralMissing", SIGNER, R, by=R, signed_by=ROOT_KEY),
            statement("QeIdentity", identity(21)),
            step(swapped(info(21), b"UpToDate", b"UpToDatE"), "StatementSignatureInvalid", INFO),
        ],
        "ages and ends": [
            revocations(listing(start=later), at=later, answer=word(1)),
            appraise(age=DAY, at=NOW + DAY, answer=standing()),
            appraise("CollateralTooOld", INFO, MODEL, NOW, DAY, age=DAY, at=NOW + DAY + 1),
            tcb(info(20, later), at=later),
            appraise("CollateralTooOld", QE, R, NOW, DAY, age=DAY, at=NOW + DAY + 1),
            qe(identity(20, later), at=later),
            appraise(age=DAY, at=NOW + DAY + 1, answer=standing(oldest=later)),
            appraise("CollateralTooOld", LIST, CA, later, DAY, age=DAY, at=later + DAY + 1),
            revocations(listing(start=later + DAY), at=later + DAY, answer=word(1)),
            qe(identity(20, later + DAY), at=later + DAY),
            appraise("CollateralExpired", INFO, MODEL, later + 30 * DAY, at=later + 30 * DAY),
            tcb(info(20, later + DAY), at=later + DAY),
            revocations(listing(start=later + 2 * DAY), at=later + 2 * DAY, answer=word(1)),
            tcb(info(20, later + 2 * DAY), at=later + 2 * DAY),
            appraise("CollateralExpired", QE, R, later + 31 * DAY, at=later + 31 * DAY),
            recall(at=later + 99 * DAY, answer=standing(oldest=later + DAY)),
        ],
    }  # fmt: skip


def pck() -> bytes:
    """A certificate with the SGX extension."""
    return SimulatedPki.create(SEED, NOW).pck.public_bytes(Encoding.DER)


def swapped(text: bytes, old: bytes, new: bytes) -> str:
    """A call with a text that was changed after it was signed."""
    signature = sign_raw(SIGNER_KEY, text)
    assert old in text
    return call(
        "submitTcbInfo(bytes32,bytes32,bytes,bytes32,bytes32)",
        R, SIGNER_ID, text.replace(old, new, 1), signature[:32], signature[32:],
    )  # fmt: skip


def columns(steps: list[Step]) -> dict[str, list[Any]]:
    """Steps column by column, as forge reads them at once."""
    names = {"times": "at", "calls": "call", "errors": "error", "answers": "answer", "whole": "whole"}
    return {column: [each[field] for each in steps] for column, field in names.items()}


def main() -> None:
    """Write the vector file."""
    on_base = of_certificates() | of_lists() | of_texts()
    every = from_nothing() | on_base
    content = {
        "description": "calls to CollateralRegistry and its answers; docs/spec/dcap-on-chain.md",
        "base": columns(base()),
        "names": list(every),
        "on_base": [each in on_base for each in every],
        "scenarios": [columns(steps) for steps in every.values()],
    }
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
