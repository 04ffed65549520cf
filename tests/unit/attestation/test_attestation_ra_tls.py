"""Attested certificates: the interoperable form, read by independent tools, and every way in which one is refused."""

from __future__ import annotations

import datetime
import hashlib
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cbor2
import pytest
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from wattest.attestation.appraisal_policy import AppraisalPolicy, parse_policy
from wattest.attestation.endorsements import Endorsements, endorse
from wattest.attestation.formats.quote import QuoteMalformed
from wattest.attestation.formats.tagged_evidence import (
    MAX_TAGGED_EVIDENCE_BYTES,
    Claims,
    TaggedEvidenceMalformed,
    claims_report_data,
    encode_tagged_evidence,
    parse_claims,
    parse_tagged_evidence,
)
from wattest.attestation.ra_tls import (
    MAX_CERTIFICATE_BYTES,
    VALID_AFTER_S,
    VALID_BEFORE_S,
    AttestedCertificateMalformed,
    PeerRefused,
    issue_certificate,
    parse_attested_certificate,
    public_key_info,
    verify_peer,
)
from wattest.attestation.roots import TrustRoot, parse_root
from wattest.enclave.simulator.launch import DeviceService
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.errors import InputError, VerificationError

NOW = 1_750_000_000
MEASUREMENT = b"\x06" * 32
NONCE = b"\x0a" * 32
KEY = ec.derive_private_key(7, ec.SECP256R1())
EXTENSION = x509.ObjectIdentifier("2.23.133.5.4.9")
# The key of a certificate that Gramine's developers published for interoperability tests, and the report data there.
GRAMINE_KEY = bytes.fromhex(
    "3076301006072a8648ce3d020106052b810400220362000471175934940456216c01770d57f89d92176b28c5fa00fb3ee3ccc2bee0735a26488314"
    "5b6f3cb7a3d5c3636efc4229f3e55004c4f274e77ff8b061166689da45fc5e1884a6b85fd0413e5fe8a27ceca0ef4bcbb6c4c11666238ce7145a63"
    "e239"
)
GRAMINE_REPORT_DATA = "d8673446fe0f6842d4af0d182c8751d7e967039116deff5f85a43b2ca90c2831"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> SimulatedPlatform:
    return SimulatedPlatform.create(tmp_path_factory.mktemp("platform"), NOW)


@pytest.fixture(scope="module")
def certificate(platform: SimulatedPlatform) -> bytes:
    return attested(platform)


def attested(
    platform: SimulatedPlatform,
    *,
    key: ec.EllipticCurvePrivateKey = KEY,
    named: ec.EllipticCurvePrivateKey = KEY,
    nonce: bytes | None = NONCE,
    now: int = NOW,
    debug: bool = False,
    change: Callable[[bytes], bytes] = bytes,
) -> bytes:
    """A certificate of an enclave on ``platform``; ``change`` may alter the claims after they were attested."""
    claims = Claims.over(public_key_info(named), nonce).to_bytes()
    quote = DeviceService(platform, MEASUREMENT, debug=debug).quote(claims_report_data(claims))
    return issue_certificate(key, quote, change(claims), now)


def policy(measurement: bytes = MEASUREMENT, extra: str = "") -> AppraisalPolicy:
    return parse_policy(f'version = 1\n{extra}\n[[enclave]]\nname = "e"\nmr_enclave = "{measurement.hex()}"\n'.encode())


def judge(platform: SimulatedPlatform, certificate: bytes, **changed: Any) -> None:
    roots: list[TrustRoot] = [parse_root(platform.root_certificate)]
    endorsements: Endorsements = endorse(platform.collateral(NOW))
    given: dict[str, Any] = {
        "endorsements": endorsements, "policy": policy(), "roots": roots, "now": NOW, "nonce": NONCE,
    }  # fmt: skip
    result = verify_peer(parse_attested_certificate(certificate), **{**given, **changed})
    assert result.accepted
    assert result.measurement_id == MEASUREMENT
    assert result.platform_id == platform.platform_id


def test_a_good_certificate_holds(platform: SimulatedPlatform, certificate: bytes) -> None:
    judge(platform, certificate)
    judge(platform, certificate, now=NOW + VALID_AFTER_S)
    assert certificate == attested(platform)  # nothing in it is drawn


def test_claims_are_the_ones_that_gramine_writes() -> None:
    claims = Claims.over(GRAMINE_KEY)
    assert claims.to_bytes().hex().startswith("a16b7075626b65792d68617368582482015820")
    assert claims_report_data(claims.to_bytes())[:32].hex() == GRAMINE_REPORT_DATA
    assert claims_report_data(claims.to_bytes())[32:] == bytes(32)


