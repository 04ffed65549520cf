"""The kinds of platforms there are, by the names that a configuration says.

Decided here: the register, one line a kind; each opens what lies in a platform's folder. docs/howto/add-a-back-end.md
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wattest.enclave.host.gramine_platform import GraminePlatform
from wattest.enclave.host.platform import EnclavePlatform
from wattest.enclave.host.simulator_platform import SimulatorPlatform

SIMULATOR = "simulator"

PLATFORMS: dict[str, Callable[[Path], EnclavePlatform]] = {
    SIMULATOR: SimulatorPlatform.open,
    "gramine": GraminePlatform.open,
}

WITH_HARDWARE = frozenset({"gramine"})
"""Kinds whose word is worth something to strangers; every other kind is for development."""


@dataclass(frozen=True, slots=True)
class PlatformName:
    """A platform before it is opened: its kind, and the folder that says the rest."""

    kind: str
    folder: Path

    @property
    def is_for_development(self) -> bool:
        """What the opened platform would say of itself, known before it is opened."""
        return self.kind not in WITH_HARDWARE

    def open(self) -> EnclavePlatform:
        """The platform itself; raises what its kind raises."""
        return PLATFORMS[self.kind](self.folder)
