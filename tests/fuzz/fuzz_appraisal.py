"""The parsers of an appraisal's input: quote, collateral, lists, certificates, root, policy, manifest, results.

Decided here: what is called with an input, and what must hold of every value that comes back. A ``..._judged`` target
signs the mutated part with the simulator's keys first, so that the mutation reaches what lies behind the signature, and
takes it through the whole appraisal. Invariants: a target raises ``WattestError`` for bad input and ``AssertionError``
for a broken promise; whatever else comes out of it is a finding. No target reads clock, network or randomness.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from functools import cache

import dcap_qvl
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding
from fuzz_mutators import (
    at_fields,
    canonical_json,
    mutate_bytes,
    mutate_collateral,
    mutate_der,
    mutate_json,
    mutate_pem,
    mutate_toml,
    one_of,
)
from fuzz_target import CORPUS, NOW, PLATFORM, Target, own_root, seed, sound_collateral, vendor_texts

from wattest.attestation.appraisal import appraise
from wattest.attestation.appraisal_policy import AppraisalPolicy, parse_policy
from wattest.attestation.appraisal_policy_words import explain_policy
from wattest.attestation.collateral_age import dated_parts
from wattest.attestation.ear import build_ear, encode_ear, parse_ear
from wattest.attestation.ear_token import TOKEN_HEADER, open_ear
from wattest.attestation.endorsements import endorse
from wattest.attestation.evidence import parse_evidence
from wattest.attestation.formats.collateral import Collateral, parse_collateral, parse_crl_issue_date
from wattest.attestation.formats.qe_identity import parse_qe_identity
from wattest.attestation.formats.quote import EnclaveReport, parse_quote
from wattest.attestation.formats.tcb_info import parse_tcb_info
from wattest.attestation.formats.vendor_statement import VendorStatement
from wattest.attestation.result import AppraisalResult
from wattest.attestation.roots import parse_root
from wattest.crypto.p256 import P256PrivateKey
from wattest.enclave.host.gramine_manifest import manifest_faults, parse_manifest
from wattest.enclave.simulator.pki import SIGNATURE_ALGORITHM, sign_raw
from wattest.errors import WattestError

TOKEN_KEY = P256PrivateKey.from_seed(bytes([7] * 32))
MR_ENCLAVE, MR_TD = bytes([1] * 32), bytes([3] * 48)
_POLICY = f"""version = 1
[[enclave]]
name = "enclave"
mr_enclave = "{MR_ENCLAVE.hex()}"
[[trust_domain]]
name = "domain"
mr_td = "{MR_TD.hex()}"
"""


@cache
def _policy() -> AppraisalPolicy:
    return parse_policy(_POLICY.encode())


def _quote(kind: str) -> bytes:
    return seed("quote", f"seed-{kind}.bin")


def read_quote(data: bytes) -> str:
    """``parse_quote``: what it reads, it reads again from its own cut, and dcap-qvl reads it, too."""
    quote = parse_quote(data)
    assert data.startswith(quote.raw)
    assert len(quote.raw) + quote.trailing_bytes == len(data)
    again = parse_quote(quote.raw)
    assert dataclasses.replace(again, trailing_bytes=quote.trailing_bytes) == quote
    dcap_qvl.parse_quote(data)
    return f"{quote.header.version} {quote.header.tee_type.name} {quote.certification_type} {quote.wrapper_type}"


def read_collateral(data: bytes) -> str:
    """``parse_collateral``: its own JSON reads back as the same value, with the same digest."""
    collateral = parse_collateral(data)
    again = parse_collateral(collateral.to_json())
    assert (again, again.digest) == (collateral, collateral.digest)
    return f"{collateral.pck_certificate_chain is None}"


def read_tcb_info(data: bytes) -> str:
    """``parse_tcb_info``: what it reads has a model, and levels where kind and version are known."""
    info = parse_tcb_info(data.decode("latin-1"))
    sizes = [None if value is None else len(value) for value in (info.fmspc, info.pce_id)]
    assert sizes == ([6, 2] if info.id in ("SGX", "TDX") else [None, None])
    return f"{info.id[:3]!r} {_shape(info, {('SGX', 3), ('TDX', 3)})}"


def read_qe_identity(data: bytes) -> str:
    """``parse_qe_identity``, likewise."""
    identity = parse_qe_identity(data.decode("latin-1"))
    assert identity.fmspc is identity.pce_id is None
    return f"{identity.id[:5]!r} {_shape(identity, {('QE', 2), ('TD_QE', 2)})}"


def _shape(statement: VendorStatement, kinds: set[tuple[str, int]]) -> str:
    assert 0 <= statement.evaluation_number < 2**32
    known = (statement.id, statement.version) in kinds
    assert known == bool(statement.levels)
    assert not known or statement.issued_at < statement.next_update
    asked = [level.svns for level in statement.levels]
    for at, later in enumerate(asked):
        assert not any(all(map(int.__ge__, later, earlier)) for earlier in asked[:at])
    return f"{len(asked)} {sum(level.advisories is not None for level in statement.levels)}"


def read_revocation_list(data: bytes) -> str:
    """``parse_crl_issue_date``."""
    return str(len(str(parse_crl_issue_date(data, "list"))))


def read_root(data: bytes) -> str:
    """``parse_root``: its DER reads back as the same root, and its name is plain text."""
    root = parse_root(data)
    assert parse_root(root.certificate) == root
    assert root.name.isascii()
    assert root.name.isprintable()
    return root.kind.value


def read_policy(data: bytes) -> str:
    """``parse_policy``: what it reads can be explained, and is cited by the digest of its bytes."""
    policy = parse_policy(data)
    assert policy.digest == hashlib.sha256(data).digest()
    explain_policy(policy)
    return f"{policy.production} {bool(policy.enclaves)} {bool(policy.trust_domains)} {len(policy.statuses)}"


def read_manifest(data: bytes) -> str:
    """``parse_manifest`` and every rule of the schema, for a template and for a rendered manifest."""
    manifest = parse_manifest(data)
    found = [manifest_faults(manifest, rendered=rendered) for rendered in (False, True)]
    assert all(str(fault) for faults in found for fault in faults)
    return " ".join(sorted({fault.rule for faults in found for fault in faults}))


def read_ear(data: bytes) -> str:
    """``parse_ear``: one claims set has one encoding."""
    ear = parse_ear(data)
    assert encode_ear(ear.claims) == data
    return f"{ear.status} {ear.accepted} {ear.submodule}"


def read_token(data: bytes) -> str:
    """``open_ear`` on any bytes."""
    return read_ear(encode_ear(open_ear(data, TOKEN_KEY.public_key).claims))


def read_signed_token(data: bytes) -> str:
    """``open_ear`` on any claims under a signature that holds."""
    signed = _base64url(TOKEN_HEADER) + b"." + _base64url(data)
    token = signed + b"." + _base64url(TOKEN_KEY.sign_digest(hashlib.sha256(signed).digest()))
    assert encode_ear(open_ear(token, TOKEN_KEY.public_key).claims) == data
    return "opened"


def judge_quote(data: bytes) -> str:
    """A quote whose report and QE report are signed anew."""
    quote = parse_quote(data)
    signed = bytearray(quote.raw)
    signature = sign_raw(PLATFORM.pki.attestation_key, quote.raw[: quote.signed_bytes])
    signed[quote.signed_bytes + 4 : quote.signed_bytes + 68] = signature
    at = quote.raw.find(quote.qe_report_signature, quote.signed_bytes + 132 + 384)
    if at > 0:
        report = quote.raw[at - 384 : at]
        signed[at : at + 64] = sign_raw(PLATFORM.pki.pck_key, report)
    evidence = parse_evidence(bytes(signed))
    kind = "sgx" if isinstance(quote.report, EnclaveReport) else "tdx"
    return _shown(appraise(evidence, endorse(sound_collateral(kind)), _policy(), (own_root(),), NOW))


def judge_altered_quote(data: bytes) -> str:
    """A quote as it is, whatever of it was altered: what is accepted says what the enclave said."""
    evidence = parse_evidence(data)
    kind = "sgx" if isinstance(evidence.report, EnclaveReport) else "tdx"
    result = appraise(evidence, endorse(sound_collateral(kind)), _policy(), (own_root(),), NOW)
    assert not result.genuine or evidence.signed_digest in _signed_digests()
    return _shown(result)


@cache
def _signed_digests() -> frozenset[bytes]:
    files = sorted((CORPUS / "quote").glob("seed-*"))
    return frozenset(parse_evidence(path.read_bytes()).signed_digest for path in files)


def judge_collateral(data: bytes) -> str:
    """Collateral as it is, whatever of it was altered, and its dates: what is genuine, the vendor signed."""
    collateral = parse_collateral(data)
    kind = "tdx" if '"TDX"' in collateral.tcb_info else "sgx"
    word = _judge(collateral, kind)
    assert not word.startswith("True") or {collateral.tcb_info, collateral.qe_identity} <= vendor_texts()
    return word


def judge_tcb_info(data: bytes) -> str:
    """TCB info that the vendor's key signed."""
    text = data.decode("latin-1")
    kind = "tdx" if '"TDX"' in text else "sgx"
    signature = sign_raw(PLATFORM.pki.tcb_signing_key, text.encode())
    return _judge(dataclasses.replace(sound_collateral(kind), tcb_info=text, tcb_info_signature=signature), kind)


