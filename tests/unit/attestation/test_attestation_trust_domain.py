"""TDX trust domains, versions 4 and 5: quotes built here under a simulator's keys, for what no public quote shows."""

import dataclasses
import hashlib
import json
import struct

import pytest

from wattest.attestation.appraisal import appraise
from wattest.attestation.appraisal_policy import parse_policy
from wattest.attestation.endorsements import endorse
from wattest.attestation.evidence import parse_evidence
from wattest.attestation.roots import parse_root
from wattest.enclave.simulator.collateral import QE_MR_SIGNER
from wattest.enclave.simulator.pki import PCE_SVN, SimulatedPki, sign_raw
from wattest.enclave.simulator.platform import SimulatedPlatform

NOW = 1_790_000_000
DAY = 86_400
PLATFORM = SimulatedPlatform(SimulatedPki.create(bytes(range(32)), NOW))
ROOT = parse_root(PLATFORM.root_certificate)
MR_TD = bytes([3] * 48)
PLAIN, FEATURES = 0x10000000, 0x61AE7
POLICY = f'version = 1\n[[trust_domain]]\nname = "ours"\nmr_td = "{MR_TD.hex()}"\n'
SGX_QUOTE = PLATFORM.quote(measurement=bytes(32), signer=bytes(32), product=1, svn=1, report_data=bytes(64))


def quote(*, version=4, body=2, attributes=PLAIN, xfam=FEATURES, module=(3, 1), service=bytes(48), wrapper=6):
    """A trust domain's quote: the simulator's quoting enclave vouches for its key as it does for SGX."""
    header = struct.pack("<HHI", version, 2, 0x81) + SGX_QUOTE[8:48]
    svn = bytes([*module, *[2] * 14])
    report = svn + bytes(48 + 48 + 8) + struct.pack("<QQ", attributes, xfam) + MR_TD + bytes(48 * 3)
    report += b"".join(bytes([register] * 48) for register in range(4)) + bytes(64)
    if body >= 3:
        report += svn + service
    if body == 4:
        report += bytes(885 - 648)
    if version == 5:
        header += struct.pack("<HI", body, len(report))
    signature = sign_raw(PLATFORM.pki.attestation_key, header + report)
    wrapped = signature + SGX_QUOTE[500:564] + struct.pack("<HI", wrapper, len(SGX_QUOTE) - 564) + SGX_QUOTE[564:]
    return header + report + struct.pack("<I", len(wrapped)) + wrapped


def collateral(*, status="UpToDate", module_status="UpToDate", component=2, identity="TD_QE"):
    plain = PLATFORM.collateral(NOW)
    info = json.loads(plain.tcb_info) | {"id": "TDX", "tcbType": 0}
    level = {
        "sgxtcbcomponents": [{"svn": 5}] * 16,
        "pcesvn": PCE_SVN,
        "tdxtcbcomponents": [{"svn": component}] * 16,
    }
    info["tcbLevels"] = [{"tcb": level, "tcbDate": "2026-01-01T00:00:00Z", "tcbStatus": status}]
    signer = {"mrsigner": "00" * 48, "attributes": "00" * 8, "attributesMask": "FF" * 8}
    levels = [{"tcb": {"isvsvn": 3}, "tcbDate": "2026-01-01T00:00:00Z", "tcbStatus": module_status}]
    info |= {"tdxModule": signer, "tdxModuleIdentities": [signer | {"id": "TDX_01", "tcbLevels": levels}]}
    described = json.loads(plain.qe_identity) | {"id": identity}
    assert bytes.fromhex(described["mrsigner"]) == QE_MR_SIGNER
    key, tcb_info, qe_identity = PLATFORM.pki.tcb_signing_key, json.dumps(info), json.dumps(described)
    return dataclasses.replace(
        plain,
        tcb_info=tcb_info,
        tcb_info_signature=sign_raw(key, tcb_info.encode()),
        qe_identity=qe_identity,
        qe_identity_signature=sign_raw(key, qe_identity.encode()),
    )


def judge(data=None, endorsements=None, policy=POLICY, at=NOW + DAY):
    return appraise(
        parse_evidence(quote() if data is None else data),
        endorse(collateral() if endorsements is None else endorsements),
        parse_policy(policy.encode()),
        (ROOT,),
        at,
    )


@pytest.mark.parametrize(("version", "body"), [(4, 2), (5, 2), (5, 3), (5, 4)])
def test_each_version_and_body_is_accepted(version, body):
    result = judge(quote(version=version, body=body))
    assert (result.accepted, result.tcb_status, result.reference) == (True, "UpToDate", "ours")
    assert result.measurement["rt_mr2"] == "02" * 48
    registers = b"".join(bytes([register] * 48) for register in range(4))
    assert result.measurement_id == hashlib.sha256(b"wattest/td-measurement/1" + MR_TD + registers).digest()


