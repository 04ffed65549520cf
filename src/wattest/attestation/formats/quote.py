"""DCAP ECDSA quotes, versions 3, 4 and 5: layout, parser and packer.

Decided here: where each field lies, which lengths are possible, and where a quote ends. Not decided here: whether any
signature holds, or whether what is measured is wanted (``attestation.appraisal``).

Invariants: all integers are little-endian; ``Quote.raw`` is the input cut to its declared length, so that appended
bytes never change an identity; no input over ``MAX_INPUT_BYTES`` and no quote over ``MAX_QUOTE_BYTES`` is looked at.
Specification: docs/spec/evidence.md; source: Intel SGX ECDSA QuoteLibReference, Intel TDX DCAP Quoting Library API.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from wattest.errors import InputError

MAX_INPUT_BYTES = 1_048_576
MAX_QUOTE_BYTES = 65_536
HEADER_BYTES = 48
ENCLAVE_REPORT_BYTES = 384
TD_REPORT_10_BYTES = 584
TD_REPORT_15_BYTES = 648
TD_REPORT_15EX_BYTES = 885
SIGNATURE_BYTES = 64
PUBLIC_KEY_BYTES = 64
REPORT_DATA_BYTES = 64
TD_REGISTER_BYTES = 48

ATTESTATION_KEY_ECDSA_P256 = 2
CERTIFICATION_PCK_CHAIN = 5
CERTIFICATION_QE_REPORT = 6
INTEL_QE_VENDOR_ID = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")

_HEADER = struct.Struct("<HHIHH16s20s")
_ENCLAVE_REPORT = struct.Struct("<16sI28s16s32s32s32s96sHH60s64s")
_TD_REPORT_10 = struct.Struct("<16s48s48s8s8s8s48s48s48s48s48s48s48s48s64s")
_BODY_DESCRIPTOR = struct.Struct("<HI")  # version 5 only
_BODY_BYTES = {1: ENCLAVE_REPORT_BYTES, 2: TD_REPORT_10_BYTES, 3: TD_REPORT_15_BYTES, 4: TD_REPORT_15EX_BYTES}


class QuoteMalformed(InputError):
    """The bytes are not a DCAP ECDSA quote: truncated, too long, or of a kind unknown here."""


class TeeType(IntEnum):
    """The kind of trusted execution environment, as the quote header names it."""

    SGX = 0x00
    TDX = 0x81


@dataclass(frozen=True, slots=True)
class QuoteHeader:
    """The 48 bytes before the report: versions and the quoting enclave's vendor."""

    version: int
    tee_type: TeeType
    attestation_key_type: int = ATTESTATION_KEY_ECDSA_P256
    qe_svn: int = 0
    pce_svn: int = 0
    qe_vendor_id: bytes = INTEL_QE_VENDOR_ID
    user_data: bytes = bytes(20)

    def pack(self) -> bytes:
        """The header as 48 bytes."""
        return _HEADER.pack(
            self.version,
            self.attestation_key_type,
            self.tee_type,
            self.qe_svn,
            self.pce_svn,
            self.qe_vendor_id,
            self.user_data,
        )


@dataclass(frozen=True, slots=True)
class EnclaveReport:
    """An SGX report body (384 bytes); ``attributes`` is flags 8 || XFRM 8, each little-endian."""

    mr_enclave: bytes
    mr_signer: bytes
    product: int
    svn: int
    report_data: bytes
    attributes: bytes
    cpu_svn: bytes = bytes(16)
    misc_select: int = 0

    @property
    def flags(self) -> int:
        """The attribute flags as an integer: bit 1 DEBUG, bit 4 PROVISION_KEY, bit 5 EINITTOKEN_KEY."""
        return int.from_bytes(self.attributes[:8], "little")

    @property
    def xfrm(self) -> int:
        """The extended features the enclave runs with, as an integer (XCR0 layout)."""
        return int.from_bytes(self.attributes[8:], "little")

    def pack(self) -> bytes:
        """The report as 384 bytes, reserved fields zero."""
        return _ENCLAVE_REPORT.pack(
            self.cpu_svn,
            self.misc_select,
            b"",
            self.attributes,
            self.mr_enclave,
            b"",
            self.mr_signer,
            b"",
            self.product,
            self.svn,
            b"",
            self.report_data,
        )