def judge_qe_identity(data: bytes) -> str:
    """A QE identity that the vendor's key signed."""
    text = data.decode("latin-1")
    kind = "tdx" if '"TD_QE"' in text else "sgx"
    signature = sign_raw(PLATFORM.pki.tcb_signing_key, text.encode())
    return _judge(dataclasses.replace(sound_collateral(kind), qe_identity=text, qe_identity_signature=signature), kind)


def judge_certificate(data: bytes) -> str:
    """A PCK certificate, signed anew by the platform's CA where its frame still stands."""
    der = _signed_again(data, PLATFORM.pki.platform_ca_key)
    pem = base64.encodebytes(der)[:60_000]
    chain = b"-----BEGIN CERTIFICATE-----\n" + pem + b"-----END CERTIFICATE-----\n" + _upper_chain()
    collateral = dataclasses.replace(sound_collateral("sgx"), pck_certificate_chain=chain.decode())
    return _judge(collateral, "sgx")


def judge_chain(data: bytes) -> str:
    """A PEM chain where the quote's own, or the collateral's signing chain, belongs."""
    text = data.decode("latin-1")
    plain = sound_collateral("sgx")
    at_signing = _judge(dataclasses.replace(plain, tcb_info_issuer_chain=text), "sgx")
    at_leaf = _judge(dataclasses.replace(plain, pck_certificate_chain=text), "sgx")
    return f"{at_signing} {at_leaf}"


