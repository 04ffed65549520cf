"""A fleet of one size as a contender: generated, built into a batch tree, or sealed, a piece at each turn.

Which piece is the turn's number, so that a run that was cut short goes on with the next. What a piece is made of is
made before its clock starts: of generating that is nothing, of the others the entries or the signed blocks.
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from fleet import PIECE, QUARTERS, Fleet
from measure import HELPERS, process_cpu_seconds, process_peak_mebibytes

from compare.contender import Timed, Work, octets, serve

sys.path.extend(HELPERS)

from enclave_community import Community

from wattest.enclave.host.client import ChainHead, SealJob
from wattest.enclave.host.process import EnclaveProcess
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.merkle import MerkleTree, node_hash
from wattest.metering.device_block import sign_device_block
from wattest.metering.meter import pseudonym
from wattest.units import SECONDS_PER_DAY

SHARD_ENTRIES = 1 << 20
ENTRY_BYTES, SALT_BYTES = 118, 16
SEAL_SERIES = 10_000
WARMING_SERIES = 8
DAY = 7


def piece_of(turn: int, n: int, size: int) -> tuple[int, int]:
    """Where the turn's piece of a fleet of ``n`` begins, and how many meters it has; turns go round."""
    first = turn % -(-n // size) * size
    return first, min(size, n - first)


def pieces(n: int, size: int) -> int:
    """Pieces of at most ``size`` in a fleet of ``n``."""
    return -(-n // size)


def rfc9162_root(roots: list[bytes]) -> bytes:
    """The root over full shards and a last one that may be smaller: RFC 9162 splits at powers of two, as shards do."""
    if len(roots) == 1:
        return roots[0]
    left = 1 << (len(roots) - 1).bit_length() - 1
    return node_hash(rfc9162_root(roots[:left]), rfc9162_root(roots[left:]))


class Generate(Work):
    """A day of a piece of the fleet, made and dropped."""

    is_in_pieces = True

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self.fleet = Fleet(n)

    def run(self) -> object:
        first, count = piece_of(self.turn, self.n, PIECE)
        begun = time.perf_counter(), time.process_time()
        self.fleet.records(first, count, DAY)
        return Timed(count * QUARTERS, time.perf_counter() - begun[0], time.process_time() - begun[1])


class Tree(Work):
    """A shard of the batch tree; a small tree is built several times, so that the clock has something to count."""

    is_in_pieces = True

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self.roots: dict[int, bytes] = {}

    def run(self) -> object:
        first, count = piece_of(self.turn, self.n, SHARD_ENTRIES)
        payloads = octets(ENTRY_BYTES * count, seed=first + 1)
        salts = octets(SALT_BYTES * count, seed=first + 2)
        times = max(1, SHARD_ENTRIES // count // 4)
        MerkleTree.build(payloads, ENTRY_BYTES, salts)  # memory that a host took back meanwhile is touched again
        begun = time.perf_counter(), time.process_time()
        for _ in range(times):
            self.roots[first] = MerkleTree.build(payloads, ENTRY_BYTES, salts).root
        if len(self.roots) == pieces(self.n, SHARD_ENTRIES):
            rfc9162_root([root for _, root in sorted(self.roots.items())])
        return Timed(count * times, time.perf_counter() - begun[0], time.process_time() - begun[1])


class FleetCommunity(Community):
    """A piece of the fleet as the members of a channel that nobody had before, with keys of their own."""

    def __init__(self, fleet: Fleet, first: int, count: int, turn: int) -> None:
        super().__init__(count, name=f"fleet {first}, turn {turn}")
        self.fleet, self.first = fleet, first

    def first_day(self) -> SealJob:
        """The piece's day, every block signed by its meter."""
        records = self.fleet.records(self.first, self.count, DAY)
        start = int(records["start"][0, 0])
        for member, meter in zip(records, self.meters, strict=True):
            member["pseudonym"] = np.frombuffer(pseudonym(meter.public_key), np.uint8)
        blocks = [
            sign_device_block(meter, start, start + SECONDS_PER_DAY, member).to_bytes()
            for member, meter in zip(records, self.meters, strict=True)
        ]
        return SealJob(ChainHead(), start, start + SECONDS_PER_DAY, self.members, self.meter_keys, blocks)


class Seal(Work):
    """A batch of at most 10,000 series, at every size the first of its channel: its readers' contexts are set up."""

    is_in_pieces = True

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self.fleet = Fleet(n)
        self._stack = ExitStack()
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="wattest-bench-")))
        platform = SimulatedPlatform.create(folder / "platform", int(time.time()))
        self.process = self._stack.enter_context(EnclaveProcess(platform, folder / "state", request_timeout_s=600))
        warming = Community(WARMING_SERIES, name="warming")  # an enclave's first batch loads and compiles
        self.process.client.create_identity(warming.binding(), warming.channel)
        self.process.client.seal(warming.seal_job(0))

    def run(self) -> object:
        community = FleetCommunity(self.fleet, *piece_of(self.turn, self.n, SEAL_SERIES), self.turn)
        self.process.client.create_identity(community.binding(), community.channel)
        job = community.first_day()
        process_id = self.process.process_id
        assert process_id is not None
        begun = time.perf_counter(), time.process_time() + process_cpu_seconds(process_id)
        self.process.client.seal(job)
        return Timed(
            community.count * QUARTERS,
            time.perf_counter() - begun[0],
            time.process_time() + process_cpu_seconds(process_id) - begun[1],
            process_peak_mebibytes(process_id),
        )


WORKS: dict[str, type[Work]] = {"generate": Generate, "tree": Tree, "seal": Seal}

if __name__ == "__main__":
    serve(dict(WORKS))
