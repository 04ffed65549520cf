"""The whole of wattest as a user meets it: `wattest demo` by stage, and `wattest first-light`, on the wall.

python bench/demo.py [--scale full|quick|tiny] [--json FILE]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measure import Figure, Report, Scale, Table, run_alone

TITLE = "Demo and first light"
ABOUT = (
    "The command line, started anew for each run after set-up, seconds on the wall. The demo is the default one (2 "
    "days, a second operator that withholds an entry) with 20, 200 and 1,000 households. Stages are its own account of "
    "itself; what is left over is starting Python and writing results. In the last stage processes that know nothing "
    "of the run verify every household's receipt."
)
DEMO_TARGET_S = 90.0
BETWEEN = "between stages"


def run_json(*arguments: str, folder: Path) -> tuple[dict[str, Any], float]:
    """A command's JSON and its seconds on the wall."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "wattest.apps.cli", *arguments, "--json"]
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout), time.perf_counter() - begun


def measure(scale: Scale) -> Report:
    """A demo and a first light for each run; rounds bring more."""
    sizes, days = scale.pick(((20, 200, 1_000), 2), ((20,), 2), ((2,), 1))
    cheat, outcome = scale.pick(("withhold", "slashed"), ("withhold", "slashed"), ("none", "honest"))
    target = DEMO_TARGET_S if scale is not Scale.TINY else None
    lights: list[float] = []
    figures: list[Figure] = []
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="wattest-bench-") as name:
        folder = Path(name)
        for _ in range(scale.pick(2, 1, 1)):
            light, seconds = run_json("first-light", "hello", folder=folder)
            if not light["accepted"] or light["tampered_accepted"]:
                raise RuntimeError("first light is wrong")
            lights.append(seconds)
        for households in sizes:
            size = "--households", str(households), "--days", str(days), "--cheat", cheat
            result, seconds = run_json("demo", *size, "--out", f"demo-{households}", folder=folder)
            if result["outcome"] != outcome or result["receipts_verified"] != households:
                raise RuntimeError("the demo did not end as it should")
            results.append(result)
            whole = f"demo of {households:,} households"
            figures.append(Figure(f"{whole}, {days} days", "s", (seconds,), at_most=target))
            stages = {**result["stages"], BETWEEN: seconds - sum(result["stages"].values())}
            figures += [Figure(f"{whole}: {stage}", "s", (taken,)) for stage, taken in stages.items()]
    counted = ("households", "readings", "batches", "bills", "commit_gas", "gas_per_reading")
    rows = tuple((key, *(result[key] for result in results)) for key in counted)
    table = Table("The demo measured", ("what", *(f"{households:,} households" for households in sizes)), rows)
    return Report(TITLE, ABOUT, (Figure("first light", "s", tuple(lights)), *figures), (table,))


if __name__ == "__main__":
    run_alone(measure, __doc__)
