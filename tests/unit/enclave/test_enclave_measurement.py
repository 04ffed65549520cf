"""The measurement: whatever an enclave runs is in it, and nothing else decides it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from wattest.enclave.measured.launch import manifest_digest
from wattest.enclave.simulator import measurement as room
from wattest.enclave.simulator.measurement import (
    LaunchSettings,
    MeasuredFile,
    Measurement,
    MeasurementFailed,
    installed_files,
    measure,
)

CATEGORIES = {"interpreter", "stdlib", "package", "program", "native", "guest"}


@pytest.fixture(scope="module")
def one_of_each(tmp_path_factory: pytest.TempPathFactory) -> dict[str, MeasuredFile]:
    """A real file of every category, copied so that it can be changed."""
    folder = tmp_path_factory.mktemp("installation")
    found: dict[str, MeasuredFile] = {}
    for file in installed_files():
        if file.category not in found and file.path.stat().st_size > 0:
            copy = folder / file.name.replace("/", "_")
            shutil.copy(file.path, copy)
            found[file.category] = replace(file, path=copy)
    return found


def test_this_installation_has_files_of_every_category() -> None:
    names = {file.name: file.category for file in installed_files()}
    assert set(names.values()) == CATEGORIES
    assert names["interpreter/python"] == "interpreter"
    assert names["packages/wattest/crypto/_native.abi3.so"] == "native"
    assert names["packages/wattest/enclave/measured/boot.py"] == "program"
    assert {"packages/wattest/workload/modules/vee.wasm", "packages/wattest/workload/modules/settle.wasm"} <= set(names)
    assert any(name.startswith("packages/wasmtime/") and name.endswith(".so") for name in names)
    assert not any("/home/" in name or name.startswith("/") for name in names)


def test_rooms_above_the_enclave_are_not_measured() -> None:
    names = [file.name for file in installed_files() if file.name.startswith("packages/wattest/")]
    above = ("apps", "node", "chain", "receipt", "settlement", "attestation/ear", "enclave/host", "enclave/simulator")
    assert not [name for name in names if name.startswith(tuple(f"packages/wattest/{room}" for room in above))]


@pytest.mark.parametrize("category", sorted(CATEGORIES))
def test_one_changed_byte_changes_the_measurement(one_of_each: dict[str, MeasuredFile], category: str) -> None:
    files = one_of_each.values()
    before = measure(LaunchSettings(), files)
    path = one_of_each[category].path
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    changed = measure(LaunchSettings(), files)
    path.write_bytes(data)
    assert changed.digest != before.digest
    assert [name for name in before.items if before.items[name] != changed.items[name]] == [one_of_each[category].name]
    assert measure(LaunchSettings(), files).digest == before.digest


@pytest.mark.parametrize(
    "settings",
    [
        LaunchSettings(device="gramine"),
        LaunchSettings(debug=True),
        LaunchSettings(environment={"LANG": "C"}),
        LaunchSettings(interpreter_flags=("-I",)),
    ],
    ids=["device", "debug", "environment", "flags"],
)
def test_one_changed_setting_changes_the_measurement(
    one_of_each: dict[str, MeasuredFile], settings: LaunchSettings
) -> None:
    assert measure(settings, one_of_each.values()).digest != measure(LaunchSettings(), one_of_each.values()).digest


def _digest_with(measured: Measurement, **changed: object) -> bytes:
    manifest: Mapping[str, object] = {**measured.manifest, **changed}
    return manifest_digest(manifest)


@pytest.mark.parametrize("name", ["version", "entry", "program", "interpreter_version", "engine"])
def test_every_other_field_of_the_manifest_counts(one_of_each: dict[str, MeasuredFile], name: str) -> None:
    measured = measure(LaunchSettings(), one_of_each.values())
    assert _digest_with(measured) == measured.digest
    assert _digest_with(measured, **{name: "other"}) != measured.digest


def test_a_file_more_or_less_or_renamed_changes_the_measurement(one_of_each: dict[str, MeasuredFile]) -> None:
    files = list(one_of_each.values())
    whole = measure(LaunchSettings(), files).digest
    assert measure(LaunchSettings(), files[1:]).digest != whole
    assert measure(LaunchSettings(), [*files[1:], replace(files[0], name="elsewhere")]).digest != whole


def test_where_files_lie_and_in_which_order_they_are_listed_does_not_count(
    one_of_each: dict[str, MeasuredFile], tmp_path: Path
) -> None:
    files = list(one_of_each.values())
    moved = []
    for file in reversed(files):
        target = tmp_path / file.path.name
        shutil.copy(file.path, target)
        moved.append(replace(file, path=target))
    assert measure(LaunchSettings(), moved).digest == measure(LaunchSettings(), files).digest


def test_two_files_of_one_name_and_a_missing_file_are_refused(one_of_each: dict[str, MeasuredFile]) -> None:
    file = one_of_each["guest"]
    with pytest.raises(MeasurementFailed):
        measure(LaunchSettings(), [file, file])
    with pytest.raises(MeasurementFailed):
        measure(LaunchSettings(), [replace(file, path=Path("/nowhere/at/all"))])


def test_imports_are_followed_wherever_they_stand(tmp_path: Path) -> None:
    root = tmp_path / "wattest"
    (root / "a").mkdir(parents=True)
    (root / "__init__.py").write_text("")
    (root / "a/__init__.py").write_text("from . import deep\n")
    (root / "a/deep.py").write_text("def later():\n    import wattest.late\n")
    (root / "late.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from wattest import never\n"
    )
    (root / "never.py").write_text("")
    (root / "unreached.py").write_text("")
    reached = room._closure(root, ["wattest.a"])
    assert reached == {"__init__.py", "a/__init__.py", "a/deep.py", "late.py"}
