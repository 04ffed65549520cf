"""What every meter format promises, whichever it is: one suite that the registered formats and any new one pass.

A check takes a ``Case``: a format, its samples, and all the formats that it stands among. It asserts, or returns. How a
format joins: docs/howto/add-a-meter-format.md.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

import pytest
from meter_report import verify_report

from wattest.errors import InputError, VerificationError
from wattest.metering.imported import imported_series
from wattest.metering.readers.meter_format import Claim, MeterFormat
from wattest.metering.readers.public_key import MeterPublicKey
from wattest.metering.readers.recognise import (
    AmbiguousFormat,
    UnknownFormat,
    format_name,
    read_meter_file,
    read_meter_files,
    recognise,
)
from wattest.metering.readers.table import TableOptions
from wattest.metering.reading import MAX_FILE_BYTES, ImportedFile, MalformedMeterFile
from wattest.metering.verdicts import SignatureVerdict

MARK = b"\xef\xbb\xbf"
NOISE_SEED = 20261130
MOST_PLACES = 120
"""How many places of a sample one changed byte stands at."""
LARGE = 2**20
MOST_EVENTS_PER_BYTE = 400
"""Function calls, of Python and of C, that reading may take for each byte of a file, beside what every file takes."""


@dataclass(frozen=True)
class Sample:
    """A file of a format as it ought to be: it is read without an objection beyond a missing signature.

    ``unread`` is for formats that are known by name alone: every reading of the file is refused.
    """

    data: bytes = field(repr=False)
    key: MeterPublicKey | None = None
    table: TableOptions | None = None
    unread: bool = False


@dataclass(frozen=True)
class Case:
    """A format with its samples, among others; ``foreign`` are samples of those."""

    format: MeterFormat
    samples: Sequence[Sample]
    formats: Sequence[MeterFormat]
    foreign: Sequence[Sample] = ()

    def read(self, sample: Sample, data: bytes | None = None) -> ImportedFile:
        """Read a sample, or other bytes as that sample is read."""
        given = sample.data if data is None else data
        return read_meter_file(given, sample.key, sample.table, self.formats)

    def outcome(self, sample: Sample, data: bytes) -> ImportedFile | InputError | VerificationError:
        """What comes of bytes: a report, or one of the errors that a file may meet. Anything else is a fault."""
        try:
            return self.read(sample, data)
        except (InputError, VerificationError) as error:
            return error


def shown(result: ImportedFile | InputError | VerificationError) -> object:
    """All that can be seen of an outcome."""
    if not isinstance(result, ImportedFile):
        return type(result), result.message, result.hint, result.fields
    records = None if result.records is None else result.records.tobytes()
    return json.dumps(result.as_dict("x")), records, result.telegrams, result.public_key, result.source


def verify_outcome(case: Case, sample: Sample, data: bytes) -> None:
    """Bytes that nobody promised anything about: a report or an error, and a bill for nothing but what was signed."""
    result = case.outcome(sample, data)
    if not isinstance(result, ImportedFile):
        assert result.message
        return
    assert result.format in [known.name for known in case.formats]
    verify_report(result)
    assert not result.billable or list(result.readings) == list(case.read(sample).readings)


def check_its_name(case: Case) -> None:
    """A name is a short word, and one format's own."""
    assert re.fullmatch(r"[a-z][a-z0-9]{1,15}", case.format.name)
    assert case.format.name != "unknown"
    assert [known.name for known in case.formats].count(case.format.name) == 1


def check_its_samples(case: Case) -> None:
    """Samples are recognised and read, with whatever line ending behind them or byte order mark before them."""
    assert case.samples
    for sample in case.samples:
        assert recognise(sample.data, case.formats) is case.format
        for data in (sample.data, sample.data + b"\n", sample.data + b"\r\n\r\n", MARK + sample.data):
            assert format_name(data, case.formats) == case.format.name
            result = case.outcome(sample, data)
            if sample.unread:
                assert isinstance(result, MalformedMeterFile)
                continue
            assert isinstance(result, ImportedFile), shown(result)
            assert result.format == case.format.name
            verify_report(result)
            assert result.exit_code == 0
            assert len(result.readings) > 0
            assert len(imported_series(result)) == 1
            assert result.billable == (result.signature is SignatureVerdict.VALID)


def check_claims_nothing_of_others(case: Case) -> None:
    """No sample is claimed as surely by any format but its own, so that no order of formats matters."""
    for sample in case.samples:
        own = case.format.claim(sample.data)
        assert own > Claim.NONE
        assert all(other.claim(sample.data) < own for other in case.formats if other is not case.format)
        assert recognise(sample.data, list(reversed(case.formats))) is case.format
    for sample in case.foreign:
        assert format_name(sample.data, case.formats) not in (case.format.name, "unknown")
        assert case.format.claim(sample.data) < max(known.claim(sample.data) for known in case.formats)


def check_truncated_at_every_length(case: Case) -> None:
    """A file that broke off anywhere is refused or reported, and never billed."""
    for sample in case.samples:
        for length in range(len(sample.data)):
            verify_outcome(case, sample, sample.data[:length])
            verify_outcome(case, sample, sample.data[length:])


def check_garbage(case: Case) -> None:
    """One byte changed, anywhere, to a few values that parsers stumble over."""
    for sample in case.samples:
        step = len(sample.data) // MOST_PLACES + 1
        for start, byte in enumerate((0, 0xFF, 0x80, ord("|"), ord("("), ord("0"))):
            for place in range(start % step, len(sample.data), step):
                data = sample.data[:place] + bytes((byte,)) + sample.data[place + 1 :]
                verify_outcome(case, sample, data)


