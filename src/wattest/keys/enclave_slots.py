"""The enclaves of one operator: each key that takes over from another lives in a slot of its own.

Decided here: that slot 0 is the state folder that the operator named and slot n the folder ``slot-n`` inside it, that a
slot's process starts when it is first asked and stops when nobody needs it. Not decided here: which key is used
(``key_keeper``), what an enclave does. Invariant: the state of a slot is removed only while its key was never
registered.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol

from wattest.enclave.host.client import EnclaveClient
from wattest.enclave.host.platform import EnclavePlatform, RunningEnclave
from wattest.errors import ConfigError, TransportError

MAX_SLOT = 10_000


class SlotUnavailable(ConfigError):
    """A slot that this operator's enclaves do not have."""


class EnclaveSlots(Protocol):
    """Where the keeper finds the enclave of a slot."""

    def client(self, slot: int) -> EnclaveClient:
        """The slot's enclave, started if it does not run; raises as ``RunningEnclave.start`` does."""
        ...

    def rest(self, keep: frozenset[int]) -> None:
        """Stop the enclaves of every other slot; their state stays."""
        ...

    def discard(self, slot: int) -> None:
        """Stop a slot's enclave and remove its state; nothing that it signed counts anywhere."""
        ...


class ProcessSlots:
    """The enclaves on one platform; ``stop`` ends all of them. ``guard`` is held while one starts."""

    def __init__(
        self,
        platform: EnclavePlatform,
        state_dir: Path,
        *,
        guard: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._platform = platform
        self._state_dir = state_dir
        self._guard = guard
        self._processes: dict[int, RunningEnclave] = {}

    def folder(self, slot: int) -> Path:
        """Where a slot's sealed state lies."""
        if not 0 <= slot <= MAX_SLOT:
            raise SlotUnavailable("no such slot", expected=f"0 to {MAX_SLOT}", actual=slot)
        return self._state_dir if slot == 0 else self._state_dir / f"slot-{slot}"

    def client(self, slot: int) -> EnclaveClient:
        """The slot's enclave: a running one is left as it is, a dead one comes back."""
        process = self._processes.get(slot)
        if process is None:
            process = self._platform.enclave(self.folder(slot))
            self._processes[slot] = process
        with self._guard():
            return process.start()

    def rest(self, keep: frozenset[int]) -> None:
        """Stop the enclaves of every other slot."""
        for slot in set(self._processes) - keep:
            self._processes.pop(slot).stop()

    def discard(self, slot: int) -> None:
        """Stop and remove; slot 0 is the operator's own folder and keeps whatever else lies there."""
        process = self._processes.pop(slot, None)
        if process is not None:
            process.stop()
        folder = self.folder(slot)
        if slot == 0:
            raise SlotUnavailable(
                "the first slot is not removed by a program",
                path=str(folder),
                hint="move the sealed files away by hand",
            )
        try:
            if folder.exists():
                shutil.rmtree(folder)
        except OSError as error:
            raise TransportError(
                f"an unused enclave's state cannot be removed: {error.strerror}", retryable=True, path=str(folder)
            ) from error

    def stop(self) -> None:
        """Stop every enclave; safe to repeat."""
        self.rest(frozenset())
