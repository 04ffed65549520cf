"""The SGX extension of a PCK certificate (OID 1.2.840.113741.1.13.1), written as DER.

Decided here: the extension's encoding for a platform-CA certificate. Nothing is parsed here. Source: Intel SGX PCK
Certificate and CRL Profile Specification, section 1.3.5.
"""

from __future__ import annotations

from dataclasses import dataclass

SGX_EXTENSION_OID = "1.2.840.113741.1.13.1"
_SEQUENCE, _INTEGER, _OCTETS, _OBJECT_ID, _ENUMERATED, _BOOLEAN = 0x30, 0x02, 0x04, 0x06, 0x0A, 0x01
_SCALABLE = 1  # SGX type of a multi-package platform


@dataclass(frozen=True, slots=True)
class PlatformFacts:
    """What the certificate says of its platform: ids, security version numbers and model."""

    ppid: bytes
    cpu_svn: bytes
    pce_svn: int
    pce_id: bytes
    fmspc: bytes
    platform_instance_id: bytes


def encode_sgx_extension(facts: PlatformFacts) -> bytes:
    """The extension's value: PPID 16, 16 component SVNs, PCE SVN, PCE id 2, FMSPC 6, type, instance id 16, flags."""
    components = [_entry(f".2.{index + 1}", _integer(svn)) for index, svn in enumerate(facts.cpu_svn)]
    tcb = [*components, _entry(".2.17", _integer(facts.pce_svn)), _entry(".2.18", _tlv(_OCTETS, facts.cpu_svn))]
    flags = [_entry(f".7.{index}", _tlv(_BOOLEAN, b"\x00")) for index in (1, 2, 3)]  # dynamic, cached keys, SMT
    return _sequence(
        _entry(".1", _tlv(_OCTETS, facts.ppid)),
        _entry(".2", _sequence(*tcb)),
        _entry(".3", _tlv(_OCTETS, facts.pce_id)),
        _entry(".4", _tlv(_OCTETS, facts.fmspc)),
        _entry(".5", _tlv(_ENUMERATED, bytes([_SCALABLE]))),
        _entry(".6", _tlv(_OCTETS, facts.platform_instance_id)),
        _entry(".7", _sequence(*flags)),
    )


def _entry(suffix: str, value: bytes) -> bytes:
    return _sequence(_object_id(SGX_EXTENSION_OID + suffix), value)


def _sequence(*items: bytes) -> bytes:
    return _tlv(_SEQUENCE, b"".join(items))


def _integer(value: int) -> bytes:
    return _tlv(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _object_id(dotted: str) -> bytes:
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    body = bytearray([first * 40 + second])
    for arc in rest:
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(arc & 0x7F | 0x80)
        body += bytes(reversed(groups))
    return _tlv(_OBJECT_ID, bytes(body))


def _tlv(tag: int, body: bytes) -> bytes:
    size = len(body)
    if size < 0x80:
        length = bytes([size])
    else:
        octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
        length = bytes([0x80 | len(octets)]) + octets
    return bytes([tag]) + length + body
