"""One benchmark from start to files: rows kept piece by piece, so that a run that was cut short goes on where it was.

``OUT/NAME.json`` holds what is measured so far and is replaced after each piece of work; ``OUT/NAME.html`` is made
from it at the end. With ``resume`` a piece that is there and was measured on this commit and at this size is not
measured again.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from machine import machine_facts

from compare.page import page
from compare.rows import Row, row_from_json
from compare.runner import NotABenchmark, Run
from compare.suites import BENCHMARKS, works
from wattest.apps.exclusive import Claimed, exclusive
from wattest.errors import ConfigError
from wattest.io.files import DiskFailed, write_atomically

FORMAT = "wattest/bench/1"
_MAX_BYTES = 16 << 20


class ResultsInUse(ConfigError):
    """Another run writes the same benchmark's results."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a benchmark found, and where it lies."""

    name: str
    rows: tuple[Row, ...]
    machine: dict[str, str]
    json_path: Path
    page_path: Path

    def as_json(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        return {
            "benchmark": self.name, "machine": self.machine, "rows": [row.as_json() for row in self.rows],
            "page": str(self.page_path),
        }  # fmt: skip


def measure(name: str, *, quick: bool, out: Path, resume: bool) -> Outcome:
    """Measure every piece of one benchmark; two runs never write the same files."""
    if name not in BENCHMARKS:
        raise NotABenchmark("there is no such benchmark", actual=name, expected=", ".join(BENCHMARKS))
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DiskFailed(
            "the folder for the results cannot be made", retryable=False, path=out, cause=str(error),
            hint="name another one with --out",
        ) from error  # fmt: skip
    try:
        with exclusive(out / f".{name}.claim"):
            return _measure(name, out, quick=quick, resume=resume)
    except Claimed:
        raise ResultsInUse(
            "another run of this benchmark writes its results there", path=out / f"{name}.json",
            hint="wait for it, or name another folder with --out",
        ) from None  # fmt: skip


def _measure(name: str, out: Path, *, quick: bool, resume: bool) -> Outcome:
    json_path, page_path = out / f"{name}.json", out / f"{name}.html"
    facts = machine_facts()
    facts["load before"] = f"{os.getloadavg()[0]:.1f} on {facts['cores']} cores"
    facts["size"] = "quick: smaller than what targets speak of" if quick else "full"
    facts["again"] = f"wattest bench {name}"
    run = Run(quick, out, resume, {name: facts[name] for name in ("commit", "size", "processor")})
    kept = _kept(json_path, run) if resume else {}
    for work in works(name):
        if work.name in kept:
            print(f"{name}: {work.name} is measured already", file=sys.stderr)
            continue
        print(f"{name}: {work.name}", file=sys.stderr, flush=True)
        kept[work.name] = work.measure(run)
        value = {"format": FORMAT, "machine": facts,
                 "works": {one: [row.as_json() for row in rows] for one, rows in kept.items()}}  # fmt: skip
        write_atomically(json_path, (json.dumps(value, indent=1) + "\n").encode())
    rows = tuple(row for found in kept.values() for row in found)
    write_atomically(page_path, page(name, rows, facts).encode())
    return Outcome(name, rows, facts, json_path, page_path)


def _kept(path: Path, run: Run) -> dict[str, list[Row]]:
    """What an earlier run left that this one would measure alike."""
    if not path.exists():
        return {}
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError("too large")
        value = json.loads(path.read_bytes())
        if value["format"] != FORMAT:
            raise ValueError("another format")
        if any(value["machine"].get(name) != fact for name, fact in run.alike.items()):
            return {}
        return {work: [row_from_json(row) for row in rows] for work, rows in value["works"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotABenchmark(
            "this file is not what a benchmark wrote", path=path, hint="leave out --resume, or remove the file"
        ) from error
