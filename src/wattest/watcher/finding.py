"""What a watcher finds wrong with a batch.

Decided here: which three kinds of fault there are. Not decided here: which fault is of which kind (``check``,
``check_entries``), what follows from one (``watcher``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from wattest.twin.challenge import EvidenceOpening


class FindingKind(Enum):
    """What kind of fault was found."""

    WITHHELD = "withheld"
    INVALID_EVIDENCE = "invalid evidence"
    INCONSISTENT = "inconsistent"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: its kind, the entry it is about (None: the whole batch), the error's name and words."""

    kind: FindingKind
    position: int | None
    code: str
    reason: str
    opening: EvidenceOpening | None = None


def withheld(position: int | None, code: str, reason: str) -> Finding:
    """What an operator does not serve, or not so that it opens."""
    return Finding(FindingKind.WITHHELD, position, code, reason)


def inconsistent(code: str, reason: str, position: int | None = None) -> Finding:
    """What an enclave should never have signed."""
    return Finding(FindingKind.INCONSISTENT, position, code, reason)