def test_independent_readers_find_the_same(platform: SimulatedPlatform, certificate: bytes, tmp_path: Path) -> None:
    read = asn1_x509.Certificate.load(certificate, strict=True)
    found = [each for each in read["tbs_certificate"]["extensions"] if each["extn_id"].dotted == "2.23.133.5.4.9"]
    assert len(found) == 1
    assert not found[0]["critical"].native
    tagged = cbor2.loads(found[0]["extn_value"].native)
    assert isinstance(tagged, cbor2.CBORTag)
    assert tagged.tag == 60_000
    quote, claims = tagged.value
    assert cbor2.dumps(cbor2.loads(claims), canonical=True) == claims
    named = cbor2.loads(claims)
    assert named["nonce"] == NONCE
    info = read["tbs_certificate"]["subject_public_key_info"].dump()
    assert cbor2.loads(named["pubkey-hash"]) == [1, hashlib.sha256(info).digest()]
    assert quote[48 + 320 : 48 + 384] == hashlib.sha256(claims).digest() + bytes(32)
    (tmp_path / "c.der").write_bytes(certificate)
    shown = subprocess.run(
        ["openssl", "asn1parse", "-inform", "DER", "-in", tmp_path / "c.der"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "2.23.133.5.4.9" in shown


@pytest.mark.parametrize(
    ("code", "changed"),
    [
        ("certificate_dates", {"now": NOW + VALID_AFTER_S + 1}),
        ("certificate_dates", {"now": NOW - VALID_BEFORE_S - 1}),
        ("nonce", {"nonce": b"\x0b" * 32}),
        ("unknown_measurement", {"policy": policy(b"\x07" * 32)}),
        ("root_refused", {"policy": policy(extra="production = true")}),
    ],
)
def test_what_this_side_wants_and_does_not_get(
    platform: SimulatedPlatform, certificate: bytes, code: str, changed: dict[str, Any]
) -> None:
    with pytest.raises(PeerRefused) as caught:
        judge(platform, certificate, **changed)
    assert code in caught.value.fields["codes"]


@pytest.mark.parametrize(
    ("code", "made"),
    [
        ("certificate_key", {"named": ec.derive_private_key(8, ec.SECP256R1())}),
        ("certificate_key", {"key": ec.derive_private_key(8, ec.SECP256R1())}),
        ("nonce", {"nonce": None}),
        ("nonce", {"nonce": b"\x0b" * 32}),
        ("debug", {"debug": True}),
        ("report_data", {"change": lambda claims: Claims.over(public_key_info(KEY), NONCE + b"!").to_bytes()}),
        ("certificate_dates", {"now": NOW - 2 * VALID_AFTER_S}),
    ],
)
def test_what_a_peer_shows_and_must_not(platform: SimulatedPlatform, code: str, made: dict[str, Any]) -> None:
    with pytest.raises(PeerRefused) as caught:
        judge(platform, attested(platform, **made), **({"nonce": NONCE + b"!"} if code == "report_data" else {}))
    assert code in caught.value.fields["codes"]


def test_another_root_and_stale_collateral(platform: SimulatedPlatform, certificate: bytes, tmp_path: Path) -> None:
    other = SimulatedPlatform.create(tmp_path, NOW)
    with pytest.raises(PeerRefused) as caught:
        judge(platform, certificate, roots=[parse_root(other.root_certificate)])
    assert "other_root" in caught.value.fields["codes"]
    for age_days, code in ((8, "collateral_too_old"), (31, "collateral_expired")):
        with pytest.raises(PeerRefused) as caught:
            judge(platform, certificate, endorsements=endorse(platform.collateral(NOW - age_days * 86_400)))
        assert code in caught.value.fields["codes"]


def plain_certificate(
    key: Any = KEY,
    signer: Any = KEY,
    extension: bytes | None = b"",
    *,
    critical: bool = False,
    oid: str = "2.23.133.5.4.9",
) -> bytes:
    """A certificate by other means, with any extension."""
    name = x509.Name([])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime.fromtimestamp(NOW - 60, datetime.UTC))
        .not_valid_after(datetime.datetime.fromtimestamp(NOW + 60, datetime.UTC))
    )
    if extension is not None:
        value = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), extension)
        builder = builder.add_extension(value, critical=critical)
    digest = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(signer, digest).public_bytes(Encoding.DER)


def test_a_certificate_that_its_own_key_did_not_sign(platform: SimulatedPlatform, certificate: bytes) -> None:
    evidence = parse_attested_certificate(certificate).evidence
    content = encode_tagged_evidence(evidence.quote, evidence.claims_buffer)
    judge(platform, plain_certificate(extension=content))
    judge(platform, plain_certificate(extension=content, critical=True))
    with pytest.raises(PeerRefused) as caught:
        judge(platform, plain_certificate(signer=ec.derive_private_key(9, ec.SECP256R1()), extension=content))
    assert caught.value.fields["codes"] == ["certificate_signature"]