def altered(data):
    return data[:200] + bytes([data[200] ^ 1]) + data[201:]


NOT_GENUINE = {
    "report altered": (lambda: judge(altered(quote())), "report_signature"),
    "debug": (lambda: judge(quote(attributes=PLAIN | 1)), "debug"),
    "profiling": (lambda: judge(quote(attributes=PLAIN | 0x10)), "debug"),
    "migratable": (lambda: judge(quote(attributes=PLAIN | 1 << 29)), "td_attributes"),
    "pages can be taken away": (lambda: judge(quote(attributes=0)), "td_attributes"),
    "reserved attribute": (lambda: judge(quote(attributes=PLAIN | 1 << 40)), "td_attributes"),
    "service domain": (lambda: judge(quote(version=5, body=3, service=bytes([1] * 48))), "td_attributes"),
    "service domain extension": (lambda: judge(quote(version=5, body=3, attributes=PLAIN | 1 << 17)), "td_attributes"),
    "module unknown": (lambda: judge(quote(module=(3, 9))), "tdx_module"),
    "module too old": (lambda: judge(quote(module=(2, 1))), "tdx_module"),
    "module revoked": (lambda: judge(endorsements=collateral(module_status="Revoked")), "tcb_revoked"),
    "below every level": (lambda: judge(endorsements=collateral(component=3)), "no_tcb_level"),
    "SGX collateral": (lambda: judge(endorsements=PLATFORM.collateral(NOW)), "collateral_of_other_kind"),
    "SGX QE identity": (lambda: judge(endorsements=collateral(identity="QE")), "collateral_of_other_kind"),
}


@pytest.mark.parametrize("name", NOT_GENUINE)
def test_what_is_not_genuine(name):
    make, code = NOT_GENUINE[name]
    result = make()
    assert (result.genuine, result.accepted, result.codes[0]) == (False, False, code), result.reasons


REFUSED = {
    "performance counters": (lambda: judge(quote(attributes=PLAIN | 1 << 63)), ["attributes"]),
    "unknown feature": (lambda: judge(quote(xfam=FEATURES | 1 << 15)), ["xfrm"]),
    "certification type": (lambda: judge(quote(wrapper=7)), ["certification_type"]),
    "module out of date": (lambda: judge(endorsements=collateral(module_status="OutOfDate")), ["tcb_status"]),
    "platform out of date": (lambda: judge(endorsements=collateral(status="OutOfDate")), ["tcb_status"]),
    "only enclaves named": (
        lambda: judge(policy=f'version = 1\n[[enclave]]\nname = "e"\nmr_enclave = "{"00" * 32}"\n'),
        ["unknown_measurement"],
    ),
    "another register": (lambda: judge(policy=POLICY + f'rt_mr3 = "{"00" * 48}"\n'), ["unknown_measurement"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_genuine_but_refused(name):
    make, codes = REFUSED[name]
    result = make()
    assert (result.genuine, result.accepted, result.codes) == (True, False, codes), result.reasons


def test_registers_can_be_named():
    assert judge(policy=POLICY + f'rt_mr3 = "{"03" * 48}"\n').accepted


def test_sgx_in_version_4_is_refused_as_dcap_qvl_refuses_it():
    header = struct.pack("<HHI", 4, 2, 0) + SGX_QUOTE[8:48]
    wrapped = SGX_QUOTE[436:564] + struct.pack("<HI", 6, len(SGX_QUOTE) - 564) + SGX_QUOTE[564:]
    data = header + SGX_QUOTE[48:432] + struct.pack("<I", len(wrapped)) + wrapped
    assert judge(data, PLATFORM.collateral(NOW)).codes[0] == "quote_version"


def test_certificates_out_of_their_time():
    early = PLATFORM.collateral(NOW - 5 * DAY)
    assert judge(SGX_QUOTE, early, at=NOW - 4 * DAY).codes[0] == "certificate_not_yet_valid"
    late = NOW + 3_700 * DAY
    assert judge(SGX_QUOTE, PLATFORM.collateral(late), at=late).codes[0] == "certificate_expired"


def test_pck_certificate_missing_or_unreadable():
    at = SGX_QUOTE.index(b"-----BEGIN") - 6
    encrypted_id = SGX_QUOTE[:at] + struct.pack("<H", 3) + SGX_QUOTE[at + 2 :]
    assert judge(encrypted_id, PLATFORM.collateral(NOW)).codes[0] == "no_pck_certificate"
    garbled = SGX_QUOTE.replace(b"-----BEGIN CERTIFICATE-----\nMII", b"-----BEGIN CERTIFICATE-----\nMI!", 1)
    assert judge(garbled, PLATFORM.collateral(NOW)).codes[0] == "certificate_malformed"
