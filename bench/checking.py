"""Checking: series per second and core that a watcher verifies again, in columns and by the plain rules.

python bench/checking.py [--scale full|quick|tiny] [--json FILE]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from measure import HELPERS, Figure, Report, Scale, rates, run_alone, scaled

sys.path.extend(HELPERS)

import numpy as np
from enclave_community import Community, LocalEnclave

from wattest.crypto.hashing import sha256
from wattest.crypto.p256 import verify_digest
from wattest.enclave.host.client import SealedBatch
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.metering.series_block import device_block_of, parse_series_block, verify_series_block
from wattest.sealing.bundle import open_block
from wattest.sealing.checked_columns import CHECKED, CheckedRun, check_blocks, edited_again, runs_of_blocks
from wattest.sealing.edited_series import verify_edited
from wattest.sealing.wrapped_keys import SeriesKeyOpener
from wattest.watcher import check_entries
from wattest.watcher.check_batch import check_batch
from wattest.watcher.check_entries import ServedBatch
from wattest.workload.configuration import EngineConfiguration
from wattest.workload.guests import load_guest

TITLE = "Checking a batch again"
ABOUT = (
    "A batch of days of 96 quarter hours is sealed beforehand and checked as a watcher does, once in columns and once "
    "by the plain rules, in turns: decryption, record root, P-256 signature, `vee` run again, series tree, entry. "
    "Processor time of all threads together, so a rate is what one core does. A series alone has its key unwrapped "
    "already; a whole batch has its keys unwrapped, its blocks compared with the manifest, its trees, state and "
    "roster built again."
)


@dataclass
class Sealed:
    """A batch, what an operator serves of it, and its series keys."""

    community: Community
    batch: SealedBatch

    def __post_init__(self) -> None:
        self.vee = load_guest("vee", EngineConfiguration.for_enclave())
        self.watcher = self.community.watchers[0]
        self.place = (self.batch.header.channel, self.batch.header.sequence)
        self.wrapped = {at: keys[self.watcher.public_key] for at, keys in enumerate(self.batch.wrapped_keys)}
        opener = SeriesKeyOpener(self.watcher, self.batch.header.channel)
        self.keys = [
            opener.unwrap(self.wrapped[at], self.batch.header.sequence, at, entry[2:34])
            for at, entry in enumerate(self.batch.entries)
        ]
        meters = [self.community.meters[member].public_key for member in self.batch.member_of]
        self.served = ServedBatch(
            self.batch.manifest, dict(enumerate(self.batch.blocks)), b"".join(self.batch.entries), self.wrapped,
            b"".join(sha256(meter) for meter in meters), self.community.members,
        )  # fmt: skip

    def plainly(self) -> None:
        """Every series by the plain rules."""
        for key, entry, ciphertext in zip(self.keys, self.batch.entries, self.batch.blocks, strict=True):
            block = parse_series_block(open_block(key, *self.place, entry[2:34], ciphertext))
            verify_series_block(block, key)
            verify_edited(self.vee, block)

    def in_columns(self) -> None:
        """Every series in columns, on one thread."""
        for run in runs_of_blocks([len(block) for block in self.batch.blocks]):
            part = slice(run.start, run.stop)
            entries, blocks = self.batch.entries[part], self.batch.blocks[part]
            checked = check_blocks(*self.place, entries, self.keys[part], blocks, threads=1)
            assert len(edited_again(self.vee, checked).held) == len(run)

    def whole(self) -> None:
        """The batch as a watcher checks it."""
        header = self.batch.header
        judgement = check_batch(
            header, self.served, self.watcher, self.vee, workloads=frozenset({header.workload}), meters_before={}
        )
        assert judgement.is_clean, judgement.findings

    def whole_plainly(self) -> None:
        """The same with no series held in columns."""

        def none_held(_header: object, _vee: object, given: list[object]) -> CheckedRun:
            rows = np.zeros(len(given), dtype=CHECKED)
            rows["verdict"] = 1
            return CheckedRun(b"", b"", rows)

        with patch.object(check_entries, "_check_run", none_held):
            self.whole()

    def signatures(self) -> Callable[[], None]:
        """A pass over the meters' signatures alone."""
        plain = zip(self.keys, self.batch.entries, self.batch.blocks, strict=True)
        opened = [parse_series_block(open_block(key, *self.place, entry[2:34], data)) for key, entry, data in plain]
        blocks = [device_block_of(block) for block in opened]
        signed = [(block.public_key, block.digest, block.signature) for block in blocks]

        def verify() -> None:
            for each in signed:
                verify_digest(*each)

        return verify


def taken(work: Callable[[], None]) -> tuple[float, float]:
    """Processor and wall seconds of one call."""
    before = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - before[0], time.perf_counter() - before[1]


def measure(scale: Scale) -> Report:
    """One batch, in turns."""
    count, runs = scale.pick(2_000, 400, 3), scale.pick(5, 3, 1)
    with tempfile.TemporaryDirectory(prefix="wattest-bench-") as folder:
        community = Community(count, name="bench checking")
        enclave = LocalEnclave(
            SimulatedPlatform.create(Path(folder) / "platform", int(time.time())), Path(folder) / "s"
        )
        enclave.create_identity(community.binding(), community.channel)
        sealed = Sealed(community, enclave.seal(community.seal_job(0)))
    works = {
        "plain": sealed.plainly, "columns": sealed.in_columns, "signature": sealed.signatures(),
        "whole plain": sealed.whole_plainly, "whole": sealed.whole,
    }  # fmt: skip
    for work in works.values():
        work()  # caches keys, as a watcher has them from the day before
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for _ in range(runs):
        for name, work in works.items():
            times[name].append(taken(work))
    cpu = {name: tuple(each[0] for each in samples) for name, samples in times.items()}
    wall = {name: tuple(each[1] for each in samples) for name, samples in times.items()}

    def ratio(before: str, after: str) -> tuple[float, ...]:
        return tuple(one / other for one, other in zip(cpu[before], cpu[after], strict=True))

    each = 1e6 / count
    figures = (
        Figure("one series: by the plain rules", "µs", scaled(each, cpu["plain"])),
        Figure(
            "one series: in columns", "µs", scaled(each, cpu["columns"]),
            floor="its P-256 signature alone", floor_samples=scaled(each, cpu["signature"]),
        ),
        Figure("one series: columns, times as fast", "x", ratio("plain", "columns")),
        Figure("a whole batch, by the plain rules, on one core", "series/s", rates(count, cpu["whole plain"])),
        Figure("a whole batch, in columns, on one core", "series/s", rates(count, cpu["whole"])),
        Figure("a whole batch: columns, times as fast", "x", ratio("whole plain", "whole")),
        Figure(f"{count:,} series: a whole batch in columns, on the wall", "s", wall["whole"]),
    )  # fmt: skip
    return Report(TITLE, ABOUT, figures)


if __name__ == "__main__":
    run_alone(measure, __doc__)
