"""A simulated platform is the same machine after a restart, and dcap-qvl takes its quotes for real ones of its root."""

import json
import stat

import dcap_qvl
import pytest
from cryptography import x509

from wattest.attestation.formats.quote import TeeType, parse_quote
from wattest.enclave.simulator.collateral import CollateralOptions
from wattest.enclave.simulator.pki import ORGANISATION
from wattest.enclave.simulator.platform import (
    PlatformExists,
    PlatformFileMalformed,
    PlatformUnwritable,
    SimulatedPlatform,
)
from wattest.enclave.simulator.quoting import trust_domain_report

CREATED = 1_790_000_000
DAY = 86_400
REPORT = {
    "measurement": bytes([1] * 32),
    "signer": bytes([2] * 32),
    "product": 7,
    "svn": 3,
    "report_data": bytes(range(64)),
}


def judge(platform, quote, collateral, now):
    """dcap-qvl's own word, without anything of ours in between."""
    return dcap_qvl.verify_with_root_ca(
        quote, dcap_qvl.QuoteCollateralV3.from_json(collateral.to_json().decode()), platform.root_certificate, now
    )


@pytest.fixture(params=[False, True], ids=["own-root", "published-root"])
def platform(request, tmp_path):
    return SimulatedPlatform.create(tmp_path / "platform", CREATED, published_root=request.param)


def test_quote_is_accepted_under_its_root_and_refused_under_intels(platform):
    quote, collateral = platform.quote(**REPORT), platform.collateral(CREATED)
    assert judge(platform, quote, collateral, CREATED + DAY).status == "UpToDate"
    theirs = dcap_qvl.QuoteCollateralV3.from_json(collateral.to_json().decode())
    with pytest.raises(ValueError, match="root CA CRL"):
        dcap_qvl.verify(quote, theirs, CREATED + DAY)


@pytest.mark.parametrize(("version", "body"), [(4, "1.0"), (5, "1.0"), (5, "1.5"), (5, "1.5ex")])
def test_a_trust_domains_quote_is_accepted_with_collateral_of_its_kind(platform, version, body):
    report = trust_domain_report(bytes([3] * 48), bytes(range(64)), body=body)
    quote = platform.quoting_enclave.quote_trust_domain(report, version=version)
    collateral = platform.collateral(CREATED, CollateralOptions(tee=TeeType.TDX))
    assert judge(platform, quote, collateral, CREATED + DAY).status == "UpToDate"
    assert parse_quote(quote).report == report
    with pytest.raises(ValueError, match="expected TD_QE"):
        judge(platform, quote, platform.collateral(CREATED), CREATED + DAY)


def test_a_trust_domains_quote_is_laid_out_as_a_real_one(real_data, tmp_path):
    raw = (real_data / "quotes" / "phala_tdx_v4_2025-06.quote.bin").read_bytes()
    real = parse_quote(raw)
    assert (real.header.pack(), real.report.pack()) == (raw[:48], raw[48:632])
    platform = SimulatedPlatform.create(tmp_path / "platform", CREATED)
    report = trust_domain_report(real.report.mr_td, real.report.report_data)
    ours = parse_quote(platform.quoting_enclave.quote_trust_domain(report))
    assert ours.header.pack()[:28] == real.header.pack()[:28]  # all but the quoting enclave's id
    for field in ("wrapper_type", "certification_type", "signed_bytes", "slack_bytes"):
        assert getattr(ours, field) == getattr(real, field), field
    assert (ours.qe_report.product, ours.qe_report.attributes) == (real.qe_report.product, real.qe_report.attributes)
    assert len(ours.qe_authentication_data) == len(real.qe_authentication_data)
    names = [
        [name.rfc4514_string().count("PCK") for name in (one.subject, one.issuer)]
        for quote in (ours, real)
        for one in x509.load_pem_x509_certificates(quote.certification_data.rstrip(b"\x00"))
    ]
    assert names[:3] == names[3:]


def test_quote_carries_what_was_asked(platform):
    seen = dcap_qvl.parse_quote(platform.quote(**REPORT))
    assert (seen.header.version, seen.quote_type(), seen.fmspc()) == (3, "SGX", "575453494D00")
    assert seen.report.mr_enclave == REPORT["measurement"]
    assert seen.report.mr_signer == REPORT["signer"]
    assert seen.report.report_data == REPORT["report_data"]
    assert 4_300 < len(platform.quote(**REPORT)) < 4_700


def test_restored_platform_is_the_same(platform, tmp_path):
    again = SimulatedPlatform.open(tmp_path / "platform")
    assert again.platform_id == platform.platform_id
    assert again.quote(**REPORT) == platform.quote(**REPORT)
    assert again.collateral(CREATED + DAY) == platform.collateral(CREATED + DAY)
    assert again.derive_secret("sealing") == platform.derive_secret("sealing") != platform.derive_secret("other")


