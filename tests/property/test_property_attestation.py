"""Hostile bytes: every parser gives a value or a typed error, and appraisal agrees with dcap-qvl on every mutation."""

import dcap_qvl
from hypothesis import given
from hypothesis import strategies as st

from wattest.attestation.appraisal import appraise
from wattest.attestation.appraisal_policy import parse_policy
from wattest.attestation.endorsements import endorse, parse_endorsements
from wattest.attestation.evidence import parse_evidence
from wattest.attestation.formats.collateral import parse_collateral, parse_crl_issue_date
from wattest.attestation.formats.qe_identity import parse_qe_identity
from wattest.attestation.formats.quote import parse_quote
from wattest.attestation.formats.tcb_info import parse_tcb_info
from wattest.attestation.roots import parse_root
from wattest.enclave.simulator.pki import SimulatedPki
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.errors import InputError

NOW = 1_790_000_000
PLATFORM = SimulatedPlatform(SimulatedPki.create(bytes(range(32)), NOW))
MEASUREMENT = bytes([1] * 32)
QUOTE = PLATFORM.quote(measurement=MEASUREMENT, signer=bytes(32), product=1, svn=1, report_data=bytes(64))
COLLATERAL = PLATFORM.collateral(NOW)
TEXT = COLLATERAL.to_json()
POLICY_TEXT = f"""version = 1
platforms = ["{PLATFORM.platform_id.hex()}"]
[[enclave]]
name = "ours"
mr_enclave = "{MEASUREMENT.hex()}"
[[tcb]]
status = "OutOfDate"
advisories = ["INTEL-SA-1"]
until = 2026-12-31
[attributes.flags]
value = "0x5"
mask = "0xff"
""".encode()
POLICY = parse_policy(POLICY_TEXT)
ROOT = parse_root(PLATFORM.root_certificate)


def mutations(valid: bytes):
    """Valid bytes with a few of them changed, removed, repeated or put in."""
    position = st.integers(0, len(valid) - 1)
    edit = st.one_of(
        st.tuples(st.just("set"), position, st.integers(0, 255)),
        st.tuples(st.just("cut"), position, st.integers(1, 64)),
        st.tuples(st.just("insert"), position, st.integers(0, 255)),
        st.tuples(st.just("truncate"), position, st.just(0)),
        st.tuples(st.just("append"), position, st.integers(0, 64)),
    )

    def apply(edits):
        data = bytearray(valid)
        for kind, at, value in edits:
            if kind == "set" and at < len(data):
                data[at] = value
            elif kind == "cut":
                del data[at : at + value]
            elif kind == "insert":
                data.insert(at, value)
            elif kind == "truncate":
                del data[at:]
            elif kind == "append":
                data += valid[at : at + value]
        return bytes(data)

    return st.lists(edit, min_size=1, max_size=3).map(apply)


def value_or_input_error(parse, data):
    try:
        return parse(data)
    except InputError:
        return None


@given(st.one_of(st.binary(max_size=2_000), mutations(QUOTE)))
def test_any_bytes_as_quote(data):
    quote = value_or_input_error(parse_quote, data)
    if quote is not None:
        assert data.startswith(quote.raw)
        assert len(quote.raw) + quote.trailing_bytes == len(data)
        assert parse_quote(quote.raw).raw == quote.raw
        dcap_qvl.parse_quote(data)  # whatever we read, dcap-qvl reads


@given(st.one_of(st.binary(max_size=500), st.text(max_size=200).map(str.encode), mutations(TEXT)))
def test_any_bytes_as_collateral(data):
    collateral = value_or_input_error(parse_collateral, data)
    if collateral is not None:
        assert parse_collateral(collateral.to_json()) == collateral


@given(st.one_of(st.binary(max_size=500), st.text(max_size=200).map(str.encode), mutations(POLICY_TEXT)))
def test_any_bytes_as_policy(data):
    value_or_input_error(parse_policy, data)


@given(
    st.one_of(st.binary(max_size=500), mutations(PLATFORM.root_certificate), mutations(PLATFORM.root_certificate_pem))
)
def test_any_bytes_as_root(data):
    value_or_input_error(parse_root, data)


@given(st.one_of(st.binary(max_size=500), mutations(COLLATERAL.pck_crl)))
def test_any_bytes_as_revocation_list(data):
    value_or_input_error(lambda given: parse_crl_issue_date(given, "list"), data)


@given(st.one_of(st.text(max_size=200), mutations(COLLATERAL.tcb_info.encode()).map(lambda b: b.decode("latin-1"))))
def test_any_text_as_statement(text):
    value_or_input_error(parse_tcb_info, text)
    value_or_input_error(parse_qe_identity, text)


def judged_by_dcap_qvl(quote, text):
    try:
        theirs = dcap_qvl.QuoteCollateralV3.from_json(text.decode("utf-8"))
        return dcap_qvl.verify_with_root_ca(quote, theirs, PLATFORM.root_certificate, NOW).status
    except ValueError:
        return None


@given(mutations(QUOTE))
def test_genuine_is_what_dcap_qvl_says_of_any_changed_quote(data):
    evidence = value_or_input_error(parse_evidence, data)
    wanted = judged_by_dcap_qvl(data, TEXT)
    if evidence is None:
        assert wanted is None
        return
    result = appraise(evidence, endorse(COLLATERAL), POLICY, (ROOT,), NOW)
    assert result.tcb_status == wanted
    assert result.genuine == (wanted is not None)
    assert result.accepted <= result.genuine
    # Whatever was changed, an accepted quote says what the enclave said: only unsigned wrapping may differ.
    if result.accepted:
        assert evidence.signed_digest == parse_evidence(QUOTE).signed_digest


@given(mutations(TEXT))
def test_genuine_is_what_dcap_qvl_says_of_any_changed_collateral(data):
    endorsements = value_or_input_error(parse_endorsements, data)
    wanted = judged_by_dcap_qvl(QUOTE, data)
    if endorsements is None:
        assert wanted is None
        return
    result = appraise(parse_evidence(QUOTE), endorsements, POLICY, (ROOT,), NOW)
    assert result.tcb_status == wanted
