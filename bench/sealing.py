"""Sealing: readings per second and core, and memory, over whole batches through a real enclave process.

python bench/sealing.py [--scale full|quick|tiny] [--json FILE]
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from measure import (
    HELPERS,
    Figure,
    Report,
    Scale,
    cpu_seconds,
    exhaust,
    process_cpu_seconds,
    process_peak_mebibytes,
    rates,
    run_alone,
    scaled,
)

sys.path.extend(HELPERS)

from enclave_community import Community

from wattest.crypto.hashing import keccak256
from wattest.crypto.strict_fields import Fields
from wattest.enclave.host.client import EnclaveClient
from wattest.enclave.host.process import EnclaveProcess
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.metering.device_block import parse_device_block, verify_device_block
from wattest.metering.records import INTERVAL_RECORD
from wattest.sealing.bundle import seal_block
from wattest.sealing.edited_series import edit_series
from wattest.sealing.wrapped_keys import wrap_series_key, wrapping_context
from wattest.workload.configuration import EngineConfiguration
from wattest.workload.guests import load_guest

TITLE = "Sealing"
ABOUT = (
    "A batch goes through `EnclaveClient.seal` into an enclave process of its own: from signed device blocks "
    "(one P-256 signature for a day of 96 quarter hours) to the signed header, `vee`, trees, encryption and sealing "
    "included. The rate counts the processor time of enclave and host together, so it is what one core does; the wall"
    " rate is with whatever else ran. Host memory includes the job itself: blocks going in, ciphertexts coming out. "
    "To the signed header is the same without what comes after it: the pages with every series' key wrapped for its "
    "readers. The steps are the same blocks through one step alone, one by one; a batch takes them in columns."
)
READINGS = 96
FLOOR_BLOCKS = 300
PERMUTATION_BYTES = 136


def sealed(count: int, days: int, folder: Path) -> list[Figure]:
    """Seal ``days`` batches of ``count`` series in one enclave."""
    community = Community(count, name=f"bench {count}")
    platform = SimulatedPlatform.create(folder / f"platform-{count}", int(time.time()))
    walls, inside, outside, signed = [], [], [], []
    with EnclaveProcess(platform, folder / f"state-{count}", request_timeout_s=600) as process:
        client, process_id = process.client, process.process_id
        assert process_id is not None
        client.create_identity(community.binding(), community.channel)
        header_at = watch_header(client, process_id)
        head = None
        for day in range(days):
            job = community.seal_job(day, head)
            before = process_cpu_seconds(process_id), time.process_time(), time.perf_counter()
            batch = client.seal(job)
            walls.append(time.perf_counter() - before[2])
            outside.append(time.process_time() - before[1])
            inside.append(process_cpu_seconds(process_id) - before[0])
            signed.append(header_at[-1].cpu_s - before[0] - before[1])
            head = community.head(batch)
            del batch, job
        peak = process_peak_mebibytes(process_id)
    readings = count * READINGS
    both = [one + other for one, other in zip(inside, outside, strict=True)]
    large = readings >= 1_000_000
    name = f"{count:,} series"
    return [
        Figure(
            f"{name}: readings per second and core", "1/s", rates(readings, both),
            at_least=50_000 if count >= 1_000 else None,
        ),
        Figure(
            f"{name}: readings per second and core, to the signed header", "1/s", rates(readings, signed),
            at_least=500_000 if count >= 1_000 else None,
        ),
        Figure(f"{name}: readings per second, wall", "1/s", rates(readings, walls)),
        Figure(f"{name}: seconds for a batch of {readings:,} readings, wall", "s", tuple(walls)),
        Figure(
            f"{name}: share of the enclave in processor time", "",
            tuple(one / total for one, total in zip(inside, both, strict=True)),
        ),
        Figure(f"{name}: peak memory of the enclave process", "MiB", (peak,), at_most=1_000 if large else None),
        Figure(
            f"{name}: peak memory of the host process", "MiB", (process_peak_mebibytes(),),
            at_most=1_000 if large else None,
        ),
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Moment:
    """Processor seconds of both sides, and the wall's clock."""

    cpu_s: float
    wall_s: float


