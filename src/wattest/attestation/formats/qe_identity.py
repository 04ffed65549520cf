"""QE identity: which quoting enclave the vendor vouches for, read field by field.

Decided here: which fields version 2 has and what each must be. All are required but advisories; others are passed over,
as the vendor adds some. Not decided here: whether the signature holds. Of another version or kind only what tells them
apart is read: the appraisal refuses it as such.
Specification: docs/spec/evidence.md; source: Intel PCS API v4, "Get Quoting Enclave Identity", appendix B.
"""

from __future__ import annotations

from functools import lru_cache

from wattest.attestation.formats.tcb_levels import ENCLAVE_STATUSES, TcbLevel, read_levels
from wattest.attestation.formats.vendor_statement import VendorStatement
from wattest.attestation.formats.vendor_text import MAX_TEXT, read_date, read_vendor_text
from wattest.crypto.strict_fields import Fields

QE_IDENTITY = "QE identity"
QE_IDENTITY_VERSION = 2
_REMEMBERED = 8
_SIZES = {"miscselect": 4, "miscselectMask": 4, "attributes": 16, "attributesMask": 16, "mrsigner": 32}


@lru_cache(maxsize=_REMEMBERED)  # one appraisal reads the same text several times
def parse_qe_identity(text: str) -> VendorStatement:
    """Read a QE identity; ``fmspc`` and ``pce_id`` are None.

    Raises:
        CollateralMalformed: with the field that is missing or wrong; an unknown TCB status by a reason of its own.
    """
    identity = read_vendor_text(text, QE_IDENTITY)
    kind, version = identity["id"].text(MAX_TEXT), identity["version"].integer(0, 2**32 - 1)
    issued, until = read_date(identity["issueDate"]), read_date(identity["nextUpdate"])
    number = identity["tcbEvaluationDataNumber"].integer(0, 2**32 - 1)
    levels: tuple[TcbLevel, ...] = ()
    if version == QE_IDENTITY_VERSION and kind in ("QE", "TD_QE"):
        if until <= issued:
            raise identity["nextUpdate"].refused("a date after issueDate")
        for name, size in _SIZES.items():
            identity[name].hex(size, any_case=True)
        identity["isvprodid"].integer(0, 0xFFFF)
        levels = read_levels(identity["tcbLevels"], ENCLAVE_STATUSES, _read_tcb)
    return VendorStatement(kind, version, issued, until, number, None, None, levels)


def _read_tcb(tcb: Fields) -> tuple[int, ...]:
    return (tcb["isvsvn"].integer(0, 0xFFFF),)
