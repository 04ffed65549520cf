"""Recognise a meter file by its bytes, and read it.

Decided here: which format gets which bytes: the one with the surest claim, and none where two claim alike. Not decided
here: which formats there are (``formats``), how one claims and parses bytes (``meter_format``), or what they mean.
docs/spec/meter-files.md
"""

from __future__ import annotations

from collections.abc import Sequence

from wattest.metering.readers.formats import FORMATS
from wattest.metering.readers.meter_format import Claim, MeterFormat, OpenedFile
from wattest.metering.readers.public_key import MeterPublicKey
from wattest.metering.readers.signature_batch import hold_together
from wattest.metering.readers.table import TableOptions
from wattest.metering.reading import MAX_FILE_BYTES, UNKNOWN_FORMAT, ImportedFile, MalformedMeterFile

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class UnknownFormat(MalformedMeterFile):
    """Bytes that no format claims."""


class AmbiguousFormat(MalformedMeterFile):
    """Bytes that more than one format claims, none more surely than another."""


def recognise(data: bytes, formats: Sequence[MeterFormat] = FORMATS) -> MeterFormat:
    """The format of ``data``, judged by its bytes and never by a file's name.

    Raises ``UnknownFormat`` where none claims it, ``AmbiguousFormat`` where the surest claim is made by several.
    """
    data = data.removeprefix(_BYTE_ORDER_MARK)
    claims = [(known.claim(data), known) for known in formats]
    surest = max((claim for claim, _ in claims), default=Claim.NONE)
    claimants = [known for claim, known in claims if claim is surest]
    if surest is Claim.NONE:
        encoded = data.startswith(_UTF_16_MARKS)
        raise UnknownFormat(
            "the file is UTF-16 text" if encoded else "the file is of no known format",
            hint="save it as UTF-8" if encoded else "OCMF starts with OCMF|, DSMR P1 with /, a table has columns",
        )
    if len(claimants) > 1:
        names = [known.name for known in claimants]
        raise AmbiguousFormat(
            f"the file could be {' or '.join(names)}", hint="split it: a file is of one format", actual=names
        )
    return claimants[0]


def format_name(data: bytes, formats: Sequence[MeterFormat] = FORMATS) -> str:
    """The name of the format of ``data``; "unknown" where it is not known."""
    try:
        return recognise(data, formats).name
    except MalformedMeterFile:
        return UNKNOWN_FORMAT


def read_meter_file(
    data: bytes,
    key: MeterPublicKey | None = None,
    table: TableOptions | None = None,
    formats: Sequence[MeterFormat] = FORMATS,
) -> ImportedFile:
    """Recognise, read and judge one file of at most 16 MiB.

    Raises ``MalformedMeterFile`` (of which ``UnknownFormat`` and ``AmbiguousFormat`` are two) when nothing can be read
    from it.
    """
    opened = _open(data, key, table, formats)
    return opened.report(hold_together(opened.checks))


def read_meter_files(
    files: Sequence[tuple[bytes, MeterPublicKey | None]], formats: Sequence[MeterFormat] = FORMATS
) -> list[ImportedFile | MalformedMeterFile]:
    """Read and judge many files, the signatures of all of them at once, on all threads.

    What ``read_meter_file`` raises for a file stands in its place.
    """
    opened = [_opened(data, key, formats) for data, key in files]
    checks = [() if isinstance(file, MalformedMeterFile) else file.checks for file in opened]
    holds = hold_together([check for each in checks for check in each])
    found: list[ImportedFile | MalformedMeterFile] = []
    begun = 0
    for file, each in zip(opened, checks, strict=True):
        ended = begun + len(each)
        found.append(file if isinstance(file, MalformedMeterFile) else file.report(holds[begun:ended]))
        begun = ended
    return found


def _opened(data: bytes, key: MeterPublicKey | None, formats: Sequence[MeterFormat]) -> OpenedFile | MalformedMeterFile:
    try:
        return _open(data, key, None, formats)
    except MalformedMeterFile as error:
        return error


def _open(
    data: bytes, key: MeterPublicKey | None, table: TableOptions | None, formats: Sequence[MeterFormat]
) -> OpenedFile:
    """Recognise one file and read it, up to its signatures where it has some that a key can judge."""
    if len(data) > MAX_FILE_BYTES:
        raise MalformedMeterFile("the file is larger than 16 MiB", expected=MAX_FILE_BYTES, actual=len(data))
    data = data.removeprefix(_BYTE_ORDER_MARK)
    if not data.strip():
        raise UnknownFormat("the file is empty")
    return recognise(data, formats).parse(data, key, table or TableOptions())
