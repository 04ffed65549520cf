"""Receipts: building one, verifying one as a third party does, and what each link of it takes.

python bench/receipt.py [--scale full|quick|tiny] [--json FILE]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from measure import HELPERS, Figure, Report, Scale, Table, cpu_seconds, run_alone, scaled, wall_seconds

sys.path.extend(HELPERS)

from receipt_world import FakeChain, World

from wattest.receipt.receipt import parse_receipt
from wattest.receipt.verify import exit_code, verify_receipt

TITLE = "Verifying a receipt"
ABOUT = (
    "The receipt of one household over three days and their statement, made by the real measured program: every link,"
    " from the meter's signature to the payout, the guests run again. The chain answers from memory here, so that the"
    " figure is what verification itself takes; processor seconds of one core. The command line runs without a chain,"
    " as a process of its own, on the wall; what it does beside verifying is starting Python and loading libraries,"
    " from compiled bytecode."
)
DAYS = 3


def measure(scale: Scale) -> Report:
    """In this process, then from the command line; one bit changed is refused before anything is timed."""
    runs, each = scale.pick((7, 5), (5, 3), (1, 1))
    with tempfile.TemporaryDirectory(prefix="wattest-bench-") as name:
        folder = Path(name)
        world = World(folder, DAYS)
        world.seal()
        deployment = world.deployment()
        parts = world.registrations(deployment.registry_domain)
        headers = [*(batch.header for batch in world.batches), world.statement.header]
        chain = FakeChain(deployment, headers, parts)
        building = cpu_seconds(runs, lambda: [world.receipt(1, parts) for _ in range(each)])
        data = world.receipt(1, parts).to_bytes()

        def judge(receipt: bytes) -> int:
            return exit_code(verify_receipt(parse_receipt(receipt), deployment, chain))

        key = world.receipt(1, parts).days[0].series_key.hex().encode()
        changed = data.replace(key, key[:-1] + (b"0" if key[-1:] != b"0" else b"1"))
        if judge(data) != 0 or judge(changed) != 4:
            raise RuntimeError("receipt verification is wrong")
        whole = cpu_seconds(runs, lambda: [judge(data) for _ in range(each)])
        (folder / "receipt.json").write_bytes(data)
        (folder / "deployment.json").write_bytes(deployment.to_bytes())
        started = wall_seconds(scale.pick(5, 3, 1), lambda: verify_by_command(folder))
    figures = (
        Figure("verify, in process", "ms", scaled(1_000 / each, whole)),
        Figure("build, in process", "ms", scaled(1_000 / each, building)),
        Figure("wattest receipt verify, a process of its own", "s", started),
    )
    sizes = Table("Sizes", ("what", "bytes"), (("receipt of 3 days", len(data)),))
    return Report(TITLE, ABOUT, figures, (sizes,))


def verify_by_command(folder: Path) -> None:
    """What a household types; 8 says that all holds which can be checked without a chain."""
    command = [sys.executable, "-m", "wattest.apps.cli", "receipt", "verify", "receipt.json"]
    command += ["--deployment", "deployment.json", "--json"]
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode != 8:
        raise RuntimeError(f"the command ended with {done.returncode}: {done.stderr.decode()[:300]}")


if __name__ == "__main__":
    run_alone(measure, __doc__)
