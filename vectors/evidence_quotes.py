"""StopPoints in the quote: what the report says, who signed it, and which quoting enclave vouches for it."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable, Iterator

from evidence_world import (
    ACCEPTED,
    SGX,
    STRANGE_KEY,
    TDX,
    Fault,
    Parts,
    flip,
    forged,
    refused,
    signed_again,
    with_quote,
    with_quoting,
    with_report,
)

from wattest.enclave.simulator.quoting import DEFAULT_TD_ATTRIBUTES, DEFAULT_XFAM, TEE_TCB_SVN

XFRM = 0xE7
# Where things stand: kind -> (report, end of report, QE report).
PLACES = {"sgx-3": (48, 432, 564), "tdx-4": (48, 632, 770), "tdx-5": (54, 702, 840)}
REPORT_DATA_AT = {"sgx-3": 48 + 320, "tdx-4": 48 + 520, "tdx-5": 54 + 520}


def faults() -> Iterator[Fault]:
    """All of them."""
    yield from _enclave_attributes()
    yield from _trust_domain_attributes()
    yield from _measurements()
    yield from _signatures()
    yield from _quoting_enclave()


def _flags(flags: int, xfrm: int = XFRM) -> Callable[[Parts], Parts]:
    return with_report(attributes=struct.pack("<QQ", flags, xfrm))


def _enclave_attributes() -> Iterator[Fault]:
    yield Fault(
        "debug bit",
        "the enclave's DEBUG attribute is set, and well signed",
        _flags(0x07),
        forged("debug", "attributes"),
        SGX,
    )
    for name, flags, codes in (
        ("PROVISION_KEY", 0x15, ("provision_key", "attributes")),
        ("EINITTOKEN_KEY", 0x25, ("einittoken_key", "attributes")),
        ("CET", 0x45, ("attributes",)),
        ("KSS", 0x85, ("attributes",)),
        ("AEX-Notify", 0x405, ("attributes",)),
        ("reserved bit", 1 << 63 | 0x05, ("attributes",)),
    ):
        yield Fault(f"attribute {name}", f"the enclave's {name} attribute is set", _flags(flags), refused(*codes), SGX)
    yield Fault("not initialised", "the enclave's INIT attribute is not set", _flags(0x04), refused("attributes"), SGX)
    yield Fault("32-bit mode", "the enclave's MODE64BIT attribute is not set", _flags(0x01), refused("attributes"), SGX)
    yield Fault(
        "XFRM without SSE", "XFRM lacks SSE, which every processor state has", _flags(5, 0x1), refused("xfrm"), SGX
    )
    yield Fault(
        "XFRM of an unknown feature", "XFRM has a bit that is not pinned", _flags(5, 0x80E7), refused("xfrm"), SGX
    )
    yield Fault("XFRM with features allowed", "XFRM has PKRU and AMX besides", _flags(5, 0x602E7), ACCEPTED, SGX)
    yield Fault(
        "MISCSELECT",
        "MISCSELECT asks for exception information",
        with_report(misc_select=1),
        refused("misc_select"),
        SGX,
    )


def _trust_domain_attributes() -> Iterator[Fault]:
    plain = int.from_bytes(DEFAULT_TD_ATTRIBUTES, "little")

    def attributes(value: int) -> Callable[[Parts], Parts]:
        return with_report(td_attributes=struct.pack("<Q", value))

    for name, bit, expected in (
        ("debug bit", 0, forged("debug", "attributes")),
        ("profiling bit", 4, forged("debug", "attributes")),
        ("reserved low bit", 7, forged("td_attributes", "debug", "attributes")),
        ("reserved middle bit", 40, forged("td_attributes", "attributes")),
        ("migratable", 29, forged("td_attributes", "attributes")),
        ("protection keys", 30, refused("attributes")),
        ("key locker", 31, refused("attributes")),
        ("performance counters", 63, refused("attributes")),
    ):
        yield Fault(
            f"TD {name}",
            f"bit {bit} of the trust domain's attributes is set",
            attributes(plain | 1 << bit),
            expected,
            TDX,
        )
    yield Fault(
        "TD without SEPT_VE_DISABLE",
        "the host can take the trust domain's pages away",
        attributes(0),
        forged("td_attributes", "attributes"),
        TDX,
    )
    xfam = int.from_bytes(DEFAULT_XFAM, "little")
    yield Fault(
        "XFAM of an unknown feature",
        "XFAM has a bit that is not pinned",
        with_report(xfam=struct.pack("<Q", xfam | 1 << 15)),
        refused("xfrm"),
        TDX,
    )
    yield Fault(
        "XFAM without SSE", "XFAM lacks SSE", with_report(xfam=struct.pack("<Q", xfam & ~2)), refused("xfrm"), TDX
    )
    yield Fault(
        "module signer",
        "the TDX module is not Intel's",
        with_report(mr_signer_seam=bytes([1] * 48)),
        forged("tdx_module"),
        TDX,
    )
    yield Fault(
        "module attributes",
        "the TDX module has attributes",
        with_report(seam_attributes=b"\x01" + bytes(7)),
        forged("tdx_module"),
        TDX,
    )
    yield Fault(
        "module version unknown",
        "the TDX module's version is one that the TCB info does not describe",
        with_report(tee_tcb_svn=bytes([5, 9]) + TEE_TCB_SVN[2:]),
        forged("tdx_module"),
        TDX,
    )
    yield Fault(
        "module too old",
        "the TDX module's SVN is below every level",
        with_report(tee_tcb_svn=bytes([4]) + TEE_TCB_SVN[1:]),
        forged("tdx_module"),
        TDX,
    )
    yield Fault(
        "loader too old",
        "what TDX counts besides the module is below every level",
        with_report(tee_tcb_svn=bytes([5, 1, 1]) + bytes(13)),
        forged("no_tcb_level"),
        TDX,
    )
    yield Fault(
        "service domain",
        "the trust domain is bound to a service domain",
        with_report(extension=TEE_TCB_SVN + bytes([1] * 48)),
        forged("td_attributes"),
        ("tdx-5",),
    )


def _measurements() -> Iterator[Fault]:
    yield Fault(
        "other measurement",
        "MRENCLAVE is another",
        with_report(mr_enclave=bytes(32)),
        refused("unknown_measurement"),
        SGX,
    )
    yield Fault(
        "other measurement", "MRTD is another", with_report(mr_td=bytes(48)), refused("unknown_measurement"), TDX
    )
    yield Fault(
        "other owner",
        "MROWNER is another, which this policy does not name",
        with_report(mr_owner=bytes([1] * 48)),
        ACCEPTED,
        TDX,
    )


def _at(place: int, offset: int = 0, bit: int = 0) -> Callable[[Parts], Parts]:
    """A bit turned over, counted from the report (0), the report's end (1) or the QE report (2)."""
    return lambda parts: dataclasses.replace(parts, edit_quote=flip(PLACES[kind_of(parts)][place] + offset, bit))


