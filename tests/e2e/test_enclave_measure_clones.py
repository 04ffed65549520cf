"""The same commit in two fresh clones: other folder, user mask, locale, time zone, caches, virtual environment."""

from __future__ import annotations

import compileall
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from waiting import HANG_S

from wattest.enclave.simulator.measurement import DISTRIBUTIONS

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).resolve().parents[2]
NATIVE = "src/wattest/crypto/_native.abi3.so"


@dataclass(frozen=True)
class Machine:
    """Where and how somebody installs a commit."""

    python: Path
    checkout: Path
    environment: dict[str, str]

    def measured(self) -> dict[str, Any]:
        """What ``wattest enclave measure`` prints there, every file named."""
        done = subprocess.run(
            [self.python, "-m", "wattest.apps.cli", "enclave", "measure", "--json", "--items"],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(self.checkout / "src"), **self.environment},
            cwd="/", capture_output=True, text=True, timeout=HANG_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        shown: dict[str, Any] = json.loads(done.stdout)
        return shown


def clone(folder: Path, mask: int) -> Path:
    """A clone of the last commit with the library that was built for it, made under a user mask."""
    before = os.umask(mask)
    try:
        command = ["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"not a git checkout: {done.stderr.strip()}")
        shutil.copyfile(ROOT / NATIVE, folder / NATIVE)
    finally:
        os.umask(before)
    return folder


def environment_elsewhere(folder: Path) -> Path:
    """A virtual environment with copies of the measured distributions; the rest it borrows from this one."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, capture_output=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    for name in DISTRIBUTIONS:
        for file in importlib.metadata.distribution(name).files or ():
            source = Path(str(file.locate()))
            if ".." in file.parts or "__pycache__" in file.parts or not source.is_file():
                continue
            (packages / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, packages / file)
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> tuple[Machine, Machine]:
    one, other = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("other place with spaces")
    plain = Machine(Path(sys.executable), clone(one / "wattest", 0o022), {"LANG": "C", "TZ": "UTC", "HOME": "/root"})
    odd = Machine(
        environment_elsewhere(other / "venv"),
        clone(other / "a checkout", 0o077),
        {"LANG": "de_DE.UTF-8", "LC_ALL": "tr_TR.UTF-8", "TZ": "Asia/Kolkata", "HOME": "/nowhere",
         "PYTHONHASHSEED": "7", "PYTHONUTF8": "0"},
    )  # fmt: skip
    assert compileall.compile_dir(odd.checkout / "src", quiet=2)
    return plain, odd


def test_two_fresh_clones_have_one_measurement(machines: tuple[Machine, Machine]) -> None:
    plain, odd = (machine.measured() for machine in machines)
    assert plain["items"] == odd["items"]
    assert plain == odd
    assert not [name for name in plain["items"] if name.startswith("/")]  # a name says nothing of a machine


def test_the_other_machine_s_files_were_measured(machines: tuple[Machine, Machine]) -> None:
    """Were the first machine's files read in both places, a change on the second would not be seen."""
    plain, odd = machines[0].measured(), machines[1]
    for path, name in (
        (odd.checkout / "src/wattest/enclave/measured/boot.py", "packages/wattest/enclave/measured/boot.py"),
        (
            next(odd.python.parents[1].glob("lib/python*/site-packages")) / "rfc8785/__init__.py",
            "packages/rfc8785/__init__.py",
        ),
    ):
        kept = path.read_bytes()
        path.write_bytes(kept + b"\n")
        changed = odd.measured()
        assert [one for one, digest in changed["items"].items() if plain["items"][one] != digest] == [name]
        assert changed["measurement"] != plain["measurement"]
        path.write_bytes(kept)
