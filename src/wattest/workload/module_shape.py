"""What a module declares, read from its sections before anything compiles it.

Decided here: which modules are refused for their shape: text, components, imports, sizes that make compiling slow,
memories and tables without a maximum. Not decided here: whether the module validates, which the engine checks next.
WebAssembly Core Specification, section 5 (binary format).
"""

from __future__ import annotations

from dataclasses import dataclass

from wattest.workload.configuration import EngineConfiguration
from wattest.workload.failures import GuestRefused

_MAGIC = b"\0asm\x01\0\0\0"
PAGE_BYTES = 65_536

_IMPORT, _TABLE, _MEMORY, _CODE = 2, 4, 5, 10
_REFERENCE_TYPES = (0x70, 0x6F)  # funcref, externref


@dataclass(frozen=True, slots=True)
class ModuleShape:
    """The one thing a job must know of a module before it runs: the most memory it may ever have."""

    memory_maximum_bytes: int


def check_module_shape(wasm: bytes, configuration: EngineConfiguration) -> ModuleShape:
    """Read a module's declarations and refuse what may not run. Raises ``GuestRefused``. docs/spec/workload.md"""
    if len(wasm) > configuration.max_module_bytes:
        raise GuestRefused(
            "the module is too large", expected=configuration.max_module_bytes, actual=len(wasm), hint=_SMALLER
        )
    if wasm[:8] != _MAGIC:
        raise GuestRefused("this is not a core WebAssembly module in binary form", actual=bytes(wasm[:8]))
    reader = _Reader(wasm, 8, len(wasm))
    memories: list[int] = []
    while not reader.at_end():
        section = reader.byte()
        body = reader.part(reader.u32())
        if section == _IMPORT:
            _check_imports(body)
        elif section == _TABLE:
            _check_tables(body, configuration)
        elif section == _MEMORY:
            memories += [_memory_maximum(body) for _ in range(body.count())]
        elif section == _CODE:
            _check_functions(body, configuration)
    if len(memories) != 1:
        raise GuestRefused("a guest has exactly one memory", expected=1, actual=len(memories))
    return ModuleShape(memories[0])


_SMALLER = "split the guest, or build it for size"


class _Reader:
    """A bounded cursor; every read past its end is a ``GuestRefused``."""

    def __init__(self, data: bytes, start: int, end: int) -> None:
        self._data = data
        self._at = start
        self._end = end

    def at_end(self) -> bool:
        return self._at == self._end

    def byte(self) -> int:
        if self._at >= self._end:
            raise GuestRefused("the module is cut short", hint="build or copy it again")
        value = self._data[self._at]
        self._at += 1
        return value

    def u32(self) -> int:
        value = 0
        for shift in range(0, 35, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >= 2**32:
                    break
                return value
        raise GuestRefused("the module holds a malformed length")

    def count(self) -> int:
        """A vector's length: every element takes at least one byte."""
        value = self.u32()
        if value > self._end - self._at:
            raise GuestRefused("the module is cut short", hint="build or copy it again")
        return value

    def part(self, size: int) -> _Reader:
        if size > self._end - self._at:
            raise GuestRefused("the module is cut short", hint="build or copy it again")
        part = _Reader(self._data, self._at, self._at + size)
        self._at += size
        return part


def _check_imports(body: _Reader) -> None:
    if count := body.count():
        raise GuestRefused(
            "a guest may not import anything", expected=0, actual=count, hint="build it for a target without a host"
        )


def _limits(body: _Reader, kind: str) -> tuple[int, int]:
    flags = body.byte()
    if flags == 0:
        raise GuestRefused(
            f"the {kind} has no maximum",
            hint="state one (--max-memory for a linker), so that no limit of a job can change a result",
        )
    if flags != 1:
        raise GuestRefused(f"the {kind} is shared, 64-bit or of another page size", expected=1, actual=flags)
    return body.u32(), body.u32()


def _memory_maximum(body: _Reader) -> int:
    _, maximum = _limits(body, "memory")
    return maximum * PAGE_BYTES


def _check_tables(body: _Reader, configuration: EngineConfiguration) -> None:
    room = 0
    for _ in range(body.count()):
        if body.byte() not in _REFERENCE_TYPES:
            raise GuestRefused("a table may hold only functions or external references")
        room += _limits(body, "table")[1]
    if room > configuration.max_table_elements:
        raise GuestRefused("the tables are too large", expected=configuration.max_table_elements, actual=room)


def _check_functions(body: _Reader, configuration: EngineConfiguration) -> None:
    count = body.count()
    if count > configuration.max_functions:
        raise GuestRefused("too many functions", expected=configuration.max_functions, actual=count, hint=_SMALLER)
    for index in range(count):
        size = body.u32()
        function = body.part(size)
        if size > configuration.max_function_bytes:
            raise GuestRefused(
                "a function is too large",
                expected=configuration.max_function_bytes, actual=size, index=index, hint=_SMALLER,
            )  # fmt: skip
        locals_declared = 0
        for _ in range(function.count()):
            locals_declared += function.u32()
            function.byte()
        if locals_declared > configuration.max_function_locals:
            raise GuestRefused(
                "a function has too many locals",
                expected=configuration.max_function_locals, actual=locals_declared, index=index, hint=_SMALLER,
            )  # fmt: skip
