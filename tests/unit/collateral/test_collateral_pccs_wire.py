"""What a collateral service says: each form is read back, and any bytes are read or refused."""

from __future__ import annotations

import contextlib
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from wattest.attestation.platform_model import (
    PckAuthority,
    PlatformModel,
    PlatformModelUnknown,
    Tee,
    authority_named,
    parse_fmspc,
)
from wattest.collateral.pccs_wire import (
    MAX_CHAIN_TEXT_BYTES,
    Item,
    ServiceAnswerMalformed,
    SignedStatement,
    encode_chain_field,
    encode_signed_statement,
    parse_chain_field,
    parse_revocation_list,
    parse_signed_statement,
    path_of,
)
from wattest.enclave.simulator.pki import SimulatedPki
from wattest.enclave.simulator.platform import SimulatedPlatform

NOW = 1_790_000_000
COLLATERAL = SimulatedPlatform(SimulatedPki.create(bytes(range(32)), NOW)).collateral(NOW)
STATEMENT = SignedStatement(COLLATERAL.tcb_info, COLLATERAL.tcb_info_signature)
BODY = encode_signed_statement(STATEMENT, Item.TCB_INFO)
CHAIN = encode_chain_field(COLLATERAL.pck_crl_issuer_chain)


def test_paths_are_those_of_the_api() -> None:
    model = PlatformModel(Tee.TDX, bytes.fromhex("00a067110000"), PckAuthority.PROCESSOR)
    assert [path_of(item, model) for item in Item] == [
        "/tdx/certification/v4/tcb?fmspc=00A067110000",
        "/tdx/certification/v4/qe/identity",
        "/sgx/certification/v4/pckcrl?ca=processor&encoding=der",
        "/sgx/certification/v4/rootcacrl",
    ]


@pytest.mark.parametrize(
    "body",
    [
        BODY,
        b'{ "signature" : "' + STATEMENT.signature.hex().upper().encode() + b'" ,\n"tcbInfo":'
        + STATEMENT.text.encode() + b"}\n",
    ],
)  # fmt: skip
def test_the_signed_text_is_kept_as_it_was_sent(body: bytes) -> None:
    assert parse_signed_statement(body, Item.TCB_INFO) == STATEMENT


@given(
    st.recursive(st.integers() | st.text(st.characters(max_codepoint=126)), lambda inner: st.lists(inner, max_size=3))
)
def test_any_object_is_read_back_to_the_letter(value: object) -> None:
    text = json.dumps({"value": value}, indent=1)
    statement = SignedStatement(text, bytes(64))
    assert parse_signed_statement(encode_signed_statement(statement, Item.QE_IDENTITY), Item.QE_IDENTITY) == statement


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b'{"tcbInfo":{},"signature":""}',
        b'{"tcbInfo":"","signature":"' + b"00" * 64 + b'"}',
        b'{"tcbInfo":{},"signature":"' + b"00" * 64 + b'","signature":"' + b"00" * 64 + b'"}',
        b'{"tcbInfo":{},"signature":"' + b"00" * 64 + b'","more":1}',
        BODY + b"{}",
        b"\xff" + BODY,
        b"[" * 100_000,
        b'{"tcbInfo":' + b"[" * 65 + b"]" * 65 + b',"signature":"' + b"00" * 64 + b'"}',
    ],
)
def test_another_body_is_refused(body: bytes) -> None:
    with pytest.raises(ServiceAnswerMalformed):
        parse_signed_statement(body, Item.TCB_INFO)


def test_certificates_travel_in_a_field() -> None:
    assert parse_chain_field(CHAIN, Item.PCK_LIST) == COLLATERAL.pck_crl_issuer_chain
    for bad in (None, "", "%", CHAIN[:-200], "%FF" + CHAIN, CHAIN + "\x00", "A" * (MAX_CHAIN_TEXT_BYTES + 1)):
        with pytest.raises(ServiceAnswerMalformed):
            parse_chain_field(bad, Item.PCK_LIST)


def test_a_list_comes_as_der_hex_or_pem() -> None:
    der = COLLATERAL.pck_crl
    pem = x509.load_der_x509_crl(der).public_bytes(Encoding.PEM)
    for body in (der, der.hex().encode(), der.hex().upper().encode() + b"\n", b'"' + der.hex().encode() + b'"', pem):
        assert parse_revocation_list(body, Item.PCK_LIST) == der
    for bad in (b"", der[:-1], der.hex()[:-1].encode(), b"-----BEGIN X509 CRL-----\n", b"<html></html>"):
        with pytest.raises(ServiceAnswerMalformed):
            parse_revocation_list(bad, Item.PCK_LIST)


VALID = [BODY, CHAIN.encode(), COLLATERAL.pck_crl, COLLATERAL.pck_crl.hex().encode()]


@given(st.binary(max_size=300) | st.sampled_from(VALID), st.data())
def test_any_bytes_are_read_or_refused(start: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(start)))
    changed = start[:at] + data.draw(st.binary(max_size=4)) + start[at + data.draw(st.integers(0, 4)) :]
    for read in (
        lambda: parse_signed_statement(changed, Item.TCB_INFO),
        lambda: parse_revocation_list(changed, Item.PCK_LIST),
        lambda: parse_chain_field(changed.decode("latin-1"), Item.PCK_LIST),
    ):
        with contextlib.suppress(ServiceAnswerMalformed):
            read()


def test_models_are_read_strictly() -> None:
    assert parse_fmspc("00A067110000") == parse_fmspc("00a067110000") == bytes.fromhex("00a067110000")
    for bad in ("", "00a06711000", "00a0671100000", "zz0000000000", "00a067110000\n"):
        with pytest.raises(PlatformModelUnknown):
            parse_fmspc(bad)
    assert authority_named("Intel SGX PCK Processor CA") is PckAuthority.PROCESSOR
    for bad in ("", "Intel SGX Root CA", "PCK Processor CA PCK Platform CA"):
        with pytest.raises(PlatformModelUnknown):
            authority_named(bad)
