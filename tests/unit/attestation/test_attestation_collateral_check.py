"""Collateral by itself: what holds under a root, each fault refused by name, and dcap-qvl agrees wherever it looks."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from wattest.attestation.appraisal import appraise
from wattest.attestation.appraisal_policy import default_policy
from wattest.attestation.collateral_check import CollateralRefused, model_named_by, verify_collateral
from wattest.attestation.endorsements import Endorsements, endorse, parse_endorsements
from wattest.attestation.evidence import parse_evidence
from wattest.attestation.formats.collateral import Collateral, CollateralMalformed
from wattest.attestation.formats.quote import TeeType
from wattest.attestation.platform_model import PckAuthority, PlatformModel, PlatformModelUnknown, Tee, model_of
from wattest.attestation.roots import intel_root, parse_root
from wattest.attestation.verification import EvidenceForged, authenticate
from wattest.enclave.simulator.collateral import CollateralOptions
from wattest.enclave.simulator.pki import SimulatedPki, pem_chain, sign_raw
from wattest.enclave.simulator.platform import SimulatedPlatform

NOW, DAY = 1_790_000_000, 86_400
PLATFORM = SimulatedPlatform(SimulatedPki.create(bytes(range(32)), NOW))
OTHER = SimulatedPlatform(SimulatedPki.create(bytes(32), NOW))
PKI = PLATFORM.pki
ROOT = parse_root(PLATFORM.root_certificate)
EVIDENCE = parse_evidence(
    PLATFORM.quote(measurement=bytes(32), signer=bytes(32), product=0, svn=0, report_data=bytes(64))
)
MODEL = model_of(EVIDENCE)
HEALTHY = PLATFORM.collateral(NOW)


def with_text(field: str, old: str, new: str) -> Collateral:
    """The vendor itself says something else: signed again."""
    text = getattr(HEALTHY, field).replace(old, new)
    assert text != getattr(HEALTHY, field)
    signature = sign_raw(PKI.tcb_signing_key, text.encode())
    return dataclasses.replace(HEALTHY, **{field: text, f"{field}_signature": signature})


def replaced(**changes: str | bytes) -> Collateral:
    return dataclasses.replace(HEALTHY, **changes)  # type: ignore[arg-type]


def signed_by_a_certificate_named(name: str) -> Collateral:
    """Under the root, with the right key and signature, and for who knows what purpose."""
    own = PKI.tcb_signing
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(own.issuer)
        .public_key(own.public_key())
        .serial_number(own.serial_number + 1)
        .not_valid_before(own.not_valid_before_utc)
        .not_valid_after(own.not_valid_after_utc)
    )
    for extension in own.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    made = builder.sign(PKI.root_key, hashes.SHA256())
    return replaced(tcb_info_issuer_chain=pem_chain(made, PKI.root))


def replaced_from_tdx(part: str) -> Collateral:
    other = PLATFORM.collateral(NOW, CollateralOptions(tee=TeeType.TDX))
    return replaced(**{part: getattr(other, part), f"{part}_signature": getattr(other, f"{part}_signature")})


def test_what_is_malformed_is_not_kept() -> None:
    """The vendor's own key signed it, and dcap-qvl takes it: a fetched file refuses it as an appraisal does."""
    for part, old, new, field in (
        ("tcb_info", '"pceId":"0000"', '"pceId":"00"', "pceId"),
        ("tcb_info", '"tcbDate":"2026-01-01T00:00:00Z"', '"tcbDate":"soon"', "tcbLevels[0].tcbDate"),
        ("qe_identity", '"isvsvn":8', '"isvsvn":"8"', "tcbLevels[0].tcb.isvsvn"),
    ):
        altered = with_text(part, old, new)
        assert getattr(altered, part) != getattr(HEALTHY, part)
        with pytest.raises(CollateralMalformed) as refused:
            verify_collateral(endorse(altered), MODEL, ROOT, NOW)
        assert refused.value.fields["field"] == field


def flipped(signature: bytes) -> bytes:
    return signature[:40] + bytes([signature[40] ^ 1]) + signature[41:]


