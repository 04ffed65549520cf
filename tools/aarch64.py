#!/usr/bin/env python3
"""An aarch64 Python with the locked WASM engine, run by qemu's user mode, in ``.aarch64`` of the checkout.

``setup`` unpacks Debian's qemu-user for this machine and its Python for arm64 (packages checked by apt's signatures,
nothing is installed) and the engine's aarch64 wheel (checked by the hash in requirements/run.lock); ``run`` starts a
program in it. Tests compare what the engine computes there with what it computes here (tests/cross).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORLD = ROOT / ".aarch64"
LOCK = ROOT / "requirements" / "run.lock"
EMULATOR_PACKAGES = ("qemu-user",)
GUEST_PACKAGES = ("python3-minimal", "libpython3-stdlib")
WHEELS = ("wasmtime", "rfc8785")
WHEEL_PLATFORMS = ("manylinux_2_28_aarch64", "manylinux2014_aarch64", "any")
EMULATOR = WORLD / "host" / "usr" / "bin" / "qemu-aarch64"
INSTALLED = Path("/var/lib/dpkg/status")
SYSROOT = WORLD / "guest"
PYTHON = SYSROOT / "usr" / "bin" / "python3"
SITE = WORLD / "site"
READY = WORLD / "ready"
WITHOUT_NATIVE_CORE = '''"""stands in for the compiled core, which this world lacks; whatever uses it fails."""

import sys
import types


def _missing(name: str) -> object:
    def fail(*_: object) -> None:
        raise RuntimeError(f"{name} belongs to the compiled core, which this run does without")

    return fail


_module = types.ModuleType("wattest.crypto._native")
_module.__getattr__ = _missing
_module.Fault = type("Fault", (Exception,), {})
_module.simd_kernels = tuple  # asked for when the core's face is imported, to judge its settings
_module.default_threads = lambda: 1
sys.modules["wattest.crypto._native"] = _module
'''


def is_ready() -> bool:
    """Whether ``setup`` finished with today's lock file."""
    return READY.is_file() and READY.read_text() == _locked()


def command(*arguments: str) -> list[str]:
    """The command line that runs Python with ``arguments`` on aarch64."""
    emulator = shutil.which("qemu-aarch64") or str(EMULATOR)
    return [emulator, "-L", str(SYSROOT), "-E", f"PYTHONPATH={ROOT / 'src'}:{SITE}", str(PYTHON), *arguments]


def environment() -> dict[str, str]:
    """The environment for ``command``: the emulator's libraries beside it, no Python settings of this machine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    libraries = WORLD / "host" / "usr" / "lib"
    folders = [str(folder) for folder in (libraries, *libraries.glob("*-linux-gnu")) if folder.is_dir()]
    return {**kept, "LD_LIBRARY_PATH": ":".join(folders), "PYTHONDONTWRITEBYTECODE": "1"}


def setup() -> None:
    """Make the world, or leave the one that is there; an unfinished one is made again."""
    if is_ready():
        return
    for tool in ("apt-get", "dpkg"):
        if shutil.which(tool) is None:
            raise SystemExit(f"needs {tool}: the aarch64 world is made of Debian's packages, on Debian or its like")
    shutil.rmtree(WORLD, ignore_errors=True)
    WORLD.mkdir()
    host = subprocess.run(["dpkg", "--print-architecture"], check=True, capture_output=True, text=True).stdout.strip()
    if shutil.which("qemu-aarch64") is None:
        _unpack(host, EMULATOR_PACKAGES, WORLD / "host", status=INSTALLED)
        for other in EMULATOR.parent.glob("qemu-*"):
            if other != EMULATOR:
                other.unlink()
    _unpack("arm64", GUEST_PACKAGES, SYSROOT, status=None)
    _wheels()
    (SITE / "sitecustomize.py").write_text(WITHOUT_NATIVE_CORE)
    subprocess.run(command("-c", "import wasmtime"), check=True, env=environment())
    READY.write_text(_locked())


def _unpack(architecture: str, packages: tuple[str, ...], target: Path, status: Path | None) -> None:
    """Download packages and what they need beyond ``status``, by an apt of our own state; unpack below ``target``."""
    with tempfile.TemporaryDirectory(prefix="wattest-apt-") as folder:
        state = Path(folder)
        (state / "lists" / "partial").mkdir(parents=True)
        (state / "cache" / "archives" / "partial").mkdir(parents=True)
        (state / "status").write_bytes(status.read_bytes() if status else b"")
        apt = [
            "apt-get", "-qq", "-y",
            "-o", f"APT::Architecture={architecture}", "-o", f"APT::Architectures::={architecture}",
            "-o", f"Dir::State={state}", "-o", f"Dir::Cache={state / 'cache'}",
            "-o", f"Dir::State::status={state / 'status'}", "-o", "Debug::NoLocking=true",
        ]  # fmt: skip
        if os.geteuid() == 0:
            apt += ["-o", "APT::Sandbox::User=root"]  # apt's own user could not write to our folder
        print(f"fetching {', '.join(packages)} for {architecture}", file=sys.stderr)
        subprocess.run([*apt, "update"], check=True, stdout=sys.stderr)
        options = ["--no-install-recommends", "--download-only"]
        subprocess.run([*apt, *options, "install", *packages], check=True, stdout=sys.stderr)
        for package in sorted((state / "cache" / "archives").glob("*.deb")):
            subprocess.run(["dpkg", "-x", str(package), str(target)], check=True)


def _wheels() -> None:
    lock = LOCK.read_text()
    with tempfile.TemporaryDirectory(prefix="wattest-wheels-") as folder:
        wanted = Path(folder) / "wanted.lock"
        wanted.write_text("\n".join(_requirement(lock, name) for name in WHEELS))
        platforms = [option for platform in WHEEL_PLATFORMS for option in ("--platform", platform)]
        subprocess.run(
            [
                sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
                "--require-hashes", "--only-binary=:all:", *platforms, "--target", str(SITE), "-r", str(wanted),
            ],
            check=True,
        )  # fmt: skip


def _requirement(lock: str, name: str) -> str:
    found = re.search(rf"^{name}==(?:.*\\\n)*.*$", lock, re.MULTILINE)
    if found is None:
        raise SystemExit(f"{LOCK.name} does not lock {name}")
    return found.group()


def _locked() -> str:
    lock = LOCK.read_text()
    return "\n".join(_requirement(lock, name).partition("\n")[0] for name in WHEELS)


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("setup", help="make the world (fetches about 30 MB of packages)")
    actions.add_parser("run", help="run Python in it, as in: run FILE ARGUMENTS")
    arguments, program = parser.parse_known_args()
    with contextlib.suppress(KeyboardInterrupt):
        if arguments.action == "setup":
            if program:
                parser.error(f"setup takes no arguments: {' '.join(program)}")
            setup()
            return 0
        if not is_ready():
            print("the aarch64 world is not set up: make aarch64", file=sys.stderr)
            return 7
        return subprocess.run(command(*program), env=environment(), check=False).returncode
    return 130


if __name__ == "__main__":
    sys.exit(main())