def check_wrong_encodings(case: Case) -> None:
    """Text in another encoding is refused or reported; it is never read as something else and billed."""
    for sample in case.samples:
        text = sample.data.decode("latin-1")
        for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp037"):
            result = case.outcome(sample, text.encode(encoding))
            assert isinstance(result, InputError), encoding
        for data in (MARK * 2 + sample.data, sample.data + b"\xff\xfe", b"\xc3\x28" + sample.data, sample.data + MARK):
            verify_outcome(case, sample, data)


def check_empty(case: Case) -> None:
    """Nothing is of no format."""
    for data in (b"", b" ", b"\n\r\n\t ", MARK, MARK + b"\n"):
        assert case.format.claim(data) is Claim.NONE
        for sample in case.samples:
            with pytest.raises(UnknownFormat):
                case.read(sample, data)


def check_oversize(case: Case) -> None:
    """A file beyond 16 MiB is refused, whatever it is padded with; a large one is refused or reported."""
    for sample in case.samples:
        for pad in (b"\n", b"0"):
            with pytest.raises(MalformedMeterFile, match="16 MiB"):
                case.read(sample, sample.data + pad * (MAX_FILE_BYTES + 1 - len(sample.data)))
    for pad in (b"\n", b"0", b" ;"):
        verify_outcome(case, case.samples[0], case.samples[0].data + pad * LARGE)


def check_binary_noise(case: Case) -> None:
    """Noise by itself, and behind or inside the beginning of a file."""
    random = Random(NOISE_SEED)
    for sample in case.samples:
        for size in (1, 7, 64, 500, 4_000):
            noise = random.randbytes(size)
            for data in (noise, sample.data[:16] + noise, sample.data[: len(sample.data) // 2] + noise):
                verify_outcome(case, sample, data)
            verify_outcome(case, sample, sample.data + noise)


def events(action: Callable[[], object]) -> int:
    """How many functions, of Python and of C, an action calls."""
    count = 0

    def counted(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        action()
    finally:
        sys.setprofile(before)
    return count


def swollen(sample: Sample, size: int) -> Iterator[bytes]:
    """Files of about ``size`` bytes that grow in the ways that make careless parsers slow."""
    half = len(sample.data) // 2
    times = size // len(sample.data) + 1
    yield sample.data * times
    yield (sample.data.rstrip() + b"\n") * times
    for piece in (b"(", b"[", b"{", b"<a>", b'"', b"\n", b" ", b";", b",", b"0", b"|", b"\\", b"/A", b"!\n", b"\r"):
        yield sample.data[:half] + piece * (size // len(piece)) + sample.data[half:]
        yield sample.data[:12] + piece * (size // len(piece))


def check_work_grows_with_the_file(case: Case) -> None:
    """Twice the bytes take at most about twice the calls, and no byte takes many: counted, not timed."""
    small, large = 4_000, 8_000
    for sample in case.samples:
        for less, more in zip(swollen(sample, small), swollen(sample, large), strict=True):
            calls = []
            for data in (less, more):
                case.outcome(sample, data)  # caches are filled
                calls.append(events(partial(case.outcome, sample, data)))
            assert calls[1] <= 2.5 * calls[0] + 2_000, (less[:40], calls)
            assert calls[1] <= MOST_EVENTS_PER_BYTE * len(more), (less[:40], calls)


def check_reading_is_deterministic(case: Case) -> None:
    """The same bytes give the same, alone or among others, and a report's readings do not change by being looked at."""
    for sample in case.samples:
        for data in (sample.data, sample.data[: len(sample.data) // 2], sample.data + sample.data):
            first, second = case.outcome(sample, data), case.outcome(sample, data)
            assert shown(first) == shown(second)
            assert shown(first) == shown(first)
            if sample.table is None:
                files = [(data, sample.key), (b"?", None), (data, sample.key)]
                one, none, other = read_meter_files(files, case.formats)
                assert isinstance(none, UnknownFormat)
                for result in (one, other):
                    assert shown(result) == shown(first)


def check_two_formats_in_one_file(case: Case) -> None:
    """A file that is of two formats at once is refused by name, or is of one of them and says what it passes over."""
    for sample in case.samples:
        for other in case.formats:
            if other is case.format or other.claim(sample.data + b"\n" + sample.data) is Claim.MARK:
                continue
            verify_outcome(case, sample, sample.data + b"\n/ABC5x\r\n1-0:1.8.0(1*kWh)\r\n!\r\nOCMF|{}|{}\n")
    with pytest.raises(AmbiguousFormat):
        recognise(case.samples[0].data, [case.format, _Claimant(case.format.claim(case.samples[0].data))])


@dataclass(frozen=True)
class _Claimant:
    """A format that claims everything alike."""

    sureness: Claim
    name: str = "claimant"

    def claim(self, data: bytes) -> Claim:
        del data
        return self.sureness

    def parse(self, data: bytes, key: MeterPublicKey | None, table: TableOptions) -> Any:
        raise AssertionError("an ambiguous file is opened by nobody")


CHECKS: dict[str, Callable[[Case], None]] = {
    name.removeprefix("check_"): check for name, check in list(globals().items()) if name.startswith("check_")
}