def judge_revocation_list(data: bytes) -> str:
    """A PCK revocation list, signed anew by the platform's CA where its frame still stands."""
    der = _signed_again(data, PLATFORM.pki.platform_ca_key)
    return _judge(dataclasses.replace(sound_collateral("sgx"), pck_crl=der), "sgx")


def _judge(collateral: Collateral, kind: str) -> str:
    endorsements = endorse(collateral)
    result = appraise(parse_evidence(_quote(kind)), endorsements, _policy(), (own_root(),), NOW)
    try:
        ages = str(len(dated_parts(endorsements)))
    except WattestError as error:
        ages = error.code
    return f"{_shown(result)} {ages}"


def _shown(result: AppraisalResult) -> str:
    assert result.codes
    assert len(result.codes) == len(result.reasons)
    assert result.accepted <= result.genuine
    assert result.accepted == (result.codes == ["accepted"])
    assert "verifier_panicked" not in result.codes
    shown = json.dumps(result.as_dict())
    claims = build_ear(result, developer="wattest", build="fuzz")
    try:
        encoded = encode_ear(claims)
    except WattestError:
        return f"too long for an EAR: {len(shown) // 65_536}"
    ear = parse_ear(encoded)
    assert ear.accepted == result.accepted
    return f"{result.genuine} {result.accepted} {result.tcb_status} {' '.join(sorted(set(result.codes)))}"