def test_collateral_is_issued_again_as_time_moves_on(platform):
    quote, later = platform.quote(**REPORT), CREATED + 200 * DAY
    assert judge(platform, quote, platform.collateral(later), later).status == "UpToDate"
    with pytest.raises(ValueError, match="expired"):
        judge(platform, quote, platform.collateral(CREATED), later)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (CollateralOptions(revoke_pck=True), "CertRevoked"),
        (CollateralOptions(revoke_platform_ca=True), "CertRevoked"),
        (CollateralOptions(tcb_status="Revoked"), "Revoked"),
        (CollateralOptions(qe_status="Revoked"), "Revoked"),
        (CollateralOptions(minimum_component_svn=6), "No matching TCB level"),
        (CollateralOptions(fmspc=bytes(6)), "Fmspc mismatch"),
        (CollateralOptions(qe_mr_signer=bytes(32)), "MRSIGNER"),
    ],
)
def test_each_fault_can_be_asked_for(platform, options, said):
    with pytest.raises(ValueError, match=said):
        judge(platform, platform.quote(**REPORT), platform.collateral(CREATED, options), CREATED)


def test_every_certificate_says_that_it_is_a_simulator(platform):
    pki = platform.pki
    for certificate in (pki.root, pki.platform_ca, pki.pck, pki.tcb_signing):
        names = [
            attribute.value for attribute in certificate.subject if attribute.oid == x509.oid.NameOID.ORGANIZATION_NAME
        ]
        assert names == [ORGANISATION]
        assert "not Intel" in certificate.subject.rfc4514_string()


def test_two_platforms_under_the_published_root_share_only_the_root(tmp_path):
    one = SimulatedPlatform.create(tmp_path / "1", CREATED, published_root=True)
    two = SimulatedPlatform.create(tmp_path / "2", CREATED + DAY, published_root=True)
    assert one.root_certificate == two.root_certificate
    assert one.platform_id != two.platform_id
    with pytest.raises(ValueError, match="InvalidCrlSignatureForPublicKey"):
        judge(one, one.quote(**REPORT), two.collateral(CREATED + DAY), CREATED + DAY)


def test_folder_is_private_and_says_nothing_in_errors(tmp_path):
    folder = tmp_path / "p"
    platform = SimulatedPlatform.create(folder, CREATED)
    file = folder / "platform.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert platform.pki.seed.hex() not in repr(platform.pki)
    with pytest.raises(PlatformExists):
        SimulatedPlatform.create(folder, CREATED)
    assert SimulatedPlatform.open_or_create(folder, CREATED + 1).platform_id == platform.platform_id


@pytest.mark.parametrize(
    "change",
    [
        lambda stored: stored | {"seed": "00"},
        lambda stored: stored | {"seed": 5},
        lambda stored: stored | {"created_at": True},
        lambda stored: stored | {"created_at": 2**40},
        lambda stored: stored | {"published_root": "yes"},
        lambda stored: stored | {"format": "other"},
        lambda stored: {},
        lambda stored: [],
    ],
)
def test_damaged_platform_file_is_refused(tmp_path, change):
    SimulatedPlatform.create(tmp_path, CREATED)
    file = tmp_path / "platform.json"
    file.write_text(json.dumps(change(json.loads(file.read_text()))))
    with pytest.raises(PlatformFileMalformed):
        SimulatedPlatform.open(tmp_path)


def test_a_damaged_seed_is_named_and_not_shown(tmp_path):
    SimulatedPlatform.create(tmp_path, CREATED)
    file = tmp_path / "platform.json"
    stored = json.loads(file.read_text())
    file.write_text(json.dumps(stored | {"seed": stored["seed"][:-1] + "x"}))
    with pytest.raises(PlatformFileMalformed) as caught:
        SimulatedPlatform.open(tmp_path)
    assert "seed: 32 bytes as 64 hex digits belongs here" in caught.value.message
    assert stored["seed"][:8] not in json.dumps(caught.value.as_dict())


def test_missing_or_oversized_platform_file_is_refused(tmp_path):
    with pytest.raises(PlatformFileMalformed):
        SimulatedPlatform.open(tmp_path)
    (tmp_path / "platform.json").write_bytes(b"[" * 1_000_000)
    with pytest.raises(PlatformFileMalformed):
        SimulatedPlatform.open(tmp_path)


@pytest.mark.parametrize("field", ["measurement", "signer", "report_data"])
def test_wrong_lengths_are_refused(tmp_path, field):
    platform = SimulatedPlatform.create(tmp_path, CREATED)
    with pytest.raises(ValueError, match="bytes"):
        platform.quote(**(REPORT | {field: b"short"}))


def test_our_parser_and_dcap_qvl_read_the_same(platform):
    raw = platform.quote(**REPORT)
    quote = parse_quote(raw)
    assert quote.raw == raw
    assert (quote.trailing_bytes, quote.slack_bytes) == (0, 0)
    seen = dcap_qvl.parse_quote(raw)
    assert quote.report.attributes == seen.report.attributes
    assert quote.report.cpu_svn == seen.report.cpu_svn
    assert quote.certification_data.rstrip(b"\x00") == seen.cert_chain_pem_bytes()


def test_unwritable_folder_is_a_clear_error(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    with pytest.raises(PlatformUnwritable):
        SimulatedPlatform.create(blocked / "platform", CREATED)
