"""Meter files that join a demo: read and judged before anything starts, sealed as batches of their own periods.

Decided here: which files a demo takes, and that each forms one batch in the import channel. Not decided here: how files
are read (``metering.readers``) and what the enclave checks again.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wattest.apps.demo.charging import charging_sessions
from wattest.crypto.hpke import ReaderPrivateKey
from wattest.enclave.host.client import ChainHead, ImportItem, ImportJob
from wattest.errors import InputError, VerificationError
from wattest.metering.imported import imported_series
from wattest.metering.readers.public_key import parse_public_key
from wattest.metering.readers.recognise import read_meter_file
from wattest.metering.reading import MAX_FILE_BYTES

SHIPPED_SESSIONS = 2


class DataFileRefused(VerificationError):
    """A meter file whose signature or checksum does not hold."""


class DataFileUnreadable(InputError):
    """A meter file that cannot be opened or is too large."""


class ReadingsFromFuture(InputError):
    """A meter file whose readings lie after the demo's days."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file ready to be sealed: its bytes, its key as text where one is known, its period and record count."""

    name: str
    content: bytes = field(repr=False)
    public_key: str | None
    period_start: int
    period_end: int
    records: int

    def job(self, channel: bytes, head: ChainHead, watcher_keys: Sequence[bytes]) -> ImportJob:
        """The enclave's job for it, with fresh keys for an owner of its own."""
        reader = ReaderPrivateKey.from_seed(secrets.token_bytes(32)).public_key
        item = ImportItem(self.content, secrets.token_bytes(32), reader, self.public_key)
        return ImportJob(channel, head, self.period_start, self.period_end, [item], watcher_keys)


def shipped_sessions(start: int, end: int) -> list[DataFile]:
    """The demo's own charging sessions, OCMF signed by charge points that exist nowhere, inside [start, end)."""
    sessions = charging_sessions(SHIPPED_SESSIONS, start, end)
    return [_data_file(one.file_name, one.telegram, one.public_key) for one in sessions]


def read_data_files(paths: Sequence[Path], keys: dict[str, str], before: int) -> list[DataFile]:
    """Read and judge the files; ``keys`` maps file names to public keys; readings must end by ``before``.

    Raises: DataFileUnreadable, DataFileRefused, ReadingsFromFuture; the readers' InputErrors.
    """
    files = []
    for path in paths:
        try:
            with path.open("rb") as handle:
                content = handle.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise DataFileUnreadable(f"a meter file cannot be read: {error.strerror}", path=str(path)) from error
        if len(content) > MAX_FILE_BYTES:
            raise DataFileUnreadable("a meter file is too large", path=str(path), limit_bytes=MAX_FILE_BYTES)
        try:
            read = _data_file(str(path), content, keys.get(str(path), keys.get(path.name)))
        except (InputError, VerificationError) as error:
            error.fields.setdefault("path", str(path))
            raise
        if read.period_end > before:
            raise ReadingsFromFuture(
                "a meter file's readings lie after the demo's days",
                path=str(path),
                expected=before,
                actual=read.period_end,
                hint="the demo's chain runs on the days of its data set",
            )
        files.append(read)
    return files


def _data_file(name: str, content: bytes, key: str | None) -> DataFile:
    read = read_meter_file(content, parse_public_key(key) if key is not None else None)
    if read.exit_code == VerificationError.exit_code:
        raise DataFileRefused(
            "a meter file does not hold: " + "; ".join(read.reasons),
            hint="wattest meter import shows each reading and reason",
            signature=read.signature.value,
            crc=read.crc.value,
        )
    (series,) = imported_series(read)
    return DataFile(name, content, key, series.period_start, series.period_end, int(series.records.shape[0]))
