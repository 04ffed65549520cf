"""TCB levels, as TCB info, TDX modules and QE identity list them: a date, a status, advisories, and what they ask for.

Decided here: what every level has, and that a list goes from the highest to the lowest. The first level that a platform
meets counts, so one that asks for no less than an earlier one in everything can never be met: whoever wrote it meant
another order. Not decided here: which level a platform meets (``verification``).
Source: Intel PCS API v4, appendix A ("TCB levels ... sorted in descending order").
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from wattest.attestation.formats.vendor_text import read_date
from wattest.crypto.strict_fields import Field, Fields

MAX_LEVELS = 64
MAX_ADVISORIES = 256
_ADVISORY = re.compile(r"[A-Za-z0-9-]{1,64}\Z")
PLATFORM_STATUSES = frozenset(
    {
        *("UpToDate", "SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded", "OutOfDate"),
        *("OutOfDateConfigurationNeeded", "Revoked"),
    }
)
ENCLAVE_STATUSES = frozenset(
    {"UpToDate", "ConfigurationNeeded", "OutOfDate", "OutOfDateConfigurationNeeded", "Revoked"}
)


@dataclass(frozen=True, slots=True)
class TcbLevel:
    """A level: its status, its advisories (None where there is no list), and the SVNs that it asks for."""

    status: str
    advisories: tuple[str, ...] | None
    svns: tuple[int, ...]


def read_levels(
    listed: Field, statuses: frozenset[str], read_svns: Callable[[Fields], tuple[int, ...]]
) -> tuple[TcbLevel, ...]:
    """The levels of a list; ``read_svns`` reads what a level's ``tcb`` asks for, always as many numbers.

    Raises:
        CollateralMalformed: with the field; reason ``unknown_tcb_status`` for a status that is not among ``statuses``.
    """
    found: list[TcbLevel] = []
    for item in listed.items(MAX_LEVELS, 1):
        entry = item.fields()
        svns = read_svns(entry["tcb"].fields())
        read_date(entry["tcbDate"])
        status = entry["tcbStatus"].one_of(statuses, "a known TCB status", reason="unknown_tcb_status")
        advisories = None
        if "advisoryIDs" in entry:
            advisories = tuple(
                each.matching(_ADVISORY, "an advisory's id") for each in entry["advisoryIDs"].items(MAX_ADVISORIES)
            )
        for at, earlier in enumerate(found):
            if all(asked >= before for asked, before in zip(svns, earlier.svns, strict=True)):
                raise entry["tcb"].refused(f"an SVN lower than in {listed.where}[{at}]", "SVNs that are all as high")
        found.append(TcbLevel(status, advisories, svns))
    return tuple(found)
