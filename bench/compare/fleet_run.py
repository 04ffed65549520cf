"""One size of a fleet in a process of its own. python fleet_run.py generate|tree|seal N

Prints one JSON object: ``samples`` (nanoseconds of processor time for each item of each piece), ``cpu_s``,
``peak_mib``.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from fleet import QUARTERS, Fleet
from measure import TEST_SUPPORT, process_cpu_seconds, process_peak_mebibytes

from compare.contender import octets

sys.path.insert(0, str(TEST_SUPPORT))

from enclave_community import DAY_S, FIRST_DAY, Community

from wattest.enclave.host.process import EnclaveProcess
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.merkle import MerkleTree, node_hash
from wattest.metering.device_block import sign_device_block
from wattest.metering.meter import pseudonym

SHARD_ENTRIES = 1 << 20
ENTRY_BYTES, SALT_BYTES = 118, 16
SEAL_SERIES = 10_000
SEAL_PIECES = 10
GENERATE_PIECES = 40

Measured = tuple[list[int], list[float]]
"""Items of each piece, and its processor seconds."""


def spaced(count: int, most: int) -> list[int]:
    """At most ``most`` of 0 .. count - 1, evenly spaced, the first and the last among them."""
    if count <= most:
        return list(range(count))
    return sorted({round(at * (count - 1) / (most - 1)) for at in range(most)})


def generate(n: int) -> Measured:
    """Days of pieces of the fleet, made and dropped."""
    fleet, size = Fleet(n), min(n, 10_000)
    items: list[int] = []
    taken: list[float] = []
    for at in spaced(-(-n // size), GENERATE_PIECES):
        count = min(size, n - at * size)
        begun = time.process_time()
        fleet.records(at * size, count, 7)
        taken.append(time.process_time() - begun)
        items.append(count * QUARTERS)
    return items, taken


def rfc9162_root(roots: list[bytes]) -> bytes:
    """The root over full shards and a last one that may be smaller: RFC 9162 splits at powers of two, as shards do."""
    if len(roots) == 1:
        return roots[0]
    left = 1 << (len(roots) - 1).bit_length() - 1
    return node_hash(rfc9162_root(roots[:left]), rfc9162_root(roots[left:]))


def shard_root(first: int, count: int) -> tuple[bytes, float]:
    """A shard's root, and processor seconds of building it."""
    payloads = octets(ENTRY_BYTES * count, seed=first + 1)
    salts = octets(SALT_BYTES * count, seed=first + 2)
    begun = time.process_time()
    root = MerkleTree.build(payloads, ENTRY_BYTES, salts).root
    return root, time.process_time() - begun


def tree(n: int) -> Measured:
    """The batch tree in shards; the samples are whole trees, or shards where there are several."""
    roots: list[bytes] = []
    items: list[int] = []
    taken: list[float] = []
    for first in range(0, n, SHARD_ENTRIES):
        count = min(SHARD_ENTRIES, n - first)
        for _ in range(1 if n > SHARD_ENTRIES else 5):
            root, seconds = shard_root(first, count)
            items.append(count)
            taken.append(seconds)
        roots.append(root)
    begun = time.process_time()
    rfc9162_root(roots)
    taken[-1] += time.process_time() - begun
    return items, taken


class FleetCommunity(Community):
    """A piece of the fleet as one channel's members, with the keys of their own."""

    def __init__(self, fleet: Fleet, first: int, count: int) -> None:
        super().__init__(count, name=f"fleet {first}")
        self.fleet, self.first = fleet, first
        self._days: dict[int, object] = {}

    def block(self, member: int, day: int, *, scale: int = 1, count: int = QUARTERS) -> bytes:
        """The member's signed block of one day of the fleet."""
        assert (scale, count) == (1, QUARTERS)
        if day not in self._days:
            self._days = {day: self.fleet.records(self.first, self.count, day)}
        records = self._days[day][member].copy()  # type: ignore[index]
        meter = self.meters[member]
        records["pseudonym"] = np.frombuffer(pseudonym(meter.public_key), np.uint8)
        start = FIRST_DAY + day * DAY_S
        return sign_device_block(meter, start, start + DAY_S, records).to_bytes()


def seal(n: int) -> Measured:
    """A day of the fleet in batches of at most 10,000 series, each of a channel of its own, through one enclave."""
    fleet, size = Fleet(n), min(n, SEAL_SERIES)
    items: list[int] = []
    taken: list[float] = []
    with tempfile.TemporaryDirectory(prefix="wattest-bench-") as folder:
        platform = SimulatedPlatform.create(Path(folder) / "platform", int(time.time()))
        with EnclaveProcess(platform, Path(folder) / "state", request_timeout_s=600) as process:
            assert process.process_id is not None
            for at in spaced(-(-n // size), SEAL_PIECES):
                count = min(size, n - at * size)
                community = FleetCommunity(fleet, at * size, count)
                process.client.create_identity(community.binding(), community.channel)
                head = None
                for day in range(1 if n > SEAL_SERIES else 4):
                    job = community.seal_job(day, head)
                    before = process_cpu_seconds(process.process_id), time.process_time()
                    batch = process.client.seal_batch(job)
                    head, inside = community.head(batch), process_cpu_seconds(process.process_id) - before[0]
                    if day or n > SEAL_SERIES:  # an enclave's first batch loads and compiles
                        taken.append(time.process_time() - before[1] + inside)
                        items.append(count * QUARTERS)
            peak = process_peak_mebibytes(process.process_id)
    print(f"peak memory of the enclave process: {peak:.0f} MiB", file=sys.stderr)
    return items, taken


RUNS: dict[str, Callable[[int], Measured]] = {"generate": generate, "tree": tree, "seal": seal}

if __name__ == "__main__":
    items, taken = RUNS[sys.argv[1]](int(sys.argv[2]))
    found = {
        "samples": [1e9 * seconds / count for count, seconds in zip(items, taken, strict=True)],
        "cpu_s": sum(taken), "items": sum(items), "peak_mib": process_peak_mebibytes(),
    }  # fmt: skip
    sys.stdout.write(json.dumps(found) + "\n")
