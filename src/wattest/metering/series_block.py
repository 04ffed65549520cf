"""Series block: the plaintext of one bundle block, with all that a reader needs to check an entry again.

Decided here: the block's bytes, and what ``verify_series_block`` proves from them. Not decided here: how blocks are
encrypted and stored (``store.bundle_store``), whether ``vee`` ran right (a reader runs the guest again on
``signed_part`` and ``previous``), or whether a result was computed right. docs/spec/entries.md
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from wattest.crypto.hashing import sha256
from wattest.errors import InputError, VerificationError
from wattest.merkle import sha256_root
from wattest.metering.device_block import (
    DEVICE_BLOCK_VERSION,
    GRID_BLOCK_VERSION,
    DeviceBlock,
    verify_device_block,
)
from wattest.metering.entry import (
    ENTRY_BYTES,
    EntryKind,
    SeriesEntry,
    StatementEntry,
    evidence_digest,
    parse_entry,
)
from wattest.metering.records import (
    INTERVAL_RECORD,
    INTERVAL_RECORD_BYTES,
    MAX_RECORDS,
    Records,
    device_part,
    is_estimated,
    parse_interval_records,
    verify_order,
)
from wattest.metering.series import build_series_tree

SERIES_BLOCK_VERSION = 1
MAX_TELEGRAMS = 10_000
MAX_TELEGRAM_BYTES = 2**20
MAX_SOURCE_BYTES = 2**24
MAX_SERIES_BLOCK_BYTES = 2**26
_HAS_PREVIOUS = 0x01
_GRID = 0x02


class MalformedSeriesBlock(InputError):
    """Series block bytes of a wrong length, version, flag or count."""


class SeriesMismatch(VerificationError):
    """A block whose content does not lead to its entry: root, count, evidence, digest or source."""


@dataclass(frozen=True, slots=True)
class PreviousState:
    """Where the meter stood at the end of its last sealed interval; what ``vee`` continues from."""

    last_interval_end: int
    import_register: int = field(repr=False)
    export_register: int = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class SeriesBlock:
    """An entry with what stands behind it; which fields are filled follows from the entry's kind.

    Kind 1: ``records``, ``public_key`` (X||Y, 64), ``signature`` (64), ``block_version``. Kind 2: ``records``,
    ``public_key`` (DER SPKI, names the curve), ``telegrams``. Kind 3: ``records``, ``source``. Kind 4: nothing. Kinds
    16 to 18: ``source`` holds the input description, ``result`` the result.
    """

    entry: SeriesEntry | StatementEntry
    records: Records = field(repr=False)
    previous: PreviousState | None = None
    public_key: bytes = b""
    signature: bytes = b""
    telegrams: tuple[bytes, ...] = field(default=(), repr=False)
    source: bytes = field(default=b"", repr=False)
    result: bytes = field(default=b"", repr=False)
    block_version: int = DEVICE_BLOCK_VERSION

    def to_bytes(self) -> bytes:
        """The block's one encoding. Raises ``MalformedSeriesBlock`` when a field does not fit its kind."""
        kind = self.entry.kind
        flags = (0 if self.previous is None else _HAS_PREVIOUS) | _GRID * (self.block_version == GRID_BLOCK_VERSION)
        parts = [bytes((SERIES_BLOCK_VERSION, flags)), self.entry.pack()]
        if self.previous is not None:
            state = (self.previous.last_interval_end, self.previous.import_register, self.previous.export_register)
            parts += [number.to_bytes(8, "big") for number in state]
        parts += [self.records.shape[0].to_bytes(4, "big"), self.records.tobytes()]
        if kind == EntryKind.SIGNED_DEVICE_BLOCK:
            parts += [self.public_key, self.signature]
        elif kind == EntryKind.SIGNED_TELEGRAMS:
            parts += [_prefixed(self.public_key, 2), len(self.telegrams).to_bytes(4, "big")]
            parts += [_prefixed(telegram, 4) for telegram in self.telegrams]
        elif kind == EntryKind.UNSIGNED_SOURCE:
            parts.append(_prefixed(self.source, 4))
        elif kind != EntryKind.ABSENT:
            parts += [_prefixed(self.result, 4), _prefixed(self.source, 4)]
        data = b"".join(parts)
        parse_series_block(data)  # what is written can be read: a misfit is found here, not by the household
        return data


