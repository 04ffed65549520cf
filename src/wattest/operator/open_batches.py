"""Batches of open channels: a job is sealed and stored, or leaves nothing behind.

Decided here: the order of steps, and that a sequence whose job was refused is free for another. Not decided here: what
a job is (``enclave.host``), how a sealed batch is kept and when it is committed (``operator``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wattest.enclave.host.client import EnclaveClient, SealedBatch
from wattest.enclave.host.job_calls import OpenChannelJob
from wattest.errors import TransportError, WattestError
from wattest.io.crash_points import CrashPoints
from wattest.store.batch_state import StoredState
from wattest.store.operator_port import OperatorStore
from wattest.store.ports import BundleGroup, BundleStore

_UNSIGNED = frozenset({StoredState.COLLECTED, StoredState.SEALING})


class OpenBatches:
    """Seals an operator's jobs of open channels; ``keep`` and ``store`` are its own ways of keeping a sealed batch."""

    def __init__(
        self,
        tables: OperatorStore,
        bundles: BundleStore,
        faults: CrashPoints,
        *,
        keep: Callable[[SealedBatch, bytes, BundleGroup], None],
        store: Callable[[BundleGroup, Sequence[bytes]], None],
    ) -> None:
        self._tables = tables
        self._bundles = bundles
        self._faults = faults
        self._keep = keep
        self._store = store

    def seal(self, job: OpenChannelJob, enclave: EnclaveClient, keep: Callable[[SealedBatch], None]) -> None:
        """Seal and store a job, ``keep`` in the change that keeps its header; the identical job again is the same."""
        channel, sequence = job.channel, job.head.sequence + 1
        self._tables.collect(channel, sequence, (job.period_start, job.period_end))
        self._faults.reach("batch.collected")
        self._tables.mark_if_before_sealed(channel, sequence)
        try:
            sealed = enclave.seal(job)
        except TransportError:
            raise
        except WattestError:
            self._forget_unsigned(enclave, channel, sequence)
            raise
        self._faults.reach("enclave.released")
        with self._bundles.group(self._faults) as group:
            with self._tables.transaction():
                self._keep(sealed, b"", group)
                keep(sealed)
            self._store(group, [channel])

    def _forget_unsigned(self, enclave: EnclaveClient, channel: bytes, sequence: int) -> None:
        batch = self._tables.batch(channel, sequence)
        if batch.state not in _UNSIGNED:
            return
        released = enclave.last_release(channel)
        if released is None or released.header.sequence < sequence:
            self._tables.keys.leave_out(batch)
