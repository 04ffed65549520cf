"""What the package ships of the contracts is what their sources give, byte for byte."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
EIP170_BYTES = 24_576


def _tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_contracts", ROOT / "tools" / "build_contracts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


tool = _tool()


@pytest.mark.skipif(not tool.has_toolchain(), reason="forge or npm's solc is not installed (npm ci)")
def test_artifacts_are_what_the_sources_give() -> None:
    for name, text in tool.build().items():
        shipped = (tool.ARTIFACTS / f"{name}.json").read_text()
        assert shipped == text, f"{name}: run tools/build_contracts.py and commit what it writes"


@pytest.mark.parametrize("name", tool.SHIPPED)
def test_artifact_stands_alone(name: str) -> None:
    artifact = json.loads((tool.ARTIFACTS / f"{name}.json").read_text())
    code = bytes.fromhex(artifact["bytecode"].removeprefix("0x"))
    # EIP-3860 allows twice the deployed limit; a contract near it could not be deployed at all
    assert 0 < len(code) <= 2 * EIP170_BYTES
    assert any(entry["type"] == "function" for entry in artifact["abi"])
