"""``wattest bench`` runs where its peers are installed, with every contender; nothing is asserted about time."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"
HAS_PEERS = all(find_spec(name) for name in ("mrkle", "pymerkle", "sha3")) and (BENCH / "node_modules").is_dir()

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not HAS_PEERS, reason="the benchmarks' peers are not installed: make setup-bench"),
]


@pytest.mark.parametrize(("name", "contenders"), [("verify", 10), ("chain", 5)])
def test_a_comparison_runs_whole(name: str, contenders: int, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "wattest.apps.cli", "bench", name, "--quick", "--json", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    assert len(value["rows"]) >= contenders
    assert {"processor", "commit", "cores", "size"} <= set(value["machine"])
    assert all(row["median"] > 0 for row in value["rows"])
    assert (tmp_path / f"{name}.html").read_text().count("<svg") >= 1
