"""Moments and amounts of money as people write them on a command line, and back.

Decided here: which spellings are taken. A moment is a day, an ISO 8601 time (UTC unless it says an offset) or unix
seconds; money is a decimal number of ether. Invariant: what is shown is exact.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from wattest.errors import InputError
from wattest.units import U64_MAX

WEI_PER_ETHER = 10**18
_ETHER = re.compile(r"\d{1,12}(?:\.\d{1,18})?", re.ASCII)
_SECONDS = re.compile(r"\d{9,12}", re.ASCII)
_SHOWN = 40


class MomentInvalid(InputError):
    """A text that is no moment: no day, no ISO 8601 time, no unix seconds."""


class AmountInvalid(InputError):
    """A text that is no amount of ether."""


def read_moment(text: str, option: str) -> int:
    """Unix seconds of ``2026-03-01``, ``2026-03-01T06:00``, ``...+01:00`` or unix seconds. Raises: MomentInvalid."""
    if _SECONDS.fullmatch(text):
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
        seconds = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        seconds = -1
    if not 0 <= seconds <= U64_MAX:
        raise MomentInvalid(
            f"{option} takes a moment",
            place=option,
            expected="2026-03-01, 2026-03-01T06:00 (UTC), 2026-03-01T06:00+01:00 or unix seconds",
            actual=ascii(text[:_SHOWN]),
        )
    return seconds


def read_ether(text: str, option: str = "--ether") -> int:
    """Wei of a decimal number of ether, such as ``40`` or ``0.5``. Raises: AmountInvalid."""
    if _ETHER.fullmatch(text) is None:
        raise AmountInvalid(
            f"{option} takes an amount of ether",
            place=option,
            expected="a decimal number such as 40 or 0.5, with at most 18 decimals",
            actual=ascii(text[:_SHOWN]),
        )
    whole, _, decimals = text.partition(".")
    return int(whole) * WEI_PER_ETHER + int(decimals.ljust(18, "0") or 0)


def show_ether(wei: int) -> str:
    """Wei as ether, exactly: ``40`` or ``0.5``."""
    whole, rest = divmod(wei, WEI_PER_ETHER)
    return f"{whole}.{rest:018d}".rstrip("0") if rest else str(whole)
