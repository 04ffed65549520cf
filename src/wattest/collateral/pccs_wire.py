"""What Intel's certification services and their caches say over HTTP: paths, header fields, bodies.

Decided here: which requests give the collateral of a platform model, and how each answer is taken apart and put
together. Not decided here: how requests travel (``pccs``), who answers (``pccs_server``), and whether anything said
holds (``attestation.collateral_check``).

Invariants: a signed statement stays the exact text that was sent, since the signature is over it; every reader is
bounded before it allocates. Source: Intel PCS API v4; PCCS design guide. docs/spec/collateral-service.md
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from urllib.parse import quote, unquote_to_bytes

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from wattest.attestation.formats.der import X509_FAULTS
from wattest.attestation.platform_model import PlatformModel, Tee
from wattest.crypto.json_text import load_json
from wattest.errors import InputError

MAX_STATEMENT_BYTES = 512 * 1024
MAX_LIST_BYTES = 1024 * 1024
MAX_CHAIN_TEXT_BYTES = 32 * 1024
SIGNATURE_BYTES = 64

JSON_TYPE = "application/json"
# A cache answers with hex or DER under whatever type its web framework gives to text and bytes.
LIST_TYPES = frozenset(
    {"application/pkix-crl", "application/x-pem-file", "application/octet-stream", "text/plain", "text/html"}
)
_HEX = re.compile(rb"(?:[0-9a-fA-F]{2})+\Z")
_SIGNATURE = re.compile(r"[0-9a-fA-F]{128}\Z")
_ESCAPES = re.compile(r"(?:[ -$&-~]|%[0-9a-fA-F]{2})*\Z")
_MEMBER = re.compile(r'[ \t\r\n]*"([A-Za-z]{1,32})"[ \t\r\n]*:[ \t\r\n]*')
_BETWEEN = re.compile(r"[ \t\r\n]*([,}])[ \t\r\n]*")


class ServiceKind(StrEnum):
    """Who answers: a cache (PCCS), which also serves the root's list; or the vendor's own service (PCS), without it."""

    PCCS = "pccs"
    PCS = "pcs"


class Item(StrEnum):
    """The four answers that collateral consists of."""

    TCB_INFO = "TCB info"
    QE_IDENTITY = "QE identity"
    PCK_LIST = "PCK revocation list"
    ROOT_LIST = "root revocation list"


CHAIN_FIELDS: Mapping[Item, tuple[str, ...]] = MappingProxyType(
    {
        # Version 4 dropped the prefix; caches of version 3 still answer with it.
        Item.TCB_INFO: ("tcb-info-issuer-chain", "sgx-tcb-info-issuer-chain"),
        Item.QE_IDENTITY: ("sgx-enclave-identity-issuer-chain",),
        Item.PCK_LIST: ("sgx-pck-crl-issuer-chain",),
    }
)
STATEMENT_MEMBERS: Mapping[Item, str] = MappingProxyType(
    {Item.TCB_INFO: "tcbInfo", Item.QE_IDENTITY: "enclaveIdentity"}
)


class ServiceAnswerMalformed(InputError):
    """An answer of a collateral service that is not of its form; ``item`` says which."""

    def __init__(self, item: Item, message: str, **fields: object) -> None:
        super().__init__(
            f"the collateral service's {item} {message}",
            hint="check that the address is a PCCS or PCS, version 4 (docs/spec/collateral-service.md)",
            item=item.value,
            **fields,
        )


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """TCB info or QE identity: the exact text, and its signature of 64 bytes."""

    text: str
    signature: bytes


def path_of(item: Item, model: PlatformModel) -> str:
    """The path and query of a request, below the service's own path."""
    if item is Item.TCB_INFO:
        return f"/{model.tee}/certification/v4/tcb?fmspc={model.fmspc.hex().upper()}"
    if item is Item.QE_IDENTITY:
        return f"/{model.tee}/certification/v4/qe/identity"
    # Both revocation lists are the platforms', of whatever TEE.
    if item is Item.PCK_LIST:
        return f"/{Tee.SGX}/certification/v4/pckcrl?ca={model.authority}&encoding=der"
    return f"/{Tee.SGX}/certification/v4/rootcacrl"