def _upper_chain() -> bytes:
    return PLATFORM.pki.platform_ca.public_bytes(Encoding.PEM) + PLATFORM.root_certificate_pem


def _signed_again(der: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    """The certificate or list with a new signature over its first inner element; as it is when it has no such frame."""
    outer = _frame(der, 0)
    inner = _frame(der, outer[0]) if outer else None
    algorithm = _frame(der, inner[1]) if inner else None
    if outer is None or inner is None or algorithm is None:
        return der
    body = der[outer[0] : algorithm[1]]
    r, s = utils.decode_dss_signature(key.sign(der[outer[0] : inner[1]], SIGNATURE_ALGORITHM))
    signature = b"\x00" + utils.encode_dss_signature(r, s)
    content = body + bytes([0x03, len(signature)]) + signature
    return b"\x30\x82" + len(content).to_bytes(2, "big") + content if len(content) < 65_536 else der


def _frame(der: bytes, at: int) -> tuple[int, int] | None:
    """Where the content of the element at ``at`` begins and ends."""
    if at + 2 > len(der):
        return None
    size, start = der[at + 1], at + 2
    if size & 0x80:
        count = size & 0x7F
        if not 1 <= count <= 3:
            return None
        size, start = int.from_bytes(der[start : start + count], "big"), start + count
    return (start, start + size) if start + size <= len(der) else None


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


# Versions, kinds and lengths of a quote: version 3 (SGX), 4 (TDX) and 5 (TDX), in this order.
_QUOTE_FIELDS = at_fields(
    *((0, 2), (2, 2), (4, 4), (8, 2), (10, 2), (48, 2), (50, 4), (96, 8), (432, 4), (632, 4), (638, 4), (702, 4)),
    *((1012, 2), (1046, 2), (1048, 4), (764, 2), (766, 4), (1218, 2), (1252, 2), (1254, 4), (770, 2), (772, 4)),
    *((168, 8), (176, 8), (174, 8), (182, 8), (830, 2), (836, 4), (1224, 2), (1258, 2), (1260, 4)),
)
_JSON = one_of(mutate_json, mutate_json, mutate_json, mutate_bytes)
_DER = one_of(mutate_der, mutate_der, mutate_der, mutate_bytes)
_PEM = one_of(mutate_pem, mutate_pem, mutate_bytes)
_QUOTE = one_of(mutate_bytes, mutate_bytes, _QUOTE_FIELDS)
_COLLATERAL = one_of(mutate_collateral, mutate_collateral, mutate_collateral, mutate_bytes)
_EAR = one_of(canonical_json(mutate_json), canonical_json(mutate_json), mutate_json, mutate_bytes)
_TOML = one_of(mutate_toml, mutate_toml, mutate_toml, mutate_bytes)

TARGETS = (
    Target("quote", read_quote, _QUOTE, "quote"),
    Target("collateral", read_collateral, _COLLATERAL, "collateral"),
    Target("tcb-info", read_tcb_info, _JSON, "tcb-info"),
    Target("qe-identity", read_qe_identity, _JSON, "qe-identity"),
    Target("revocation-list", read_revocation_list, _DER, "revocation-list"),
    Target("root", read_root, one_of(_DER, _PEM), "root"),
    Target("policy", read_policy, _TOML, "policy"),
    Target("manifest", read_manifest, _TOML, "manifest"),
    Target("ear", read_ear, _EAR, "ear"),
    Target("ear-token", read_token, mutate_bytes, "ear-token"),
    Target("ear-token-signed", read_signed_token, _EAR, "ear"),
    Target("quote-altered-judged", judge_altered_quote, _QUOTE, "quote"),
    Target("quote-judged", judge_quote, _QUOTE, "quote"),
    Target("collateral-judged", judge_collateral, _COLLATERAL, "collateral"),
    Target("tcb-info-judged", judge_tcb_info, _JSON, "tcb-info"),
    Target("qe-identity-judged", judge_qe_identity, _JSON, "qe-identity"),
    Target("certificate-judged", judge_certificate, _DER, "certificate"),
    Target("chain-judged", judge_chain, _PEM, "chain"),
    Target("revocation-list-judged", judge_revocation_list, _DER, "revocation-list"),
)
