"""The simulated MRENCLAVE: a digest over exactly what an enclave runs.

Decided here: which files count (interpreter, standard library, the distributions that measured code imports, the rooms
it reaches, native library, guests), their relocatable names, the manifest and its digest. Not decided here: that
nothing else runs (``measured.boot`` enforces the manifest) and who quotes the digest (``platform``). Invariants: names
do not depend on where things are installed; one byte changed in any file, argument or setting gives another digest.
Source: docs/adr/0006-measured-code.md.
"""

from __future__ import annotations

import ast
import importlib.metadata
import os
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from wattest.enclave.measured.launch import manifest_digest
from wattest.errors import ConfigError

MANIFEST_VERSION = "1"
ENTRY_MODULE = "wattest.enclave.measured.program"
BOOT_FILE = "packages/wattest/enclave/measured/boot.py"
DISTRIBUTIONS = (
    *("numpy", "cryptography", "cffi", "pycparser", "coincurve", "wasmtime", "rfc8785"),
    *("dcap-qvl", "pyOpenSSL", "typing-extensions"),
)
ENVIRONMENT: Mapping[str, str] = {
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
}
INTERPRETER_FLAGS = ("-I", "-S", "-B")
_UNUSED_STDLIB = frozenset(
    {"test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3", "ensurepip", "site-packages", "dist-packages",
     "__pycache__", "pydoc_data", "distutils", "venv"}
)  # fmt: skip
_UNUSED_IN_PACKAGES = frozenset({"__pycache__", "tests", "test", "testing", "include", "f2py", "distutils"})
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
"""The fields of syntax nodes that hold statements, or what holds statements."""
_NEEDED_ANYWAY = ("numpy/testing/", "numpy/f2py/__init__.py")


class MeasurementFailed(ConfigError):
    """Something that belongs to the measured program cannot be found or read."""


@dataclass(frozen=True, slots=True)
class MeasuredFile:
    """One file: its category, its relocatable name and where it lies on this machine."""

    category: str
    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class LaunchSettings:
    """The part of the manifest that is not files; every value is measured."""

    device: str = "simulator"
    debug: bool = False
    environment: Mapping[str, str] = field(default_factory=lambda: dict(ENVIRONMENT))
    interpreter_flags: tuple[str, ...] = INTERPRETER_FLAGS


@dataclass(frozen=True, slots=True)
class Measurement:
    """``digest`` (32 bytes) over the canonical manifest; ``files`` says where each measured name lies here."""

    digest: bytes
    manifest: dict[str, object]
    files: tuple[MeasuredFile, ...]

    @property
    def items(self) -> dict[str, str]:
        """Measured name -> SHA-256 of its bytes, hex."""
        files = self.manifest["files"]
        assert isinstance(files, dict)
        return files

    @property
    def paths(self) -> dict[str, str]:
        """Measured name -> its path on this machine."""
        return {file.name: str(file.path) for file in self.files}


def measure(settings: LaunchSettings, files: Iterable[MeasuredFile] | None = None) -> Measurement:
    """Hash every file and setting; ``files`` default to those of this installation.

    A file that looks unchanged (size, times, inode) is hashed once per process: the enclave hashes what it loads again,
    so a stale digest can only keep it from starting. Raises: MeasurementFailed.
    """
    listed = sorted(installed_files() if files is None else files, key=lambda file: file.name)
    names = [file.name for file in listed]
    if len(set(names)) != len(names):
        raise MeasurementFailed("two files have one measured name", hint="reinstall wattest into a clean environment")
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        digests = list(pool.map(_hash, listed))
    manifest: dict[str, object] = {
        "version": MANIFEST_VERSION,
        "entry": BOOT_FILE,
        "program": ENTRY_MODULE,
        "interpreter_version": sys.version,
        "interpreter_flags": list(settings.interpreter_flags),
        "environment": dict(settings.environment),
        "device": settings.device,
        "debug": settings.debug,
        "engine": _engine(),
        "files": dict(zip(names, digests, strict=True)),
    }
    return Measurement(manifest_digest(manifest), manifest, tuple(listed))


def installed_files() -> tuple[MeasuredFile, ...]:
    """Every file that the enclave of this installation may run or read.

    Raises: MeasurementFailed.
    """
    return (*_interpreter(), *_standard_library(), *_distributions(), *_own_rooms())


def _engine() -> str:
    from wattest.workload.engine import EngineConfiguration

    return EngineConfiguration.for_enclave().digest.hex()


def _hash(file: MeasuredFile) -> str:
    try:
        return _hash_as_it_is(file.path, _looks(file.path))
    except OSError as error:
        raise MeasurementFailed(
            f"a measured file cannot be read: {error.strerror}", path=str(file.path), hint="reinstall wattest"
        ) from error


