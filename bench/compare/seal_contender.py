"""Whole batches through an enclave process, and the step of them that no arrangement saves.

Each turn is the next day of the same community; its blocks are signed before the clock starts.
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from measure import HELPERS, process_cpu_seconds, process_peak_mebibytes
from sealing import READINGS, watch_header

from compare.contender import Timed, Work, altered, octets, require, serve

sys.path.extend(HELPERS)

from enclave_community import Community

from wattest.crypto.hashing import sha256
from wattest.crypto.signatures import Algorithm, judge_signatures
from wattest.enclave.host.client import ChainHead
from wattest.enclave.host.process import EnclaveProcess
from wattest.enclave.simulator.platform import SimulatedPlatform

MESSAGE_BYTES = 106
"""Domain, meter key id, period, count and root: what a meter signs of a block."""


class Seal(Work):
    """From signed device blocks to the signed header, and on to every series' key wrapped for its readers."""

    is_in_pieces = True

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self.community = Community(n, name=f"bench {n}")
        self._stack = ExitStack()
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="wattest-bench-")))
        platform = SimulatedPlatform.create(folder / "platform", int(time.time()))
        self.process = self._stack.enter_context(EnclaveProcess(platform, folder / "state", request_timeout_s=600))
        self.process.client.create_identity(self.community.binding(), self.community.channel)
        assert self.process.process_id is not None
        self.process_id = self.process.process_id
        self.headers = watch_header(self.process.client, self.process_id)
        self.head: ChainHead | None = None
        self.day = 0

    def _cpu_seconds(self) -> float:
        return time.process_time() + process_cpu_seconds(self.process_id)

    def run(self) -> object:
        job = self.community.seal_job(self.day, self.head)
        begun = time.perf_counter(), self._cpu_seconds()
        batch = self.process.client.seal(job)
        wall_s, cpu_s = time.perf_counter() - begun[0], self._cpu_seconds() - begun[1]
        self.day, self.head = self.day + 1, self.community.head(batch)
        signed = self.headers[-1]
        return Timed(
            self.n * READINGS, wall_s, cpu_s, process_peak_mebibytes(self.process_id),
            {"signed_cpu_s": signed.cpu_s - begun[1], "signed_wall_s": signed.wall_s - begun[0]},
        )  # fmt: skip


class Signatures(Work):
    """As many P-256 signatures over messages as long as a block's, judged in one call by one thread, nothing else."""

    def __init__(self, n: int) -> None:
        super().__init__(n)
        meters = Community(n, name=f"bench {n}").meters
        self.keys = [meter.public_key for meter in meters]
        self.messages = [octets(MESSAGE_BYTES, seed=number) for number in range(n)]
        self.signatures = [
            meter.sign_digest(sha256(message)) for meter, message in zip(meters, self.messages, strict=True)
        ]
        wrong = [altered(self.messages[0]), *self.messages[1:]]
        require(self._judged(wrong) == [False, *[True] * (n - 1)], "takes an altered block")

    @property
    def items(self) -> int:
        """Readings under those signatures."""
        return self.n * READINGS

    def _judged(self, messages: list[bytes]) -> list[bool]:
        return judge_signatures(Algorithm.P256, self.keys, messages, self.signatures, threads=1)

    def run(self) -> object:
        return self._judged(self.messages)


WORKS: dict[str, type[Work]] = {"seal": Seal, "signatures": Signatures}

if __name__ == "__main__":
    serve(dict(WORKS))
