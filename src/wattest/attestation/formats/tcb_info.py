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
from wattest.attestation.formats.vendor_field import VendorField, read_vendor_text
from wattest.attestation.formats.vendor_statement import VendorStatement

TCB_INFO = "TCB info"
TCB_INFO_VERSION = 3
KINDS = ("SGX", "TDX")
PCE_ID_BYTES, COMPONENTS, MAX_MODULES = 2, 16, 64
_REMEMBERED = 8
_MODULE = re.compile(r"TDX_[0-9A-F]{2}\Z")
_TDX_ALONE = "nothing of TDX"


@lru_cache(maxsize=_REMEMBERED)  # one appraisal reads the same text several times
def parse_tcb_info(text: str) -> VendorStatement:
    """Read TCB info.

    Raises:
        CollateralMalformed: with the field that is missing or wrong; an unknown TCB status by a reason of its own.
    """
    info = read_vendor_text(text, TCB_INFO)
    kind, version = info.member("id").text(), info.member("version").integer(0, 2**32 - 1)
    issued, until = info.member("issueDate").date(), info.member("nextUpdate").date()
    number = info.member("tcbEvaluationDataNumber").integer(0, 2**32 - 1)
    fmspc, pce_id = None, None
    levels: tuple[TcbLevel, ...] = ()
    if kind in KINDS:
        fmspc, pce_id = info.member("fmspc").hex(FMSPC_BYTES), info.member("pceId").hex(PCE_ID_BYTES)
    if kind in KINDS and version == TCB_INFO_VERSION:
        if until <= issued:
            raise info.member("nextUpdate").refused("a date after issueDate")
        info.member("tcbType").integer(0, 0)
        if kind == "TDX":
            _read_modules(info)
        else:
            info.refuse_member("tdxModule", _TDX_ALONE)
            info.refuse_member("tdxModuleIdentities", _TDX_ALONE)
        levels = read_levels(
            info.member("tcbLevels"), PLATFORM_STATUSES, _read_domain_tcb if kind == "TDX" else _read_tcb
        )
    return VendorStatement(kind, version, issued, until, number, fmspc, pce_id, levels)


def _read_tcb(tcb: VendorField) -> tuple[int, ...]:
    tcb.refuse_member("tdxtcbcomponents", _TDX_ALONE)
    return (*_read_components(tcb.member("sgxtcbcomponents")), tcb.member("pcesvn").integer(0, 0xFFFF))


def _read_domain_tcb(tcb: VendorField) -> tuple[int, ...]:
    own = (*_read_components(tcb.member("sgxtcbcomponents")), tcb.member("pcesvn").integer(0, 0xFFFF))
    return (*own, *_read_components(tcb.member("tdxtcbcomponents")))


def _read_components(listed: VendorField) -> tuple[int, ...]:
    found = []
    for component in listed.items(COMPONENTS, COMPONENTS):
        found.append(component.member("svn").integer(0, 0xFF))
        for name in ("category", "type"):
            if component.has(name):
                component.member(name).text()
    return tuple(found)


def _read_modules(info: VendorField) -> None:
    _read_module(info.member("tdxModule"))
    if not info.has("tdxModuleIdentities"):
        return
    seen: set[str] = set()
    for module in info.member("tdxModuleIdentities").items(1, MAX_MODULES):
        name = module.member("id").matching(_MODULE, "an id such as TDX_01")
        if name in seen:
            raise module.member("id").refused("a module that is not there already")
        seen.add(name)
        _read_module(module)
        read_levels(module.member("tcbLevels"), PLATFORM_STATUSES, _read_module_tcb)


def _read_module(module: VendorField) -> None:
    module.member("mrsigner").hex(48)
    module.member("attributes").hex(8)
    module.member("attributesMask").hex(8)


def _read_module_tcb(tcb: VendorField) -> tuple[int, ...]:
    return (tcb.member("isvsvn").integer(0, 0xFF),)
