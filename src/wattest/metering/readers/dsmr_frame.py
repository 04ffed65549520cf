"""Where P1 telegrams begin and end in a file, and whether their checksums hold.

Decided here: the cut, what lies outside of it, and the verdict on a checksum. Not decided here: what a telegram says
(``dsmr``). Invariant: every byte of a file is in a telegram, is blank, or is counted as passed over. DSMR P1 companion
standard 5.0.2, 5.2; docs/spec/meter-files.md
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from wattest.crypto import native
from wattest.metering.reading import MAX_FILE_BYTES, MalformedMeterFile
from wattest.metering.verdicts import CrcVerdict

MAX_TELEGRAM_BYTES = 65_536
MAX_TELEGRAMS = 10_000
_CRC_DIGITS = 4
_LINE = rb"(?:^|(?<=\r))"  # lines of some files end with CR alone
_START = re.compile(_LINE + rb"(?:[ \t\x00]|\xef\xbb\xbf)*(?=/[A-Za-z0-9]{3})", re.MULTILINE)
_END = re.compile(_LINE + rb"!([0-9A-Fa-f]{0,4})[ \t]*(?:\r?\n|\r|\Z)", re.MULTILINE)
_OBJECT_LINE = re.compile(_LINE + rb"\d{1,3}-\d{1,3}:\d", re.MULTILINE)
_LOST = re.compile(rb"\d-\d{1,3}:\d{1,3}\.|/[A-Za-z0-9]{3}")
_BLANK = b" \t\r\n\x00\x1a\xef\xbb\xbf"


class MalformedTelegram(MalformedMeterFile):
    """P1 bytes that are truncated, oversized, or hold no data object."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One telegram, ``/`` to ``!`` inclusive, and the digits behind it, None where there are none."""

    body: bytes = field(repr=False)
    digits: bytes | None


@dataclass(frozen=True, slots=True)
class Frames:
    """A file's telegrams, and in words what is none; ``lost`` says that there was data in what is none."""

    telegrams: tuple[Frame, ...]
    passed: tuple[str, ...] = ()
    lost: bool = False


def is_dsmr(data: bytes) -> bool:
    """Whether a line starts a telegram and a data object of P1 follows."""
    return _START.search(data) is not None and _OBJECT_LINE.search(data) is not None


def crc16(data: bytes) -> int:
    """CRC-16/ARC: polynomial 0x8005 reflected, start and final value zero."""
    return native.crc16(data)


def split_telegrams(data: bytes) -> Frames:
    """Cut a file into at most 10,000 telegrams of at most 64 KiB.

    Raises ``MalformedTelegram``, also for a telegram without its end.
    """
    if len(data) > MAX_FILE_BYTES:
        raise MalformedTelegram("a file of telegrams is larger than 16 MiB", actual=len(data))
    starts = [matched.end() for matched in _START.finditer(data)]
    if not starts or len(starts) > MAX_TELEGRAMS:
        raise MalformedTelegram("a file holds 1 to 10,000 telegrams", actual=len(starts))
    found: list[Frame] = []
    passed: list[str] = []
    lost = False
    if before := data[: starts[0]].strip(_BLANK):
        passed.append(f"{len(before)} bytes before the first telegram are no whole one and were passed over")
    for start, limit in zip(starts, [*starts[1:], len(data)], strict=True):
        end = _END.search(data, start, limit)
        if end is None:
            raise MalformedTelegram(
                f"telegram {len(found) + 1} has no end (a line of ! and, since P1 version 4, four hexadecimal digits)",
                hint="the file is truncated: read the port until the line that starts with !",
            )
        body = data[start : end.start() + 1]
        if len(body) > MAX_TELEGRAM_BYTES:
            raise MalformedTelegram("a telegram is longer than 64 KiB", actual=len(body))
        found.append(Frame(body, end[1] or None))
        if rest := data[end.end() : limit].strip(_BLANK):
            lost = lost or _LOST.search(rest) is not None
            passed.append(f"{len(rest)} bytes after telegram {len(found)} are no telegram and were passed over")
    return Frames(tuple(found), tuple(passed), lost)


def judge_crc(frame: Frame) -> tuple[CrcVerdict, tuple[str, ...]]:
    """Check the CRC over ``/`` to ``!``; line endings that were changed on the way are restored, and that is said.

    The digits are one number: fewer than four hold only if nothing but zeros in front is missing.
    """
    body, digits = frame.body, frame.digits
    if digits is None:
        return CrcVerdict.NONE, ("no checksum: P1 before version 4 has none",)
    claimed = int(digits, 16)
    short = len(digits) < _CRC_DIGITS
    notes = ("the checksum is written without its leading zeros",) if short else ()
    if crc16(body) == claimed:
        return CrcVerdict.OK, notes
    restored = _restored(body)
    if restored != body and crc16(restored) == claimed:
        return CrcVerdict.OK, (
            "the checksum holds with the meter's line endings (CR LF), which were changed on the way",
            *notes,
        )
    shown = digits.decode("ascii").upper()
    cut = f", in {len(digits)} of four digits: it is cut" if short else ""
    return CrcVerdict.FAILED, (
        f"the checksum does not hold: the telegram says {shown}{cut}, its bytes {crc16(body):04X}",
    )


def _restored(body: bytes) -> bytes:
    """``body`` with every line ended by CR LF; in linear time, whatever stands there."""
    if b"\n" not in body:
        return body.replace(b"\r", b"\r\n")
    return b"\r\n".join(line.rstrip(b"\r") for line in body.split(b"\n"))