def _looks(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


@lru_cache(maxsize=8_192)
def _hash_as_it_is(path: Path, _: tuple[int, ...]) -> str:
    return sha256(path.read_bytes()).hexdigest()


def interpreter_path() -> Path:
    """The interpreter binary itself, not a virtual environment's link to it."""
    return Path(os.path.realpath(sys.executable))


def _interpreter() -> Iterable[MeasuredFile]:
    yield MeasuredFile("interpreter", "interpreter/python", interpreter_path())
    library = sysconfig.get_config_var("INSTSONAME")
    if sysconfig.get_config_var("Py_ENABLE_SHARED") and library:
        for folder in (sysconfig.get_config_var("LIBDIR"), Path(sys.base_prefix) / "lib"):
            if folder and (Path(folder) / library).exists():
                yield MeasuredFile("interpreter", "interpreter/libpython", Path(folder) / library)
                return
        raise MeasurementFailed(f"{library} was not found", hint="use a Python whose shared library is installed")


@lru_cache(maxsize=1)
def _standard_library() -> tuple[MeasuredFile, ...]:
    found: list[MeasuredFile] = []
    root = Path(sysconfig.get_path("stdlib", vars={"base": sys.base_prefix, "installed_base": sys.base_prefix}))
    for folder, inner, names in os.walk(root):
        inner[:] = sorted(name for name in inner if name not in _UNUSED_STDLIB and not name.startswith("config-"))
        found.extend(
            MeasuredFile("stdlib", f"stdlib/{(Path(folder) / name).relative_to(root).as_posix()}", Path(folder) / name)
            for name in names
            if name.endswith((".py", ".so"))
        )
    dynload = Path(sysconfig.get_config_var("DESTSHARED") or root / "lib-dynload")
    if dynload.is_dir() and dynload != root / "lib-dynload":
        found.extend(
            MeasuredFile("stdlib", f"stdlib/lib-dynload/{path.name}", path) for path in sorted(dynload.glob("*.so"))
        )
    if len(found) < 100:
        raise MeasurementFailed("the standard library was not found", path=str(root))
    return tuple(found)


@lru_cache(maxsize=1)
def _distributions() -> tuple[MeasuredFile, ...]:
    found: list[MeasuredFile] = []
    for name in DISTRIBUTIONS:
        try:
            files = importlib.metadata.distribution(name).files
        except importlib.metadata.PackageNotFoundError as error:
            raise MeasurementFailed(f"{name} is not installed", hint="reinstall wattest") from error
        for file in files or ():
            parts = file.parts
            if ".." in parts or not _counts(file.as_posix(), file.name):
                continue
            found.append(MeasuredFile("package", f"packages/{file.as_posix()}", Path(str(file.locate()))))
    return tuple(found)


def _counts(relative: str, name: str) -> bool:
    if relative.startswith(_NEEDED_ANYWAY):
        return name.endswith(".py") and "/tests/" not in relative
    if any(part in _UNUSED_IN_PACKAGES for part in relative.split("/")[:-1]):
        return False
    return name.endswith((".py", ".so")) or ".so." in name or relative.endswith(".dist-info/METADATA")


def _own_rooms() -> Iterable[MeasuredFile]:
    root = Path(__file__).parents[2]
    reached = _closure(root, (ENTRY_MODULE, "wattest.enclave.measured.boot"))
    for relative in sorted(reached):
        category = "native" if relative.endswith(".so") else "program"
        yield MeasuredFile(category, f"packages/wattest/{relative}", root / relative)
    guests = sorted((root / "workload" / "modules").glob("*.wasm"))
    yield MeasuredFile(
        "guest", "packages/wattest/workload/modules/hashes.json", root / "workload" / "modules" / "hashes.json"
    )
    if not guests:
        raise MeasurementFailed("the guests are missing", path=str(root / "workload" / "modules"))
    for guest in guests:
        yield MeasuredFile("guest", f"packages/wattest/workload/modules/{guest.name}", guest)


def _closure(root: Path, modules: Iterable[str]) -> set[str]:
    """The files of wattest that ``modules`` reach through import statements, wherever those stand."""
    reached: set[str] = set()
    waiting = list(modules)
    seen: set[str] = set()
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        if "." in module:
            waiting.append(module.rpartition(".")[0])
        relative = _module_file(root, module)
        if relative is None:
            continue  # a name inside a module, not a module
        reached.add(relative)
        if relative.endswith(".py"):
            waiting.extend(_imports(root / relative, _looks(root / relative), module))
    return reached


def _module_file(root: Path, module: str) -> str | None:
    tail = module.split(".")[1:]
    base = "/".join(tail)
    candidates = [f"{base}/__init__.py" if base else "__init__.py", f"{base}.py", f"{base}.abi3.so"]
    return next((name for name in candidates if (root / name).is_file()), None)


@lru_cache(maxsize=1_024)
def _imports(path: Path, _: tuple[int, ...], module: str) -> tuple[str, ...]:
    return tuple(_imported(path, module))


def _imported(path: Path, module: str) -> Iterable[str]:
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError) as error:
        raise MeasurementFailed(f"{path.name} cannot be read as Python: {error}", path=str(path)) from error
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "wattest")
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if node.level:
                package = module if path.name == "__init__.py" else module.rpartition(".")[0]
                for _ in range(node.level - 1):
                    package = package.rpartition(".")[0]
                source = f"{package}.{source}".rstrip(".")
            if source.split(".")[0] == "wattest":
                yield source
                yield from (f"{source}.{alias.name}" for alias in node.names)


def _statements(tree: ast.Module) -> Iterable[ast.stmt]:
    """Every statement that may run, in whatever it is nested; what stands below ``if TYPE_CHECKING`` does not."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.stmt):
            yield node
        for block in _BLOCKS:
            if not (block == "body" and isinstance(node, ast.If) and _is_type_checking(node.test)):
                waiting.extend(getattr(node, block, ()))


def _is_type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )
