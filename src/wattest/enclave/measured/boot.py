"""The entry of the enclave: fences the interpreter in, then starts the program.

Decided here: that nothing runs, is imported, opened or loaded which the measured manifest does not name with its hash,
and that the program has no network and starts no process. Not decided here: what is in the manifest
(``simulator.measurement``, or Gramine's) and what the program does (``program``). Invariants: every source is hashed at
every start, and its code was compiled from those bytes, now or at an earlier start of this very measurement that sealed
it (``sealed_code``); no other compiled cache is read, and no import reaches outside the manifest.

Run as a file by ``python -I -S -B`` with a private ``pycache_prefix``: nothing of wattest can be imported before the
fence stands, so this module uses the standard library alone.
"""

from __future__ import annotations

import _imp
import importlib.machinery
import importlib.util
import json
import os
import sys
from hashlib import sha256
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing and importlib.abc would be compiled afresh at every start, with what they import
    from collections.abc import Sequence
    from importlib.abc import Loader
    from types import CodeType, ModuleType
    from typing import Any

    from wattest.enclave.measured.sealed_code import SealedCode

MAX_LAUNCH_BYTES = 16 * 1024 * 1024
LOOPBACK = "127.0.0.1"
SOURCE_ROOTS = ("stdlib", "stdlib/lib-dynload", "packages")
_DENIED_EVENTS = frozenset(
    {
        "subprocess.Popen",
        "os.system",
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.spawn",
        "pty.spawn",
        "socket.connect",
        "socket.getaddrinfo",
        "socket.gethostbyname",
        "ctypes.set_exception",
        "sys.addaudithook",
    }
)


class OutsideMeasurement(PermissionError):
    """A file that the measured manifest does not name, or whose bytes are not the measured ones."""


class Fence:
    """Finds modules in the manifest alone, and keeps every file access inside it."""

    sealed: SealedCode | None = None
    """What earlier starts compiled; None where that is not kept."""

    def __init__(self, files: dict[str, str], paths: dict[str, str]) -> None:
        self._digest_of = {logical: bytes.fromhex(digest) for logical, digest in files.items()}
        self._paths = paths
        self._logical_of = {os.path.realpath(path): logical for logical, path in paths.items()}
        self._writable: tuple[str, ...] = ()
        self._port = 0
        self._reading: set[str] = set()
        self._suffixes = importlib.machinery.EXTENSION_SUFFIXES

    def allow(self, *directories: str, port: int = 0) -> None:
        """Let the program read and write below these directories (state, socket, device); listen on a loopback port."""
        self._port = port
        self._writable = tuple(os.path.realpath(directory) + os.sep for directory in directories if directory)

    def read(self, logical: str) -> bytes:
        """The bytes of a measured file.

        Raises: OutsideMeasurement when it is not in the manifest or was changed since it was measured.
        """
        expected = self._digest_of.get(logical)
        if expected is None:
            raise OutsideMeasurement(f"{logical} is not measured")
        self._reading.add(logical)
        try:
            with Path(self._paths[logical]).open("rb") as handle:
                data = handle.read()
        finally:
            self._reading.discard(logical)
        if sha256(data).digest() != expected:
            raise OutsideMeasurement(f"{logical} is not the file that was measured")
        return data

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the name alone decides
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> importlib.machinery.ModuleSpec | None:
        """The module's place in the manifest; None, hence an ImportError, when it has none."""
        relative = fullname.replace(".", "/")
        for root in SOURCE_ROOTS:
            package = f"{root}/{relative}/__init__.py"
            if package in self._digest_of:
                return self._source_spec(fullname, package, is_package=True)
            if f"{root}/{relative}.py" in self._digest_of:
                return self._source_spec(fullname, f"{root}/{relative}.py", is_package=False)
            for suffix in self._suffixes:
                logical = f"{root}/{relative}{suffix}"
                if logical in self._digest_of:
                    self.read(logical)
                    file = self._paths[logical]
                    loader = importlib.machinery.ExtensionFileLoader(fullname, file)
                    return importlib.util.spec_from_file_location(fullname, file, loader=loader)
        return None

    def find_distributions(self, context: Any) -> list[Any]:
        """The version of a measured distribution, for code that asks for it by name."""
        from importlib.metadata import Distribution

        fence = self

        class MeasuredDistribution(Distribution):
            def __init__(self, logical: str) -> None:
                self._logical = logical

            def read_text(self, filename: str) -> str | None:
                return fence.read(self._logical).decode() if filename == "METADATA" else None

            def locate_file(self, path: Any) -> Any:
                raise OutsideMeasurement(f"{path} is not measured")

        wanted = (context.name or "").replace("-", "_").lower()
        return [
            MeasuredDistribution(logical)
            for logical in self._digest_of
            if logical.endswith(".dist-info/METADATA")
            and logical.split("/")[1].partition("-")[0].replace("-", "_").lower() == wanted
        ]

    def _source_spec(self, fullname: str, logical: str, *, is_package: bool) -> importlib.machinery.ModuleSpec | None:
        file = self._paths[logical]
        places = [str(Path(file).parent)] if is_package else None
        loader: Loader = MeasuredLoader(self, logical, fullname, file)
        return importlib.util.spec_from_file_location(fullname, file, loader=loader, submodule_search_locations=places)

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Refuse what an enclave has no business doing; the interpreter calls this before each such act."""
        if event == "open":
            self._judge_open(arguments[0], arguments[2] if len(arguments) > 2 else 0)
        elif event == "ctypes.dlopen":
            if arguments[0] is not None:
                self._judge_open(arguments[0], os.O_RDONLY, own=False)
        elif event == "socket.bind":
            address = arguments[1]
            is_own = isinstance(address, str) and os.path.realpath(address).startswith(self._writable)
            if not is_own and (not self._port or address != (LOOPBACK, self._port)):
                raise OutsideMeasurement("the enclave listens on its own socket alone")
        elif event in _DENIED_EVENTS:
            raise OutsideMeasurement(f"{event} is not for an enclave")

    def _judge_open(self, path: object, flags: object, *, own: bool = True) -> None:
        if isinstance(path, int):
            return
        place = os.path.realpath(os.fsdecode(path))  # type: ignore[arg-type]
        if own and self._writable and (place + os.sep).startswith(self._writable):
            return
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        logical = self._logical_of.get(place)
        if logical is not None and not writes:
            if logical not in self._reading:  # opened by somebody else: it must still be what was measured
                self.read(logical)
            return
        if place != "/dev/urandom":
            raise OutsideMeasurement(f"{place} is not measured")

    def verify_loaded(self) -> None:
        """Hash again what the interpreter is and imported before the fence stood, and what the loader will map.

        Raises: OutsideMeasurement.
        """
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if file is None or name == "__main__":
                continue
            logical = self._logical_of.get(os.path.realpath(file))
            if logical is None:
                raise OutsideMeasurement(f"{name} was loaded from {file}, which is not measured")
            self.read(logical)
        for logical in self._digest_of:
            if logical.startswith("interpreter/") or ".libs/" in logical:  # what the system's loader maps by itself
                self.read(logical)


class MeasuredLoader(importlib.machinery.SourceFileLoader):
    """Gives a module the code of the bytes whose hash was checked, and of nothing else."""

    def __init__(self, fence: Fence, logical: str, fullname: str, path: str) -> None:
        super().__init__(fullname, path)
        self._fence = fence
        self._logical = logical

    def get_code(self, fullname: str) -> CodeType | None:
        """The module's code, compiled from the bytes just checked unless this measurement sealed it before."""
        source, sealed = self._fence.read(self._logical), self._fence.sealed
        code: CodeType | None = None if sealed is None else sealed.get(self._logical)
        if code is None:
            code = self.source_to_code(source, self.get_filename(fullname))
            if sealed is not None:
                sealed.add(self._logical, code)
        _imp._fix_co_filename(code, self.get_filename(fullname))  # type: ignore[attr-defined]
        return code


def main(arguments: list[str]) -> int:
    """Read the launch file from the inherited descriptor, raise the fence, run the program."""
    with os.fdopen(int(arguments[1]), "rb") as handle:
        text = handle.read(MAX_LAUNCH_BYTES + 1)
    if len(text) > MAX_LAUNCH_BYTES:
        raise SystemExit("the launch file is too large")
    launch = json.loads(text)
    manifest = launch["manifest"]
    fence = Fence(manifest["files"], launch["paths"])
    run = launch["run"]
    folders = (str(Path(run["socket"]).parent), run["state_dir"], run["device_root"], run["code_dir"])
    fence.allow(*folders, port=run["port"])
    fence.verify_loaded()
    sys.path[:] = []
    sys.path_hooks[:] = []
    sys.path_importer_cache.clear()
    sys.meta_path[:] = [
        importlib.machinery.BuiltinImporter,
        importlib.machinery.FrozenImporter,
        fence,
    ]
    sys.addaudithook(fence.audit)
    if run["code_dir"]:
        from wattest.enclave.measured.sealed_code import SealedCode, ask_sealing_key

        if key := ask_sealing_key(run["device_fd"]):
            fence.sealed = SealedCode(run["code_dir"], key)
    from wattest.enclave.measured.program import run_program

    if fence.sealed is not None:
        fence.sealed.keep()
    return run_program(manifest, run)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv))
