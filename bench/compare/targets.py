"""Targets as rows: a quotient of two rows of one run, and what it should be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compare.rows import Row

NANOSECONDS = 1e9


@dataclass(frozen=True, slots=True)
class Target:
    """How many times as fast ``one`` should be as ``other``; ``other`` empty: items a second of ``one`` alone."""

    words: str
    one: str
    other: str
    at_least: float = 0.0
    at_most: float = 0.0
    by_wall: bool = False


def judged(rows: Sequence[Row], targets: Sequence[Target]) -> list[Row]:
    """A row for each target whose contenders are among ``rows``; of a peer ``*`` the fastest that is not ours."""
    found = {row.who: row for row in rows}
    peers = [row for row in rows if not row.who.startswith(("wattest", "limit"))]
    made = []
    for target in targets:
        one = found.get(target.one)
        other = min(peers, key=lambda row: row.median) if target.other == "*" else found.get(target.other)
        if one is None or (target.other and other is None):
            continue
        if other is None:
            value, unit = NANOSECONDS / one.median, "1/s"
        else:
            value, unit = _time(other, target.by_wall) / _time(one, target.by_wall), "x"
        if target.at_most:
            value = 1 / value
        met = value <= target.at_most if target.at_most else value >= target.at_least
        bound = f"at most {target.at_most:g}" if target.at_most else f"at least {target.at_least:,g}"
        made.append(
            Row(one.work, target.words, unit, (value,), 0.0, 0.0, one.n, clock=one.clock,
                target=f"{bound}: {'met' if met else 'missed'}")
        )  # fmt: skip
    return made


def _time(row: Row, by_wall: bool) -> float:
    return row.extra["wall_s"] / row.n if by_wall else row.median


TARGETS = {
    "merkle": (
        Target("time over the limit kernel's, one thread", "wattest", "limit: permutations alone", at_most=1.25),
        Target("as fast as mrkle, one thread", "wattest", "mrkle", 8),
        Target("as fast as a pysha3 loop, one thread", "wattest", "pysha3 loop", 13),
        Target("two threads as fast as one, on the wall", "wattest, two threads", "wattest", 1.7, by_wall=True),
        Target("AVX2 alone as fast as mrkle", "wattest, avx2", "mrkle", 3),
    ),
    "proofs": (
        Target("proofs in bulk", "wattest, in bulk", "", 1e6),
        Target("one proof, as fast as the best peer", "wattest", "*", 1.5),
    ),
    "verify": (
        Target("verified in bulk", "wattest, in bulk", "", 0.7e6),
        Target("one verified, as fast as the best peer", "wattest", "*", 1.3),
    ),
}
"""Of a tree of a million leaves, on two cores with AVX-512."""
