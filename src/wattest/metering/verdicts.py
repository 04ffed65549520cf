"""What is known about a meter file's signatures and checksums, in one word each.

Decided here: the words, and which counts where a file has several records. Not decided here: how a signature or a
checksum is judged (``readers``), or what follows for billing (``billing_rules``). docs/spec/meter-files.md
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class SignatureVerdict(StrEnum):
    """What is known about a file's signatures; the worst of its records counts."""

    VALID = "valid"
    INVALID = "invalid"
    ABSENT = "absent"
    UNCHECKED = "unchecked"


class CrcVerdict(StrEnum):
    """What is known about a file's checksums."""

    OK = "ok"
    FAILED = "failed"
    NONE = "none"


_SIGNATURE_ORDER = [
    SignatureVerdict.VALID,
    SignatureVerdict.ABSENT,
    SignatureVerdict.UNCHECKED,
    SignatureVerdict.INVALID,
]
_CRC_ORDER = [CrcVerdict.OK, CrcVerdict.NONE, CrcVerdict.FAILED]


def worst_signature(verdicts: Iterable[SignatureVerdict]) -> SignatureVerdict:
    """The verdict that counts for a file of several signed records; absent for none."""
    return max(verdicts, key=_SIGNATURE_ORDER.index, default=SignatureVerdict.ABSENT)


def worst_crc(verdicts: Iterable[CrcVerdict]) -> CrcVerdict:
    """The verdict that counts for a file of several telegrams; none for none."""
    return max(verdicts, key=_CRC_ORDER.index, default=CrcVerdict.NONE)
