"""Runs a guest on one job: the same module and input give the same bytes and fuel on every machine, or a typed failure.

Decided here: how a job is bounded and how each way to fail is named. Not decided here: what the bytes mean (``vee``,
``statement``). Invariants: a fresh store per job, no imports, nothing survives a job; a failure never comes with a
result. docs/spec/workload.md
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import wasmtime
from wasmtime import TrapCode, ValType

from wattest.workload.configuration import ENGINE_VERSION, EngineConfiguration, EngineUnsupported, workload_digest
from wattest.workload.failures import (
    DeadlineExceeded,
    FuelExhausted,
    GuestFailure,
    GuestRefused,
    GuestTrapped,
    MemoryExceeded,
    OutputInvalid,
    StackOverflowed,
)
from wattest.workload.module_shape import ModuleShape, check_module_shape
from wattest.workload.watchdog import Watchdog, ticks

__all__ = [
    "ENGINE_VERSION",
    "EngineConfiguration",
    "EngineUnsupported",
    "Guest",
    "Limits",
    "Outcome",
    "workload_digest",
]

_U32 = 2**32 - 1
_U64 = 2**64 - 1
_MEBIBYTE = 1 << 20
_watchdog = Watchdog()


@dataclass(frozen=True, slots=True)
class Limits:
    """What one job may use: fuel in WASM operators, memory and output in bytes, wall time in seconds."""

    fuel: int = 20_000_000_000
    memory_bytes: int = 128 * _MEBIBYTE
    output_bytes: int = 64 * _MEBIBYTE
    deadline_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished job: its output, and the fuel it took (the same on every machine)."""

    output: bytes = field(repr=False)
    fuel_used: int


@functools.lru_cache(maxsize=8)
def _engine(configuration: EngineConfiguration) -> wasmtime.Engine:
    return configuration.engine()


class Guest:
    """A compiled module, ready for any number of jobs; safe to use from several threads."""

    def __init__(
        self, module: wasmtime.Module, shape: ModuleShape, configuration: EngineConfiguration, workload: bytes
    ) -> None:
        self._engine = _engine(configuration)
        self._module = module
        self._memory_maximum_bytes = shape.memory_maximum_bytes
        self.configuration = configuration
        self.workload = workload

    @classmethod
    def load(cls, wasm: bytes, configuration: EngineConfiguration) -> Guest:
        """Check and compile a module in binary form. Raises ``GuestRefused``. docs/spec/workload.md"""
        shape = check_module_shape(wasm, configuration)
        try:
            module = wasmtime.Module(_engine(configuration), wasm)
        except wasmtime.WasmtimeError as error:
            raise GuestRefused("the module does not validate", reason=_first_line(error)) from None
        _check_exports(module)
        return cls(module, shape, configuration, workload_digest(wasm, configuration))

    def run(self, data: bytes, limits: Limits | None = None) -> Outcome:
        """Run one job in a fresh instance.

        Raises the subclasses of ``GuestFailure`` other than ``GuestRefused``. docs/spec/workload.md
        """
        limits = limits or Limits()
        if self._memory_maximum_bytes > limits.memory_bytes:
            raise MemoryExceeded(
                "the guest may grow beyond the job's memory",
                expected=limits.memory_bytes,
                actual=self._memory_maximum_bytes,
            )
        if len(data) > self._memory_maximum_bytes:
            raise MemoryExceeded(
                "the input is larger than the guest's memory", expected=self._memory_maximum_bytes, actual=len(data)
            )
        store = wasmtime.Store(self._engine)
        try:
            store.set_limits(
                memory_size=limits.memory_bytes,
                table_elements=self.configuration.max_table_elements,
                instances=1,
                tables=self.configuration.max_table_elements,
                memories=1,
            )
            store.set_fuel(limits.fuel)
            store.set_epoch_deadline(ticks(limits.deadline_s))
            with _watchdog.watching(self._engine):
                output = self._run(store, data, limits)
            left = store.get_fuel()
            if not left:  # fuel is checked at loops and calls: the last stretch may have run into debt
                raise _failure(TrapCode.OUT_OF_FUEL, limits)
            return Outcome(output, limits.fuel - left)
        except wasmtime.Trap as trap:
            raise _failure(trap.trap_code, limits) from None
        except wasmtime.WasmtimeError as error:
            # shape and types were checked when the module was loaded: what can still fail is getting its memory
            raise MemoryExceeded("the guest could not be instantiated", reason=_first_line(error)) from None
        finally:
            store.close()

    def _run(self, store: wasmtime.Store, data: bytes, limits: Limits) -> bytes:
        exports = wasmtime.Instance(store, self._module, []).exports(store)
        memory, alloc, run = exports["memory"], exports["alloc"], exports["run"]
        assert isinstance(memory, wasmtime.Memory)
        assert isinstance(alloc, wasmtime.Func)
        assert isinstance(run, wasmtime.Func)
        at = alloc(store, _signed32(len(data))) & _U32
        if at + len(data) > memory.data_len(store):
            raise OutputInvalid("alloc answered with a range outside the memory", at=at, size=len(data))
        if data:
            memory.write(store, data, at)
        packed = run(store, _signed32(at), _signed32(len(data))) & _U64
        start, size = packed >> 32, packed & _U32
        if size > limits.output_bytes:
            raise OutputInvalid("the output is too large", expected=limits.output_bytes, actual=size)
        if start + size > memory.data_len(store):
            raise OutputInvalid("run answered with a range outside the memory", at=start, size=size)
        return bytes(memory.read(store, start, start + size))


def _signed32(value: int) -> int:
    return value - 2**32 if value >= 2**31 else value


def _first_line(error: wasmtime.WasmtimeError) -> str:
    return str(error).strip().partition("\n")[0][:200]


def _check_exports(module: wasmtime.Module) -> None:
    types = {export.name: export.type for export in module.exports}
    if not isinstance(types.get("memory"), wasmtime.MemoryType):
        raise GuestRefused("the guest does not export its memory", hint="see docs/spec/workload.md for the ABI")
    expected = {"alloc": ([ValType.i32()], [ValType.i32()]), "run": ([ValType.i32()] * 2, [ValType.i64()])}
    for name, (parameters, results) in expected.items():
        found = types.get(name)
        if not isinstance(found, wasmtime.FuncType) or found.params != parameters or found.results != results:
            raise GuestRefused(
                f"the guest does not export {name} with the right type",
                expected=f"{_names(parameters)} -> {_names(results)}",
                actual=f"{_names(found.params)} -> {_names(found.results)}"
                if isinstance(found, wasmtime.FuncType)
                else None,
                hint="see docs/spec/workload.md for the ABI",
            )


def _names(types: list[ValType]) -> str:
    return "(" + ", ".join(str(kind) for kind in types) + ")"


def _failure(code: TrapCode | None, limits: Limits) -> GuestFailure:
    if code is TrapCode.OUT_OF_FUEL:
        return FuelExhausted("the guest spent its fuel", expected=limits.fuel, hint="it may loop, or raise the fuel")
    if code is TrapCode.INTERRUPT:
        return DeadlineExceeded("the watchdog stopped the guest", expected=limits.deadline_s)
    if code is TrapCode.STACK_OVERFLOW:
        return StackOverflowed("the guest overflowed its stack")
    if code is TrapCode.ALLOCATION_TOO_LARGE:
        return MemoryExceeded("the guest asked for too much memory")
    return GuestTrapped("the guest trapped", trap=code.name.lower() if code else "unknown")
