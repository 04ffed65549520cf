"""How the attestation commands say moments, and keep what strangers wrote from steering a terminal."""

from __future__ import annotations

from datetime import UTC, datetime

from wattest.attestation.formats.collateral import CollateralMalformed


def moment(seconds: int) -> str:
    """Unix seconds as a date and time, UTC.

    Raises:
        CollateralMalformed: outside the calendar.
    """
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (ValueError, OverflowError, OSError) as error:
        raise CollateralMalformed("the collateral has a date outside the calendar") from error


def printable(line: str) -> str:
    """A line without control characters."""
    return "".join(part if part.isprintable() else "?" for part in line)
