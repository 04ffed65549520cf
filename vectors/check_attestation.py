"""Check vectors/attestation/appraisal.json without wattest and without dcap-qvl.

A second reading of docs/spec/evidence.md and appraisal-policy.md, for the simulator's version 3 quotes: cryptography
for signatures and X.509, asn1crypto for the SGX extension, tomllib for policies. Ends with an assertion error at the
first case whose verdict, codes, digests or platform id it does not confirm.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from datetime import UTC, datetime
from pathlib import Path

from asn1crypto import core
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

HERE = Path(__file__).parent / "attestation"
SGX = "1.2.840.113741.1.13.1"
DAY = 86_400
FEATURES = 0x61AE7


class Fault(Exception):
    """The first thing that does not hold."""


def signed(key: ec.EllipticCurvePublicKey, signature: bytes, message: bytes, fault: str) -> None:
    """Check r || s over SHA-256 of the message."""
    if len(signature) != 64:
        raise Fault("signature_length")
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    try:
        key.verify(der, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise Fault(fault) from None


def when(text: str) -> int:
    """Unix seconds of an ISO date."""
    return int(datetime.fromisoformat(text).timestamp())


def extension(certificate: x509.Certificate) -> dict[str, object]:
    """The SGX extension as a flat map from OID to value."""
    raw = certificate.extensions.get_extension_for_oid(x509.ObjectIdentifier(SGX)).value
    found: dict[str, object] = {}

    def walk(items: core.Sequence) -> None:
        for index in range(len(items)):
            entry = core.Sequence.load(items[index].dump())
            name, value = entry[0].native, entry[1]
            if isinstance(value, core.Sequence):
                walk(core.Sequence.load(value.dump()))
            else:
                found[name] = value.native if not isinstance(value, core.Enumerated) else None

    walk(core.Sequence.load(raw.value))
    return found


def parts(quote: bytes) -> dict[str, bytes]:
    """A version 3 quote cut to its declared length and sliced."""
    assert int.from_bytes(quote[0:2], "little") == 3
    quote = quote[: 436 + int.from_bytes(quote[432:436], "little")]
    size = int.from_bytes(quote[1012:1014], "little")
    at = 1014 + size
    assert int.from_bytes(quote[at : at + 2], "little") == 5
    assert at + 6 + int.from_bytes(quote[at + 2 : at + 6], "little") == len(quote)
    return {
        "all": quote,
        "signed": quote[:432],
        "report": quote[48:432],
        "signature": quote[436:500],
        "key": quote[500:564],
        "qe": quote[564:948],
        "qe_signature": quote[948:1012],
        "authentication": quote[1014:at],
        "chain": quote[at + 6 :].rstrip(b"\0"),
    }


def flags(report: bytes) -> int:
    """The attribute flags of a report body."""
    return int.from_bytes(report[48:56], "little")


def verify(quote: dict[str, bytes], collateral: dict[str, str], root: x509.Certificate, now: int) -> dict[str, object]:
    """What holds, or Fault."""
    lists = {name: x509.load_der_x509_crl(bytes.fromhex(collateral[name])) for name in ("root_ca_crl", "pck_crl")}
    pck, authority, top = x509.load_pem_x509_certificates(quote["chain"])
    if top != root:
        raise Fault("other_root")
    for name in ("tcb_info", "qe_identity"):
        value = json.loads(collateral[name])
        if now < when(value["issueDate"]):
            raise Fault("collateral_from_future")
        if now > when(value["nextUpdate"]):
            raise Fault("collateral_expired")
        signer, issuer = x509.load_pem_x509_certificates(collateral[f"{name}_issuer_chain"].encode())
        assert issuer == root
        signer.verify_directly_issued_by(root)
        signature = bytes.fromhex(collateral[f"{name}_signature"])
        signed(signer.public_key(), signature, collateral[name].encode(), f"{name}_signature")
    authority.verify_directly_issued_by(root)
    pck.verify_directly_issued_by(authority)
    for issuer, name, certificate in ((root, "root_ca_crl", authority), (authority, "pck_crl", pck)):
        if lists[name].issuer != issuer.subject:
            raise Fault("wrong_revocation_list")
        assert lists[name].is_signature_valid(issuer.public_key())
        if now > lists[name].next_update_utc.timestamp():
            raise Fault("collateral_expired")
        if lists[name].get_revoked_certificate_by_serial_number(certificate.serial_number) is not None:
            raise Fault("certificate_revoked")
    signed(pck.public_key(), quote["qe_signature"], quote["qe"], "qe_report_signature")
    if quote["qe"][320:352] != hashlib.sha256(quote["key"] + quote["authentication"]).digest():
        raise Fault("attestation_key")
    identity, tcb = json.loads(collateral["qe_identity"]), json.loads(collateral["tcb_info"])
    assert quote["qe"][128:160] == bytes.fromhex(identity["mrsigner"])
    assert int.from_bytes(quote["qe"][256:258], "little") == identity["isvprodid"]
    mask = bytes.fromhex(identity["attributesMask"])
    masked = bytes(have & bits for have, bits in zip(quote["qe"][48:64], mask, strict=True))
    assert masked == bytes.fromhex(identity["attributes"])
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + quote["key"])
    signed(key, quote["signature"], quote["signed"], "report_signature")
    facts = extension(pck)
    if facts[f"{SGX}.4"] != bytes.fromhex(tcb["fmspc"]):
        raise Fault("fmspc_mismatch")
    level = next(
        level
        for level in tcb["tcbLevels"]
        if facts[f"{SGX}.2.17"] >= level["tcb"]["pcesvn"]
        and all(facts[f"{SGX}.2.{i + 1}"] >= c["svn"] for i, c in enumerate(level["tcb"]["sgxtcbcomponents"]))
    )
    svn = int.from_bytes(quote["qe"][258:260], "little")
    qe_level = next(level for level in identity["tcbLevels"] if svn >= level["tcb"]["isvsvn"])
    if flags(quote["report"]) & 2:
        raise Fault("debug")
    return {"facts": facts, "level": level, "qe_level": qe_level}


def names(report: bytes, policy: dict[str, object]) -> str | None:
    """The reference value that a report meets."""
    for entry in policy.get("enclave", []):
        if "mr_enclave" in entry:
            met = report[64:96].hex() == entry["mr_enclave"]
        else:
            product, svn = (int.from_bytes(report[at : at + 2], "little") for at in (256, 258))
            met = (report[128:160].hex(), product) == (entry["mr_signer"], entry["product"])
            met = met and svn >= entry["minimum_svn"]
        if met:
            return str(entry["name"])
    return None


def status(level: dict[str, object], policy: dict[str, object], now: int) -> list[str]:
    """What a policy says against a TCB level."""
    if level["tcbStatus"] == "UpToDate":
        return []
    entry = next((entry for entry in policy.get("tcb", []) if entry["status"] == level["tcbStatus"]), None)
    if entry is None:
        return ["tcb_status"]
    codes = [] if set(level.get("advisoryIDs", [])) <= set(entry["advisories"]) else ["advisories"]
    if "until" in entry:
        until = entry["until"]
        if now >= datetime(until.year, until.month, until.day, tzinfo=UTC).timestamp():
            codes.append("grace_ended")
    return codes


def judge(case: dict[str, object], content: dict[str, dict[str, object]]) -> None:
    """Appraise one case again and compare."""
    quote, now = parts(bytes.fromhex(content["quotes"][case["quote"]])), case["at"]
    collateral, text = content["collaterals"][case["collateral"]], content["policies"][case["policy"]]
    root = x509.load_der_x509_certificate(bytes.fromhex(content["roots"][case["root"]]))
    policy, report, wanted = tomllib.loads(text), quote["report"], case["result"]
    held, fault = None, None
    try:
        held = verify(quote, collateral, root, now)
    except Fault as caught:
        fault = str(caught)
    found = []
    if flags(report) & 0x2:
        found.append("debug")
    if flags(report) & 0x10:
        found.append("provision_key")
    if flags(report) & 0x20:
        found.append("einittoken_key")
    if flags(report) != 5:
        found.append("attributes")
    xfrm = int.from_bytes(report[56:64], "little")
    if xfrm & 3 != 3 or xfrm & ~FEATURES:
        found.append("xfrm")
    if "enclave" not in policy:
        found.append("no_reference_value")
    elif names(report, policy) is None:
        found.append("unknown_measurement")
    if case["expected_report_data"] not in (None, report[320:384].hex()):
        found.append("report_data")
    dates = [when(json.loads(collateral[name])["issueDate"]) for name in ("tcb_info", "qe_identity")]
    crls = [x509.load_der_x509_crl(bytes.fromhex(collateral[name])) for name in ("pck_crl", "root_ca_crl")]
    dates += [int(crl.last_update_utc.timestamp()) for crl in crls]
    for index, issued in enumerate(dates):
        if issued > now:
            found.append("collateral_from_future")
        elif index < 3 and now - issued > policy.get("maximum_collateral_age_days", 7) * DAY:
            found.append("collateral_too_old")
    # The fault of genuineness comes first and stands once.
    codes = found if fault is None else [fault, *(code for code in found if code != fault)]
    if held is not None:
        info = root.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        ppid = held["facts"][f"{SGX}.1"]
        platform = hashlib.sha256(b"wattest/platform-id/1" + hashlib.sha256(info).digest() + ppid).hexdigest()
        assert platform == wanted["platform_id"]
        if policy.get("production", False):
            codes.append("root_refused")  # no vector is under Intel's root
        codes += status(held["level"], policy, now) + status(held["qe_level"], policy, now)
        if "platforms" in policy and platform not in policy["platforms"]:
            codes.append("platform")
        if bytes.fromhex(json.loads(collateral["tcb_info"])["pceId"]) != held["facts"][f"{SGX}.3"]:
            codes.append("pce_id")
        assert wanted["tcb_status"] == held["level"]["tcbStatus"]
        assert wanted["advisories"] == held["level"].get("advisoryIDs", [])
        assert wanted["qe_status"] == held["qe_level"]["tcbStatus"]
    else:
        assert wanted["platform_id"] is wanted["tcb_status"] is wanted["qe_status"] is None
    assert wanted["genuine"] == (held is not None), case
    assert wanted["accepted"] == (held is not None and not codes), case
    assert wanted["codes"] == (codes or ["accepted"]), (wanted["codes"], codes)
    assert wanted["reference"] == names(report, policy)
    assert wanted["evidence_digest"] == hashlib.sha256(quote["all"]).hexdigest()
    canonical = json.dumps(collateral, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert wanted["endorsements_digest"] == hashlib.sha256(canonical).hexdigest()
    assert wanted["policy_digest"] == hashlib.sha256(text.encode()).hexdigest()


def main() -> None:
    """Check every case."""
    content = json.loads((HERE / "appraisal.json").read_text())
    used = {kind: {case[kind] for case in content["cases"]} for kind in ("quote", "collateral", "policy", "root")}
    assert {name for kind in used.values() for name in kind} >= content["quotes"].keys() | content["policies"].keys()
    for case in content["cases"]:
        judge(case, content)


if __name__ == "__main__":
    main()
