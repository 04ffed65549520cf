"""Fuzz every parser of attestation, in as many processes as there are cores; goes on where it was interrupted.

tools/fuzz.py --parser all --count 1000000 --jobs 16 --out DIR. Needs the run-time packages only. DIR gets what is done
(``progress/``), inputs that broke a promise (``findings/``), inputs that led somewhere new (``kept/``) and
``summary.json``. Exit codes: 0 done without findings, 1 findings, 8 stopped before the count was reached, 130
interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "fuzz"), str(ROOT / "src")]

from fuzz_driver import Campaign, outcome_of  # noqa: E402 -- the driver lives beside the tests
from fuzz_targets import TARGETS  # noqa: E402


def main() -> int:
    """Run the campaign, or one input again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parser", default="all", help=f"all, or some of {','.join(TARGETS)}")
    parser.add_argument("--count", type=int, default=1_000_000, help="inputs for each parser")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at a time")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "fuzz", help="folder for progress and findings")
    parser.add_argument("--seed", default="20261122", help="inputs follow from it")
    parser.add_argument("--minutes", type=float, help="start no chunk after so many minutes")
    parser.add_argument("--again", type=Path, help="run one input of --parser and show what it leads to")
    given = parser.parse_args()
    names = list(TARGETS) if given.parser == "all" else given.parser.split(",")
    if unknown := [name for name in names if name not in TARGETS]:
        parser.error(f"no such parser: {', '.join(unknown)}")
    if given.again is not None:
        word, fault = outcome_of(TARGETS[names[0]], given.again.read_bytes())
        print(word if fault is None else f"{word}\n{fault}")
        return 0 if fault is None else 1
    campaign = Campaign(given.out, given.seed, given.count, names)
    until = time.monotonic() + given.minutes * 60 if given.minutes is not None else None
    try:
        campaign.run(given.jobs, until, lambda line: print(line, flush=True))
    finally:
        summary = campaign.summary()
        (given.out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    for name, counts in summary.items():
        print(f"{name:24}", "  ".join(f"{what} {number:>9}" for what, number in counts.items()))
    if any(counts["findings"] for counts in summary.values()):
        return 1
    return 8 if campaign.pending() else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
