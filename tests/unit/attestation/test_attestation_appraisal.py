"""Every row of the appraisal table: what is accepted, and what one changed fact does to it.

The simulator makes what no public quote shows; the path is the one that hardware quotes take.
"""

import dataclasses
import struct

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from wattest.attestation.appraisal import Expectation, appraise
from wattest.attestation.appraisal_policy import default_policy, parse_policy
from wattest.attestation.endorsements import endorse
from wattest.attestation.evidence import parse_evidence
from wattest.attestation.expectation import expect_key
from wattest.attestation.formats.quote import EnclaveReport
from wattest.attestation.result import EvidenceRefused
from wattest.attestation.roots import RootKind, development_root, intel_root, parse_root
from wattest.enclave.simulator.collateral import CollateralOptions
from wattest.enclave.simulator.pki import SimulatedPki
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.enclave.simulator.quoting import QuotingEnclave
from wattest.messages.report_data import KeyBinding, report_data

NOW = 1_790_000_000  # 2026-09-21
DAY = 86_400
MEASUREMENT, SIGNER, REPORT_DATA = bytes([1] * 32), bytes([2] * 32), bytes(range(64))
REPORT = {"measurement": MEASUREMENT, "signer": SIGNER, "product": 7, "svn": 3, "report_data": REPORT_DATA}
XFRM = 0xE7
PLATFORM = SimulatedPlatform(SimulatedPki.create(bytes(range(32)), NOW))
OTHER = SimulatedPlatform(SimulatedPki.create(bytes(range(1, 33)), NOW))
ROOT = parse_root(PLATFORM.root_certificate)
BY_MEASUREMENT = f'version = 1\n[[enclave]]\nname = "ours"\nmr_enclave = "{MEASUREMENT.hex()}"\n'
BY_SIGNER = f'version = 1\n[[enclave]]\nname = "signed"\nmr_signer = "{SIGNER.hex()}"\nproduct = 7\nminimum_svn = 3\n'


def judge(
    quote=None,
    collateral=None,
    policy=BY_MEASUREMENT,
    *,
    now=NOW + DAY,
    roots=(ROOT,),
    platform=PLATFORM,
    **expectation,
):
    return appraise(
        parse_evidence(PLATFORM.quote(**REPORT) if quote is None else quote),
        endorse(platform.collateral(NOW) if collateral is None else collateral),
        parse_policy(policy.encode()),
        roots,
        now,
        expectation=Expectation(**expectation),
    )


def changed(**fields):
    return PLATFORM.quote(**(REPORT | fields))


def with_flags(flags, xfrm=XFRM):
    return changed(attributes=struct.pack("<QQ", flags, xfrm))


def options(**fields):
    return PLATFORM.collateral(NOW, CollateralOptions(**fields))


def patched(**fields):
    return dataclasses.replace(PLATFORM.collateral(NOW), **fields)


def flipped(offset):
    quote = bytearray(PLATFORM.quote(**REPORT))
    quote[offset] ^= 1
    return bytes(quote)


def test_up_to_date_and_named_is_accepted():
    result = judge()
    assert (result.genuine, result.accepted, result.tcb_status, result.advisories) == (True, True, "UpToDate", ())
    assert result.codes == ["accepted"]
    assert result.reference == "ours"
    assert result.platform_id == PLATFORM.platform_id
    assert result.measurement["mr_enclave"] == MEASUREMENT.hex()
    assert result.measurement_id == MEASUREMENT
    assert result.root is RootKind.SIMULATOR
    assert any("simulator" in warning for warning in result.warnings)
    result.verify_accepted()


def test_signer_product_and_minimum_svn_are_accepted():
    assert judge(policy=BY_SIGNER).reference == "signed"
    assert judge(changed(svn=9), policy=BY_SIGNER).accepted
    for fields in ({"svn": 2}, {"product": 8}, {"signer": bytes(32)}):
        result = judge(changed(**fields), policy=BY_SIGNER)
        assert (result.genuine, result.accepted, result.codes) == (True, False, ["unknown_measurement"])


