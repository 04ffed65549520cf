"""The one configuration object: frozen values, no I/O.

Decided here: what can be set and what holds when nothing is set. Not decided here: where values come from
(``apps.configuration`` reads the file, the environment and the command line). Unsafe choices default to off and are
refused when ``production`` is true.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ChainConfig:
    """How a chain is reached.

    ``rpc_url`` None means the embedded chain; ``confirmations`` counts blocks on top of the one that holds a
    transaction before it is believed.
    """

    rpc_url: str | None = None
    chain_id: int | None = None
    confirmations: int = 1
    request_timeout_s: float = 10.0
    max_attempts: int = 8
    anvil_path: Path | None = None


@dataclass(frozen=True, slots=True)
class EnclaveConfig:
    """Where the enclave runs and what it may use."""

    backend: str = "simulator"  # or "gramine"
    request_timeout_s: float = 120.0
    max_frame_bytes: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be set, passed down from ``apps``; nothing below reads the environment."""

    data_dir: Path = Path("wattest-data")
    production: bool = False
    chain: ChainConfig = field(default_factory=ChainConfig)
    enclave: EnclaveConfig = field(default_factory=EnclaveConfig)
