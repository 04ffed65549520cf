"""Quotes and collateral: what is read, and what is refused before anything is allocated."""

import dataclasses
import json
import struct

import dcap_qvl
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from wattest.attestation.endorsements import parse_endorsements
from wattest.attestation.formats.collateral import (
    MAX_COLLATERAL_BYTES,
    CollateralMalformed,
    parse_collateral,
    parse_crl_issue_date,
)
from wattest.attestation.formats.qe_identity import parse_qe_identity
from wattest.attestation.formats.quote import (
    MAX_INPUT_BYTES,
    EnclaveReport,
    QuoteMalformed,
    TdReport,
    TeeType,
    parse_enclave_report,
    parse_quote,
)
from wattest.attestation.formats.tcb_info import parse_tcb_info
from wattest.attestation.roots import RootKind, RootMalformed, development_root, intel_root, parse_root, show_name
from wattest.enclave.simulator.pki import SimulatedPki, development_root_certificate
from wattest.enclave.simulator.platform import SimulatedPlatform

NOW = 1_790_000_000
PLATFORM = SimulatedPlatform(SimulatedPki.create(bytes(range(32)), NOW))
REPORT = {"measurement": bytes([1] * 32), "signer": bytes([2] * 32), "product": 7, "svn": 3}
QUOTE = PLATFORM.quote(**REPORT, report_data=bytes(range(64)))
COLLATERAL = PLATFORM.collateral(NOW)


def test_fields_of_a_version_3_quote():
    quote = parse_quote(QUOTE)
    assert (quote.header.version, quote.header.tee_type) == (3, TeeType.SGX)
    assert quote.header.pack() == QUOTE[:48]
    assert isinstance(quote.report, EnclaveReport)
    assert quote.report.pack() == QUOTE[48:432]
    assert (quote.report.product, quote.report.svn, quote.report.flags, quote.report.xfrm) == (7, 3, 5, 0xE7)
    assert quote.signed_bytes == 432
    assert (quote.certification_type, len(quote.qe_authentication_data)) == (5, 32)
    assert parse_enclave_report(quote.qe_report.pack()) == quote.qe_report


def version_5(kind, size, tee):
    """A version 5 quote around the same signature data, wrapped as versions 4 and 5 do."""
    header = struct.pack("<HHI", 5, 2, tee) + QUOTE[8:48]
    inner = QUOTE[564:]
    wrapped = QUOTE[436:564] + struct.pack("<HI", 6, len(inner)) + inner
    return header + struct.pack("<HI", kind, size) + bytes(size) + struct.pack("<I", len(wrapped)) + wrapped


@pytest.mark.parametrize(
    ("kind", "size", "tee", "body"),
    [(1, 384, 0, None), (2, 584, 0x81, "1.0"), (3, 648, 0x81, "1.5"), (4, 885, 0x81, "1.5ex")],
)
def test_version_5_bodies_are_read_as_dcap_qvl_reads_them(kind, size, tee, body):
    raw = version_5(kind, size, tee)
    quote = parse_quote(raw)
    assert quote.raw == raw
    assert (quote.report.body if isinstance(quote.report, TdReport) else None) == body
    assert dcap_qvl.parse_quote(raw).is_tdx() == (tee == 0x81)
    assert quote.certification_data == parse_quote(QUOTE).certification_data


@pytest.mark.parametrize(
    "raw",
    [
        version_5(2, 585, 0x81),
        version_5(9, 384, 0),
        version_5(1, 384, 0x81),
        version_5(2, 584, 0),
        b"",
        QUOTE[:47],
        QUOTE[:431],
        QUOTE[:435],
        QUOTE[:-1],
        struct.pack("<H", 2) + QUOTE[2:],
        struct.pack("<H", 6) + QUOTE[2:],
        QUOTE[:2] + struct.pack("<H", 3) + QUOTE[4:],
        QUOTE[:4] + struct.pack("<I", 0x81) + QUOTE[8:],
        QUOTE[:4] + struct.pack("<I", 7) + QUOTE[8:],
        QUOTE[:432] + struct.pack("<I", 2**32 - 1) + QUOTE[436:],
        QUOTE[:432] + struct.pack("<I", 128) + QUOTE[436:],
        QUOTE[:432] + struct.pack("<I", 70_000) + bytes(70_000),
        QUOTE + bytes(MAX_INPUT_BYTES),
        QUOTE.hex().encode(),
    ],
)
def test_what_is_no_quote_is_refused(raw):
    with pytest.raises(QuoteMalformed) as caught:
        parse_quote(raw)
    assert caught.value.exit_code == 3


def test_every_truncation_is_refused():
    for length in range(0, len(QUOTE), 7):
        with pytest.raises(QuoteMalformed):
            parse_quote(QUOTE[:length])


