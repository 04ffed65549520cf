"""What a policy reads of a vendor's signed statement: TCB info or QE identity. Believe it once its signature held.

Decided here: the fields. How they are read, and what else a statement must have: ``tcb_info``, ``qe_identity``.
"""

from __future__ import annotations

from dataclasses import dataclass

from wattest.attestation.formats.tcb_levels import TcbLevel


@dataclass(frozen=True, slots=True)
class VendorStatement:
    """Dates, numbers, kind and levels of TCB info or QE identity; times are unix seconds.

    ``fmspc`` (6 bytes) and ``pce_id`` (2) are None in a QE identity, and in TCB info whose id is none that is known.
    ``levels`` is empty where id or version is none that is known.
    """

    id: str
    version: int
    issued_at: int
    next_update: int
    evaluation_number: int
    fmspc: bytes | None
    pce_id: bytes | None
    levels: tuple[TcbLevel, ...]
