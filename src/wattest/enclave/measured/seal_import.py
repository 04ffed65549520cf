"""Seals imported meter files into an open channel: kind 2 where signatures hold, kind 3 where there are none.

Decided here: that every file is read and verified again inside, and that its records are kept as read. Not decided
here: the formats (``metering.readers``) and the batch (``batch``). Invariants: the signatures of all files of a step
are verified at once, each once; a file whose signature or checksum fails makes no entry and fails the job, by the
item's index; no roster, no state.
Source: docs/spec/enclave-socket.md, methods ``import.*``; docs/spec/sealed-blocks.md, section "Imports".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from wattest.crypto.hashing import sha256
from wattest.crypto.hpke import PUBLIC_KEY_BYTES
from wattest.crypto.strict_fields import Fields
from wattest.enclave.measured.batch_builder import BatchBuilder, Job, Roots
from wattest.enclave.measured.errors import ImportRefused, RequestInvalid
from wattest.enclave.measured.identity import Identities
from wattest.enclave.measured.job_kind import MAX_BLOCKS_PER_STEP, JobKind, JobTools, read_span
from wattest.enclave.measured.release import Head
from wattest.enclave.measured.sealed_state import PendingBatch
from wattest.enclave.measured.stop_points import StopPoints
from wattest.errors import InputError, VerificationError
from wattest.messages.channel import ChannelKind
from wattest.messages.member_list import MAX_WATCHERS
from wattest.metering.billing_rules import NotImportable
from wattest.metering.entry import ZERO_DIGEST, EntryKind, SeriesEntry
from wattest.metering.imported import ImportedSeries, imported_series
from wattest.metering.meter import blinded_meter
from wattest.metering.readers.public_key import MalformedPublicKey, MeterPublicKey, parse_public_key
from wattest.metering.readers.recognise import read_meter_files
from wattest.metering.reading import ImportedFile
from wattest.metering.series import build_series_tree
from wattest.metering.series_block import SeriesBlock, telegrams_evidence
from wattest.workload.engine import Guest

MAX_IMPORT_BYTES = 16 * 1024 * 1024
MAX_KEY_CHARACTERS = 4_096


@dataclass(frozen=True, slots=True)
class ImportedItem:
    """One file of a step: its item's index, its bytes, and its key as text, None where none is known."""

    item: int
    file: bytes = field(repr=False)
    public_key: str | None


