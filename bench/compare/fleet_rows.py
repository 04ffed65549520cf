"""Fleets of growing size: generating, the batch tree, sealing. The cost of one reading or entry must stay."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from functools import partial

from compare.rows import STATED_WATTS, Row
from compare.runner import FOLDER, ContenderFailed

FLAT = 0.10
SIZES = {
    "generate": ((10**4, 10**5, 10**6, 10**7), (10**3, 10**4)),
    "tree": ((10**4, 10**5, 10**6, 10**7), (10**4, 10**5)),
    "seal": ((10**3, 10**4, 10**5, 10**6), (10**2, 10**3)),
}
TITLES = {
    "generate": ("a day of a fleet, generated", "ns/reading", "at most 40 pieces of 10,000 meters, evenly spaced"),
    "tree": ("batch tree in shards of 2^20 entries", "ns/entry", "entries of 118 bytes, salted; one thread"),
    "seal": (
        "a day of a fleet, signed blocks to signed headers", "ns/reading",
        "batches of up to 10,000 series, at most 10 of them, evenly spaced, through one enclave; signing not counted",
    ),
}  # fmt: skip
TARGETED = {"tree": 10**4, "seal": 10**4}


def fleet_work() -> list[tuple[str, Callable[[bool], list[Row]]]]:
    """Three pieces."""
    return [(kind, partial(sizes, kind)) for kind in SIZES]


def sizes(kind: str, quick: bool) -> list[Row]:
    """Every size of one kind, each in a process of its own, and how flat the cost is from 10^4 on."""
    work, unit, note = TITLES[kind]
    rows = [_row(kind, n, work, unit, note) for n in SIZES[kind][quick]]
    compared = [row for row in rows if row.n >= TARGETED.get(kind, 0)]
    smallest = compared[0]
    widest = max(abs(row.median / smallest.median - 1) for row in compared)
    met = "met" if widest <= FLAT else "missed"
    target = f"within {FLAT:.0%}: {met}" if kind in TARGETED and not quick else ""
    flat = Row(work, f"largest change of the cost from {smallest.n:,} on", "", (widest,), 0.0, 0.0, rows[-1].n,
               note="share of the smallest size's median", target=target)  # fmt: skip
    return [*(row.compared(smallest) for row in rows), flat]


def _row(kind: str, n: int, work: str, unit: str, note: str) -> Row:
    command = [sys.executable, str(FOLDER / "fleet_run.py"), kind, str(n)]
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise ContenderFailed(
            "a fleet's process ended in the middle", retryable=False, kind=kind, size=n, status=done.returncode,
            hint="what it said stands above",
        )  # fmt: skip
    found = json.loads(done.stdout)
    return Row(
        work, f"wattest, {n:,}", unit, tuple(found["samples"]), found["cpu_s"], found["peak_mib"], n, note=note,
        energy_uj=statistics.median(found["samples"]) * STATED_WATTS / 1e3,
        energy_from=f"processor seconds x {STATED_WATTS:g} W, stated",
    )  # fmt: skip
