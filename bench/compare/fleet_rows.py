"""Fleets of growing size: generating, the batch tree, sealing. The cost of one reading or entry must stay.

Every size is a process of its own, and the sizes take turns: the largest fleet goes through all its pieces, and in
between, evenly spaced, the smaller ones through theirs, so that whatever else the machine does meets all alike. A
piece that is measured is kept in a file at once: a run that was cut short goes on with the next.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from compare.fleet_contender import PIECE, SEAL_SERIES, SHARD_ENTRIES, pieces
from compare.progress import Progress
from compare.rows import STATED_WATTS, Row
from compare.runner import ONE_THREAD, Contender, NotABenchmark, Process, Run, python
from wattest.io.files import write_atomically

FLAT = 0.10
TURNS_LEAST = 9
MOST_GENERATED, TREE_PASSES = 40, 4
DAY_OF_A_HUNDRED_MILLION = 1_041_667
"""Meters whose day of 96 quarter hours is 10^8 readings."""


@dataclass(frozen=True, slots=True)
class Growth:
    """One kind of work at its sizes, and from which size on its cost must stay."""

    work: str
    unit: str
    note: str
    sizes: tuple[int, ...]
    quick_sizes: tuple[int, ...]
    piece: int
    most_turns: int = 0
    flat_from: int = 0
    passes: int = 1
    uses_one_core: bool = False

    def turns(self, n: int) -> int:
        """Turns that a size has: all its pieces so many times over, but at least a few."""
        count = max(self.passes * pieces(n, self.piece), self.passes * TURNS_LEAST)
        return min(count, self.most_turns) if self.most_turns else count


GROWTHS = {
    "generate": Growth(
        "a day of a fleet, generated", "ns/reading", f"at most {MOST_GENERATED} pieces of 10,000 meters",
        (10**4, 10**5, 10**6, 10**7), (10**3, 10**4), PIECE, MOST_GENERATED, uses_one_core=True,
    ),
    "tree": Growth(
        "batch tree in shards of 2^20 entries", "ns/entry", "entries of 118 bytes, salted; one thread",
        (10**4, 10**5, 10**6, 10**7), (10**4, 10**5), SHARD_ENTRIES, flat_from=10**4, passes=TREE_PASSES,
        uses_one_core=True,
    ),
    "seal": Growth(
        "a day of a fleet, signed blocks to signed headers and wrapped keys", "ns/reading",
        "every series of the fleet, in batches of up to 10,000 through one enclave, each the first of its channel, "
        "which sets up a context for each reader; signing by meters not counted",
        (10**3, 10**4, 10**5, DAY_OF_A_HUNDRED_MILLION), (10**2, 10**3), SEAL_SERIES, flat_from=10**4,
    ),
}  # fmt: skip


def fleet_work() -> list[tuple[str, Callable[[Run], list[Row]]]]:
    """Three pieces."""
    return [(kind, partial(growth_rows, kind)) for kind in GROWTHS]


def schedule(turns: dict[int, int]) -> Iterator[tuple[int, int]]:
    """(size, turn) for every turn of every size, each size's spread over the whole run."""
    most = max(turns.values())
    for step in range(most):
        for n, count in turns.items():
            turn = step * count // most
            if step == 0 or (step - 1) * count // most < turn:
                yield n, turn


def growth_rows(kind: str, run: Run) -> list[Row]:
    """Every size of one kind, and how flat the cost is."""
    growth = GROWTHS[kind]
    sizes = growth.quick_sizes if run.quick else growth.sizes
    turns = {n: TURNS_LEAST if run.quick else growth.turns(n) for n in sizes}
    kept = Kept(run.out / f"fleet-{kind}.pieces", run)
    with ExitStack() as stack:
        processes: dict[int, Process] = {}
        progress = stack.enter_context(Progress(f"fleet: {kind}", sum(turns.values())))
        cores = sorted(os.sched_getaffinity(0))
        for step, (n, turn) in enumerate(schedule(turns)):
            if (n, turn) not in kept.answers:
                if n not in processes:
                    environment = ONE_THREAD if growth.uses_one_core else {}
                    contender = Contender(str(n), python("fleet_contender.py"), kind, environment=environment)
                    processes[n] = stack.enter_context(Process(contender, n))
                    processes[n].prepare()
                if growth.uses_one_core:  # sizes that follow each other share a core, and every size has every core
                    processes[n].settle_on({cores[step // len(turns) % len(cores)]})
                answer = processes[n].run(turn)
                kept.keep(n, turn, {**answer, "peak_mib": max(answer["peak_mib"], processes[n].peak_mib)})
            progress.advance()
    rows = [_row(growth, n, [kept.answers[n, turn] for turn in range(turns[n])]) for n in sizes]
    kept.remove()
    compared = [row for row in rows if row.n >= growth.flat_from] or rows
    widest = max(abs(row.median / compared[0].median - 1) for row in compared)
    met = "met" if widest <= FLAT else "missed"
    flat = Row(
        growth.work, f"largest change of the cost from {compared[0].n:,} on", "", (widest,), 0.0, 0.0, rows[-1].n,
        note="share of the smallest size's median",
        target=f"within {FLAT:.0%}: {met}" if growth.flat_from and not run.quick else "",
    )  # fmt: skip
    return [*(row.compared(compared[0]) for row in rows), flat]


def _row(growth: Growth, n: int, answers: list[dict[str, Any]]) -> Row:
    samples = tuple(1e9 * answer["cpu_s"] / answer["items"] for answer in answers)
    return Row(
        growth.work, f"wattest, {n:,}", growth.unit, samples, statistics.median(answer["cpu_s"] for answer in answers),
        max(answer["peak_mib"] for answer in answers), n, note=growth.note,
        energy_uj=statistics.median(samples) * STATED_WATTS / 1e3,
        energy_from=f"processor seconds x {STATED_WATTS:g} W, stated",
        extra={
            "items": float(sum(answer["items"] for answer in answers)),
            "wall_s": sum(answer["wall_s"] for answer in answers),
        },
    )  # fmt: skip


class Kept:
    """Pieces that are measured, a line each in a file that goes away when all of them are.

    The first line says what they were measured on: a run elsewhere, on another commit or at another size begins anew.
    """

    def __init__(self, path: Path, run: Run) -> None:
        self.path = path
        self.answers: dict[tuple[int, int], dict[str, Any]] = {}
        head = json.dumps(run.alike)
        lines = path.read_text().split("\n")[:-1] if run.resume and path.exists() else []  # a torn line has no end
        if not lines or lines[0] != head:
            lines = [head]
        try:
            for line in lines[1:]:
                one = json.loads(line)
                self.answers[one["n"], one["turn"]] = one["answer"]
        except (ValueError, KeyError, TypeError) as error:
            raise NotABenchmark(
                "this file is not what a benchmark wrote", path=path, hint="leave out --resume, or remove the file"
            ) from error
        write_atomically(path, ("\n".join(lines) + "\n").encode())

    def keep(self, n: int, turn: int, answer: dict[str, Any]) -> None:
        """Note one piece."""
        self.answers[n, turn] = answer
        with self.path.open("a") as file:
            file.write(json.dumps({"n": n, "turn": turn, "answer": answer}) + "\n")

    def remove(self) -> None:
        """Every piece is in its row now."""
        self.path.unlink(missing_ok=True)
