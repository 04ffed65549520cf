"""Sealing as rows: ``bench/sealing.py`` in a process of its own, beside the floors that it measures in the same run.

No library seals readings, so that nobody stands beside us here: the steps alone and the hashing floor do.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from measure import Figure, report_from_json

from compare.rows import STATED_WATTS, Row
from compare.runner import FOLDER, ContenderFailed

RATE = "readings per second and core"
PEAKS = ("peak memory of the enclave process", "peak memory of the host process")


def seal_work() -> list[tuple[str, Callable[[bool], list[Row]]]]:
    """One piece."""
    return [("seal", seal_rows)]


def seal_rows(quick: bool) -> list[Row]:
    """Run the benchmark and show its figures as rows."""
    with tempfile.TemporaryDirectory(prefix="wattest-bench-") as folder:
        found = Path(folder) / "sealing.json"
        scale = "quick" if quick else "full"
        command = [sys.executable, str(FOLDER.parent / "sealing.py"), "--scale", scale, "--json", str(found)]
        done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, stdout=sys.stderr)
        if done.returncode:
            raise ContenderFailed(
                "the sealing benchmark ended in the middle", retryable=False, status=done.returncode,
                hint="what it said stands above",
            )  # fmt: skip
        figures = report_from_json(json.loads(found.read_text())).figures
    peaks = {figure.name: figure.median for figure in figures if figure.unit == "MiB"}
    return [row for figure in figures if (row := _row(figure, peaks)) is not None]


def _row(figure: Figure, peaks: dict[str, float]) -> Row | None:
    size, _, what = figure.name.partition(": ")
    if what == RATE:
        per_core = figure.median
        row = Row(
            f"signed device blocks to signed header, {size}", "wattest", "readings/s", figure.samples, 0.0,
            max(peaks.get(f"{size}: {name}", 0.0) for name in PEAKS), int(size.split()[0].replace(",", "")),
            note="per core: processor time of enclave and host together", more_is_better=True,
            energy_uj=STATED_WATTS * 1e6 / per_core, energy_from=f"processor seconds x {STATED_WATTS:g} W, stated",
        )  # fmt: skip
        return replace(row, speed_ratio=1.0)
    if size == "one series":
        return Row("one series of 96 readings", what, figure.unit, figure.samples, figure.median / 1e6, 0.0, 96)
    return None
