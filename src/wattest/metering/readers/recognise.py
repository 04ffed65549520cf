"""Recognise a meter file by its first bytes, and read it.

Decided here: which reader gets which bytes. Not decided here: what they mean. docs/spec/meter-files.md
"""

from __future__ import annotations

from collections.abc import Sequence

from wattest.metering.readers.dsmr import is_dsmr, read_dsmr
from wattest.metering.readers.interval_csv import TableOptions, is_table, read_interval_csv
from wattest.metering.readers.ocmf import OpenedOcmf, is_ocmf, judge_files
from wattest.metering.readers.ocmf_container import is_container, open_container, read_container
from wattest.metering.readers.public_key import MeterPublicKey
from wattest.metering.reading import MAX_FILE_BYTES, FileFormat, ImportedFile, MalformedMeterFile

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class UnknownFormat(MalformedMeterFile):
    """Bytes that no reader knows."""


def recognise(data: bytes) -> FileFormat:
    """The format of ``data``, judged by its structure and never by a file's name; UNKNOWN when none fits."""
    data = data.removeprefix(_BYTE_ORDER_MARK)
    if is_ocmf(data) or is_container(data):
        return FileFormat.OCMF
    if is_dsmr(data):
        return FileFormat.DSMR
    return FileFormat.INTERVAL_CSV if is_table(data) else FileFormat.UNKNOWN


def read_meter_file(data: bytes, key: MeterPublicKey | None = None, table: TableOptions | None = None) -> ImportedFile:
    """Recognise, read and judge one file of at most 16 MiB.

    Raises ``MalformedMeterFile`` (of which ``UnknownFormat`` is one) when nothing can be read from it.
    """
    opened = _open(data, key, table)
    return opened.report(opened.judge(key)) if isinstance(opened, OpenedOcmf) else opened


def read_meter_files(files: Sequence[tuple[bytes, MeterPublicKey | None]]) -> list[ImportedFile | MalformedMeterFile]:
    """Read and judge many files, the signatures of all of them at once, on all threads.

    What ``read_meter_file`` raises for a file stands in its place.
    """
    opened = [_opened(data, key) for data, key in files]
    signed = [(file, key) for file, (_, key) in zip(opened, files, strict=True) if isinstance(file, OpenedOcmf)]
    verdicts = iter(judge_files(signed))
    return [file.report(next(verdicts)) if isinstance(file, OpenedOcmf) else file for file in opened]


def _opened(data: bytes, key: MeterPublicKey | None) -> OpenedOcmf | ImportedFile | MalformedMeterFile:
    try:
        return _open(data, key, None)
    except MalformedMeterFile as error:
        return error


def _open(data: bytes, key: MeterPublicKey | None, table: TableOptions | None) -> OpenedOcmf | ImportedFile:
    """Recognise one file and read it, up to its signatures where it has some that a key can judge."""
    if len(data) > MAX_FILE_BYTES:
        raise MalformedMeterFile("the file is larger than 16 MiB", expected=MAX_FILE_BYTES, actual=len(data))
    if not data.strip():
        raise UnknownFormat("the file is empty")
    data = data.removeprefix(_BYTE_ORDER_MARK)
    kind = recognise(data)
    if kind is FileFormat.OCMF:
        if not is_container(data):
            return OpenedOcmf.of(data)
        return read_container(data, None) if key is None else open_container(data)[0]
    if kind is FileFormat.DSMR:
        return read_dsmr(data)
    if kind is FileFormat.INTERVAL_CSV:
        return read_interval_csv(data, table or TableOptions())
    raise UnknownFormat(
        "the file is of no known format", hint="OCMF starts with OCMF|, DSMR P1 with /, a table has columns"
    )
