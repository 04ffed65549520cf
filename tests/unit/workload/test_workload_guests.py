"""The shipped modules: pinned, refused when damaged, rebuilt byte for byte where the compiler is; mutants fail."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from waiting import HANG_S

from wattest.workload import guests
from wattest.workload.engine import EngineConfiguration, Guest, Limits
from wattest.workload.failures import GuestFailure, GuestRefused
from wattest.workload.guests import GuestDamaged, load_guest_bytes

NAMES: tuple[guests.GuestName, ...] = ("vee", "settle")
MODULES = Path(guests.__file__).parent / "modules"


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_guest_is_the_pinned_one(name: guests.GuestName) -> None:
    pinned = json.loads((MODULES / "hashes.json").read_text())
    assert sorted(pinned) == sorted(NAMES)
    assert hashlib.sha256(load_guest_bytes(name)).hexdigest() == pinned[name]
    for form in (EngineConfiguration.for_host(), EngineConfiguration.for_enclave()):
        assert guests.load_guest(name, form) is guests.load_guest(name, form)


@pytest.mark.parametrize("damage", ["module", "hash", "missing", "not json"])
def test_a_damaged_installation_is_refused(damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(MODULES, tmp_path / "modules")
    target = tmp_path / "modules" / "vee.wasm"
    if damage == "module":
        target.write_bytes(target.read_bytes()[:-1] + b"\x7f")
    elif damage == "hash":
        (tmp_path / "modules" / "hashes.json").write_text("{}")
    elif damage == "missing":
        target.unlink()
    else:
        (tmp_path / "modules" / "hashes.json").write_text("{")
    monkeypatch.setattr(guests.importlib.resources, "files", lambda _: tmp_path)
    load_guest_bytes.cache_clear()
    try:
        with pytest.raises(GuestDamaged) as caught:
            load_guest_bytes("vee")
        assert caught.value.hint
    finally:
        load_guest_bytes.cache_clear()


def test_a_guest_compiled_early_is_the_one_that_is_used() -> None:
    form = dataclasses.replace(EngineConfiguration.for_host(), max_functions=9_999)  # one that nobody compiled yet
    early = guests.load_guest_early("settle", form)
    found = guests.load_guest("settle", form)  # comes while it compiles, or after
    early.join()
    assert guests.load_guest("settle", form) is found


def test_an_early_refusal_is_met_again(monkeypatch: pytest.MonkeyPatch) -> None:
    form = dataclasses.replace(EngineConfiguration.for_host(), max_module_bytes=8)
    unhandled: list[object] = []
    monkeypatch.setattr(threading, "excepthook", unhandled.append)
    guests.load_guest_early("settle", form).join()
    assert not unhandled
    with pytest.raises(GuestRefused):
        guests.load_guest("settle", form)


def builder(repository: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_guests", repository / "tools" / "build_guests.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_sources_rebuild_to_the_shipped_bytes(repository: Path, tmp_path: Path) -> None:
    tool = builder(repository)
    if tool.find_compiler() is None:
        pytest.skip(f"{tool.COMPILER} with the {tool.TARGET} library is not installed: the guests are not rebuilt")
    elsewhere = tmp_path / "another" / "path"  # the bytes must not know where the checkout lies
    shutil.copytree(repository / "guests", elsewhere / "guests", ignore=shutil.ignore_patterns("target"))
    shutil.copytree(repository / "tools", elsewhere / "tools")
    subprocess.run(
        [sys.executable, elsewhere / "tools" / "build_guests.py", "--out", tmp_path / "built"],
        check=True,
        timeout=HANG_S,
        capture_output=True,
    )
    for name in NAMES:
        assert (tmp_path / "built" / f"{name}.wasm").read_bytes() == load_guest_bytes(name)
    assert (tmp_path / "built" / "hashes.json").read_bytes() == (MODULES / "hashes.json").read_bytes()


def test_a_missing_compiler_is_said(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATTEST_GUEST_RUSTC", str(tmp_path / "no-rustc"))
    result = subprocess.run(
        [sys.executable, repository / "tools" / "build_guests.py", "--out", tmp_path], capture_output=True, check=False
    )
    assert result.returncode == 7
    assert b"apt-get install" in result.stderr
    assert not list(tmp_path.iterdir())


LIMITS = Limits(fuel=300_000, output_bytes=1 << 20, deadline_s=HANG_S)


@settings(max_examples=max(120, settings().max_examples))
@given(st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), min_size=1, max_size=4), st.integers(0, 3))
def test_a_mutated_module_gives_an_outcome_or_a_typed_failure(changes: list[tuple[int, int]], cut: int) -> None:
    wasm = bytearray(load_guest_bytes("vee"))
    for at, value in changes:
        wasm[at % len(wasm)] = value
    with contextlib.suppress(GuestFailure):  # and nothing else
        Guest.load(bytes(wasm[: len(wasm) - cut]), EngineConfiguration.for_enclave()).run(bytes(130), LIMITS)


@given(st.binary(max_size=300))
def test_any_bytes_after_the_magic_are_refused_or_fail(data: bytes) -> None:
    with pytest.raises(GuestFailure):
        Guest.load(b"\0asm\1\0\0\0" + data, EngineConfiguration.for_enclave()).run(b"", LIMITS)
