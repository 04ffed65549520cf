"""The port of a machine that runs enclaves: how one is started there, under which root its quotes verify.

Decided here: what operator, keys and commands may ask of a platform. Not decided here: which there are
(``platforms``), what an enclave does (``client``), whom a channel trusts (its policy). Every back end passes
``tests/support/platform_conformance.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from wattest.attestation.platform_model import PlatformModel
from wattest.attestation.roots import TrustRoot
from wattest.enclave.host.client import EnclaveClient


class RunningEnclave(Protocol):
    """One enclave of a platform, with the sealed state of one folder: started, asked, stopped, started again."""

    @property
    def client(self) -> EnclaveClient:
        """The connection to it; raises ``EnclaveStartFailed`` when it was not started."""

    @property
    def is_running(self) -> bool:
        """Whether it is alive."""

    def start(self) -> EnclaveClient:
        """Start it and wait until it listens; a running one is left as it is, a dead one comes back.

        Raises: EnclaveStartFailed, or the typed error with which the program refused to start; nothing is left then.
        """

    def stop(self) -> None:
        """End it, at first politely; sealed state stays. Safe to repeat."""


class EnclavePlatform(Protocol):
    """A machine that runs enclaves and vouches for them."""

    @property
    def name(self) -> str:
        """Its name in the register."""

    @property
    def is_for_development(self) -> bool:
        """Whether what it vouches for is worth nothing to strangers."""

    @property
    def root(self) -> TrustRoot:
        """The root under which its quotes verify."""

    def model(self) -> PlatformModel:
        """The model that collateral is asked for; raises ``PlatformModelUnknown``."""

    def collateral(self, now: int) -> bytes | None:
        """Collateral in JSON that the platform issues itself, for a time in unix seconds; None where others do."""

    def enclave(self, state_dir: Path) -> RunningEnclave:
        """An enclave whose sealed state lies in this folder; raises ``EnclaveStateElsewhere`` where it cannot."""
