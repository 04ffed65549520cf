"""What a collateral service answers, and collateral and certificates held against a root without a quote."""

from __future__ import annotations

import base64
import dataclasses
from urllib.parse import quote_from_bytes

from fuzz_mutators import mutate_bytes, mutate_collateral, mutate_der, mutate_json, mutate_pem, one_of
from fuzz_target import NOW, Target, own_root, seed, sound_collateral, vendor_texts

from wattest.appraiser.appraiser_service import parse_request, request_body
from wattest.attestation.collateral_check import model_named_by, verify_collateral
from wattest.attestation.collateral_signers import judge_signers
from wattest.attestation.collateral_succession import verify_succession
from wattest.attestation.endorsements import endorse, parse_endorsements
from wattest.attestation.evidence import Evidence, parse_evidence
from wattest.attestation.platform_model import PckAuthority, PlatformModel, Tee, model_of
from wattest.collateral.pccs_wire import (
    Item,
    encode_signed_statement,
    parse_chain_field,
    parse_revocation_list,
    parse_signed_statement,
)
from wattest.enclave.simulator.pki import FMSPC
from wattest.errors import WattestError

_BEGIN, _END = b"-----BEGIN CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n"


def read_certificate(data: bytes) -> str:
    """A PCK certificate in a quote: the platform model with its SGX extension; and as a signer of collateral."""
    pem = _BEGIN + base64.encodebytes(data)[:60_000] + _END
    evidence = parse_evidence(seed("quote", "seed-sgx.bin"))
    quote = dataclasses.replace(evidence.quote, certification_data=pem)
    collateral = dataclasses.replace(sound_collateral("sgx"), tcb_info_issuer_chain=pem.decode())
    signers = len(list(judge_signers(collateral)))
    model = model_of(Evidence(quote, evidence.digest))
    assert len(model.fmspc) == 6
    return f"{model.authority} {signers}"


def read_chain_field(data: bytes) -> str:
    """A chain of certificates as a service's header field has it: what is read is certificates and plain text."""
    item = Item.TCB_INFO
    text = parse_chain_field(data.decode("latin-1") if b"%" in data else quote_from_bytes(data), item)
    assert text.isascii()
    return str(text.count("BEGIN"))


def read_statement(data: bytes) -> str:
    """A signed statement: taken apart and put together it is the same text and signature."""
    item = Item.TCB_INFO if b"tcbInfo" in data else Item.QE_IDENTITY
    statement = parse_signed_statement(data, item)
    assert len(statement.signature) == 64
    assert statement.text.encode() in data
    assert parse_signed_statement(encode_signed_statement(statement, item), item) == statement
    return item.value


def read_revocation_list(data: bytes) -> str:
    """A revocation list as DER, PEM or hex: what is read reads again as itself."""
    der = parse_revocation_list(data, Item.PCK_LIST)
    assert parse_revocation_list(der, Item.PCK_LIST) == der
    return "list"


def read_verdict_request(data: bytes) -> str:
    """What an appraiser is asked over HTTP: read, it goes over the wire as the same request."""
    request, issued_at = parse_request(data)
    assert parse_request(request_body(request, issued_at)) == (request, issued_at)
    return f"{len(request.evidence) > 0} {len(request.endorsements) > 0}"


def check_collateral(data: bytes) -> str:
    """Collateral held against the root and a platform model, and against what was there before."""
    new = parse_endorsements(data)
    tee = Tee.TDX if '"TDX"' in new.collateral.tcb_info else Tee.SGX
    try:
        verify_succession(new, endorse(sound_collateral(tee.value)))
        follows = "follows"
    except WattestError as error:
        follows = error.code
    assert model_named_by(new).tee in Tee
    verify_collateral(new, PlatformModel(tee, FMSPC, PckAuthority.PLATFORM), own_root(), NOW)
    assert {new.collateral.tcb_info, new.collateral.qe_identity} <= vendor_texts()
    return follows


_JSON = one_of(mutate_json, mutate_json, mutate_bytes)
TARGETS = (
    Target("verdict-request", read_verdict_request, _JSON, "verdict-request"),
    Target("certificate", read_certificate, one_of(mutate_der, mutate_der, mutate_bytes), "certificate"),
    Target("chain-field", read_chain_field, one_of(mutate_pem, mutate_bytes), "chain"),
    Target("signed-statement", read_statement, one_of(mutate_json, mutate_bytes), "signed-statement"),
    Target("service-list", read_revocation_list, one_of(mutate_der, mutate_bytes), "revocation-list"),
    Target(
        "collateral-checked", check_collateral, one_of(mutate_collateral, mutate_collateral, mutate_bytes), "collateral"
    ),
)
