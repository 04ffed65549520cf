"""Sealing as rows: whole batches beside the signatures in them alone, in turn; then the steps of one series.

No library seals readings, so that nobody stands beside us here. What cannot be saved does: a signature for each series,
judged by one thread and nothing else.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

from sealing import FLOOR_BLOCKS, READINGS, floors

from compare.progress import Progress
from compare.rows import STATED_WATTS, Row
from compare.runner import Contender, Process, Run, python

SIZES, QUICK_SIZES = (1_000, 10_417), (1_000,)
ROUNDS, QUICK_ROUNDS = 7, 3
PER_CORE = 500_000
CONTENDERS = (
    Contender("seal", python("seal_contender.py"), "seal"),
    Contender("signatures", python("seal_contender.py"), "signatures"),
)


def seal_work() -> list[tuple[str, Callable[[Run], list[Row]]]]:
    """The sizes, and the steps."""
    return [*((f"seal {n}", partial(batch_rows, n)) for n in SIZES), ("steps", step_rows)]


def batch_rows(n: int, run: Run) -> list[Row]:
    """Batches of ``n`` series; of the quick sizes only when quick."""
    if run.quick and n not in QUICK_SIZES:
        return []
    work = f"signed device blocks to signed header, {n:,} series of {READINGS} readings"
    rounds = QUICK_ROUNDS if run.quick else ROUNDS
    answers: dict[str, list[dict[str, Any]]] = {contender.who: [] for contender in CONTENDERS}
    with ExitStack() as stack:
        progress = stack.enter_context(Progress(work, len(CONTENDERS) * (rounds + 1)))
        processes = [stack.enter_context(Process(contender, n)) for contender in CONTENDERS]
        for process in processes:
            process.prepare()
        for number in range(rounds + 1):
            for process in processes:
                answer = process.run(number)
                if number:  # the first round loads, compiles and decodes keys
                    answers[process.contender.who].append(answer)
                progress.advance()
        peaks = {process.contender.who: process.peak_mib for process in processes}
    seal, limit = answers["seal"], answers["signatures"]
    peak = max(peaks["seal"], *(answer["peak_mib"] for answer in seal))
    both = "processor time of enclave and host together"
    rows = [
        _row(work, "wattest", n, seal, _part(seal, "signed_cpu_s"), peak, f"per core: {both}; vee included"),
        _row(work, "wattest, and every key wrapped", n, seal, _part(seal, "cpu_s"), peak,
             f"per core: {both}; keys for enclave, household and watcher"),
        _row(work, "wattest, on the wall", n, seal, _part(seal, "signed_wall_s"), peak, "on all cores", "wall"),
        _row(work, "wattest, and every key wrapped, on the wall", n, seal, _part(seal, "wall_s"), peak,
             "on all cores", "wall"),
        _row(work, "limit: the blocks' P-256 signatures alone", n, limit, _part(limit, "cpu_s"), peaks["signatures"],
             "per core: one call, one thread; no records hashed"),
    ]  # fmt: skip
    ours = rows[0]
    met = "met" if ours.median >= PER_CORE else "missed"
    rows[0] = replace(ours, target="" if run.quick else f"at least {PER_CORE:,}: {met}")
    return [row.compared(ours) if row.clock == ours.clock else row for row in rows]


def _part(answers: Sequence[dict[str, Any]], name: str) -> list[float]:
    return [answer.get("parts", {}).get(name, answer.get(name)) for answer in answers]


def _row(
    work: str, who: str, n: int, answers: Sequence[dict[str, Any]], seconds: Sequence[float], peak_mib: float,
    note: str, clock: str = "processor",
) -> Row:  # fmt: skip
    rates = tuple(answer["items"] / taken for answer, taken in zip(answers, seconds, strict=True))
    cpu_s = statistics.median(seconds if clock == "processor" else _part(answers, "cpu_s"))
    return Row(
        work, who, "readings/s", rates, cpu_s, peak_mib, n, clock, note, more_is_better=True,
        energy_uj=1e6 * STATED_WATTS * cpu_s / answers[0]["items"],
        energy_from=f"processor seconds x {STATED_WATTS:g} W, stated",
    )  # fmt: skip


def step_rows(run: Run) -> list[Row]:
    """Single steps of one series, one after the other in the plain way; a batch takes them in columns."""
    figures = floors(FLOOR_BLOCKS, 3 if run.quick else 5, None)
    return [
        Row("one series of 96 readings, step by step", figure.name.partition(": ")[2], figure.unit, figure.samples,
            figure.median / 1e6, 0.0, READINGS, note="one by one; a batch takes them in columns, so that it costs less")
        for figure in figures
    ]  # fmt: skip