class ImportSession:
    """One import batch: made by ``import.begin``, fed by ``import.add``, ended by ``batch.finish``."""

    def __init__(
        self,
        identities: Identities,
        faults: StopPoints,
        guest: Guest,
        channel: bytes,
        head: Head,
        period: tuple[int, int],
        meter_keys: list[bytes],
        readers: list[bytes],
        watchers: list[bytes],
    ) -> None:
        state = identities.get(channel)
        if state.channel.kind != ChannelKind.OPEN:
            raise RequestInvalid("imports go into open channels", field="channel")
        if len(meter_keys) != len(readers):
            raise RequestInvalid("one reader key belongs to each item", expected=len(meter_keys), actual=len(readers))
        names = [blinded_meter(meter_key, channel, period[0]) for meter_key in meter_keys]
        self._period = period
        self._order = sorted(range(len(names)), key=names.__getitem__)
        self._index_of = {item: index for index, item in enumerate(self._order)}
        storage_key = identities.storage_key(state).public_key
        content = sha256(b"".join(meter_keys)) + sha256(b"".join(readers)) + sha256(b"".join(watchers))
        self.builder = BatchBuilder(
            identities,
            faults,
            Job(channel, head, period[0], period[1], sha256(content)),
            [names[item] for item in self._order],
            [list(dict.fromkeys((storage_key, readers[item], *watchers))) for item in self._order],
            guest.workload,
        )

    def order(self) -> bytes:
        """For every entry its item's index, u32 each."""
        return np.asarray(self._order, dtype=">u4").tobytes()

    def add(self, items: Sequence[ImportedItem]) -> dict[str, object]:
        """Read, verify and seal files; the entries they became (u32 each) and their ciphertexts, in the files' order.

        Raises: ImportRefused for the first file that makes no series, SessionInvalid.
        """
        indices = [self._index(item.item) for item in items]
        blocks: list[bytes] = []
        for index, item, read in zip(indices, items, _read(items), strict=True):
            try:
                if isinstance(read, InputError):
                    raise read
                found = imported_series(read)
            except (InputError, VerificationError) as error:
                rule = {"rule": str(error.rule)} if isinstance(error, NotImportable) else {}
                raise ImportRefused(
                    f"a file makes no series: {error.message}", hint=error.hint, item=item.item, **rule
                ) from error
            if len(found) != 1:
                raise ImportRefused("a file makes one series", item=item.item, expected=1, actual=len(found))
            blocks.append(self._seal(index, item.item, found[0]))
        return {"indices": np.asarray(indices, dtype=">u4").tobytes(), "blocks": blocks}

    def finish(self) -> PendingBatch:
        """Release the header; every item must have been added."""
        return self.builder.finish(Roots(), self.builder.before)

    def results(self) -> dict[str, object]:
        """Nothing beyond the batch."""
        return {}

    def page(self, start: int, count: int) -> dict[str, object]:
        """A page of the batch."""
        return self.builder.page(start, count)

    def _index(self, item: int) -> int:
        index = self._index_of.get(item)
        if index is None:
            raise RequestInvalid("no such item in this import", field="item", actual=item)
        return index

    def _seal(self, index: int, item: int, series: ImportedSeries) -> bytes:
        """One series as the entry's block; its ciphertext."""
        if not self._period[0] <= series.period_start < series.period_end <= self._period[1]:
            raise ImportRefused(
                "a file's readings lie outside the period",
                item=item,
                expected=list(self._period),
                actual=[series.period_start, series.period_end],
            )
        entry = self._entry(index, series)
        content = SeriesBlock(
            entry, series.records, public_key=series.public_key, telegrams=series.telegrams, source=series.source
        )
        return self.builder.put(index, entry.pack(), content.to_bytes())

    def _entry(self, index: int, series: ImportedSeries) -> SeriesEntry:
        signed = series.kind == EntryKind.SIGNED_TELEGRAMS
        return SeriesEntry(
            series.kind,
            self.builder.names[index],
            series.period_start,
            series.period_end,
            series.records.shape[0],
            build_series_tree(series.records, self.builder.series_key(index)).root,
            telegrams_evidence(series.telegrams) if signed else ZERO_DIGEST,
        )


def _read(items: Sequence[ImportedItem]) -> list[ImportedFile | InputError]:
    """The files, their signatures judged at once; what stops the reading of a key or a file stands in its place."""
    keys = [_key_of(item.public_key) for item in items]
    usable = [
        (item.file, key) for item, key in zip(items, keys, strict=True) if not isinstance(key, MalformedPublicKey)
    ]
    files = iter(read_meter_files(usable))
    return [key if isinstance(key, MalformedPublicKey) else next(files) for key in keys]


def _key_of(text: str | None) -> MeterPublicKey | MalformedPublicKey | None:
    try:
        return None if text is None else parse_public_key(text)
    except MalformedPublicKey as error:
        return error


def _begin(tools: JobTools, fields: Fields) -> tuple[ImportSession, dict[str, object]]:
    channel, head, period = read_span(fields)
    meter_keys = fields["meter_keys"].rows(32, MAX_BLOCKS_PER_STEP)
    readers = fields["readers"].rows(PUBLIC_KEY_BYTES, MAX_BLOCKS_PER_STEP)
    watchers = fields["watchers"].rows(PUBLIC_KEY_BYTES, MAX_WATCHERS)
    fields.close()
    session = ImportSession(
        tools.identities, tools.stop_points, tools.guests["vee"], channel, head, period, meter_keys, readers, watchers
    )
    return session, {"order": session.order()}


def _add(session: ImportSession, fields: Fields) -> dict[str, object]:
    items = [_imported_item(inner.fields()) for inner in fields["items"].items(MAX_BLOCKS_PER_STEP)]
    fields.close()
    return session.add(items)


def _imported_item(fields: Fields) -> ImportedItem:
    item = fields["item"].uint(32)
    data = fields["file"].blob(MAX_IMPORT_BYTES)
    key = fields["public_key"].or_none(lambda field: field.text(MAX_KEY_CHARACTERS))
    fields.close()
    return ImportedItem(item, data, key)


KIND = JobKind("import", _begin, {"add": _add})