def test_without_reference_value_nothing_is_accepted():
    evidence, endorsements = parse_evidence(PLATFORM.quote(**REPORT)), endorse(PLATFORM.collateral(NOW))
    result = appraise(evidence, endorsements, default_policy(), (ROOT,), NOW)
    assert (result.genuine, result.accepted, result.codes) == (True, False, ["no_reference_value"])
    with pytest.raises(EvidenceRefused, match="no policy names"):
        result.verify_accepted()


FOREIGN_KEY = ec.derive_private_key(7, ec.SECP256R1())
FORGED_REPORT = EnclaveReport(MEASUREMENT, SIGNER, 7, 3, REPORT_DATA, struct.pack("<QQ", 5, XFRM))
FORGED = {
    "other root": (lambda: judge(platform=OTHER, quote=OTHER.quote(**REPORT)), "other_root"),
    "under Intel's root": (lambda: judge(roots=(intel_root(),)), "other_root"),
    "under the published root": (lambda: judge(roots=(development_root(),)), "other_root"),
    "collateral of another platform": (lambda: judge(platform=OTHER), None),
    "measurement altered": (lambda: judge(flipped(112)), "report_signature"),
    "report data altered": (lambda: judge(flipped(368)), "report_signature"),
    "header altered": (lambda: judge(flipped(8)), "report_signature"),
    "report signature altered": (lambda: judge(flipped(436)), "report_signature"),
    "attestation key altered": (lambda: judge(flipped(500)), "attestation_key"),
    "QE report altered": (lambda: judge(flipped(574)), "qe_report_signature"),
    "QE signature altered": (lambda: judge(flipped(953)), "qe_report_signature"),
    "QE authentication data altered": (lambda: judge(flipped(1016)), "attestation_key"),
    "foreign attestation key": (
        lambda: judge(PLATFORM.quoting_enclave.unsafe_quote_with_key(FORGED_REPORT, FOREIGN_KEY)),
        "attestation_key",
    ),
    "QE in debug mode": (
        lambda: judge(QuotingEnclave(PLATFORM.pki, struct.pack("<QQ", 0x13, XFRM)).quote(FORGED_REPORT)),
        "qe_attributes",
    ),
    "QE attributes off its identity": (
        lambda: judge(QuotingEnclave(PLATFORM.pki, struct.pack("<QQ", 0x31, XFRM)).quote(FORGED_REPORT)),
        "qe_identity_mismatch",
    ),
    "QE vendor unknown": (lambda: judge(flipped(12)), "unknown_qe_vendor"),
    "QE identity names another signer": (
        lambda: judge(collateral=options(qe_mr_signer=bytes(32))),
        "qe_identity_mismatch",
    ),
    "QE below every level": (lambda: judge(collateral=options(qe_minimum_svn=9)), "qe_below_minimum"),
    "QE identity unsigned": (
        lambda: judge(collateral=patched(qe_identity_signature=bytes(64))),
        "qe_identity_signature",
    ),
    "QE identity without signature": (lambda: judge(collateral=patched(qe_identity_signature=b"")), "signature_length"),
    "QE identity altered": (
        lambda: judge(
            collateral=patched(qe_identity=PLATFORM.collateral(NOW).qe_identity.replace("2026-01", "2026-02"))
        ),
        "qe_identity_signature",
    ),
    "TCB info altered": (
        lambda: judge(collateral=patched(tcb_info=PLATFORM.collateral(NOW).tcb_info.replace("2026-01", "2026-02"))),
        "tcb_info_signature",
    ),
    "TCB info signed by the PCK CA's chain": (
        lambda: judge(collateral=patched(tcb_info_issuer_chain=PLATFORM.collateral(NOW).pck_crl_issuer_chain)),
        None,
    ),
    "TCB info unreadable": (lambda: judge(collateral=patched(tcb_info="{}")), "collateral_malformed"),
    "chain missing": (lambda: judge(collateral=patched(tcb_info_issuer_chain="")), "certificate_chain"),
    "debug bit, well signed": (lambda: judge(with_flags(0x07)), "debug"),
    "PCK certificate revoked": (lambda: judge(collateral=options(revoke_pck=True)), "certificate_revoked"),
    "platform CA revoked": (lambda: judge(collateral=options(revoke_platform_ca=True)), "certificate_revoked"),
    "TCB revoked": (lambda: judge(collateral=options(tcb_status="Revoked")), "tcb_revoked"),
    "QE revoked": (lambda: judge(collateral=options(qe_status="Revoked")), "tcb_revoked"),
    "status unknown": (lambda: judge(collateral=options(tcb_status="Splendid")), "unknown_tcb_status"),
    "status out of place": (lambda: judge(collateral=options(tcb_status="TDRelaunchAdvised")), "unknown_tcb_status"),
    "QE status unknown": (lambda: judge(collateral=options(qe_status="Splendid")), "unknown_tcb_status"),
    "no matching level": (lambda: judge(collateral=options(minimum_component_svn=6)), "no_tcb_level"),
    "other FMSPC": (lambda: judge(collateral=options(fmspc=bytes(6))), "fmspc_mismatch"),
    "collateral expired": (lambda: judge(now=NOW + 31 * DAY), "collateral_expired"),
    "revocation list expired": (
        lambda: judge(collateral=patched(pck_crl=PLATFORM.collateral(NOW - 40 * DAY).pck_crl)),
        "collateral_expired",
    ),
    "collateral from the future": (lambda: judge(now=NOW - 3_600), "collateral_from_future"),
    "root CRL passed as PCK CRL": (
        lambda: judge(collateral=patched(pck_crl=PLATFORM.collateral(NOW).root_ca_crl)),
        "wrong_revocation_list",
    ),
    "PCK CRL passed as root CRL": (
        lambda: judge(collateral=patched(root_ca_crl=PLATFORM.collateral(NOW).pck_crl)),
        "other_root",
    ),
    "PCK CRL unreadable": (lambda: judge(collateral=patched(pck_crl=b"junk")), "collateral_malformed"),
    "time outside the calendar": (lambda: judge(now=10**15), "time"),
    "time before 1970": (lambda: judge(now=-1), "time"),
}


