"""A job: meter files sealed into an open channel, read and verified again inside.

Decided here: what it consists of and how it is asked for. What the enclave checks: ``measured.seal_import``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from wattest.enclave.host.job_calls import JobCalls, job_span, numbers, steps_of
from wattest.enclave.host.jobs import ChainHead, SealedBatch


@dataclass(frozen=True, slots=True)
class ImportItem:
    """One meter's file for an import batch: raw bytes, read and verified again inside.

    ``public_key`` is the key as text (any spelling ``metering.readers`` reads). An OCMF file whose signatures hold
    under it makes a kind 2 entry; a file without signatures, or read without a key, one of kind 3. ``meter_key`` (32
    bytes) blinds the entry's name, ``reader_key`` (X25519, 32) is the household's.
    """

    file: bytes = field(repr=False)
    meter_key: bytes = field(repr=False)
    reader_key: bytes
    public_key: str | None = None


@dataclass(frozen=True, slots=True)
class ImportJob:
    """Late or foreign readings in an open channel: no roster, no state."""

    channel: bytes
    head: ChainHead
    period_start: int
    period_end: int
    items: Sequence[ImportItem]
    watcher_keys: Sequence[bytes] = ()

    def ask(self, calls: JobCalls) -> SealedBatch:
        """Seal imported files (kinds 2 and 3) into an open channel.

        Raises: HeadMismatch, JobConflict, ImportRefused (with the item's index), EnclaveUnreachable.
        """
        begun = calls.ask_for(
            "import.begin",
            {
                **job_span(self.channel, self.head, self.period_start, self.period_end),
                "meter_keys": b"".join(item.meter_key for item in self.items),
                "readers": b"".join(item.reader_key for item in self.items),
                "watchers": b"".join(self.watcher_keys),
            },
        )
        order = numbers(begun["order"].rows(4, len(self.items)))
        begun.close()
        blocks: dict[int, bytes] = {}
        for step in steps_of(enumerate(self.items), lambda numbered: len(numbered[1].file)):
            items = [{"item": number, "file": item.file, "public_key": item.public_key} for number, item in step]
            blocks.update(calls.sealed_step("import.add", {"items": items}, len(step)))
        return calls.finish_job(order, blocks)
