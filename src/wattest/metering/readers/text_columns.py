"""Columns of text that become columns of numbers: decimals and times, exactly, many cells at a time.

Decided here: which cells are plain enough to be read digit by digit in whole columns. Not decided here: what any other
cell means, or how a wrong one is refused: whoever gets no number for a cell reads it by the plain rule. Invariants: no
binary fraction touches a value, nothing overflows unseen, and a number given here is the one that the plain rule gives.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wattest.units import U64_MAX

_MOST_DIGITS = 19  # below 10**19, so below 2**64
_WIDEST = 40
_POWERS = np.asarray([10**power for power in range(_MOST_DIGITS + 1)], dtype=np.uint64)
_MOST = np.asarray([U64_MAX // 10**power for power in range(_MOST_DIGITS + 1)], dtype=np.uint64)
_ZERO, _POINT = ord("0"), ord(".")
_DATE = {0: "dddd-dd-dd?dd:dd", 3: "dddd-dd-dd?dd:dd:dd"}
_OFFSETS = ("Z", "+dd:dd")
_FORMS = {len(date + offset): (seconds, offset) for seconds, date in _DATE.items() for offset in _OFFSETS}

Cells = Sequence[str]


def floored(cells: Cells, power: int) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Each cell times 10**power (0 to 9) floored to a u64, and where there is such a number.

    Read are digits with at most one point, 19 digits at most; a cell of any other form has no number here.
    """
    matrix, length = _matrix(cells)
    count = len(cells)
    whole = np.zeros(count, dtype=np.uint64)
    digits, fraction, points = (np.zeros(count, dtype=np.int64) for _ in range(3))
    plain = (length > 0) & (length <= matrix.shape[0])
    for place, column in enumerate(matrix):
        inside = place < length
        digit = column - np.uint8(_ZERO)  # wraps: anything below "0" becomes large
        is_digit = inside & (digit <= 9)
        is_point = inside & (column == _POINT)
        plain &= is_digit | is_point | ~inside
        whole = np.where(is_digit, whole * np.uint64(10) + digit, whole)  # wraps only beyond 19 digits
        digits += is_digit
        fraction += is_digit & (points > 0)
        points += is_point
    plain &= (points <= 1) & (digits >= 1) & (digits <= _MOST_DIGITS)
    shift = np.where(plain, power - fraction, 0)
    up, down = np.maximum(shift, 0), np.maximum(-shift, 0)
    plain &= whole <= _MOST[up]
    return np.where(plain, whole * _POWERS[up] // _POWERS[down], np.uint64(0)), plain


def counted(cells: Cells) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Each cell of 1 to 18 digits and nothing else as a number, and where there is one."""
    whole, plain = floored(cells, 0)
    matrix, length = _matrix(cells)
    plain &= (length < _MOST_DIGITS) & ~(matrix == _POINT).any(axis=0)
    return np.where(plain, whole, np.uint64(0)).astype(np.int64), plain


def unix_seconds(cells: Cells) -> NDArray[np.int64] | None:
    """Times that name their offset, all written alike, as unix seconds; None unless each is such a time.

    The forms are 9 to 12 digits of unix seconds, and of ISO 8601 date, ``T`` or a blank, hours and minutes, seconds or
    none, and ``Z`` or ``+hh:mm``.
    """
    matrix, length = _matrix(cells)
    if bool(((length >= 9) & (length <= 12)).all()):
        seconds_written, plain = counted(cells)
        return seconds_written if bool(plain.all()) else None
    form = _FORMS.get(int(length[0])) if len(cells) else None
    if form is None or bool((length != length[0]).any()) or matrix.shape[0] != length[0]:
        return None
    seconds, offset = form
    if not _is_written(matrix, _DATE[seconds] + offset):
        return None
    year, month, day, hour, minute = (_number(matrix[a:b]) for a, b in ((0, 4), (5, 7), (8, 10), (11, 13), (14, 16)))
    second = _number(matrix[17:19]) if seconds else np.zeros_like(year)
    ahead = np.zeros_like(year)
    if offset != "Z":
        at = len(_DATE[seconds])
        hours, minutes = _number(matrix[at + 1 : at + 3]), _number(matrix[at + 4 : at + 6])
        if bool(((hours > 23) | (minutes > 59)).any()):
            return None
        ahead = np.where(matrix[at] == ord("-"), -1, 1) * (3600 * hours + 60 * minutes)
    months = 12 * (year - 1970) + month - 1
    first, following = _first_day(months), _first_day(months + 1)
    sound = (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= following - first)
    sound &= (hour <= 23) & (minute <= 59) & (second <= 59)
    if not bool(sound.all()):
        return None
    instant: NDArray[np.int64] = 86_400 * (first + day - 1) + 3600 * hour + 60 * minute + second - ahead
    return instant


def _is_written(matrix: NDArray[np.uint8], pattern: str) -> bool:
    """Whether every cell follows the pattern: d a digit, ? a T or blank, + a sign, anything else itself."""
    for column, wanted in zip(matrix, pattern, strict=True):
        if wanted == "d":
            fits = column - np.uint8(_ZERO) <= 9  # wraps: anything below "0" becomes large
        else:
            marks = {"?": "T ", "+": "+-"}.get(wanted, wanted)
            fits = np.logical_or.reduce([column == ord(mark) for mark in marks])
        if not bool(fits.all()):
            return False
    return True


def _number(digits: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The numbers that some places of the cells, all of them digits, spell."""
    value = np.zeros(digits.shape[1], dtype=np.int64)
    for column in digits:
        value = 10 * value + (column - np.uint8(_ZERO))
    return value


def _first_day(months: NDArray[np.int64]) -> NDArray[np.int64]:
    """Days from 1970-01-01 to the first of a month that is counted from January 1970."""
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def _matrix(cells: Cells) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The cells' characters, one row for each place in a cell, and the cells' lengths; no row where none is plain."""
    length = np.fromiter(map(len, cells), dtype=np.int64, count=len(cells))
    widest = int(length.max(initial=0))
    try:
        text = np.asarray(cells, dtype=f"S{min(widest, _WIDEST) or 1}")  # what is cut is longer than the matrix
    except UnicodeEncodeError:
        return np.zeros((0, len(cells)), dtype=np.uint8), length
    matrix = text.view(np.uint8).reshape(len(cells), text.dtype.itemsize)
    return np.ascontiguousarray(matrix.T), length