def test_wrapper_type_is_kept_for_the_policy():
    raw = version_5(2, 584, 0x81)
    at = 48 + 6 + 584 + 4 + 128
    odd = raw[:at] + struct.pack("<H", 7) + raw[at + 2 :]
    assert (parse_quote(raw).wrapper_type, parse_quote(odd).wrapper_type, parse_quote(QUOTE).wrapper_type) == (
        6,
        7,
        None,
    )


def test_collateral_round_trip_and_digest():
    text = COLLATERAL.to_json()
    assert parse_collateral(text) == COLLATERAL
    spelled = json.dumps(json.loads(text), indent=3).encode()
    assert parse_endorsements(spelled).digest == parse_endorsements(text).digest == COLLATERAL.digest
    assert dcap_qvl.QuoteCollateralV3.from_json(text.decode()).tcb_info == COLLATERAL.tcb_info
    other = dataclasses.replace(COLLATERAL, tcb_info=COLLATERAL.tcb_info + " ")
    assert other.digest != COLLATERAL.digest


def test_optional_chain_round_trip():
    with_chain = dataclasses.replace(COLLATERAL, pck_certificate_chain="x")
    assert parse_collateral(with_chain.to_json()) == with_chain
    assert with_chain.digest != COLLATERAL.digest
    nulled = json.loads(COLLATERAL.to_json()) | {"pck_certificate_chain": None}
    assert parse_collateral(json.dumps(nulled).encode()) == COLLATERAL


VALUE = json.loads(COLLATERAL.to_json())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"null",
        b"{",
        b"{}",
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b"1" * 5_000,
        b'{"a":NaN}',
        b" " * (MAX_COLLATERAL_BYTES + 1),
        json.dumps(VALUE | {"tcb_info": 1}).encode(),
        json.dumps(VALUE | {"tcb_info": VALUE["tcb_info"] + "\ud800"}).encode(),
        json.dumps(VALUE | {"pck_crl": "abc"}).encode(),
        json.dumps(VALUE | {"pck_crl": "a b c "}).encode(),
        json.dumps(VALUE | {"pck_crl": None}).encode(),
        json.dumps(VALUE | {"pck_certificate_chain": 7}).encode(),
        json.dumps({name: value for name, value in VALUE.items() if name != "qe_identity"}).encode(),
        COLLATERAL.to_json()[:-1] + b',"tcb_info":"x"}',
    ],
)
def test_what_is_no_collateral_is_refused(data):
    with pytest.raises(CollateralMalformed):
        parse_collateral(data)


def test_statement_dates_and_numbers():
    statement = parse_tcb_info(COLLATERAL.tcb_info)
    assert (statement.id, statement.issued_at, statement.next_update) == ("SGX", NOW, NOW + 30 * 86_400)
    assert (statement.evaluation_number, statement.fmspc, statement.pce_id) == (20, b"WTSIM\x00", bytes(2))
    assert parse_crl_issue_date(COLLATERAL.pck_crl, "list") == NOW


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        COLLATERAL.tcb_info.replace('"issueDate":"', '"issueDate":"x'),
        COLLATERAL.tcb_info.replace("Z", ""),
        COLLATERAL.tcb_info.replace('Number":20', 'Number":-1'),
        COLLATERAL.tcb_info.replace('Number":20', 'Number":true'),
        COLLATERAL.tcb_info.replace("575453494D00", "zz"),
        COLLATERAL.tcb_info.replace('"SGX"', "3"),
        "\ud800",
    ],
)
def test_what_is_no_statement_is_refused(text):
    with pytest.raises(CollateralMalformed):
        parse_tcb_info(text)


TCB_INFO, QE_IDENTITY = json.loads(COLLATERAL.tcb_info), json.loads(COLLATERAL.qe_identity)


