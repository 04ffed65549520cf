"""Entries: the 118-byte payloads of a batch tree, one per household, call or task.

Decided here: both layouts (they share one), and which combinations exist. Not decided here: what a result means.
Invariant: an entry holds no reading and no lasting name, so it may be shown on chain. docs/spec/entries.md
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from wattest.crypto.hashing import sha256
from wattest.errors import InputError
from wattest.units import U32_MAX, U64_MAX

ENTRY_VERSION = 1
ENTRY_BYTES = 118
ZERO_DIGEST = bytes(32)


class EntryKind(IntEnum):
    """What stands behind an entry."""

    SIGNED_DEVICE_BLOCK = 1
    SIGNED_TELEGRAMS = 2
    UNSIGNED_SOURCE = 3
    ABSENT = 4
    FUNCTION_RESULT = 16
    MARKET_RESULT = 17
    STATEMENT = 18


SERIES_KINDS = frozenset(kind for kind in EntryKind if kind <= EntryKind.ABSENT)
RESULT_KINDS = frozenset(kind for kind in EntryKind if kind > EntryKind.ABSENT)


class MalformedEntry(InputError):
    """Entry bytes or fields that the format does not allow."""


@dataclass(frozen=True, slots=True)
class SeriesEntry:
    """One meter's interval records of one period: kinds 1 to 4.

    ``evidence`` is ``evidence_digest`` of the device block (kind 1), the SHA-256 RFC 9162 root over telegram digests
    (kind 2), zero otherwise. An absent meter (kind 4) has count, root and evidence zero.
    """

    kind: EntryKind
    blinded_meter: bytes
    period_start: int
    period_end: int
    interval_count: int
    series_root: bytes
    evidence: bytes

    def __post_init__(self) -> None:
        if self.kind not in SERIES_KINDS:
            raise MalformedEntry("a series entry has kind 1 to 4", actual=int(self.kind))
        _check_common(self.blinded_meter, self.period_start, self.period_end, self.interval_count)
        _check_digest("series_root", self.series_root)
        _check_digest("evidence", self.evidence)
        present = self.kind != EntryKind.ABSENT
        signed = self.kind in (EntryKind.SIGNED_DEVICE_BLOCK, EntryKind.SIGNED_TELEGRAMS)
        for name, value, wanted in (
            ("interval_count", self.interval_count != 0, present),
            ("series_root", self.series_root != ZERO_DIGEST, present),
            ("evidence", self.evidence != ZERO_DIGEST, signed),
        ):
            if value != wanted:
                need = "not be zero" if wanted else "be zero"
                raise MalformedEntry(f"{name} of kind {int(self.kind)} must {need}", kind=int(self.kind), field=name)

    def pack(self) -> bytes:
        """The 118 bytes that become the leaf's payload."""
        return _pack(self.kind, self.blinded_meter, self.period_start, self.period_end, self.interval_count) + (
            self.series_root + self.evidence
        )

    @property
    def name(self) -> bytes:
        """What entries of a batch ascend by."""
        return self.blinded_meter


@dataclass(frozen=True, slots=True)
class StatementEntry:
    """One result: kinds 16 to 18, the same 118 bytes with a job id and two digests."""

    kind: EntryKind
    job_id: bytes
    period_start: int
    period_end: int
    count: int
    result_digest: bytes
    input_digest: bytes

    def __post_init__(self) -> None:
        if self.kind not in RESULT_KINDS:
            raise MalformedEntry("a result entry has kind 16 to 18", actual=int(self.kind))
        _check_common(self.job_id, self.period_start, self.period_end, self.count)
        _check_digest("result_digest", self.result_digest)
        _check_digest("input_digest", self.input_digest)

    def pack(self) -> bytes:
        """The 118 bytes that become the leaf's payload."""
        return _pack(self.kind, self.job_id, self.period_start, self.period_end, self.count) + (
            self.result_digest + self.input_digest
        )

    @property
    def name(self) -> bytes:
        """What entries of a batch ascend by."""
        return self.job_id


def parse_entry(data: bytes) -> SeriesEntry | StatementEntry:
    """Read 118 bytes of any kind. Raises ``MalformedEntry``. docs/spec/entries.md"""
    if len(data) != ENTRY_BYTES:
        raise MalformedEntry("an entry has 118 bytes", expected=ENTRY_BYTES, actual=len(data))
    data = bytes(data)
    if data[0] != ENTRY_VERSION:
        raise MalformedEntry("unknown entry version", expected=ENTRY_VERSION, actual=data[0])
    try:
        kind = EntryKind(data[1])
    except ValueError:
        raise MalformedEntry("unknown entry kind", expected=[int(k) for k in EntryKind], actual=data[1]) from None
    period_start, period_end = int.from_bytes(data[34:42], "big"), int.from_bytes(data[42:50], "big")
    count = int.from_bytes(data[50:54], "big")
    build = SeriesEntry if kind in SERIES_KINDS else StatementEntry
    return build(kind, data[2:34], period_start, period_end, count, data[54:86], data[86:118])


def parse_series_entry(data: bytes) -> SeriesEntry:
    """Read 118 bytes of kinds 1 to 4. Raises ``MalformedEntry``."""
    entry = parse_entry(data)
    if not isinstance(entry, SeriesEntry):
        raise MalformedEntry("this entry is a result, not a series", actual=int(entry.kind))
    return entry


def parse_statement_entry(data: bytes) -> StatementEntry:
    """Read 118 bytes of kinds 16 to 18. Raises ``MalformedEntry``."""
    entry = parse_entry(data)
    if not isinstance(entry, StatementEntry):
        raise MalformedEntry("this entry is a series, not a result", actual=int(entry.kind))
    return entry


def evidence_digest(message_digest: bytes, signature: bytes, public_key: bytes) -> bytes:
    """SHA-256(message digest 32 || signature 64 || public key 64): what a fraud proof on chain opens."""
    if (len(message_digest), len(signature), len(public_key)) != (32, 64, 64):
        raise MalformedEntry(
            "evidence is over a 32-byte digest, a 64-byte signature and a 64-byte key",
            actual=[len(message_digest), len(signature), len(public_key)],
        )
    return sha256(message_digest + signature + public_key)


def _pack(kind: EntryKind, name: bytes, period_start: int, period_end: int, count: int) -> bytes:
    head = bytes((ENTRY_VERSION, int(kind))) + name
    return head + period_start.to_bytes(8, "big") + period_end.to_bytes(8, "big") + count.to_bytes(4, "big")


def _check_common(name: bytes, period_start: int, period_end: int, count: int) -> None:
    _check_digest("name", name)
    if not 0 <= period_start < period_end <= U64_MAX:
        raise MalformedEntry("a period ends after it starts", actual=[period_start, period_end])
    if not 0 <= count <= U32_MAX:
        raise MalformedEntry("a count is an unsigned 32-bit number", actual=count)


def _check_digest(name: str, value: bytes) -> None:
    if len(value) != 32:
        raise MalformedEntry(f"{name} has 32 bytes", expected=32, actual=len(value))