@pytest.mark.parametrize("curve", [ec.SECP384R1()])
def test_other_hashes_and_curves_of_the_interoperable_form(
    platform: SimulatedPlatform, curve: ec.EllipticCurve
) -> None:
    key = ec.derive_private_key(11, curve)
    info = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for algorithm, name in ((1, "sha256"), (7, "sha384"), (8, "sha512")):
        entry = cbor2.dumps([algorithm, hashlib.new(name, info).digest()])
        claims = cbor2.dumps({"pubkey-hash": entry, "nonce": NONCE})  # the other order
        quote = DeviceService(platform, MEASUREMENT, debug=False).quote(claims_report_data(claims))
        content = encode_tagged_evidence(quote, claims)
        judge(platform, plain_certificate(key=key, signer=key, extension=content))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"garbage",
        bytes(MAX_CERTIFICATE_BYTES + 1),
        plain_certificate(extension=None),
        plain_certificate(key=ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)), extension=b"\x01"),
        plain_certificate(key=ec.derive_private_key(3, ec.SECP521R1()), extension=b"\x01"),
        plain_certificate(oid="1.2.3.4", extension=b"x", critical=True),
    ],
    ids=["empty", "garbage", "oversized", "no evidence", "Ed25519", "P-521", "unknown critical extension"],
)
def test_what_is_no_attested_certificate(data: bytes) -> None:
    with pytest.raises(AttestedCertificateMalformed):
        parse_attested_certificate(data)


GOOD = encode_tagged_evidence(b"quote", Claims.over(b"key", NONCE).to_bytes())
ENTRY = cbor2.dumps([1, bytes(32)])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        GOOD[:-1],
        GOOD + b"\x00",
        bytes(MAX_TAGGED_EVIDENCE_BYTES + 1),
        cbor2.dumps(cbor2.CBORTag(60_001, [b"q", b"c"])),
        cbor2.dumps(cbor2.CBORTag(60_000, [b"q"])),
        cbor2.dumps(cbor2.CBORTag(60_000, [b"q", "c"])),
        cbor2.dumps(cbor2.CBORTag(60_000, {b"q": b"c"})),
        b"\xda\x00\x00\xea\x60" + GOOD[3:],
        b"\xd9\xea\x60\x9f" + GOOD[4:] + b"\xff",
        b"\xd9\xea\x60\x82\x5b" + b"\xff" * 8,
    ],
    ids=[
        *("empty", "cut", "longer", "oversized", "other tag", "one item", "text", "map", "long head", "indefinite"),
        "length past everything",
    ],
)
def test_what_is_no_tagged_evidence(data: bytes) -> None:
    with pytest.raises(TaggedEvidenceMalformed):
        parse_tagged_evidence(data)


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"nonce": NONCE},
        {"pubkey-hash": ENTRY, "nonce": b""},
        {"pubkey-hash": ENTRY, "nonce": bytes(65)},
        {"pubkey-hash": ENTRY, "other": b"x"},
        {"pubkey-hash": ENTRY, "nonce": "text"},
        {"pubkey-hash": b""},
        {"pubkey-hash": cbor2.dumps([1, bytes(31)])},
        {"pubkey-hash": cbor2.dumps([2, bytes(32)])},
        {"pubkey-hash": cbor2.dumps([1, bytes(32), 0])},
        {"pubkey-hash": ENTRY + b"\x00"},
        {"pubkey-hash": ENTRY, "nonce": b"n", "third": b"x"},
    ],
)
def test_what_are_no_claims(claims: dict[str, object]) -> None:
    parse_claims(cbor2.dumps({"pubkey-hash": ENTRY, "nonce": NONCE}))
    with pytest.raises(TaggedEvidenceMalformed):
        parse_claims(cbor2.dumps(claims))


def test_a_claim_twice() -> None:
    with pytest.raises(TaggedEvidenceMalformed):
        parse_claims(b"\xa2" + 2 * (b"\x6bpubkey-hash" + cbor2.dumps(ENTRY)))


@given(st.binary(max_size=400))
def test_any_bytes_are_evidence_or_refused(data: bytes) -> None:
    for content in (data, GOOD[:6] + data, b"\xd9\xea\x60\x82" + data):
        try:
            read = parse_tagged_evidence(content)
        except TaggedEvidenceMalformed:
            continue
        assert encode_tagged_evidence(read.quote, read.claims_buffer) == content


@given(st.data())
def test_a_changed_certificate_is_refused_by_a_typed_error(
    platform: SimulatedPlatform, certificate: bytes, data: st.DataObject
) -> None:
    changed = bytearray(certificate)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed) - 1))
        changed[at] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del changed[data.draw(st.integers(0, len(changed) - 1)) :]
    if bytes(changed) == certificate:
        return
    with pytest.raises((InputError, VerificationError)):
        judge(platform, bytes(changed))


def test_a_quote_that_is_none(platform: SimulatedPlatform, certificate: bytes) -> None:
    read = parse_attested_certificate(certificate)
    broken = replace(read, evidence=replace(read.evidence, quote=b"no quote"))
    with pytest.raises(QuoteMalformed):
        verify_peer(
            broken, endorse(platform.collateral(NOW)), policy(), [parse_root(platform.root_certificate)], NOW, NONCE
        )