@pytest.mark.parametrize(
    ("parse", "plain", "change", "field", "expected", "actual"),
    [
        (parse_tcb_info, TCB_INFO, {"fmspc": "00"}, "fmspc", "6 bytes as 12 hex digits", "2 digits"),
        (parse_tcb_info, TCB_INFO, {"pceId": None}, "pceId", "2 bytes as 4 hex digits", "null"),
        (parse_tcb_info, TCB_INFO, {"tcbType": 1}, "tcbType", "0", "1"),
        (parse_tcb_info, TCB_INFO, {"tcbLevels": []}, "tcbLevels", "a list of 1 to 64", "a list of 0"),
        (parse_tcb_info, TCB_INFO, {"tcbLevels": [{}]}, "tcbLevels[0].tcb", "an object", "nothing: it is missing"),
        (
            parse_tcb_info,
            TCB_INFO,
            {"issueDate": "today"},
            "issueDate",
            "a date such as 2026-01-31T00:00:00Z",
            '"today"',
        ),
        (
            parse_tcb_info,
            TCB_INFO,
            {"tcbEvaluationDataNumber": 1.5},
            "tcbEvaluationDataNumber",
            "an integer from 0 to 4294967295",
            "1.5",
        ),
        (parse_qe_identity, QE_IDENTITY, {"isvprodid": 65_536}, "isvprodid", "an integer from 0 to 65535", "65536"),
        (
            parse_qe_identity,
            QE_IDENTITY,
            {"mrsigner": "\u001b[2J"},
            "mrsigner",
            "32 bytes as 64 hex digits",
            '"\\u001b[2J"',
        ),
        (
            parse_qe_identity,
            QE_IDENTITY,
            {"attributes": "0" * 99},
            "attributes",
            "16 bytes as 32 hex digits",
            "99 digits",
        ),
        (
            parse_qe_identity,
            QE_IDENTITY,
            {"miscselect": "z" * 99},
            "miscselect",
            "4 bytes as 8 hex digits",
            '"' + "z" * 39 + "...",
        ),
        (parse_qe_identity, QE_IDENTITY, {"tcbLevels": {}}, "tcbLevels", "a list of 1 to 64", "an object"),
    ],
)
def test_a_malformed_field_is_named_with_what_belongs_there(parse, plain, change, field, expected, actual):
    assert parse(json.dumps(plain)).levels
    with pytest.raises(CollateralMalformed) as refused:
        parse(json.dumps(plain | change))
    error = refused.value
    named = {name: error.fields[name] for name in ("field", "expected", "actual")}
    assert (named, error.reason) == ({"field": field, "expected": expected, "actual": actual}, "collateral_malformed")
    assert f"{field}: " in error.message
    assert error.message.isprintable()
    assert error.message.isascii()


def test_an_unknown_status_has_a_reason_of_its_own():
    level = TCB_INFO["tcbLevels"][0] | {"tcbStatus": "Fine"}
    with pytest.raises(CollateralMalformed) as refused:
        parse_tcb_info(json.dumps(TCB_INFO | {"tcbLevels": [level]}))
    assert (refused.value.reason, refused.value.fields["field"]) == ("unknown_tcb_status", "tcbLevels[0].tcbStatus")


def test_levels_and_their_advisories_are_read():
    listed = TCB_INFO["tcbLevels"][0] | {"advisoryIDs": ["INTEL-SA-1"]}
    (level,) = parse_tcb_info(json.dumps(TCB_INFO | {"tcbLevels": [listed]})).levels
    assert (level.status, level.advisories, level.svns) == ("UpToDate", ("INTEL-SA-1",), (*[5] * 16, 11))
    (level,) = parse_qe_identity(COLLATERAL.qe_identity).levels
    assert (level.status, level.advisories, level.svns) == ("UpToDate", None, (8,))


def test_of_another_version_only_the_head_is_read():
    old = {name: value for name, value in TCB_INFO.items() if name not in ("tcbLevels", "tcbType")} | {"version": 2}
    assert (parse_tcb_info(json.dumps(old)).version, parse_tcb_info(json.dumps(old)).levels) == (2, ())
    with pytest.raises(CollateralMalformed):
        parse_tcb_info(json.dumps(old | {"version": 3}))


def test_too_many_levels_are_refused():
    level = TCB_INFO["tcbLevels"][0]
    many = [level | {"tcb": level["tcb"] | {"pcesvn": svn}} for svn in range(65, 0, -1)]
    assert len(parse_tcb_info(json.dumps(TCB_INFO | {"tcbLevels": many[:64]})).levels) == 64
    with pytest.raises(CollateralMalformed, match="a list of 1 to 64"):
        parse_tcb_info(json.dumps(TCB_INFO | {"tcbLevels": many}))


def test_roots_are_told_apart_by_what_they_are():
    assert intel_root().kind is RootKind.INTEL
    assert development_root().kind is RootKind.SIMULATOR
    # The shipped certificate is the one that the simulator makes from the published key.
    assert development_root().certificate == development_root_certificate().public_bytes(Encoding.DER)
    own = parse_root(PLATFORM.root_certificate_pem)
    assert own == parse_root(PLATFORM.root_certificate)
    assert (own.kind, own.certificate) == (RootKind.SIMULATOR, PLATFORM.root_certificate)
    assert own.fingerprint != development_root().fingerprint


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"junk",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        PLATFORM.root_certificate_pem * 2,
        PLATFORM.root_certificate[:-1],
        PLATFORM.root_certificate + b"x",
        COLLATERAL.pck_crl,
        b"0" * 20_000,
    ],
)
def test_what_is_no_root_is_refused(data):
    with pytest.raises(RootMalformed):
        parse_root(data)


def test_a_leaf_certificate_is_no_root():
    with pytest.raises(RootMalformed, match="authority"):
        parse_root(PLATFORM.pki.pck.public_bytes(Encoding.PEM))


def test_hostile_names_are_made_harmless():
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a\x1b[2J\u202eb")])
    assert show_name(name) == "CN=a?[2J?b"
    assert len(show_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x" * 64)] * 9))) == 200
