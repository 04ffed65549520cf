"""Sealing: readings per second and core, and memory, over whole batches through a real enclave process.

    python bench/sealing.py [--series 1000 10000] [--repeat 3] [--json]

One series is a day of quarter hours (96 readings) with its P-256 signature. Rates are medians. "Per core" counts the
processor time of enclave and host together, so that a busy machine does not change it much; the wall rate does.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from enclave_community import Community

from wattest.enclave.host.process import EnclaveProcess
from wattest.enclave.simulator.platform import SimulatedPlatform

READINGS_PER_SERIES = 96


def enclave_seconds(process_id: int) -> float:
    """Processor time of the enclave so far."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def enclave_peak_mebibytes(process_id: int) -> float:
    """Largest resident size of the enclave so far."""
    lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def measure(series: int, repeat: int, folder: Path) -> dict[str, float]:
    """Seal ``repeat`` days of ``series`` meters, one batch a day."""
    community = Community(series, name=f"bench {series}")
    platform = SimulatedPlatform.create(folder / f"platform-{series}", int(time.time()))
    walls, enclave_times, host_times = [], [], []
    with EnclaveProcess(platform, folder / f"state-{series}", request_timeout_s=600) as process:
        client, process_id = process.client, process.process_id
        assert process_id is not None
        client.create_identity(community.binding(), community.channel)
        head = None
        for day in range(repeat):
            job = community.seal_job(day, head)
            inside, outside, begun = enclave_seconds(process_id), time.process_time(), time.perf_counter()
            batch = client.seal_batch(job)
            walls.append(time.perf_counter() - begun)
            enclave_times.append(enclave_seconds(process_id) - inside)
            host_times.append(time.process_time() - outside)
            head = community.head(batch)
        peak = enclave_peak_mebibytes(process_id)
    readings = series * READINGS_PER_SERIES
    wall, inside, outside = (statistics.median(times) for times in (walls, enclave_times, host_times))
    return {
        "series": series,
        "readings": readings,
        "wall_s": round(wall, 3),
        "readings_per_second": round(readings / wall),
        "readings_per_second_and_core": round(readings / (inside + outside)),
        "enclave_share": round(inside / (inside + outside), 2),
        "enclave_peak_mib": round(peak),
        "host_peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main() -> None:
    """Print one row per number of series."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--series", type=int, nargs="+", default=[1_000, 10_417])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wattest-bench-") as folder:
        rows = [measure(series, options.repeat, Path(folder)) for series in options.series]
    if options.json:
        print(json.dumps(rows))
        return
    for row in rows:
        print("  ".join(f"{name} {value}" for name, value in row.items()))


if __name__ == "__main__":
    main()