@dataclass(frozen=True, slots=True)
class TdReport:
    """A TDX report body; measurements are 48 bytes, ``rt_mr`` the four run-time registers in order.

    ``extension`` is what bodies 1.5 (64 bytes: a second TEE TCB SVN 16, MRSERVICETD 48) and 1.5ex (301) add.
    """

    body: str  # "1.0", "1.5" or "1.5ex"
    tee_tcb_svn: bytes
    mr_seam: bytes
    mr_signer_seam: bytes
    seam_attributes: bytes
    td_attributes: bytes
    xfam: bytes
    mr_td: bytes
    mr_config_id: bytes
    mr_owner: bytes
    mr_owner_config: bytes
    rt_mr: tuple[bytes, bytes, bytes, bytes]
    report_data: bytes
    extension: bytes = b""

    @property
    def body_type(self) -> int:
        """The number that a version 5 quote's body descriptor has for this body."""
        return {"1.0": 2, "1.5": 3, "1.5ex": 4}[self.body]

    def pack(self) -> bytes:
        """The report as 584, 648 or 885 bytes, an extension that is left out zero."""
        body = _TD_REPORT_10.pack(
            self.tee_tcb_svn,
            self.mr_seam,
            self.mr_signer_seam,
            self.seam_attributes,
            self.td_attributes,
            self.xfam,
            self.mr_td,
            self.mr_config_id,
            self.mr_owner,
            self.mr_owner_config,
            *self.rt_mr,
            self.report_data,
        )
        return (body + self.extension).ljust(_BODY_BYTES[self.body_type], b"\0")


@dataclass(frozen=True, slots=True)
class Quote:
    """A quote taken apart; ``raw`` is exactly its declared length.

    ``trailing_bytes`` counts what followed the declared length and was cut off; ``slack_bytes`` counts bytes inside
    the declared length that no field owns (and no signature covers). ``wrapper_type`` says, from version 4 on, what
    the certification data holds; no signature covers it either, and it should be 6.
    """

    header: QuoteHeader
    report: EnclaveReport | TdReport
    raw: bytes
    signed_bytes: int
    signature: bytes
    attestation_key: bytes
    qe_report: EnclaveReport
    qe_report_signature: bytes
    qe_authentication_data: bytes
    certification_type: int
    certification_data: bytes
    wrapper_type: int | None
    trailing_bytes: int
    slack_bytes: int


def parse_quote(data: bytes) -> Quote:
    """Take a quote apart, ignoring what follows its declared length.

    Raises:
        QuoteMalformed: for anything that does not begin with a whole version 3, 4 or 5 ECDSA quote of at most 65,536
            bytes, and for inputs over 1 MiB.
    """
    if len(data) > MAX_INPUT_BYTES:
        raise _too_long(len(data), MAX_INPUT_BYTES)
    cursor = _Cursor(bytes(data))
    header = _parse_header(cursor)
    if header.version == 5:
        kind, size = _BODY_DESCRIPTOR.unpack(cursor.take(_BODY_DESCRIPTOR.size, "body descriptor"))
        if _BODY_BYTES.get(kind) != size:
            raise QuoteMalformed(f"body type {kind} of {size} bytes is unknown", body_type=kind, size=size)
    else:
        kind = 1 if header.tee_type is TeeType.SGX else 2
    if (kind == 1) != (header.tee_type is TeeType.SGX):
        raise QuoteMalformed(
            "the header's TEE type and the report's kind disagree", tee_type=header.tee_type.name, body_type=kind
        )
    body = cursor.take(_BODY_BYTES[kind], "report")
    report = parse_enclave_report(body) if kind == 1 else _parse_td_report(kind, body)
    signed = cursor.position
    declared = cursor.take_u32("signature data length")
    if cursor.position + declared > MAX_QUOTE_BYTES:
        raise _too_long(cursor.position + declared, MAX_QUOTE_BYTES)
    inner = _Cursor(cursor.take(declared, "signature data"))
    signature = inner.take(SIGNATURE_BYTES, "report signature")
    attestation_key = inner.take(PUBLIC_KEY_BYTES, "attestation key")
    slack, wrapper_type = 0, None
    if header.version >= 4:
        wrapper_type = inner.take_u16("certification type")
        wrapped = inner.take(inner.take_u32("certification length"), "certification data")
        slack = inner.remaining
        inner = _Cursor(wrapped)
    qe_report = parse_enclave_report(inner.take(ENCLAVE_REPORT_BYTES, "QE report"))
    qe_report_signature = inner.take(SIGNATURE_BYTES, "QE report signature")
    qe_authentication_data = inner.take(inner.take_u16("QE authentication data length"), "QE authentication data")
    certification_type = inner.take_u16("certification type")
    certification_data = inner.take(inner.take_u32("certification length"), "certification data")
    return Quote(
        header=header,
        report=report,
        raw=bytes(data[: cursor.position]),
        signed_bytes=signed,
        signature=signature,
        attestation_key=attestation_key,
        qe_report=qe_report,
        qe_report_signature=qe_report_signature,
        qe_authentication_data=qe_authentication_data,
        certification_type=certification_type,
        certification_data=certification_data,
        wrapper_type=wrapper_type,
        trailing_bytes=cursor.remaining,
        slack_bytes=slack + inner.remaining,
    )


