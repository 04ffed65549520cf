"""Run the deep tests one by one, remember what passed, and go on from there after an interruption.

They are forge's deep profile, every property test with many more examples, and each test marked ``deep``.
Progress lives in .make/deep-progress.json and counts for one commit and one seed only. The seed is printed and can be
set with WATTEST_DEEP_SEED; hypothesis and forge both use it. Exit codes: 0 all passed, 1 something failed, 130
interrupted (run the same command again to go on).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRESS = ROOT / ".make" / "deep-progress.json"


def main() -> int:
    """Run what has not passed yet for this commit and seed; stop at the end, not at the first failure."""
    seed = os.environ.get("WATTEST_DEEP_SEED", "20261122")
    key = f"{_commit()} {seed}"
    done = _load(key)
    properties = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "tests" / "property").glob("test_*.py"))]
    steps = [("forge", _forge(seed)), *((name, _pytest(name, seed)) for name in (*properties, *_collect()))]
    print(f"deep tests: {len(steps)} steps, {len(done & {name for name, _ in steps})} already passed, seed {seed}")
    failed = []
    for number, (name, command) in enumerate(steps, start=1):
        if name in done:
            continue
        print(f"[{number}/{len(steps)}] {name}", flush=True)
        cwd = ROOT / "contracts" if name == "forge" else ROOT
        environment = os.environ | {
            "WATTEST_DEEP": "1",
            "FOUNDRY_PROFILE": "deep",
        }
        if subprocess.run(command, cwd=cwd, env=environment, check=False).returncode == 0:
            done.add(name)
            _save(key, done)
        else:
            failed.append(name)
    for name in failed:
        print(f"failed: {name}")
    passed = len(steps) - len(failed)
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed else 0


def _collect() -> list[str]:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "deep"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    nodes = [line for line in listing.stdout.splitlines() if "::" in line]
    if not nodes:
        raise SystemExit(f"no deep tests were collected:\n{listing.stdout}{listing.stderr}")
    return nodes


def _pytest(node: str, seed: str) -> list[str]:
    return [sys.executable, "-m", "pytest", "-q", "--timeout", "7200", f"--hypothesis-seed={seed}", node]


def _forge(seed: str) -> list[str]:
    return [str(ROOT / "tools" / "forge"), "test", "--fuzz-seed", hex(int(seed))]


def _commit() -> str:
    command = ["git", "rev-parse", "HEAD"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def _load(key: str) -> set[str]:
    try:
        saved = json.loads(PROGRESS.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return set()
    return set(saved["passed"]) if saved.get("key") == key else set()


def _save(key: str, done: set[str]) -> None:
    PROGRESS.parent.mkdir(exist_ok=True)
    scratch = PROGRESS.with_suffix(".tmp")
    scratch.write_text(json.dumps({"key": key, "passed": sorted(done)}, indent=1))
    scratch.replace(PROGRESS)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
