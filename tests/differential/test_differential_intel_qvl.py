"""Intel's own Quote Verification Library as a second opinion on the simulator's quotes.

Its Python wrapper (sgx-dcap-quote-verify-python, unmaintained) wants an older cbor2 than wattest does, so it lives in
an environment of its own: `python3 -m venv X && X/bin/pip install sgx-dcap-quote-verify-python`, then
`WATTEST_INTEL_QVL=X/bin/python`. Where that is unset these tests say that they skip.
"""

import json
import os
import struct
import subprocess

import pytest

from wattest.attestation.appraisal import appraise
from wattest.attestation.endorsements import endorse
from wattest.attestation.evidence import parse_evidence
from wattest.attestation.policy import default_policy
from wattest.attestation.roots import parse_root
from wattest.enclave.simulator.collateral import CollateralOptions
from wattest.enclave.simulator.pki import SimulatedPki, pem_chain
from wattest.enclave.simulator.platform import SimulatedPlatform

NOW = 1_790_000_000
DAY = 86_400
PLATFORM = SimulatedPlatform(SimulatedPki.create(bytes(range(32)), NOW))
REPORT = {"measurement": bytes([1] * 32), "signer": bytes([2] * 32), "product": 7, "svn": 3, "report_data": bytes(64)}

JUDGE = """
import json, sys, datetime
import sgx_dcap_quote_verify as q
given = json.load(sys.stdin)
given["quote"] = bytes.fromhex(given["quote"])
given["expiration_date"] = datetime.datetime.fromtimestamp(given["expiration_date"], datetime.timezone.utc)
result = q.verify(**given)
names = [s.name for s in (result.pck_certificate_status, result.tcb_info_status, result.qe_identity_status,
                          result.quote_status)]
print(json.dumps({"ok": result.ok, "statuses": names}))
"""


@pytest.fixture(scope="module")
def interpreter():
    named = os.environ.get("WATTEST_INTEL_QVL")
    if not named:
        pytest.skip("WATTEST_INTEL_QVL is not set: Intel's library lives in an environment of its own")
    return named


def intel(interpreter, quote, collateral, at):
    pki = PLATFORM.pki
    given = {
        "trusted_root_ca_certificate": pem_chain(pki.root),
        "pck_certificate": pem_chain(pki.pck),
        "pck_signing_chain": pem_chain(pki.platform_ca, pki.root),
        "root_ca_crl": collateral.root_ca_crl.hex(),
        "intermediate_ca_crl": collateral.pck_crl.hex(),
        "tcb_info": f'{{"tcbInfo":{collateral.tcb_info},"signature":"{collateral.tcb_info_signature.hex()}"}}',
        "tcb_signing_chain": collateral.tcb_info_issuer_chain,
        "quote": quote.hex(),
        "qe_identity": (
            f'{{"enclaveIdentity":{collateral.qe_identity},"signature":"{collateral.qe_identity_signature.hex()}"}}'
        ),
        "expiration_date": at,
    }
    done = subprocess.run(
        [interpreter, "-c", JUDGE], input=json.dumps(given), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ours(quote, collateral, at):
    evidence, root = parse_evidence(quote), parse_root(PLATFORM.root_certificate)
    return appraise(evidence, endorse(collateral), default_policy(), (root,), at)


def flip(offset):
    quote = bytearray(PLATFORM.quote(**REPORT))
    quote[offset] ^= 1
    return bytes(quote)


CASES = {
    "healthy": (PLATFORM.quote(**REPORT), {}, NOW + DAY),
    "out of date": (PLATFORM.quote(**REPORT), {"tcb_status": "OutOfDate"}, NOW + DAY),
    "software hardening": (PLATFORM.quote(**REPORT), {"tcb_status": "SWHardeningNeeded"}, NOW + DAY),
    "configuration": (PLATFORM.quote(**REPORT), {"tcb_status": "ConfigurationNeeded"}, NOW + DAY),
    "quoting enclave out of date": (PLATFORM.quote(**REPORT), {"qe_status": "OutOfDate"}, NOW + DAY),
    "measurement altered": (flip(112), {}, NOW + DAY),
    "signature altered": (flip(436), {}, NOW + DAY),
    "attestation key altered": (flip(500), {}, NOW + DAY),
    "QE report altered": (flip(574), {}, NOW + DAY),
    "PCK revoked": (PLATFORM.quote(**REPORT), {"revoke_pck": True}, NOW + DAY),
    "platform CA revoked": (PLATFORM.quote(**REPORT), {"revoke_platform_ca": True}, NOW + DAY),
    "TCB revoked": (PLATFORM.quote(**REPORT), {"tcb_status": "Revoked"}, NOW + DAY),
    "other FMSPC": (PLATFORM.quote(**REPORT), {"fmspc": bytes(6)}, NOW + DAY),
    "QE of another signer": (PLATFORM.quote(**REPORT), {"qe_mr_signer": bytes(32)}, NOW + DAY),
    "expired": (PLATFORM.quote(**REPORT), {}, NOW + 31 * DAY),
}
LENIENT = {"STATUS_OK", "STATUS_TCB_OUT_OF_DATE", "STATUS_TCB_SW_HARDENING_NEEDED", "STATUS_TCB_CONFIGURATION_NEEDED"}


@pytest.mark.parametrize("name", CASES)
def test_intel_agrees(interpreter, name):
    quote, fields, at = CASES[name]
    collateral = PLATFORM.collateral(NOW, CollateralOptions(**fields))
    theirs = intel(interpreter, quote, collateral, at)
    judged = ours(quote, collateral, at)
    assert (theirs["statuses"][:3] == ["STATUS_OK"] * 3 and theirs["statuses"][3] in LENIENT) == judged.genuine, theirs


def test_intel_differs_where_the_design_says_so(interpreter):
    """A well-signed debug bit passes Intel's library, and the PCE id is compared there: both are refused here."""
    debug = PLATFORM.quote(**REPORT, attributes=struct.pack("<QQ", 0x7, 0xE7))
    collateral = PLATFORM.collateral(NOW)
    assert intel(interpreter, debug, collateral, NOW + DAY)["ok"]
    assert ours(debug, collateral, NOW + DAY).codes[0] == "debug"
    other = PLATFORM.collateral(NOW, CollateralOptions(pce_id=b"\x01\x00"))
    quote = PLATFORM.quote(**REPORT)
    assert intel(interpreter, quote, other, NOW + DAY)["statuses"][3] == "STATUS_TCB_INFO_MISMATCH"
    assert "pce_id" in ours(quote, other, NOW + DAY).codes