def parse_enclave_report(body: bytes) -> EnclaveReport:
    """Read an SGX report body of 384 bytes; reserved fields are not looked at, since the signature covers them."""
    if len(body) != ENCLAVE_REPORT_BYTES:
        raise QuoteMalformed("an enclave report has 384 bytes", actual=len(body), expected=ENCLAVE_REPORT_BYTES)
    cpu_svn, misc, _, attributes, mr_enclave, _, mr_signer, _, product, svn, _, report_data = _ENCLAVE_REPORT.unpack(
        body
    )
    return EnclaveReport(mr_enclave, mr_signer, product, svn, report_data, attributes, cpu_svn, misc)


def _too_long(actual: int, limit: int) -> QuoteMalformed:
    return QuoteMalformed(
        f"a quote of {actual} bytes is too long",
        hint="pass the quote alone; DCAP quotes have about 5,000 bytes",
        actual=actual,
        limit=limit,
    )


def _parse_header(cursor: _Cursor) -> QuoteHeader:
    version, key_type, tee, qe_svn, pce_svn, vendor, user_data = _HEADER.unpack(cursor.take(HEADER_BYTES, "header"))
    if version not in (3, 4, 5):
        raise QuoteMalformed(
            f"quote version {version} is unknown",
            hint="versions 3, 4 and 5 are read; check that the file is a DCAP quote and not, say, base64 text",
            actual=version,
            expected="3, 4 or 5",
        )
    if tee not in (TeeType.SGX, TeeType.TDX) or (version == 3 and tee != TeeType.SGX):
        raise QuoteMalformed(f"TEE type {tee:#x} is unknown in a version {version} quote", actual=tee)
    if key_type != ATTESTATION_KEY_ECDSA_P256:
        raise QuoteMalformed(
            f"attestation key type {key_type} is not ECDSA P-256", actual=key_type, expected=ATTESTATION_KEY_ECDSA_P256
        )
    return QuoteHeader(version, TeeType(tee), key_type, qe_svn, pce_svn, vendor, user_data)


def _parse_td_report(kind: int, body: bytes) -> TdReport:
    fields = _TD_REPORT_10.unpack(body[:TD_REPORT_10_BYTES])
    return TdReport(
        body={2: "1.0", 3: "1.5", 4: "1.5ex"}[kind],
        tee_tcb_svn=fields[0],
        mr_seam=fields[1],
        mr_signer_seam=fields[2],
        seam_attributes=fields[3],
        td_attributes=fields[4],
        xfam=fields[5],
        mr_td=fields[6],
        mr_config_id=fields[7],
        mr_owner=fields[8],
        mr_owner_config=fields[9],
        rt_mr=fields[10:14],
        report_data=fields[14],
        extension=body[TD_REPORT_10_BYTES:],
    )


class _Cursor:
    """Reads a buffer from the front; every read is checked against what is left before anything is copied."""

    __slots__ = ("_data", "position")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    @property
    def remaining(self) -> int:
        return len(self._data) - self.position

    def take(self, size: int, what: str) -> bytes:
        if size > self.remaining:
            raise QuoteMalformed(
                f"the quote ends inside its {what}",
                hint="the file is truncated or not a DCAP quote; fetch it again",
                field=what,
                offset=self.position,
                expected=size,
                actual=self.remaining,
            )
        start = self.position
        self.position += size
        return self._data[start : self.position]

    def take_u16(self, what: str) -> int:
        return int.from_bytes(self.take(2, what), "little")

    def take_u32(self, what: str) -> int:
        return int.from_bytes(self.take(4, what), "little")
