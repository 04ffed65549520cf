"""TCB info: what the vendor says of a platform model's TCB levels, read field by field.

Decided here: which fields version 3 has and what each must be. All are required but advisories and the identities of
TDX modules; others are passed over, as the vendor adds some. Not decided here: whether the signature holds. Of another
version or kind only what tells them apart is read: the appraisal refuses it as such.
Specification: docs/spec/evidence.md; source: Intel PCS API v4, "Get SGX TCB Info", "Get TDX TCB Info", appendix A.
"""

from __future__ import annotations

import re
from functools import lru_cache

from wattest.attestation.formats.collateral import FMSPC_BYTES
from wattest.attestation.formats.tcb_levels import PLATFORM_STATUSES, TcbLevel, read_levels
from wattest.attestation.formats.vendor_statement import VendorStatement
from wattest.attestation.formats.vendor_text import MAX_TEXT, read_date, read_vendor_text
from wattest.crypto.strict_fields import Field, Fields

TCB_INFO = "TCB info"
TCB_INFO_VERSION = 3
KINDS = ("SGX", "TDX")
PCE_ID_BYTES, COMPONENTS, MAX_MODULES = 2, 16, 64
_REMEMBERED = 8
_MODULE = re.compile(r"TDX_[0-9A-F]{2}\Z")


@lru_cache(maxsize=_REMEMBERED)  # one appraisal reads the same text several times
def parse_tcb_info(text: str) -> VendorStatement:
    """Read TCB info.

    Raises:
        CollateralMalformed: with the field that is missing or wrong; an unknown TCB status by a reason of its own.
    """
    info = read_vendor_text(text, TCB_INFO)
    kind, version = info["id"].text(MAX_TEXT), info["version"].integer(0, 2**32 - 1)
    issued, until = read_date(info["issueDate"]), read_date(info["nextUpdate"])
    number = info["tcbEvaluationDataNumber"].integer(0, 2**32 - 1)
    fmspc, pce_id = None, None
    levels: tuple[TcbLevel, ...] = ()
    if kind in KINDS:
        fmspc, pce_id = info["fmspc"].hex(FMSPC_BYTES, any_case=True), info["pceId"].hex(PCE_ID_BYTES, any_case=True)
    if kind in KINDS and version == TCB_INFO_VERSION:
        if until <= issued:
            raise info["nextUpdate"].refused("a date after issueDate")
        info["tcbType"].integer(0, 0)
        if kind == "TDX":
            _read_modules(info)
        else:
            _refuse_member(info, "tdxModule")
            _refuse_member(info, "tdxModuleIdentities")
        levels = read_levels(info["tcbLevels"], PLATFORM_STATUSES, _read_domain_tcb if kind == "TDX" else _read_tcb)
    return VendorStatement(kind, version, issued, until, number, fmspc, pce_id, levels)


def _refuse_member(fields: Fields, name: str) -> None:
    if name in fields:
        raise fields[name].refused("nothing of TDX")


def _read_tcb(tcb: Fields) -> tuple[int, ...]:
    _refuse_member(tcb, "tdxtcbcomponents")
    return (*_read_components(tcb["sgxtcbcomponents"]), tcb["pcesvn"].integer(0, 0xFFFF))


def _read_domain_tcb(tcb: Fields) -> tuple[int, ...]:
    own = (*_read_components(tcb["sgxtcbcomponents"]), tcb["pcesvn"].integer(0, 0xFFFF))
    return (*own, *_read_components(tcb["tdxtcbcomponents"]))


def _read_components(listed: Field) -> tuple[int, ...]:
    found = []
    for entry in listed.items(COMPONENTS, COMPONENTS):
        component = entry.fields()
        found.append(component["svn"].integer(0, 0xFF))
        for name in ("category", "type"):
            if name in component:
                component[name].text(MAX_TEXT)
    return tuple(found)


def _read_modules(info: Fields) -> None:
    _read_module(info["tdxModule"].fields())
    if "tdxModuleIdentities" not in info:
        return
    seen: set[str] = set()
    for entry in info["tdxModuleIdentities"].items(MAX_MODULES, 1):
        module = entry.fields()
        name = module["id"].matching(_MODULE, "an id such as TDX_01")
        if name in seen:
            raise module["id"].refused("a module that is not there already")
        seen.add(name)
        _read_module(module)
        read_levels(module["tcbLevels"], PLATFORM_STATUSES, _read_module_tcb)


def _read_module(module: Fields) -> None:
    module["mrsigner"].hex(48, any_case=True)
    module["attributes"].hex(8, any_case=True)
    module["attributesMask"].hex(8, any_case=True)


def _read_module_tcb(tcb: Fields) -> tuple[int, ...]:
    return (tcb["isvsvn"].integer(0, 0xFF),)