def parse_signed_statement(body: bytes, item: Item) -> SignedStatement:
    """Take ``{"tcbInfo": ..., "signature": ...}`` (or ``enclaveIdentity``) apart without rewriting what was signed.

    Raises:
        ServiceAnswerMalformed: not one object of exactly these two members.
    """
    member = STATEMENT_MEMBERS[item]
    try:
        load_json(body)  # bounds the nesting, and the whole is JSON
        text = body.decode("ascii")
        spans = _members(text)
    except (ValueError, RecursionError) as error:
        raise ServiceAnswerMalformed(item, f"is not JSON: {error}") from error
    if spans.keys() != {member, "signature"}:
        raise ServiceAnswerMalformed(item, f"has not exactly '{member}' and 'signature'", actual=sorted(spans)[:8])
    signature = spans["signature"].strip('"')
    if not _SIGNATURE.match(signature) or not spans[member].startswith("{"):
        raise ServiceAnswerMalformed(item, "has a member of a wrong kind")
    return SignedStatement(spans[member], bytes.fromhex(signature))


def _members(text: str) -> dict[str, str]:
    """Each member of the outermost object as it was written."""
    decoder = json.JSONDecoder()
    spans: dict[str, str] = {}
    stripped = text.lstrip(" \t\r\n")
    at = len(text) - len(stripped) + 1
    if not stripped.startswith("{"):
        raise ValueError("no object")
    while True:
        name = _MEMBER.match(text, at)
        if name is None or name[1] in spans:
            raise ValueError("a member without name, or twice")
        _, end = decoder.raw_decode(text, name.end())
        spans[name[1]] = text[name.end() : end]
        between = _BETWEEN.match(text, end)
        if between is None:
            raise ValueError("a member without end")
        if between[1] == "}":
            return spans
        at = between.end()


def encode_signed_statement(statement: SignedStatement, item: Item) -> bytes:
    """The body that ``parse_signed_statement`` takes apart."""
    return f'{{"{STATEMENT_MEMBERS[item]}":{statement.text},"signature":"{statement.signature.hex()}"}}'.encode()


def parse_chain_field(value: str | None, item: Item) -> str:
    """Certificates from a header field: URL-encoded PEM.

    Raises:
        ServiceAnswerMalformed: missing, too long, escaped wrongly, or no certificates.
    """
    if value is None:
        raise ServiceAnswerMalformed(item, "came without its certificates", expected=CHAIN_FIELDS[item][0])
    if len(value) > MAX_CHAIN_TEXT_BYTES or not _ESCAPES.match(value):
        raise ServiceAnswerMalformed(item, "came with certificates that are not URL-encoded", length=len(value))
    pem = unquote_to_bytes(value)
    try:
        if not pem.isascii() or len(x509.load_pem_x509_certificates(pem)) != pem.count(b"-----BEGIN"):
            raise ValueError("one of them is cut off")
    except X509_FAULTS as error:
        raise ServiceAnswerMalformed(item, f"came with certificates that cannot be read: {error}") from error
    return pem.decode("ascii")


def encode_chain_field(pem: str) -> str:
    """The header field that ``parse_chain_field`` reads."""
    return quote(pem, safe="")


def parse_revocation_list(body: bytes, item: Item) -> bytes:
    """A revocation list as DER, whether it was sent as DER, as PEM or as hex of DER.

    Raises:
        ServiceAnswerMalformed: none of these.
    """
    trimmed = body.strip(b' \t\r\n"')
    try:
        if trimmed.startswith(b"-----BEGIN"):
            found = x509.load_pem_x509_crl(trimmed)
        else:
            found = x509.load_der_x509_crl(bytes.fromhex(trimmed.decode("ascii")) if _HEX.match(trimmed) else body)
        return found.public_bytes(Encoding.DER)
    except X509_FAULTS as error:
        raise ServiceAnswerMalformed(item, "is no certificate revocation list") from error
