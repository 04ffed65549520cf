#!/usr/bin/env python3
"""Build the guests into ``src/wattest/workload/modules`` with their SHA-256 in ``hashes.json``.

The same sources and compiler give the same bytes wherever the checkout lies: no cargo, no build path, no symbols, one
code unit. The compiler is pinned, because another one gives another module and so another ``workload`` in every
header; a test rebuilds and compares where it is installed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULES = ROOT / "src" / "wattest" / "workload" / "modules"
COMPILER = "rustc 1.63"
TARGET = "wasm32-unknown-unknown"

# memory maximum in bytes: whole pages that hold the guest's largest input and output at once
GUESTS = {"vee": 16 << 20, "settle": 96 << 20}


def find_compiler() -> Path | None:
    """The pinned compiler (``WATTEST_GUEST_RUSTC`` or ``/usr/bin/rustc``) with its WASM library, or None."""
    path = Path(os.environ.get("WATTEST_GUEST_RUSTC", "/usr/bin/rustc"))
    if not path.exists():
        return None
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    sysroot = subprocess.run([path, "--print", "sysroot"], capture_output=True, text=True, check=False).stdout.strip()
    library = Path(sysroot) / "lib" / "rustlib" / TARGET / "lib"
    return path if version.startswith(COMPILER) and library.is_dir() else None


def build(compiler: Path, name: str, target: Path) -> None:
    """Compile one guest to ``target``."""
    source = ROOT / "guests" / name / "src" / "lib.rs"
    options = [
        "--edition=2021", f"--target={TARGET}", "--crate-type=cdylib", f"--crate-name={name}",
        "-Copt-level=s" if name == "settle" else "-Copt-level=3",
        "-Clto=fat", "-Cpanic=abort", "-Ccodegen-units=1", "-Cstrip=symbols", "-Coverflow-checks=on",
        "-Ctarget-cpu=mvp", f"--remap-path-prefix={ROOT}=/wattest",
        f"-Clink-arg=--max-memory={GUESTS[name]}", "-Clink-arg=-zstack-size=65536",
    ]  # fmt: skip
    subprocess.run([compiler, *options, "-o", target, source], check=True, cwd=ROOT)


def main() -> int:
    """Build every guest; exit 7 where the compiler is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=MODULES, help="folder for the modules (default: in the package)")
    arguments = parser.parse_args()
    compiler = find_compiler()
    if compiler is None:
        print(f"needs {COMPILER} with the {TARGET} library:", file=sys.stderr)
        print("  apt-get install rustc libstd-rust-dev-wasm32", file=sys.stderr)
        return 7
    arguments.out.mkdir(parents=True, exist_ok=True)
    hashes = {}
    for name in GUESTS:
        target = arguments.out / f"{name}.wasm"
        build(compiler, name, target)
        target.chmod(0o644)
        hashes[name] = hashlib.sha256(target.read_bytes()).hexdigest()
        print(f"{name}.wasm {target.stat().st_size} bytes sha256 {hashes[name]}")
    (arguments.out / "hashes.json").write_text(json.dumps(hashes, indent=2, sort_keys=True) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
