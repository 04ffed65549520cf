"""``wattest enclave measure``: what it prints, and that an installation elsewhere has the same measurement."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from waiting import HANG_S

from wattest.enclave.simulator.measurement import DISTRIBUTIONS, LaunchSettings, measure

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).resolve().parents[2]


def measured_by(folder: Path | None, *options: str) -> dict[str, Any]:
    """What the command prints, run from the packages in ``folder``, or from this installation."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nowhere"}
    if folder is not None:
        environment["PYTHONPATH"] = str(folder)
    done = subprocess.run(
        [sys.executable, "-B", "-m", "wattest.apps.cli", "enclave", "measure", "--json", *options],
        cwd=folder or "/",
        env=environment if folder is not None else None,
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_S,
    )
    assert done.returncode == 0, done.stderr
    shown: dict[str, Any] = json.loads(done.stdout)
    return shown


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages of this installation in another folder, with other times and inodes."""
    folder = tmp_path_factory.mktemp("elsewhere") / "a folder of someone else"
    shutil.copytree(ROOT / "src" / "wattest", folder / "wattest", ignore=shutil.ignore_patterns("__pycache__"),
                    copy_function=shutil.copyfile)  # fmt: skip
    for name in DISTRIBUTIONS:
        for file in importlib.metadata.distribution(name).files or ():
            source = Path(str(file.locate()))
            if ".." in file.parts or "__pycache__" in file.parts or not source.is_file():
                continue
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, folder / file)
    return folder


def test_it_prints_the_measurement_that_a_launch_has_and_what_went_into_it() -> None:
    expected = measure(LaunchSettings())
    shown = measured_by(None, "--items")
    assert shown["measurement"] == expected.digest.hex()
    assert shown["items"] == expected.items
    assert {**shown["launch"], "files": shown["items"]} == expected.manifest
    assert list(shown["categories"]) == ["interpreter", "stdlib", "package", "program", "native", "guest"]
    assert sum(part["files"] for part in shown["categories"].values()) == len(expected.files)
    sizes = sum(file.path.stat().st_size for file in expected.files)
    assert sum(part["bytes"] for part in shown["categories"].values()) == sizes
    assert "items" not in measured_by(None)


def test_device_and_debug_are_measured() -> None:
    digests = {measured_by(None, *options)["measurement"] for options in ((), ("--debug",), ("--device", "gramine"))}
    assert len(digests) == 3


def test_another_folder_has_the_same_measurement_until_a_measured_byte_changes(elsewhere: Path) -> None:
    here, there = measured_by(None, "--items"), measured_by(elsewhere, "--items")
    assert there == here
    outside = elsewhere / "wattest" / "apps" / "cli" / "demo.py"
    outside.write_bytes(outside.read_bytes() + b"\n")
    assert measured_by(elsewhere)["measurement"] == here["measurement"]
    inside = elsewhere / "wattest" / "enclave" / "measured" / "seal_series.py"
    inside.write_bytes(inside.read_bytes() + b"\n")
    changed = measured_by(elsewhere, "--items")
    assert changed["measurement"] != here["measurement"]
    assert [name for name, digest in changed["items"].items() if here["items"][name] != digest] == [
        "packages/wattest/enclave/measured/seal_series.py"
    ]


def test_the_copy_is_what_was_measured(elsewhere: Path) -> None:
    code = "from wattest.enclave.simulator.measurement import *; print(*(f.path for f in installed_files()), sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-B", "-c", code],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(elsewhere)},
        capture_output=True,
        text=True,
        check=True,
        timeout=HANG_S,
    )
    inside = [line for line in done.stdout.splitlines() if line.startswith(str(elsewhere))]
    expected = [file for file in measure(LaunchSettings()).files if file.name.startswith("packages/")]
    assert len(inside) == len(expected)


def test_text_output_says_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "wattest.apps.cli", "enclave", "measure", "--items"],
        capture_output=True,
        text=True,
        check=True,
        timeout=HANG_S,
    )
    expected = measure(LaunchSettings())
    lines = done.stdout.splitlines()
    assert lines[0] == f"measurement: {expected.digest.hex()}"
    assert {f"{digest}  {name}" for name, digest in expected.items.items()} <= set(lines)
