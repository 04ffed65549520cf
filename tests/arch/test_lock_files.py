"""Lock files carry versions and hashes, no download address, and everything that the manifests ask for."""

from __future__ import annotations

import ast
import json
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"  # cargo's name for the index, on every machine
_PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;\\]+)(?: ; [^\\]+)?")
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def pins(text: str) -> dict[str, str]:
    """Name to version of a pip lock; an AssertionError for anything that is not a hashed pin."""
    found: dict[str, str] = {}
    for joined in text.replace("\\\n", " ").splitlines():
        pin, *hashes = (part.strip() for part in joined.split(" --hash"))
        matched = _PIN.fullmatch(pin)
        assert matched, f"not a pin: {joined[:80]}"
        assert hashes, f"no hash: {pin}"
        assert all(_HASH.fullmatch("--hash" + value) for value in hashes), f"an odd hash: {pin}"
        name = canonicalize_name(matched["name"])
        assert name not in found, f"twice: {name}"
        found[name] = matched["version"]
    return found


def unmet(wanted: list[str], locked: dict[str, str]) -> list[str]:
    """Requirements that the lock does not hold at a version they allow."""
    parsed = [Requirement(text) for text in wanted]
    return [
        str(one)
        for one in parsed
        if not one.specifier.contains(locked.get(canonicalize_name(one.name), "0"), prereleases=True)
    ]


def npm_faults(lock: dict[str, Any], manifest: dict[str, Any]) -> list[str]:
    """What is wrong with an npm lock."""
    faults = []
    root = lock["packages"][""]
    faults += [f"{kind} differ" for kind in ("dependencies", "devDependencies") if root.get(kind) != manifest.get(kind)]
    for name, package in lock["packages"].items():
        if name and not re.fullmatch(r"sha512-[A-Za-z0-9+/=]{88}", package.get("integrity", "")):
            faults.append(f"{name} has no hash")
        if name and not re.match(r"\d+\.\d+\.\d+", package.get("version", "")):
            faults.append(f"{name} has no version")
        faults += [f"{name} has an address" for value in package.values() if isinstance(value, str) and "://" in value]
    return faults


def cargo_faults(lock: dict[str, Any], own: set[str]) -> list[str]:
    """What is wrong with a Cargo lock; ``own`` are the workspace's packages."""
    faults = []
    for package in lock["package"]:
        name = package["name"]
        if name in own:
            faults += [f"{name} has a source"] if "source" in package else []
        elif package.get("source") != CRATES_IO:
            faults.append(f"{name} comes from {package.get('source')}")
        elif not re.fullmatch(r"[0-9a-f]{64}", package.get("checksum", "")):
            faults.append(f"{name} has no hash")
    return faults


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


@pytest.fixture(scope="module")
def python_locks() -> dict[str, dict[str, str]]:
    names = ("run", "dev", "build", "bench", "intel-qvl")
    return {name: pins((ROOT / f"requirements/{name}.lock").read_text("utf-8")) for name in names}


def test_python_locks_hold_what_the_project_asks_for(
    project: dict[str, Any], python_locks: dict[str, dict[str, str]]
) -> None:
    run, extras = project["project"]["dependencies"], project["project"]["optional-dependencies"]
    assert not unmet(run, python_locks["run"])
    assert not unmet(run + extras["dev"], python_locks["dev"])
    assert not unmet(run + extras["dev"] + extras["bench"], python_locks["bench"])
    assert not unmet(project["build-system"]["requires"], python_locks["build"])
    assert not unmet((ROOT / "requirements/intel-qvl.in").read_text("utf-8").split(), python_locks["intel-qvl"])
    assert len(python_locks["dev"]) > len(python_locks["run"]) > len(run)


def test_development_runs_what_people_run(python_locks: dict[str, dict[str, str]]) -> None:
    assert python_locks["run"].items() <= python_locks["dev"].items() <= python_locks["bench"].items()
    assert python_locks["build"].items() <= python_locks["dev"].items()


def imported_distributions(texts: list[str]) -> set[str]:
    """The distributions behind what these sources import, the standard library and wattest left out."""
    tops: set[str] = set()
    for node in (node for text in texts for node in ast.walk(ast.parse(text))):
        if isinstance(node, ast.Import):
            tops |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            tops.add(node.module.split(".")[0])
    owners = packages_distributions()
    outside = tops - set(sys.stdlib_module_names) - {"wattest"}
    return {canonicalize_name(owners.get(top, [top])[0]) for top in outside}


