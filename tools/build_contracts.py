#!/usr/bin/env python3
"""Build the contracts and write ABI and creation bytecode into ``src/wattest/chain/artifacts/<Name>.json``.

The same sources, compiler and settings (``contracts/foundry.toml``) give the same bytes wherever the checkout lies: no
metadata hash, no paths, no tests in the compiler's input, nothing from a cache. A test rebuilds and compares.
With ``--check`` nothing is written and the exit code is 1 if a file differs.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from whole_group import run_whole_group

ROOT = Path(__file__).resolve().parent.parent
CONTRACTS = ROOT / "contracts"
ARTIFACTS = ROOT / "src" / "wattest" / "chain" / "artifacts"
# not npm's own wrapper, which ends with 0 whatever the result
FORGE = ROOT / "tools" / "forge"
SOLC = ROOT / "node_modules" / "solc" / "package.json"

# every contract that is deployed, and the interfaces that clients decode with are inside these
SHIPPED = (
    "AppraiserQuorum",
    "CollateralRegistry",
    "DcapVerifier",
    "DemoToken",
    "DirectedChallenges",
    "EnclaveRegistry",
    "FirstLight",
    "FraudProofs",
    "Payouts",
    "Referee",
)


def has_toolchain() -> bool:
    """Whether forge and solc are installed from npm."""
    return any(ROOT.glob("node_modules/@foundry-rs/forge-*/bin/forge")) and SOLC.exists()


def build() -> dict[str, str]:
    """The text of each artifact by contract name, from a fresh build of ``contracts/src`` alone."""
    with tempfile.TemporaryDirectory(prefix="wattest-contracts-") as scratch:
        out, cache = Path(scratch) / "out", Path(scratch) / "cache"
        command = [FORGE, "build", "--force", "--skip", "test", "script", "--out", out, "--cache-path", cache]
        ran = run_whole_group(command, cwd=CONTRACTS)
        if ran.returncode != 0:
            raise SystemExit(f"forge build failed:\n{ran.stdout}{ran.stderr}")
        return {name: artifact(out / f"{name}.sol" / f"{name}.json") for name in SHIPPED}


def artifact(path: Path) -> str:
    """One contract's shipped JSON: ABI as the compiler orders it, creation bytecode as 0x-hex."""
    compiled = json.loads(path.read_text())
    bytecode = compiled["bytecode"]
    if bytecode["linkReferences"]:
        raise SystemExit(f"{path.stem} needs a linked library; ship contracts that stand alone")
    return json.dumps({"abi": compiled["abi"], "bytecode": bytecode["object"]}, indent=1, sort_keys=True) + "\n"


def main() -> int:
    """Write or compare; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with what is shipped, write nothing")
    arguments = parser.parse_args()
    if not has_toolchain():
        print("forge or solc is missing: run npm ci, without --omit=dev", file=sys.stderr)
        return 7
    different = []
    for name, text in build().items():
        path = ARTIFACTS / f"{name}.json"
        if path.exists() and path.read_text() == text:
            continue
        different.append(name)
        if not arguments.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    verb = "differs" if arguments.check else "written"
    for name in different:
        print(f"{name}: {verb}")
    return 1 if arguments.check and different else 0


if __name__ == "__main__":
    raise SystemExit(main())