def watch_header(client: EnclaveClient, process_id: int) -> list[Moment]:
    """The moment of each header that the enclave signs; what follows are its readers' keys."""
    times: list[Moment] = []
    ask = client._ask

    def watched(method: str, params: dict[str, object]) -> Fields:
        fields = ask(method, params)
        if method == "batch.finish":
            times.append(Moment(process_cpu_seconds(process_id) + time.process_time(), time.perf_counter()))
        return fields

    client._ask = watched  # type: ignore[method-assign]
    return times


def floors(count: int, runs: int, whole: tuple[float, ...] | None) -> list[Figure]:
    """What single steps cost for one series, and, if it is given, a series' whole cost against all of them."""
    community = Community(FLOOR_BLOCKS, name="bench floor")
    blocks = [parse_device_block(community.block(index, 0)) for index in range(count)]
    guest = load_guest("vee", EngineConfiguration.for_enclave())
    long_input = bytes(PERMUTATION_BYTES * 10_000)

    # The first pass decodes keys, as an enclave that starts does; later passes find them cached, as it does every day.
    for block in blocks:
        verify_device_block(block)

    def edit() -> None:
        for block in blocks:
            edit_series(guest, block.records, block.digest, block.period_start, block.period_end, None)

    readers = [reader.public_key for reader in (*community.readers[:2], *community.watchers[:1])]
    series_key, plaintext = bytes(range(32)), bytes(READINGS * INTERVAL_RECORD.itemsize)

    # As in every batch but an enclave's first: contexts are kept, and each run is a batch of its own.
    contexts = [wrapping_context(reader, community.channel.id) for reader in readers]
    sequences = itertools.count(1)

    def wrap() -> None:
        sequence = next(sequences)
        for index in range(len(blocks)):
            for context in contexts:
                wrap_series_key(context, series_key, sequence, index, series_key)

    def encrypt() -> None:
        for _ in blocks:
            seal_block(series_key, community.channel.id, 1, series_key, plaintext)

    steps = {
        "P-256 verification with the record root": cpu_seconds(runs, lambda: exhaust(verify_device_block, zip(blocks))),
        "the vee guest in its engine": cpu_seconds(runs, edit),
        "its key wrapped for enclave, household and watcher": cpu_seconds(runs, wrap),
        "its block encrypted": cpu_seconds(runs, encrypt),
    }
    figures = []
    for name, seconds in steps.items():
        each_us = scaled(1e6 / count, seconds)
        figures.append(Figure(f"one series: {name} alone", "µs", each_us))
    permutation = cpu_seconds(runs, lambda: keccak256(long_input))
    hashes = 2 * READINGS - 1  # one permutation for each leaf of 95 + 16 bytes and for each inner node
    figures.append(Figure("one series: its tree at hashing floor", "µs", scaled(1e6 * hashes / 10_000, permutation)))
    if whole is not None:
        floor = tuple(sum(parts) for parts in zip(*(figure.samples for figure in figures), strict=True))
        whole_us = scaled(1e6, whole)
        figures.append(
            Figure("one series: sealed, all told", "µs", whole_us, floor="those steps together", floor_samples=floor)
        )
    return figures


def measure(scale: Scale) -> Report:
    """Both sizes, then the floors."""
    figures: list[Figure] = []
    whole: tuple[float, ...] = ()
    with tempfile.TemporaryDirectory(prefix="wattest-bench-") as folder:
        for count in scale.pick([1_000, 10_417], [1_000], [3]):
            found = sealed(count, scale.pick(3, 3, 1), Path(folder))
            figures += found
            whole = tuple(READINGS / rate for rate in found[0].samples)
    figures += floors(scale.pick(FLOOR_BLOCKS, FLOOR_BLOCKS, 3), scale.pick(5, 3, 1), whole)
    return Report(TITLE, ABOUT, tuple(figures))


if __name__ == "__main__":
    run_alone(measure, __doc__)