@pytest.mark.parametrize("name", FORGED)
def test_what_is_not_genuine(name):
    make, code = FORGED[name]
    result = make()
    assert not result.genuine
    assert not result.accepted
    assert result.tcb_status is None
    assert result.platform_id is None
    if code is not None:
        assert result.codes[0] == code, result.reasons
    with pytest.raises(EvidenceRefused):
        result.verify_accepted()


GRACE = '[[tcb]]\nstatus = "OutOfDate"\nadvisories = ["INTEL-SA-1"]\nuntil = 2026-12-31\n'
REFUSED = {
    "PROVISION_KEY": (lambda: judge(with_flags(0x15)), ["provision_key", "attributes"]),
    "EINITTOKEN_KEY": (lambda: judge(with_flags(0x25)), ["einittoken_key", "attributes"]),
    "INIT missing": (lambda: judge(with_flags(0x04)), ["attributes"]),
    "KSS, not pinned": (lambda: judge(with_flags(0x85)), ["attributes"]),
    "XFRM without SSE": (lambda: judge(with_flags(0x05, 0x1)), ["xfrm"]),
    "XFRM with an unknown feature": (lambda: judge(with_flags(0x05, XFRM | 1 << 40)), ["xfrm"]),
    "MISCSELECT set": (lambda: judge(changed(misc_select=1)), ["misc_select"]),
    "measurement unknown": (lambda: judge(changed(measurement=bytes(32))), ["unknown_measurement"]),
    "report data of another key": (lambda: judge(report_data=bytes(64)), ["report_data"]),
    "SWHardeningNeeded": (lambda: judge(collateral=options(tcb_status="SWHardeningNeeded")), ["tcb_status"]),
    "ConfigurationNeeded": (lambda: judge(collateral=options(tcb_status="ConfigurationNeeded")), ["tcb_status"]),
    "OutOfDate": (lambda: judge(collateral=options(tcb_status="OutOfDate")), ["tcb_status"]),
    "QE OutOfDate, platform UpToDate": (
        lambda: judge(collateral=options(qe_status="OutOfDate")),
        ["tcb_status", "tcb_status"],
    ),
    "QE ConfigurationNeeded, platform UpToDate": (
        lambda: judge(collateral=options(qe_status="ConfigurationNeeded")),
        ["tcb_status"],
    ),
    "QE OutOfDateConfigurationNeeded": (
        lambda: judge(collateral=options(qe_status="OutOfDateConfigurationNeeded")),
        ["tcb_status"],
    ),
    "grace over": (
        lambda: judge(
            collateral=options(tcb_status="OutOfDate", advisories=("INTEL-SA-1",)),
            policy=BY_MEASUREMENT + GRACE.replace("2026-12-31", "2026-09-22"),
        ),
        ["grace_ended"],
    ),
    "grace, other advisory": (
        lambda: judge(
            collateral=options(tcb_status="OutOfDate", advisories=("INTEL-SA-1", "INTEL-SA-2")),
            policy=BY_MEASUREMENT + GRACE,
        ),
        ["advisories"],
    ),
    "collateral eight days old": (
        lambda: judge(now=NOW + 8 * DAY),
        ["collateral_too_old", "collateral_too_old", "collateral_too_old"],
    ),
    "PCK CRL from the future": (
        lambda: judge(collateral=patched(pck_crl=PLATFORM.collateral(NOW + 9 * DAY).pck_crl)),
        ["collateral_from_future"],
    ),
    "root CRL from the future": (
        lambda: judge(collateral=patched(root_ca_crl=PLATFORM.collateral(NOW + 9 * DAY).root_ca_crl)),
        ["collateral_from_future"],
    ),
    "other PCE id": (lambda: judge(collateral=options(pce_id=b"\x01\x00")), ["pce_id"]),
    "evaluation number below the policy's": (
        lambda: judge(policy="minimum_tcb_evaluation_number = 21\n" + BY_MEASUREMENT),
        ["evaluation_number"],
    ),
    "evaluation number going back": (lambda: judge(seen_evaluation_number=21), ["evaluation_went_back"]),
    "evidence used before": (
        lambda: judge(used_evidence={parse_evidence(PLATFORM.quote(**REPORT)).signed_digest}),
        ["nonce_reused"],
    ),
    "registration expired": (lambda: judge(registered_until=NOW + DAY), ["registration_expired"]),
    "platform not on the list": (
        lambda: judge(policy=f'platforms = ["{OTHER.platform_id.hex()}"]\n' + BY_MEASUREMENT),
        ["platform"],
    ),
    "no platform on the list": (lambda: judge(policy="platforms = []\n" + BY_MEASUREMENT), ["platform"]),
    "simulator root in production": (lambda: judge(policy="production = true\n" + BY_MEASUREMENT), ["root_refused"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_genuine_but_refused(name):
    make, codes = REFUSED[name]
    result = make()
    assert result.genuine
    assert not result.accepted
    assert result.codes == codes, result.reasons


ALLOWED = {
    "SWHardeningNeeded with its advisory": (
        {"tcb_status": "SWHardeningNeeded", "advisories": ("INTEL-SA-1",)},
        '[[tcb]]\nstatus = "SWHardeningNeeded"\nadvisories = ["INTEL-SA-1", "INTEL-SA-2"]\n',
    ),
    "ConfigurationNeeded without advisories": (
        {"tcb_status": "ConfigurationNeeded"},
        '[[tcb]]\nstatus = "ConfigurationNeeded"\nadvisories = []\n',
    ),
    "OutOfDate in its grace": ({"tcb_status": "OutOfDate", "advisories": ("INTEL-SA-1",)}, GRACE),
    "QE that needs configuration": (
        {"qe_status": "ConfigurationNeeded"},
        '[[tcb]]\nstatus = "ConfigurationNeeded"\nadvisories = []\n',
    ),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_what_a_policy_may_allow(name):
    fields, allowance = ALLOWED[name]
    collateral = options(**fields)
    assert judge(collateral=collateral, policy=BY_MEASUREMENT + allowance).accepted
    assert not judge(collateral=collateral).accepted


def test_pins_can_be_set_but_never_to_debug_or_privileged_keys():
    kss = BY_MEASUREMENT + '[attributes]\nflags = { value = "0x85", mask = "0xffffffffffffffff" }\n'
    assert judge(with_flags(0x85), policy=kss).accepted
    assert judge(with_flags(0x05), policy=kss).codes == ["attributes"]
    anything = BY_MEASUREMENT + '[attributes]\nflags = { value = "0x0", mask = "0x0" }\n'
    assert judge(with_flags(0x15), policy=anything).codes == ["provision_key"]
    assert judge(with_flags(0x25), policy=anything).codes == ["einittoken_key"]
    assert judge(with_flags(0x07), policy=anything).codes == ["debug"]


def test_trailing_bytes_change_neither_judgement_nor_identity():
    quote = PLATFORM.quote(**REPORT)
    plain, padded = judge(quote), judge(quote + bytes(64))
    assert padded.accepted
    assert padded.evidence_digest == plain.evidence_digest
    assert padded.warnings[0] == "64 trailing bytes after the quote were ignored"


def test_bytes_that_no_field_owns_are_refused():
    quote = PLATFORM.quote(**REPORT)
    length = int.from_bytes(quote[432:436], "little")
    slack = quote[:432] + struct.pack("<I", length + 3) + quote[436:] + b"abc"
    result = judge(slack)
    assert (result.genuine, result.codes) == (True, ["slack_bytes"])


def test_certificates_can_be_reencoded_so_the_signed_part_is_the_key_for_seen_before():
    quote = PLATFORM.quote(**REPORT)
    root_line = bytearray(quote)
    root_line[4000] ^= 1  # inside the root certificate's text, which no verifier needs
    one, two = parse_evidence(quote), parse_evidence(bytes(root_line))
    assert judge(bytes(root_line)).genuine
    assert one.digest != two.digest
    assert one.signed_digest == two.signed_digest


def test_one_of_several_roots_is_enough_and_is_named():
    result = judge(roots=(intel_root(), development_root(), ROOT))
    assert result.accepted
    published = SimulatedPlatform(SimulatedPki.create(bytes(32), NOW, published_root=True))
    result = judge(
        published.quote(**REPORT), roots=(intel_root(), development_root(), ROOT), collateral=published.collateral(NOW)
    )
    assert result.accepted
    assert result.platform_id == published.platform_id
    with pytest.raises(ValueError, match="1 to 8 roots"):
        judge(roots=())


def test_expected_report_data_is_accepted_when_it_is_there():
    assert judge(report_data=REPORT_DATA, seen_evaluation_number=20).accepted


def test_listed_platform_is_accepted():
    assert judge(policy=f'platforms = ["{PLATFORM.platform_id.hex()}"]\n' + BY_MEASUREMENT).accepted


def test_production_policy_asks_only_about_the_root():
    assert judge(policy="production = false\n" + BY_MEASUREMENT).accepted


def test_collateral_may_bring_the_pck_chain():
    quote = PLATFORM.quote(**REPORT)
    chain = parse_evidence(quote).quote.certification_data.rstrip(b"\x00").decode()
    assert judge(collateral=patched(pck_certificate_chain=chain)).accepted
    assert not judge(collateral=patched(pck_certificate_chain=PLATFORM.collateral(NOW).pck_crl_issuer_chain)).genuine


def test_registration_and_use_are_judged_sharply():
    assert judge(registered_until=NOW + DAY + 1).accepted
    assert judge(used_evidence={bytes(32)}).accepted


BINDING = KeyBinding(31_337, b"\x01" * 20, b"\x02" * 32, b"\x03" * 20, b"\x04" * 32)
KEY = b"\x05" * 20
EXPECTED = expect_key(
    BINDING,
    KEY,
    used_nonces=[b"\x14" * 32],
    stale_nonces=[b"\x24" * 32, b"\x14" * 32],
    chain_ids=[1],
    referees=[b"\x11" * 20],
    channels=[b"\x12" * 32],
    operators=[b"\x13" * 20],
    keys=[b"\x15" * 20],
)
OTHERS = {
    "accepted": {},
    "nonce_reused": {"nonce": b"\x14" * 32},
    "nonce_stale": {"nonce": b"\x24" * 32},
    "other_chain": {"chain_id": 1},
    "other_referee": {"referee": b"\x11" * 20},
    "other_channel": {"channel": b"\x12" * 32},
    "other_operator": {"operator": b"\x13" * 20},
    "report_data": {"nonce": b"\x34" * 32},
}


@pytest.mark.parametrize("code", OTHERS)
def test_what_report_data_binds_instead_is_recognised(code):
    quote = changed(report_data=report_data(dataclasses.replace(BINDING, **OTHERS[code]), KEY))
    result = judge(quote, **{each.name: getattr(EXPECTED, each.name) for each in dataclasses.fields(EXPECTED)})
    assert result.codes == [code]
    assert result.accepted is (code == "accepted")


def test_another_key_is_recognised_and_too_many_others_are_not():
    quote = changed(report_data=report_data(BINDING, b"\x15" * 20))
    assert judge(quote, report_data=EXPECTED.report_data, known_report_data=EXPECTED.known_report_data).codes == [
        "other_key"
    ]
    with pytest.raises(ValueError, match="at most"):
        expect_key(BINDING, KEY, chain_ids=range(4_097))


@pytest.mark.parametrize(
    ("now", "tolerance", "codes"),
    [
        (NOW, 0, ["accepted"]),
        (NOW - 1, 0, ["collateral_from_future"]),
        (NOW - 60, 60, ["accepted"]),
        (NOW - 61, 60, ["collateral_from_future"]),
    ],
)
def test_a_clock_that_is_behind_is_tolerated_as_far_as_the_policy_says(now, tolerance, codes):
    policy = f"clock_tolerance_s = {tolerance}\n" + BY_MEASUREMENT
    result = judge(now=now, policy=policy)
    assert list(dict.fromkeys(result.codes)) == codes
    assert result.genuine is (codes == ["accepted"])
    assert result.appraised_at == now
    assert result.as_dict()["collateral"]["issued_ahead_seconds"] == NOW - now
    behind = [warning for warning in result.warnings if "behind the collateral's issuer" in warning]
    assert len(behind) == (0 < NOW - now <= tolerance)
    if codes != ["accepted"]:
        assert f"issued {NOW - now} s after the time of appraisal" in result.reasons[0]


def test_tolerance_keeps_nothing_that_has_ended():
    policy = "clock_tolerance_s = 600\nmaximum_collateral_age_days = 365\n" + BY_MEASUREMENT
    assert judge(now=NOW + 30 * DAY - 1, policy=policy).accepted
    assert judge(now=NOW + 30 * DAY, policy=policy).codes == ["collateral_expired"]


@pytest.mark.parametrize(
    ("now", "warn", "ending"), [(NOW + 5 * DAY, 2, False), (NOW + 5 * DAY + 1, 2, True), (NOW + 6 * DAY + 1, 0, False)]
)
def test_collateral_about_to_end_is_warned_about(now, warn, ending):
    result = judge(now=now, policy=f"warn_days = {warn}\n" + BY_MEASUREMENT)
    assert result.accepted
    assert any("fetch it again" in warning for warning in result.warnings) is ending
    shown = result.as_dict()["collateral"]
    assert (shown["ending"], shown["usable_until"], shown["ends_first"]) == (ending, NOW + 7 * DAY, "TCB info")


def test_collateral_whose_dates_cannot_be_read_has_no_life():
    result = judge(collateral=patched(pck_crl=b"\x30"))
    assert result.as_dict()["collateral"] is None
    assert not result.accepted