def parse_series_block(data: bytes) -> SeriesBlock:
    """Read a series block; nothing is verified here.

    At most 64 MiB, 100,000 records, 10,000 telegrams of 1 MiB. Raises ``MalformedSeriesBlock``, ``MalformedEntry`` or
    ``MalformedRecords``. docs/spec/entries.md
    """
    reader = _Reader(data)
    version, flags = reader.take(2)
    if version != SERIES_BLOCK_VERSION or flags & ~(_HAS_PREVIOUS | _GRID):
        raise MalformedSeriesBlock("unknown series block version or flag", actual=[version, flags])
    entry = parse_entry(reader.take(ENTRY_BYTES))
    if flags & _GRID and entry.kind != EntryKind.SIGNED_DEVICE_BLOCK:
        raise MalformedSeriesBlock("a version of device block belongs to kind 1", actual=[int(entry.kind), flags])
    previous = None
    if flags & _HAS_PREVIOUS:
        previous = PreviousState(reader.number(8), reader.number(8), reader.number(8))
    count = reader.number(4, most=MAX_RECORDS)
    if (count > 0) != (EntryKind.SIGNED_DEVICE_BLOCK <= entry.kind <= EntryKind.UNSIGNED_SOURCE):
        raise MalformedSeriesBlock("records belong to kinds 1 to 3 and to no other", actual=count)
    records = parse_interval_records(reader.take(count * INTERVAL_RECORD_BYTES))
    public_key = signature = source = result = b""
    telegrams: tuple[bytes, ...] = ()
    if entry.kind == EntryKind.SIGNED_DEVICE_BLOCK:
        public_key, signature = reader.take(64), reader.take(64)
    elif entry.kind == EntryKind.SIGNED_TELEGRAMS:
        public_key = reader.prefixed(2, 1024)
        amount = reader.number(4, most=MAX_TELEGRAMS)
        telegrams = tuple(reader.prefixed(4, MAX_TELEGRAM_BYTES) for _ in range(amount))
    elif entry.kind == EntryKind.UNSIGNED_SOURCE:
        source = reader.prefixed(4, MAX_SOURCE_BYTES)
    elif entry.kind != EntryKind.ABSENT:
        result, source = reader.prefixed(4, MAX_SOURCE_BYTES), reader.prefixed(4, MAX_SOURCE_BYTES)
    reader.end()
    block_version = GRID_BLOCK_VERSION if flags & _GRID else DEVICE_BLOCK_VERSION
    return SeriesBlock(entry, records, previous, public_key, signature, telegrams, source, result, block_version)


def verify_series_block(block: SeriesBlock, series_key: bytes) -> None:
    """Recompute everything an entry claims: series root, count, period, evidence, signatures, digests.

    Kind 2 reads every telegram again, checks its signature under the block's key and derives the records anew. The
    blinded meter is checked by ``meter.blinded_meter``, which needs the household's key. Raises ``SeriesMismatch`` or
    what ``verify_device_block`` raises, with the reason.
    """
    entry = block.entry
    if isinstance(entry, StatementEntry):
        _require("result digest", entry.result_digest, sha256(block.result))
        _require("input digest", entry.input_digest, sha256(block.source))
        return
    if entry.kind == EntryKind.ABSENT:
        return  # nothing is claimed; the entry's own format holds zeros
    records = block.records
    if records.dtype != INTERVAL_RECORD or records.shape[0] == 0:
        raise SeriesMismatch("the block has no interval records", kind=int(entry.kind))
    _require("interval count", entry.interval_count, records.shape[0])
    verify_order(records, entry.period_start, entry.period_end)
    _require("series root", entry.series_root, build_series_tree(records, series_key).root)
    estimated = is_estimated(records)
    sourceless = ~records["source_digest"].any(axis=1)
    if bool((estimated != sourceless).any()):
        index = int(np.argmax(estimated != sourceless))
        raise SeriesMismatch(f"record {index} is estimated and has a source, or neither", index=index)
    if bool((records["pseudonym"] != records["pseudonym"][0]).any()):
        raise SeriesMismatch("the records name more than one meter")
    if entry.kind == EntryKind.SIGNED_DEVICE_BLOCK:
        _verify_block_kind(block, entry)
    elif entry.kind == EntryKind.SIGNED_TELEGRAMS:
        _verify_telegram_kind(block, entry)
    else:
        _require_source(records[~estimated], sha256(block.source))


def signed_part(block: SeriesBlock) -> Records:
    """The device records as they came from the source: estimated ones dropped, the high quality byte zeroed."""
    return device_part(block.records[~is_estimated(block.records)])


