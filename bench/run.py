"""Every benchmark, in rounds, each in a process of its own: medians, spread, targets, CPU seconds and peak memory.

    python bench/run.py [--only NAME ...] [--scale full|quick|tiny | --quick] [--rounds N]
                        [--json FILE] [--markdown [PAGE]]

The report goes to standard output as Markdown, progress to standard error. Rounds are interleaved, so that a machine
that gets busier meets all benchmarks alike. ``--markdown`` writes the report between the markers of a page instead
(docs/figures.md unless another is named), ``--json`` every sample to a file. ``--from FILE`` renders such a file again;
with ``--only`` it measures those benchmarks anew and takes the others from the file.
Exit status 1 when a benchmark failed; a target that is missed is reported, not a failure.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from machine import commit, machine_facts
from measure import REPOSITORY, Scale, report_from_json
from report import Run, markdown, put_between_markers

BENCHMARKS = (
    "sealing",
    "checking",
    "serving",
    "imports",
    "gas",
    "node",
    "demo",
    "attestation",
    "ra_tls",
    "receipt",
    "merkle",
    "workload",
    "small",
)
NEEDS_GETH = ("gas_geth", "gas_history")
"""Run by hand, since they ask a second node: ``WATTEST_TEST_GETH=PATH python bench/gas_geth.py``."""
DEFAULT_ROUNDS = {Scale.FULL: 3, Scale.QUICK: 1, Scale.TINY: 1}
PAGE = REPOSITORY / "docs" / "figures.md"


class BenchmarkFailed(Exception):
    """A benchmark ended with another status than zero."""


def run_once(name: str, scale: Scale, folder: Path) -> Run:
    """One round of one benchmark; what it used includes every process it started and waited for."""
    path = folder / f"{name}.json"
    load = os.getloadavg()[0]
    begun = time.perf_counter()
    command = [sys.executable, str(Path(__file__).parent / f"{name}.py"), "--scale", scale.value, "--json", str(path)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        process.terminate()
        raise
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise BenchmarkFailed(f"{name} ended with {process.returncode}")
    report = report_from_json(json.loads(path.read_text()))
    cpu = usage.ru_utime + usage.ru_stime
    return Run(name, report, (time.perf_counter() - begun,), (cpu,), usage.ru_maxrss / 1024, (load,))


def joined(before: Run | None, after: Run) -> Run:
    """Two rounds of one benchmark as one."""
    if before is None:
        return after
    return Run(
        after.name,
        before.report.merged(after.report),
        before.wall_s + after.wall_s,
        before.cpu_s + after.cpu_s,
        max(before.peak_mib, after.peak_mib),
        before.load + after.load,
    )


def run_all(names: Sequence[str], scale: Scale, rounds: int) -> tuple[list[Run], list[str]]:
    """All rounds; what failed is left out and named."""
    found: dict[str, Run] = {}
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="wattest-bench-") as folder:
        for number in range(rounds):
            for name in (name for name in names if name not in failed):
                print(f"round {number + 1} of {rounds}: {name}", file=sys.stderr, flush=True)
                try:
                    found[name] = joined(found.get(name), run_once(name, scale, Path(folder)))
                except BenchmarkFailed as failure:
                    failed[name] = str(failure)
    return [run for name, run in found.items() if name not in failed], list(failed.values())


def main() -> int:
    """Measure and report."""
    options = arguments()
    machine, kept = machine_facts(), {}
    names = options.only or BENCHMARKS
    if options.source:
        value = json.loads(options.source.read_text())
        machine = {**value["machine"], "date": machine["date"]} if options.only else value["machine"]
        kept = {item["name"]: _run_from_json(item) for item in value["runs"]}
        names = options.only or ()
    if options.scale is not Scale.FULL:
        machine["scale"] = f"{options.scale.value}: smaller than what targets speak of"
    found, failed = run_all(names, options.scale, options.rounds or DEFAULT_ROUNDS[options.scale])
    kept |= {run.name: replace(run, commit=commit()) for run in found}
    runs = [kept[name] for name in BENCHMARKS if name in kept]
    machine["commit"] = ", ".join(dict.fromkeys(run.commit for run in runs if run.commit))
    if options.json:
        options.json.write_text(json.dumps({"machine": machine, "runs": [asdict(run) for run in runs]}, indent=1))
    text = markdown(runs, machine)
    if options.markdown:
        options.markdown.write_text(put_between_markers(options.markdown.read_text(), text))
    else:
        print(text)
    for failure in failed:
        print(f"failed: {failure}", file=sys.stderr)
    return 1 if failed else 0


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--scale", type=Scale, default=Scale.FULL, help="full (default), quick or tiny")
    parser.add_argument(
        "--quick", action="store_const", const=Scale.QUICK, dest="scale", help="the same as --scale quick"
    )
    parser.add_argument("--rounds", type=int, help="interleaved rounds; 3 at full scale, else 1")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample")
    parser.add_argument("--from", type=Path, metavar="FILE", dest="source", help="render samples written by --json")
    parser.add_argument("--markdown", type=Path, nargs="?", const=PAGE, metavar="PAGE", help="write into a page")
    return parser.parse_args()


def _run_from_json(value: dict[str, Any]) -> Run:
    times = {name: tuple(value[name]) for name in ("wall_s", "cpu_s", "load")}
    return Run(
        value["name"], report_from_json(value["report"]), peak_mib=value["peak_mib"], commit=value["commit"], **times
    )


if __name__ == "__main__":
    sys.exit(main())
