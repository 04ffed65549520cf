"""The guests in the engine: readings edited and settled per second, fuel, compile time.

python bench/workload.py [--scale full|quick|tiny] [--json FILE]
"""

from __future__ import annotations

import os
import sys
from functools import partial

import numpy as np
from measure import REPOSITORY, Figure, Report, Scale, cpu_seconds, exhaust, rates, run_alone, scaled

from wattest.metering.records import make_device_records
from wattest.settlement.allocation import AllocationKey
from wattest.settlement.settle_twin import settle_bytes
from wattest.settlement.tariff import Tariff
from wattest.workload.engine import EngineConfiguration, Guest
from wattest.workload.guests import load_guest_bytes
from wattest.workload.settle import HouseholdInput, StatementInput, encode_statement_input
from wattest.workload.vee import VeeInput, encode_vee_input, run_vee

sys.path.insert(0, str(REPOSITORY / "tests" / "differential"))
from vee_twin import vee

TITLE = "Guests"
ABOUT = (
    "The WASM guests in the enclave's form of the engine, processor seconds of all threads. A series is one job in a "
    "fresh instance, its codec included. Against the plain Python twin that the differential tests use."
)
FORM = EngineConfiguration.for_enclave()
RECORDS = 96
QUARTER_HOUR_S = 900
TARIFF = Tariff(31_250_000, 8_900_000, 14_500_000, 4_200_000, 7_340_000, 24_000_000)


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


def vee_figures(runs: int, jobs: int, source: np.random.Generator) -> list[Figure]:
    """A day's series, whole and with a fifth of its records missing."""
    guest, figures = Guest.load(load_guest_bytes("vee"), FORM), []
    for label, missing in (("whole", 0.0), ("with gaps", 0.2)):
        job = series(RECORDS, missing, source)
        data = encode_vee_input(job)
        taken = cpu_seconds(runs, partial(exhaust, run_vee, [(guest, job)] * jobs))
        twin = cpu_seconds(runs, partial(exhaust, vee, [(data,)] * max(1, jobs // 10)))
        figures += [
            Figure(
                f"vee, a day's series {label}", "µs", scaled(1e6 / jobs, taken),
                floor="its twin in plain Python", floor_samples=scaled(1e6 / max(1, jobs // 10), twin),
            ),
            Figure(f"vee, {label}: readings per second", "1/s", rates(RECORDS * jobs, taken)),
            Figure(f"vee, {label}: fuel of a reading", "", (guest.run(data).fuel_used / RECORDS,), exact=True),
        ]  # fmt: skip
    return figures


def settle_figures(households: int, days: int, runs: int, source: np.random.Generator) -> list[Figure]:
    """A billing period under each allocation key, then the demo's against the Python twin."""
    guest, figures = Guest.load(load_guest_bytes("settle"), FORM), []
    cells = households * days * RECORDS
    keys = {
        "static": AllocationKey.equal(households),
        "dynamic": AllocationKey.dynamic(households),
        "priority": AllocationKey.priority(range(households)),
    }
    for name, key in keys.items():
        data = period(households, days * RECORDS, key, source)
        taken = cpu_seconds(runs, partial(guest.run, data))
        figures.append(
            Figure(f"settle, {name} key: quarter hours of households per second", "1/s", rates(cells, taken))
        )
        figures.append(
            Figure(f"settle, {name} key: fuel of one of them", "", (guest.run(data).fuel_used / cells,), exact=True)
        )
    small = period(20, 2 * RECORDS, AllocationKey.dynamic(20), source)
    figures.append(
        Figure(
            "settle, the demo's period", "ms", scaled(1_000, cpu_seconds(runs, lambda: guest.run(small))),
            floor="its twin in plain Python",
            floor_samples=scaled(1_000, cpu_seconds(runs, lambda: settle_bytes(small))),
        )
    )  # fmt: skip
    return figures


def measure(scale: Scale) -> Report:
    """Compile, edit, settle."""
    runs, jobs = scale.pick((5, 200), (3, 50), (1, 2))
    households, days = scale.pick((200, 31), (50, 7), (2, 1))
    source = np.random.default_rng(1)
    figures = []
    for name in ("vee", "settle"):
        wasm = load_guest_bytes(name)
        taken = cpu_seconds(runs, partial(Guest.load, wasm, FORM))
        figures.append(Figure(f"compile {name}, {len(wasm):,} bytes", "ms", scaled(1_000, taken)))
    figures += vee_figures(runs, jobs, source) + settle_figures(households, days, runs, source)
    return Report(TITLE, ABOUT, tuple(figures))


if __name__ == "__main__":
    run_alone(measure, __doc__)
