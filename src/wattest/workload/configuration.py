"""The attested engine configuration, its digest, and the ``workload`` digest of the batch header.

Decided here: every engine setting that could touch a result or a safety margin, in canonical JSON. Invariant: two
engines of one version and one digest give the same output for the same module and input. docs/spec/workload.md
"""

from __future__ import annotations

import importlib.metadata
from dataclasses import asdict, dataclass

import wasmtime

from wattest.crypto import canonical
from wattest.crypto.hashing import sha256
from wattest.errors import ConfigError

ENGINE_VERSION = "wasmtime/" + importlib.metadata.version("wasmtime")

_MEBIBYTE = 1 << 20

FEATURES: dict[str, bool] = {
    "bulk_memory": True,
    "component_model": False,
    "custom_page_sizes": False,
    "exceptions": False,
    "function_references": False,
    "gc": False,
    "memory64": False,
    "multi_memory": False,
    "multi_value": True,
    "reference_types": True,
    "relaxed_simd": False,
    "simd": True,
    "stack_switching": False,
    "tail_call": False,
    "threads": False,
    "wide_arithmetic": False,
}


class EngineUnsupported(ConfigError):
    """An engine package that lacks a setting which the attested configuration names."""


@dataclass(frozen=True, slots=True)
class EngineConfiguration:
    """One form of the engine; make it with ``for_host`` or ``for_enclave``. Sizes are in bytes.

    What both forms share and nobody may choose (fuel, watchdog, NaN canonicalisation, features) is not a field, but is
    part of the canonical bytes.
    """

    memory_reservation: int
    memory_guard_size: int
    memory_reservation_for_growth: int
    signals_based_traps: bool
    max_stack: int = 512 * 1024
    max_module_bytes: int = _MEBIBYTE
    max_functions: int = 10_000
    max_function_bytes: int = 64 * 1024
    max_function_locals: int = 2_000
    max_table_elements: int = 10_000

    @classmethod
    def for_host(cls) -> EngineConfiguration:
        """The form for an ordinary process: reserved address space, guard pages and signals make checks cheap."""
        return cls(
            memory_reservation=4096 * _MEBIBYTE,
            memory_guard_size=32 * _MEBIBYTE,
            memory_reservation_for_growth=2048 * _MEBIBYTE,
            signals_based_traps=True,
        )

    @classmethod
    def for_enclave(cls) -> EngineConfiguration:
        """The form for an enclave, whose address space is small and whose signals are costly: every check explicit."""
        return cls(
            memory_reservation=0,
            memory_guard_size=0,
            memory_reservation_for_growth=0,
            signals_based_traps=False,
        )

    def to_bytes(self) -> bytes:
        """Canonical JSON (RFC 8785) of every setting."""
        return canonical.encode(
            {
                "version": 1,
                "compiler": "cranelift",
                "consume_fuel": True,
                "epoch_interruption": True,
                "features": FEATURES,
                "memory_init_cow": False,
                "memory_may_move": True,
                "nan_canonicalization": True,
                "optimisation": "speed",
                "parallel_compilation": False,
                **asdict(self),
            }
        )

    @property
    def digest(self) -> bytes:
        """SHA-256 of ``to_bytes``, 32 bytes."""
        return sha256(self.to_bytes())

    def engine(self) -> wasmtime.Engine:
        """A new engine that is configured exactly so. Raises ``EngineUnsupported``."""
        return wasmtime.Engine(self.engine_settings())

    def engine_settings(self) -> wasmtime.Config:
        """The settings as the engine takes them. Raises ``EngineUnsupported``."""
        config = wasmtime.Config()
        settings: dict[str, object] = {
            "strategy": "cranelift",
            "consume_fuel": True,
            "epoch_interruption": True,
            "cranelift_nan_canonicalization": True,
            "cranelift_opt_level": "speed",
            "parallel_compilation": False,
            "shared_memory": False,
            "wasm_relaxed_simd_deterministic": True,
            "memory_may_move": True,
            "max_wasm_stack": self.max_stack,
            "memory_reservation": self.memory_reservation,
            "memory_guard_size": self.memory_guard_size,
            "memory_reservation_for_growth": self.memory_reservation_for_growth,
            "signals_based_traps": self.signals_based_traps,
            "memory_init_cow": False,  # copying is metered, mapping is not: one of them, so that fuel is one number
            **{f"wasm_{name}": enabled for name, enabled in FEATURES.items()},
        }
        for name, value in settings.items():
            if not isinstance(getattr(wasmtime.Config, name, None), property):  # assignment would be silently ignored
                raise EngineUnsupported(
                    f"this engine has no setting {name}", hint="install the locked wasmtime", actual=ENGINE_VERSION
                )
            setattr(config, name, value)
        return config


def workload_digest(wasm: bytes, configuration: EngineConfiguration, engine_version: str = ENGINE_VERSION) -> bytes:
    """The header's ``workload``, 32 bytes: what ran, in which engine, set how. docs/spec/workload.md"""
    return sha256(sha256(wasm) + sha256(engine_version.encode("ascii")) + configuration.digest)
