"""The schema of Gramine manifests: the template passes, what is rendered passes, and each rule refuses its breach."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from waiting import HANG_S

from wattest.crypto.toml_text import MAX_DOTS_IN_A_LINE
from wattest.enclave.host.gramine_manifest import (
    MAX_FAULTS,
    MAX_MANIFEST_BYTES,
    ManifestRefused,
    ManifestUnreadable,
    manifest_faults,
    parse_manifest,
    verify_host_modes,
    verify_manifest,
    verify_pins,
)
from wattest.enclave.host.gramine_render import GramineFiles, ManifestNotRendered, launch_file, render_manifest
from wattest.enclave.simulator.measurement import LaunchSettings, Measurement, measure

ROOT = Path(__file__).resolve().parents[3]
TEMPLATE = ROOT / "deploy" / "gramine" / "wattest.manifest.template"
TOOL = ROOT / "tools" / "gramine_manifest.py"


@pytest.fixture(scope="module")
def measured() -> Measurement:
    return measure(LaunchSettings(device="gramine"))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> GramineFiles:
    folder = tmp_path_factory.mktemp("gramine")
    for name in ("libsysdb.so", "libc.so.6"):
        (folder / name).write_bytes(name.encode())
    (folder / "state").mkdir(mode=0o700)
    return GramineFiles(folder / "libsysdb.so", (folder / "libc.so.6",), folder / "launch.json", folder / "state")


@pytest.fixture(scope="module")
def rendered(measured: Measurement, files: GramineFiles) -> dict[str, Any]:
    launch = launch_file(measured)
    files.launch.write_bytes(launch)
    return parse_manifest(render_manifest(TEMPLATE.read_text(), measured, files, launch).encode())


def rules(manifest: dict[str, Any], *, rendered: bool = True) -> set[str]:
    return {fault.rule for fault in manifest_faults(manifest, rendered=rendered)}


def test_the_template_passes_as_a_template_and_not_as_a_manifest() -> None:
    template = parse_manifest(TEMPLATE.read_bytes())
    verify_manifest(template, rendered=False)
    assert {"unrendered", "unpinned-file"} <= rules(template)


def test_what_is_rendered_passes_and_pins_exactly_what_is_measured(
    rendered: dict[str, Any], measured: Measurement, files: GramineFiles
) -> None:
    assert rules(rendered) == set()
    verify_pins(rendered, measured)
    verify_host_modes(rendered)
    pinned = {entry["uri"].removeprefix("file:"): entry["sha256"] for entry in rendered["sgx"]["trusted_files"]}
    assert set(pinned) - set(measured.paths.values()) == {str(files.launch), str(files.libraries[0])}
    assert all(pinned[path] == measured.items[name] for name, path in measured.paths.items())
    mounts = [mount["path"] for mount in rendered["fs"]["mounts"]]
    assert all(any(path == place or path.startswith(f"{place}/") for place in mounts) for path in pinned)


def changed(manifest: dict[str, Any], place: str, value: object) -> dict[str, Any]:
    """A copy with ``value`` at the dotted ``place``; None takes the key away."""
    copied = copy.deepcopy(manifest)
    *way, last = place.split(".")
    table: Any = copied
    for key in way:
        table = table[int(key)] if isinstance(table, list) else table[key]
    if isinstance(table, list):
        table[int(last)] = value
    elif value is None:
        del table[last]
    else:
        table[last] = value
    return copied


STATE = {"type": "encrypted", "path": "/var/lib/wattest", "uri": "file:/s", "key_name": "_sgx_mrenclave"}
PIN = {"uri": "file:/x", "sha256": "00" * 32}


@pytest.mark.parametrize(
    ("place", "value", "rule"),
    [
        ("sgx.dbug", False, "unknown-key"),
        ("other", {}, "unknown-key"),
        ("sgx", None, "missing-key"),
        ("sgx.max_threads", None, "missing-key"),
        ("sgx.remote_attestation", None, "missing-key"),
        ("sgx.remote_attestation", "none", "attestation-type"),
        ("sgx.remote_attestation", "epid", "attestation-type"),
        ("sgx.debug", True, "debug-on"),
        ("sgx.debug", 0, "debug-on"),
        ("sgx.allowed_files", ["file:/tmp/x"], "unpinned-file"),
        ("sgx.file_check_policy", "allow_all_but_log", "unpinned-file"),
        ("sgx.trusted_files", [], "unpinned-file"),
        ("sgx.trusted_files.0", "file:/usr/lib/", "unpinned-file"),
        ("sgx.trusted_files.0.sha256", None, "unpinned-file"),
        ("sgx.trusted_files.0.sha256", "AA" * 32, "unpinned-file"),
        ("sgx.trusted_files.0.uri", "file:/usr/../etc/x", "unsafe-path"),
        ("sgx.trusted_files.0.uri", "file:relative", "unsafe-path"),
        ("sgx.trusted_files", [PIN, PIN], "listed-twice"),
        ("sgx.enclave_size", "3G", "wrong-value"),
        ("sgx.max_threads", True, "wrong-value"),
        ("sgx.edmm_enable", "yes", "wrong-kind"),
        ("loader.entrypoint.sha256", None, "unpinned-file"),
        ("loader.log_level", "trace", "leaking-log"),
        ("loader.insecure__use_cmdline_argv", True, "insecure-key"),
        ("loader.insecure__use_host_env", True, "insecure-key"),
        ("sys.insecure__allow_eventfd", True, "insecure-key"),
        ("sys.debug__mock_syscalls", [], "insecure-key"),
        ("fs.insecure__keys", {"default": "00"}, "insecure-key"),
        ("loader.argv", None, "missing-key"),
        ("loader.argv", [], "host-arguments"),
        ("loader.argv_src_file", "file:/argv", "host-arguments"),
        ("loader.argv.1", "-E", "other-arguments"),
        ("loader.env_src_file", "file:/env", "host-environment"),
        ("loader.env.LANG", {"passthrough": True}, "host-environment"),
        ("loader.env.LANG", "C", "other-environment"),
        ("loader.env.LANG", None, "missing-key"),
        ("loader.env.LD_PRELOAD", "/x.so", "unknown-key"),
        ("libos.check_invalid_pointers", False, "wrong-value"),
        ("libos.entrypoint", "{{ interpreter }}", "unrendered"),
        ("fs.root.type", "chroot", "host-root"),
        ("fs.root", None, "missing-key"),
        ("fs.mounts", [], "state-mount"),
        ("fs.mounts", [STATE, STATE], "state-mount"),
        ("fs.mounts", [{**STATE, "type": "chroot"}], "state-mount"),
        ("fs.mounts", [{**STATE, "key_name": "_sgx_mrsigner"}], "state-mount"),
        ("fs.mounts", [STATE, {"path": "/var", "uri": "file:/var"}], "state-mount"),
        ("fs.mounts", [STATE, {"path": "/var/lib/wattest/x", "uri": "file:/x"}], "state-mount"),
        ("fs.mounts", [STATE, {"path": "/dev/attestation", "uri": "file:/x"}], "mount-type"),
        ("fs.mounts", [STATE, {"path": "/run/wattest", "uri": "file:/x"}], "mount-type"),
        ("fs.mounts", [STATE, {"path": "/tmp", "type": "tmpfs"}], "mount-type"),
        ("fs.mounts", [STATE, {"path": "/shm", "type": "untrusted_shm", "uri": "dev:/x"}], "mount-type"),
        ("fs.mounts", [STATE, {"path": "/", "uri": "file:/"}], "unsafe-path"),
    ],
)  # fmt: skip
def test_each_rule_refuses_its_breach_and_says_where(
    rendered: dict[str, Any], place: str, value: object, rule: str
) -> None:
    if isinstance(value, dict | list):
        value = copy.deepcopy(value)
    faults = manifest_faults(changed(rendered, place, value), rendered=True)
    assert rule in {fault.rule for fault in faults}, faults
    hit = next(fault for fault in faults if fault.rule == rule)
    assert hit.location.startswith(place.split(".", maxsplit=1)[0])
    with pytest.raises(ManifestRefused) as refused:
        verify_manifest(changed(rendered, place, value), rendered=True)
    assert [hit.location, hit.rule, hit.message] in refused.value.as_dict()["fields"]["faults"]  # type: ignore[index]


def test_the_mount_that_the_rules_leave_passes(rendered: dict[str, Any]) -> None:
    assert rules(changed(rendered, "fs.mounts", [STATE, {"path": "/usr/lib", "uri": "file:/usr/lib"}])) == set()
    assert rules(changed(rendered, "sgx.allowed_files", [])) == set()


def test_a_file_that_is_not_the_measured_one_is_found(rendered: dict[str, Any], measured: Measurement) -> None:
    path = next(iter(measured.paths.values()))
    index = next(i for i, entry in enumerate(rendered["sgx"]["trusted_files"]) if entry["uri"] == f"file:{path}")
    with pytest.raises(ManifestRefused, match="other-file"):
        verify_pins(changed(rendered, f"sgx.trusted_files.{index}.sha256", "00" * 32), measured)
    with pytest.raises(ManifestRefused, match="unpinned-file"):
        verify_pins(changed(rendered, f"sgx.trusted_files.{index}.uri", "file:/elsewhere"), measured)


def test_a_state_folder_that_anyone_may_write_is_found(rendered: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    mounts = [{**STATE, "uri": f"file:{tmp_path / 'state'}"}]
    verify_host_modes(changed(rendered, "fs.mounts", mounts))
    (tmp_path / "state").chmod(0o777)
    with pytest.raises(ManifestRefused, match="world-writable"):
        verify_host_modes(changed(rendered, "fs.mounts", mounts))
    (tmp_path / "state").rmdir()
    with pytest.raises(ManifestRefused, match="missing-place"):
        verify_host_modes(changed(rendered, "fs.mounts", mounts))


def test_only_a_production_measurement_is_rendered(measured: Measurement, files: GramineFiles) -> None:
    template = TEMPLATE.read_text()
    launch = launch_file(measured)
    for settings_ in (LaunchSettings(), LaunchSettings(device="gramine", debug=True)):
        with pytest.raises(ManifestNotRendered, match="only a measurement"):
            render_manifest(template, measure(settings_), files, launch)
    with pytest.raises(ManifestNotRendered, match="cannot be read"):
        render_manifest(template, measured, replace(files, libos=Path("/nowhere")), launch)
    with pytest.raises(ManifestNotRendered, match="characters"):
        render_manifest(template, measured, replace(files, state=Path('/a"b')), launch)
    with pytest.raises(ManifestNotRendered, match="unknown placeholders"):
        render_manifest(template + "# {{ other }}", measured, files, launch)
    with pytest.raises(ManifestRefused, match="debug-on"):
        render_manifest(template.replace("sgx.debug = false", "sgx.debug = true"), measured, files, launch)


def test_a_key_of_many_parts_is_refused_before_it_takes_memory() -> None:
    key = b"a" + b".a" * MAX_DOTS_IN_A_LINE
    parse_manifest(key + b" = 1\n")
    for bomb in (key + b".a = 1\n", b"a" + b".a" * 500_000 + b" = 1", b"[" + b"a." * 500_000 + b"a]"):
        with pytest.raises(ManifestUnreadable, match="dots"):
            parse_manifest(b"x = 1\n" + bomb)


def test_bytes_that_are_no_manifest_are_refused() -> None:
    for data in (b"\xff", b"a = ", b"a = 1\na = 2", b" " * (MAX_MANIFEST_BYTES + 1), b"a = " + b"[" * 10_000):
        with pytest.raises(ManifestUnreadable):
            parse_manifest(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_manifest_or_a_typed_error(data: bytes) -> None:
    try:
        manifest = parse_manifest(data)
    except ManifestUnreadable:
        return
    assert 0 < len(manifest_faults(manifest, rendered=True)) <= MAX_FAULTS


@settings(max_examples=200)
@given(st.data())
def test_a_mutated_template_is_judged_or_a_typed_error(data: st.DataObject) -> None:
    whole = bytearray(TEMPLATE.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        faults = manifest_faults(parse_manifest(bytes(whole)), rendered=data.draw(st.booleans()))
    except ManifestUnreadable:
        return
    assert len(faults) <= MAX_FAULTS


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
PLACES = ["sgx", "fs", "loader", "libos", "sys", "fs.mounts", "fs.root", "sgx.trusted_files", "sgx.debug",
          "loader.argv", "loader.env", "loader.entrypoint", "sys.stack", "sgx.enclave_size"]  # fmt: skip


@given(place=st.sampled_from(PLACES), value=VALUES.filter(lambda value: value is not None))
def test_any_value_anywhere_is_judged(place: str, value: object) -> None:
    faults: Callable[[bool], int] = lambda rendered: len(  # noqa: E731
        manifest_faults(changed(parse_manifest(TEMPLATE.read_bytes()), place, value), rendered=rendered)
    )
    assert faults(True) <= MAX_FAULTS
    assert faults(False) <= MAX_FAULTS


def test_the_tool_checks_renders_and_says_faults(tmp_path: Path) -> None:
    def tool(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(TOOL), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=HANG_S)

    runtime = tmp_path / "runtime"
    runtime.mkdir()
    for name in ("libc.so.6", "libsysdb.so"):
        (runtime / name).write_bytes(b"\x7fELF")
    (tmp_path / "state").mkdir()
    assert tool("check", "--template", TEMPLATE).returncode == 0
    done = tool("render", "--runtime", runtime, "--libos", runtime / "libsysdb.so", "--out", tmp_path / "out",
                "--state", tmp_path / "state")  # fmt: skip
    assert done.returncode == 0, done.stderr
    manifest = tmp_path / "out" / "wattest.manifest"
    assert tool("check", "--host", manifest).returncode == 0
    manifest.write_text(manifest.read_text().replace('"dcap"', '"none"'))
    refused = tool("check", manifest)
    assert (refused.returncode, refused.stdout) == (
        1, "sgx.remote_attestation: dcap belongs here (attestation-type)\n"
    )  # fmt: skip
    assert tool("check", tmp_path / "none").returncode == 1