def kind_of(parts: Parts) -> str:
    """Which of PLACES' kinds the parts are of."""
    return {3: "sgx-3", 4: "tdx-4", 5: "tdx-5"}[parts.version]


def _signatures() -> Iterator[Fault]:
    altered = forged("report_signature")
    yield Fault("header altered", "a bit of the header's user data is turned over", with_quote(flip(30)), altered)
    yield Fault("report altered", "a bit of the report's first field is turned over", _at(0), altered)
    yield Fault(
        "report data altered",
        "a bit of the report data is turned over",
        lambda parts: dataclasses.replace(parts, edit_quote=flip(REPORT_DATA_AT[kind_of(parts)])),
        altered,
    )
    yield Fault("report signature altered", "a bit of the report's signature is turned over", _at(1, 4), altered)
    yield Fault("report signature zero", "the report's signature is zeros", _zero(1, 4, 64), altered)
    yield Fault(
        "attestation key altered", "a bit of the attestation key is turned over", _at(1, 68), forged("attestation_key")
    )
    yield Fault(
        "attestation key forged",
        "the report is signed by a key that the quoting enclave never vouched for",
        with_quoting(attestation_key=STRANGE_KEY),
        forged("attestation_key"),
    )
    yield Fault(
        "QE report data wrong",
        "the quoting enclave's report vouches for another key",
        with_quoting(vouched_key=STRANGE_KEY),
        forged("attestation_key"),
    )
    yield Fault(
        "QE report data with a tail",
        "the second half of the QE report's data is not zero",
        with_quoting(qe_report_data_tail=bytes([1] * 32)),
        refused("qe_report_data"),
    )
    yield Fault(
        "authentication data altered",
        "a bit of the QE authentication data is turned over",
        _at(2, 450),
        forged("attestation_key"),
    )
    yield Fault("QE report altered", "a bit of the QE report is turned over", _at(2, 10), forged("qe_report_signature"))
    yield Fault(
        "QE report signature altered",
        "a bit of the QE report's signature is turned over",
        _at(2, 390),
        forged("qe_report_signature"),
    )
    yield Fault(
        "QE report signed by a stranger",
        "the QE report is signed by a key that is not the PCK",
        with_quoting(certification_key=STRANGE_KEY),
        forged("qe_report_signature"),
    )


