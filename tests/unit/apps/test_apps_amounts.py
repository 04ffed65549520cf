"""Moments and ether as people write them: exact, and refused with what is taken."""

from __future__ import annotations

import pytest

from wattest.apps.amounts import AmountInvalid, MomentInvalid, read_ether, read_moment, show_ether


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-03-01", 1_772_323_200),
        ("2026-03-01T00:00", 1_772_323_200),
        ("2026-03-01T01:00+01:00", 1_772_323_200),
        ("1772323200", 1_772_323_200),
    ],
)
def test_moments(text: str, seconds: int) -> None:
    assert read_moment(text, "--at") == seconds


@pytest.mark.parametrize("text", ["", "01.03.2026", "2026-02-30", "1969-12-31", "tomorrow", "-5", "1" * 20, "\x00"])
def test_no_moments(text: str) -> None:
    with pytest.raises(MomentInvalid, match="--at"):
        read_moment(text, "--at")


@pytest.mark.parametrize(
    ("text", "wei"), [("40", 40 * 10**18), ("0.5", 5 * 10**17), ("0", 0), ("1." + "0" * 17 + "1", 10**18 + 1)]
)
def test_ether(text: str, wei: int) -> None:
    assert read_ether(text) == wei
    assert read_ether(show_ether(wei)) == wei


@pytest.mark.parametrize("text", ["", "-1", "1e3", "1,5", "40 ether", "0." + "1" * 19, ".5"])
def test_no_ether(text: str) -> None:
    with pytest.raises(AmountInvalid):
        read_ether(text)