def high_s(signature: bytes) -> bytes:
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    return signature[:32] + (order - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")


def test_two_roots_of_one_name_are_told_apart() -> None:
    other = parse_root(OTHER.root_certificate)
    assert other.name == ROOT.name
    with pytest.raises(CollateralRefused) as refused:
        verify_collateral(endorse(HEALTHY), MODEL, other, NOW)
    assert (refused.value.fields["expected"], refused.value.fields["actual"]) == (other.fingerprint, ROOT.fingerprint)
    assert other.shown in refused.value.message
    assert ROOT.shown in refused.value.message


def test_healthy_collateral_holds_for_its_platform() -> None:
    verify_collateral(endorse(HEALTHY), MODEL, ROOT, NOW)
    assert model_named_by(endorse(HEALTHY)) == MODEL
    again = replaced(tcb_info_signature=high_s(HEALTHY.tcb_info_signature))
    verify_collateral(endorse(again), MODEL, ROOT, NOW)  # vendors sign with either s


FAULTS: dict[str, tuple[Callable[[], Collateral], str]] = {
    "another root": (lambda: OTHER.collateral(NOW), "other_root"),
    "TCB info altered": (
        lambda: replaced(tcb_info=HEALTHY.tcb_info.replace("UpToDate", "OutOfDate")),
        "tcb_info_signature",
    ),
    "TCB info unsigned": (lambda: replaced(tcb_info_signature=bytes(64)), "tcb_info_signature"),
    "TCB info's signature short": (lambda: replaced(tcb_info_signature=b"\x01" * 63), "tcb_info_signature"),
    "TCB info's signature changed": (
        lambda: replaced(tcb_info_signature=flipped(HEALTHY.tcb_info_signature)),
        "tcb_info_signature",
    ),
    "QE identity's signature changed": (
        lambda: replaced(qe_identity_signature=flipped(HEALTHY.qe_identity_signature)),
        "qe_identity_signature",
    ),
    "statements swapped": (
        lambda: replaced(tcb_info=HEALTHY.qe_identity, tcb_info_signature=HEALTHY.qe_identity_signature),
        "collateral_of_other_kind",
    ),
    "TCB info of TDX": (lambda: replaced_from_tdx("tcb_info"), "collateral_of_other_kind"),
    "QE identity of TDX": (lambda: with_text("qe_identity", '"QE"', '"TD_QE"'), "collateral_of_other_kind"),
    "TCB info of version 2": (lambda: with_text("tcb_info", '"version":3', '"version":2'), "collateral_of_other_kind"),
    "QE identity of version 1": (
        lambda: with_text("qe_identity", '"version":2', '"version":1'),
        "collateral_of_other_kind",
    ),
    "signed under another name": (lambda: signed_by_a_certificate_named("Somebody Signing"), "collateral_signer"),
    "other FMSPC": (lambda: PLATFORM.collateral(NOW, CollateralOptions(fmspc=bytes(6))), "fmspc_mismatch"),
    "lists swapped": (
        lambda: replaced(pck_crl=HEALTHY.root_ca_crl, root_ca_crl=HEALTHY.pck_crl),
        "wrong_revocation_list",
    ),
    "root's list as PCK's": (lambda: replaced(pck_crl=HEALTHY.root_ca_crl), "wrong_revocation_list"),
    "list of another CA of that name": (
        lambda: replaced(pck_crl=OTHER.collateral(NOW).pck_crl),
        "wrong_revocation_list",
    ),
    "CA revoked": (lambda: PLATFORM.collateral(NOW, CollateralOptions(revoke_platform_ca=True)), "certificate_revoked"),
    "chain without root": (lambda: replaced(tcb_info_issuer_chain=pem_chain(PKI.tcb_signing)), "certificate_chain"),
    "chain upside down": (
        lambda: replaced(tcb_info_issuer_chain=pem_chain(PKI.root, PKI.tcb_signing)),
        "other_root",
    ),
    "chain of three": (
        lambda: replaced(qe_identity_issuer_chain=pem_chain(PKI.tcb_signing, PKI.platform_ca, PKI.root)),
        "certificate_chain",
    ),
    "signed by the PCK CA": (
        lambda: replaced(tcb_info_issuer_chain=pem_chain(PKI.platform_ca, PKI.root)),
        "certificate_chain",
    ),
    "listed by the TCB signer": (
        lambda: replaced(pck_crl_issuer_chain=pem_chain(PKI.tcb_signing, PKI.root)),
        "certificate_chain",
    ),
    "signer under no root": (
        lambda: replaced(tcb_info_issuer_chain=pem_chain(OTHER.pki.tcb_signing, PKI.root)),
        "certificate_chain",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_refused_by_name(name: str) -> None:
    make, reason = FAULTS[name]
    with pytest.raises(CollateralRefused) as refused:
        verify_collateral(endorse(make()), MODEL, ROOT, NOW)
    assert refused.value.reason == reason


def test_the_other_ca_s_list_is_not_the_one_asked_for() -> None:
    wanted = dataclasses.replace(MODEL, authority=PckAuthority.PROCESSOR)
    with pytest.raises(CollateralRefused) as refused:
        verify_collateral(endorse(HEALTHY), wanted, ROOT, NOW)
    assert refused.value.reason == "wrong_revocation_list"


@pytest.mark.parametrize(
    ("offset", "tolerance", "reason"),
    [
        (-1, 0, "collateral_from_future"),
        (-300, 300, None),
        (-301, 300, "collateral_from_future"),
        (30 * DAY - 1, 0, None),
        (30 * DAY, 0, "collateral_expired"),
        (30 * DAY, 300, "collateral_expired"),  # tolerance never keeps what has ended
    ],
)
def test_dates_have_sharp_ends(offset: int, tolerance: int, reason: str | None) -> None:
    def judge() -> None:
        verify_collateral(endorse(HEALTHY), MODEL, ROOT, NOW + offset, tolerance_s=tolerance)

    if reason is None:
        judge()
        return
    with pytest.raises(CollateralRefused) as refused:
        judge()
    assert refused.value.reason == reason


FIELDS = [field.name for field in dataclasses.fields(Collateral) if field.name != "pck_certificate_chain"]


@given(st.sampled_from(FIELDS), st.data())
def test_what_passes_here_an_appraisal_takes(field: str, data: st.DataObject) -> None:
    value = getattr(HEALTHY, field)
    at, cut = data.draw(st.integers(0, len(value) - 1)), data.draw(st.integers(0, 3))
    piece = data.draw(st.binary(max_size=3) if isinstance(value, bytes) else st.text("AZaz019 \n=-,{}:", max_size=3))
    changed = dataclasses.replace(HEALTHY, **{field: value[:at] + piece + value[at + cut :]})
    with contextlib.suppress(CollateralRefused, CollateralMalformed):
        verify_collateral(endorse(changed), MODEL, ROOT, NOW)
        result = appraise(EVIDENCE, endorse(changed), default_policy(), [ROOT], NOW)
        assert (result.genuine, result.codes) == (True, ["no_reference_value"])


def test_the_shoe_fits_only_where_the_quote_fits() -> None:
    revoked = PLATFORM.collateral(NOW, CollateralOptions(revoke_pck=True))
    verify_collateral(endorse(revoked), MODEL, ROOT, NOW)  # true collateral, bad platform
    with pytest.raises(EvidenceForged) as forged:
        authenticate(EVIDENCE, revoked, ROOT, NOW)
    assert forged.value.fault.code == "certificate_revoked"


def real(real_data: Path) -> list[tuple[dict[str, object], bytes, Endorsements]]:
    folder = real_data / "quotes"
    found = []
    for facts in json.loads((folder / "manifest.json").read_bytes()):
        name = facts["name"]
        collateral = parse_endorsements((folder / f"{name}.collateral.json").read_bytes())
        found.append((facts, (folder / f"{name}.quote.bin").read_bytes(), collateral))
    return found


def test_intel_s_collateral_holds_under_intel_s_root(real_data: Path) -> None:
    seen: dict[str, str | None] = {}
    for facts, quote, collateral in real(real_data):
        model = model_of(parse_evidence(quote))
        assert model.fmspc.hex().upper() == facts["fmspc"]
        assert model.tee.upper() == facts["type"]
        try:
            verify_collateral(collateral, model, intel_root(), int(str(facts["verify_at"])))
            seen[str(facts["name"])] = None
        except CollateralRefused as refused:
            seen[str(facts["name"])] = refused.reason
    assert seen.pop("expired_collateral") == "collateral_expired"
    assert seen.pop("tampered_tcb_info") == "tcb_info_signature"
    assert len(seen) >= 5
    assert set(seen.values()) == {None}


def test_a_quote_without_certificates_names_no_platform() -> None:
    stripped = dataclasses.replace(EVIDENCE.quote, certification_type=1)
    with pytest.raises(PlatformModelUnknown, match="no PCK certificate"):
        model_of(dataclasses.replace(EVIDENCE, quote=stripped))
    garbled = dataclasses.replace(EVIDENCE.quote, certification_data=b"-----BEGIN CERTIFICATE-----\nAA\n")
    with pytest.raises(PlatformModelUnknown, match="cannot be read"):
        model_of(dataclasses.replace(EVIDENCE, quote=garbled))
    assert str(PlatformModel(Tee.TDX, bytes(6), PckAuthority.PLATFORM)).startswith("TDX platforms")