def _zero(place: int, offset: int, size: int) -> Callable[[Parts], Parts]:
    def change(parts: Parts) -> Parts:
        at = PLACES[kind_of(parts)][place] + offset
        return dataclasses.replace(parts, edit_quote=lambda data: data[:at] + bytes(size) + data[at + size :])

    return change


def _quoting_enclave() -> Iterator[Fault]:
    other = forged("qe_identity_mismatch")
    yield Fault(
        "QE of another signer",
        "the quoting enclave's MRSIGNER is not the identity's",
        with_quoting(qe_mr_signer=bytes(32)),
        other,
    )
    yield Fault(
        "QE of another product",
        "the quoting enclave's product is not the identity's",
        with_quoting(qe_product=9),
        other,
    )
    yield Fault(
        "QE too old",
        "the quoting enclave's SVN is below every level",
        with_quoting(qe_svn=7),
        forged("qe_below_minimum"),
    )
    yield Fault("QE newer", "the quoting enclave's SVN is above the first level", with_quoting(qe_svn=9), ACCEPTED)
    yield Fault(
        "QE in debug mode",
        "the quoting enclave runs in debug mode",
        with_quoting(qe_attributes=struct.pack("<QQ", 0x17, XFRM)),
        forged("qe_attributes"),
    )
    yield Fault(
        "QE with other attributes",
        "the quoting enclave has an attribute that its identity does not allow",
        with_quoting(qe_attributes=struct.pack("<QQ", 0x31, XFRM)),
        other,
    )
    yield Fault(
        "QE with other MISCSELECT",
        "the quoting enclave's MISCSELECT is not the identity's",
        with_quoting(qe_misc_select=1),
        other,
    )
    yield Fault(
        "QE identity of another signer",
        "the QE identity names another signer",
        signed_again("qe_identity", lambda value: value.update(mrsigner="11" * 32)),
        other,
    )
    yield Fault(
        "QE identity of another product",
        "the QE identity names another product",
        signed_again("qe_identity", lambda value: value.update(isvprodid=9)),
        other,
    )
    yield Fault(
        "QE identity with other attributes",
        "the QE identity asks for an attribute that the QE has not",
        signed_again("qe_identity", lambda value: value.update(attributes="91" + "00" * 15)),
        other,
    )
    yield Fault(
        "QE identity with other MISCSELECT",
        "the QE identity asks for another MISCSELECT",
        signed_again("qe_identity", lambda value: value.update(miscselect="00000001")),
        other,
    )
    yield Fault(
        "QE vendor unknown",
        "the header names another vendor's quoting enclave",
        with_quote(flip(12)),
        forged("unknown_qe_vendor"),
    )