def device_block_of(block: SeriesBlock) -> DeviceBlock:
    """The device block a kind 1 series was made from, rebuilt from its interval records."""
    entry = block.entry
    return DeviceBlock(
        block.public_key, entry.period_start, entry.period_end, signed_part(block), block.signature, block.block_version
    )


def telegram_digest(telegram: bytes) -> bytes:
    """SHA-256 of a telegram as it was kept, signature included: its records' source digest, 32 bytes."""
    return sha256(telegram)


def telegrams_evidence(telegrams: tuple[bytes, ...]) -> bytes:
    """The evidence of kind 2: SHA-256 RFC 9162 root over the telegram digests, in the order they are kept."""
    if not telegrams:
        raise MalformedSeriesBlock("a series of signed telegrams has at least one")
    return sha256_root(b"".join(telegram_digest(telegram) for telegram in telegrams), 32)


def _verify_block_kind(block: SeriesBlock, entry: SeriesEntry) -> None:
    device_block = device_block_of(block)
    if device_block.records.shape[0] == 0:
        raise SeriesMismatch("every record is estimated: this is an absent meter, not a signed block")
    digest = device_block.digest
    _require("evidence", entry.evidence, evidence_digest(digest, block.signature, block.public_key))
    verify_device_block(device_block)
    _require_source(block.records[~is_estimated(block.records)], digest)


def _verify_telegram_kind(block: SeriesBlock, entry: SeriesEntry) -> None:
    _require("evidence", entry.evidence, telegrams_evidence(block.telegrams))
    kept = block.records[~is_estimated(block.records)]
    from wattest.metering.imported import signed_telegram_records  # meters' formats: most blocks have no telegram

    derived = signed_telegram_records(block.telegrams, block.public_key)
    if device_part(kept).tobytes() != device_part(derived).tobytes():
        raise SeriesMismatch("the records do not follow from the signed telegrams")
    if kept["source_digest"].tobytes() != derived["source_digest"].tobytes():
        raise SeriesMismatch("a record names another telegram than the one it follows from")


def _require_source(records: Records, digest: bytes) -> None:
    other = (records["source_digest"] != np.frombuffer(digest, dtype=np.uint8)).any(axis=1)
    if bool(other.any()):
        raise SeriesMismatch(
            f"measured record {int(np.argmax(other))} names a source that is not in the block",
            expected=digest,
            actual=records["source_digest"][int(np.argmax(other))].tobytes(),
        )


def _require(name: str, claimed: bytes | int, computed: bytes | int) -> None:
    if claimed != computed:
        raise SeriesMismatch(
            f"the entry's {name} does not follow from the block",
            hint="the block or the entry was changed, or the series key belongs to another series",
            part=name,
            expected=claimed,
            actual=computed,
        )


def _prefixed(data: bytes, width: int) -> bytes:
    if len(data) >= 1 << (8 * width):
        raise MalformedSeriesBlock("a part is too long for its length field", actual=len(data))
    return len(data).to_bytes(width, "big") + data


class _Reader:
    """A cursor that never reads past the end and checks each length before it takes the bytes."""

    def __init__(self, data: bytes) -> None:
        if len(data) > MAX_SERIES_BLOCK_BYTES:
            raise MalformedSeriesBlock("a series block is too large", expected=MAX_SERIES_BLOCK_BYTES, actual=len(data))
        self._data = bytes(data)
        self._at = 0

    def take(self, length: int) -> bytes:
        piece = self._data[self._at : self._at + length]
        if len(piece) != length:
            raise MalformedSeriesBlock(
                "the series block is truncated", expected=self._at + length, actual=len(self._data)
            )
        self._at += length
        return piece

    def number(self, width: int, most: int | None = None) -> int:
        value = int.from_bytes(self.take(width), "big")
        if most is not None and value > most:
            raise MalformedSeriesBlock("a count or length is over its limit", expected=most, actual=value)
        return value

    def prefixed(self, width: int, most: int) -> bytes:
        return self.take(self.number(width, most))

    def end(self) -> None:
        if self._at != len(self._data):
            raise MalformedSeriesBlock(
                "bytes follow the end of the series block", expected=self._at, actual=len(self._data)
            )


__all__ = [
    "MAX_SERIES_BLOCK_BYTES",
    "MalformedSeriesBlock",
    "PreviousState",
    "SeriesBlock",
    "SeriesMismatch",
    "device_block_of",
    "parse_series_block",
    "signed_part",
    "telegram_digest",
    "telegrams_evidence",
    "verify_series_block",
]
