"""The guests in the engine: readings edited and settled per second, fuel, compile time; medians, as one JSON object.

    python bench/workload.py [--records 96] [--households 200] [--days 31] [--runs 5]

Seconds are of one core (wall clock, nothing else running), in the enclave's form of the engine; a series is one job in
a fresh instance, its codec included. A ``python_ratio`` is the time of the plain Python twin over the guest's.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from wattest.metering.records import make_device_records
from wattest.settlement import AllocationKey, Tariff, settle_bytes
from wattest.workload.engine import EngineConfiguration, Guest
from wattest.workload.guests import load_guest_bytes
from wattest.workload.statement import HouseholdInput, StatementInput, encode_statement_input
from wattest.workload.vee import VeeInput, encode_vee_input, run_vee

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "differential"))
from vee_twin import vee

QUARTER_HOUR_S = 900
TARIFF = Tariff(31_250_000, 8_900_000, 14_500_000, 4_200_000, 7_340_000, 24_000_000)


def median_s(runs: int, work: Callable[[], object]) -> float:
    """Median wall-clock seconds."""
    taken = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def series(count: int, missing: float, source: np.random.Generator) -> VeeInput:
    """A series of quarter-hours, a part of whose records are missing."""
    energies = source.integers(0, 400_000, count)
    records = make_device_records(
        b"benchmark-meter!", start=np.arange(count) * QUARTER_HOUR_S, duration_s=QUARTER_HOUR_S,
        import_register=np.cumsum(energies), export_register=0, import_milliwatt_hours=energies,
        export_milliwatt_hours=0,
    )  # fmt: skip
    kept = records[source.random(count) >= missing]
    return VeeInput(0, count * QUARTER_HOUR_S, QUARTER_HOUR_S, kept.tobytes(), 0, 4_000_000)


def period(households: int, intervals: int, key: AllocationKey, source: np.random.Generator) -> bytes:
    """A billing period, encoded."""
    columns = []
    for _ in range(households):
        imports, exports = (source.integers(0, most, intervals) for most in (300_000, 400_000))
        columns.append(HouseholdInput(os.urandom(32), os.urandom(16), imports, exports))
    return encode_statement_input(
        StatementInput(
            0, intervals * QUARTER_HOUR_S, QUARTER_HOUR_S, TARIFF.to_bytes(), key.to_bytes(),
            [os.urandom(20) for _ in range(households)], columns,
        )
    )  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--records", type=int, default=96, help="records of one series")
    parser.add_argument("--households", type=int, default=200)
    parser.add_argument("--days", type=int, default=31)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    source = np.random.default_rng(1)
    form = EngineConfiguration.for_enclave()

    result: dict[str, object] = {"records": options.records}
    for name in ("vee", "settle"):
        wasm = load_guest_bytes(name)
        result[f"{name}_bytes"] = len(wasm)
        result[f"{name}_compile_s"] = round(median_s(options.runs, lambda wasm=wasm: Guest.load(wasm, form)), 4)

    guest = Guest.load(load_guest_bytes("vee"), form)
    jobs = 200
    for label, missing in (("whole", 0.0), ("gaps", 0.2)):
        job = series(options.records, missing, source)
        seconds = median_s(options.runs, lambda job=job: [run_vee(guest, job) for _ in range(jobs)]) / jobs
        data = encode_vee_input(job)
        twin_s = median_s(options.runs, lambda data=data: [vee(data) for _ in range(20)]) / 20
        result[f"vee_{label}_readings_per_s"] = round(options.records / seconds)
        result[f"vee_{label}_fuel_per_reading"] = round(guest.run(data).fuel_used / options.records)
        result[f"vee_{label}_job_us"] = round(seconds * 1e6, 1)
        result[f"vee_{label}_python_ratio"] = round(twin_s / seconds, 1)

    guest = Guest.load(load_guest_bytes("settle"), form)
    intervals = options.days * 96
    cells = options.households * intervals
    keys = {
        "static": AllocationKey.equal(options.households),
        "dynamic": AllocationKey.dynamic(options.households),
        "priority": AllocationKey.priority(range(options.households)),
    }
    result["settle_cells"] = cells
    for name, key in keys.items():
        data = period(options.households, intervals, key, source)
        seconds = median_s(options.runs, lambda data=data: guest.run(data))
        result[f"settle_{name}_cells_per_s"] = round(cells / seconds)
        result[f"settle_{name}_fuel_per_cell"] = round(guest.run(data).fuel_used / cells)
    small = period(20, 192, AllocationKey.dynamic(20), source)
    guest_s = median_s(options.runs, lambda: guest.run(small))
    result["settle_demo_period_s"] = round(guest_s, 4)
    result["settle_python_ratio"] = round(median_s(options.runs, lambda: settle_bytes(small)) / guest_s, 1)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
