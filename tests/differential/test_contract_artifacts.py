"""What the package ships of the contracts is what their sources give, byte for byte."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from wattest.io.files import write_atomically

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


def digest_of_inputs() -> str:
    """Over everything that the build reads: sources, settings, libraries, compiler, forge, and the tool itself."""
    places = [
        ROOT / "contracts" / "src",
        ROOT / "contracts" / "foundry.toml",
        ROOT / "node_modules" / "@openzeppelin",
        ROOT / "node_modules" / "solc",
        *sorted((ROOT / "node_modules" / "@foundry-rs").glob("forge-*/bin")),
        ROOT / "tools",
    ]
    digest = hashlib.sha256()
    for place in places:
        files = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
        for path in files:
            if "__pycache__" not in path.parts:
                data = path.read_bytes()
                digest.update(f"{path.relative_to(ROOT)} {len(data)}\n".encode() + data)
    return digest.hexdigest()


def built() -> dict[str, str]:
    """What a fresh build gives; of inputs that were built before, byte for byte the same, what that build gave."""
    kept = ROOT / "contracts" / "cache" / f"fresh-build-{digest_of_inputs()}.json"
    try:
        found: dict[str, str] = json.loads(kept.read_text())
    except (OSError, ValueError):
        found = tool.build()
        kept.parent.mkdir(exist_ok=True)
        for older in kept.parent.glob("fresh-build-*.json"):
            older.unlink()
        write_atomically(kept, json.dumps(found).encode())
    return found


@pytest.mark.skipif(not tool.has_toolchain(), reason="forge or npm's solc is not installed (npm ci)")
def test_artifacts_are_what_the_sources_give() -> None:
    for name, text in built().items():
        shipped = (tool.ARTIFACTS / f"{name}.json").read_text()
        assert shipped == text, f"{name}: run tools/build_contracts.py and commit what it writes"


def test_a_changed_source_setting_or_compiler_is_built_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = ("contracts/src/FirstLight.sol", "contracts/foundry.toml", "node_modules/@openzeppelin/b.sol",
              "tools/solc", "node_modules/solc/soljson.js", "node_modules/@foundry-rs/forge-x/bin/forge")  # fmt: skip
    for name in inputs:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("before")
    builds: list[dict[str, str]] = []

    def build() -> dict[str, str]:
        builds.append({"A": str(len(builds))})
        return builds[-1]

    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    monkeypatch.setattr(tool, "build", build)
    assert built() == built() == {"A": "0"}
    for number, name in enumerate(inputs, start=1):
        (tmp_path / name).write_text("after")
        assert built() == built() == {"A": str(number)}
    (kept,) = (tmp_path / "contracts" / "cache").iterdir()
    kept.write_text("{")
    assert built() == {"A": str(len(inputs) + 1)}


@pytest.mark.parametrize("name", tool.SHIPPED)
def test_artifact_stands_alone(name: str) -> None:
    artifact = json.loads((tool.ARTIFACTS / f"{name}.json").read_text())
    code = bytes.fromhex(artifact["bytecode"].removeprefix("0x"))
    # EIP-3860 allows twice the deployed limit; a contract near it could not be deployed at all
    assert 0 < len(code) <= 2 * EIP170_BYTES
    assert any(entry["type"] == "function" for entry in artifact["abi"])
