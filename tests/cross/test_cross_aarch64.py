"""The engine's aarch64 build gives the bits and the fuel of this machine's, and would not without canonical NaNs."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import HANG_S

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "tests" / "cross" / "engine_bits.py"

_spec = importlib.util.spec_from_file_location("wattest_aarch64_world", ROOT / "tools" / "aarch64.py")
assert _spec is not None
assert _spec.loader is not None
aarch64 = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(aarch64)

if not aarch64.is_ready():
    if os.environ.get("WATTEST_REQUIRE_AARCH64"):
        raise RuntimeError("WATTEST_REQUIRE_AARCH64 is set, and the aarch64 world is not set up: make aarch64")
    pytest.skip("the aarch64 world is not set up (make aarch64, on Debian or its like)", allow_module_level=True)


def _lines(command: list[str], environment: dict[str, str]) -> list[dict[str, object]]:
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=HANG_S, env=environment).stdout
    return [json.loads(line) for line in output.splitlines()]


def _here(*options: str) -> list[dict[str, object]]:
    command = [sys.executable, str(PROGRAM), str(ROOT / "vectors"), *options]
    return _lines(command, {**os.environ, "PYTHONPATH": str(ROOT / "src")})


def _there(*options: str) -> list[dict[str, object]]:
    return _lines(aarch64.command(str(PROGRAM), str(ROOT / "vectors"), *options), aarch64.environment())


@pytest.mark.skipif(platform.machine() == "aarch64", reason="both sides would be the same processor")
def test_the_same_module_and_input_give_the_same_bits_and_fuel() -> None:
    here, there = _here(), _there()
    assert (here[0]["processor"], there[0]["processor"]) == (platform.machine(), "aarch64")
    assert here[0]["version"] == there[0]["version"]
    assert len(here) > 70
    assert here[1:] == there[1:]


@pytest.mark.skipif(platform.machine() == "aarch64", reason="both sides would be the same processor")
def test_without_canonical_nans_the_processors_differ() -> None:
    here, there = _here("--unsafe-native-nans"), _there("--unsafe-native-nans")
    assert [line["fuel"] for line in here[1:]] == [line["fuel"] for line in there[1:]]
    assert all(a["output"] != b["output"] for a, b in zip(here[1:], there[1:], strict=True))