def test_what_runs_is_what_is_declared(project: dict[str, Any]) -> None:
    declared = {canonicalize_name(Requirement(text).name) for text in project["project"]["dependencies"]}
    sources = [path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py")]
    assert imported_distributions(sources) == declared


def test_an_undeclared_import_would_be_seen() -> None:
    assert imported_distributions(["import json, yaml_of_nobody.parts\nfrom eth_abi import encode"]) == {
        "yaml-of-nobody",
        "eth-abi",
    }


@pytest.mark.parametrize(
    "text",
    [
        "cbor2==5.6.5\n",
        "cbor2>=5.6 \\\n    --hash=sha256:" + "0" * 64 + "\n",
        "--index-url https://packages.invalid/simple\n",
        "cbor2 @ https://packages.invalid/cbor2.whl \\\n    --hash=sha256:" + "0" * 64 + "\n",
        "cbor2==5.6.5 \\\n    --hash=sha256:" + "0" * 63 + "\n",
    ],
    ids=["no hash", "no version", "index", "address", "short hash"],
)
def test_a_bad_python_lock_would_be_seen(text: str) -> None:
    assert pins("cbor2==5.6.5 ; python_version < '4' \\\n    --hash=sha256:" + "0" * 64 + "\n") == {"cbor2": "5.6.5"}
    with pytest.raises(AssertionError):
        pins(text)


def test_a_missing_dependency_would_be_seen() -> None:
    assert unmet(["web3>=8,<9", "rich>=14"], {"web3": "7.9.0"}) == ["web3<9,>=8", "rich>=14"]


@pytest.mark.parametrize(("folder", "least"), [(".", 50), ("bench", 20)])
def test_the_npm_lock(folder: str, least: int) -> None:
    texts = ((ROOT / folder / name).read_text("utf-8") for name in ("package-lock.json", "package.json"))
    lock, manifest = map(json.loads, texts)
    assert len(lock["packages"]) > least
    assert not npm_faults(lock, manifest)


def test_a_bad_npm_lock_would_be_seen() -> None:
    good = {"version": "1.0.0", "integrity": "sha512-" + "A" * 88}
    wanted = {"dependencies": {"a": "1.0.0"}}
    for package, faults in (
        (good, 0),
        (good | {"resolved": "https://packages.invalid/a.tgz"}, 1),
        ({"version": "1.0.0"}, 1),
        ({"integrity": good["integrity"]}, 1),
    ):
        assert len(npm_faults({"packages": {"": wanted, "node_modules/a": package}}, wanted)) == faults
    assert npm_faults({"packages": {"": {}}}, wanted) == ["dependencies differ"]


@pytest.mark.parametrize("workspace", ["native", "guests"])
def test_cargo_locks(workspace: str) -> None:
    lock = tomllib.loads((ROOT / workspace / "Cargo.lock").read_text("utf-8"))
    manifests = [tomllib.loads(path.read_text("utf-8")) for path in (ROOT / workspace).glob("**/Cargo.toml")]
    own = {manifest["package"]["name"] for manifest in manifests if "package" in manifest}
    assert own
    assert not cargo_faults(lock, own)
    locked = {package["name"] for package in lock["package"]}
    wanted = own | {
        name for one in manifests for kind in ("dependencies", "dev-dependencies") for name in one.get(kind, {})
    }
    assert wanted <= locked


def test_a_bad_cargo_lock_would_be_seen() -> None:
    good = {"name": "a", "source": CRATES_IO, "checksum": "0" * 64}
    assert not cargo_faults({"package": [good, {"name": "own"}]}, {"own"})
    for change in ({"source": "git+https://packages.invalid/a"}, {"checksum": ""}, {"source": None}):
        assert cargo_faults({"package": [good | change]}, {"own"})


def go_faults(manifest: str, lock: str) -> list[str]:
    """What is wrong with a Go module's sums: an address, no hash, or a requirement without one."""
    lines = lock.splitlines()
    faults = [
        line
        for line in lines
        if not re.fullmatch(r"\S+ v\S+ h1:[A-Za-z0-9+/]{43}=", line) or "://" in line.split(" h1:")[0]
    ]
    summed = {tuple(line.split()[:2]) for line in lines}
    wanted = re.findall(r"^\t?(?:require )?([\w.-]+\.[\w.-]+/\S+) (v\S+)", manifest, re.MULTILINE)
    assert wanted
    return faults + [f"no hash: {name} {version}" for name, version in wanted if (name, version) not in summed]


def test_the_go_sums() -> None:
    folder = ROOT / "tests" / "differential" / "gocar"
    manifest, lock = (folder / "go.mod").read_text(), (folder / "go.sum").read_text()
    assert not go_faults(manifest, lock)
    assert "github.com/ipld/go-car/v2 v2." in manifest
    assert go_faults(manifest, lock.replace("github.com/ipld/go-car/v2 v", "github.com/ipld/other v"))
    assert go_faults(manifest, lock + "example.com/x v1.0.0 https://example.com/x.zip\n")
