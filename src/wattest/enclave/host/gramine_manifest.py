"""What a Gramine manifest of the enclave may say, and every fault of one that says something else.

Decided here: the keys that are known, what each must be, and the rules about files, state, arguments and attestation.
Not decided here: how a manifest is made (``gramine_render``), and what else Gramine would accept. Invariants: a key
that is not listed is a fault, so a misspelt setting is never a missing one; in a rendered manifest every file is pinned
by its SHA-256; nothing the host passes at start reaches the program; state is encrypted under the measurement.
Source: Gramine 1.9 documentation, "Manifest syntax"; deploy/gramine/README.md.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from wattest.crypto.toml_text import load_toml
from wattest.enclave.simulator.measurement import ENVIRONMENT, INTERPRETER_FLAGS, Measurement
from wattest.errors import InputError, VerificationError

MAX_MANIFEST_BYTES = 1024 * 1024
MAX_ENTRIES = 8_192
MAX_FAULTS = 64
STATE_FOLDER = "/var/lib/wattest"
SOCKET_FOLDER = "/run/wattest"
STATE_KEY = "_sgx_mrenclave"
MINIMUM_THREADS = 8
ENVIRONMENT_NAMES = frozenset(ENVIRONMENT) | {"LD_LIBRARY_PATH"}

PLACEHOLDER = re.compile(r"\{\{ ([a-z0-9_]+) \}\}")
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_SIZE = re.compile(r"([1-9][0-9]{0,9})([KMG]?)\Z")
_PATH = re.compile(r"/[A-Za-z0-9_.+@=~,-]+(?:/[A-Za-z0-9_.+@=~,-]+)*\Z")
_INSECURE = ("insecure__", "experimental__", "debug__")


class ManifestUnreadable(InputError):
    """A manifest that is too large or no TOML."""


class ManifestRefused(VerificationError):
    """A manifest with faults; ``faults`` has each as location, rule and message."""


@dataclass(frozen=True, slots=True)
class ManifestFault:
    """One fault: where it stands (``sgx.trusted_files[3].sha256``), which rule it breaks, and why."""

    location: str
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.location}: {self.message} ({self.rule})"


def parse_manifest(data: bytes) -> dict[str, Any]:
    """The manifest's TOML.

    Raises: ManifestUnreadable when it is over 1 MiB, a line has over 64 dots, or it is no TOML.
    """
    hint = "check that this is a Gramine manifest"
    if len(data) > MAX_MANIFEST_BYTES:
        raise ManifestUnreadable("the manifest is too large", hint=hint, expected=MAX_MANIFEST_BYTES, actual=len(data))
    try:
        return load_toml(data)
    except ValueError as error:
        raise ManifestUnreadable(f"the manifest is not TOML: {str(error)[:200]}", hint=hint) from error


def manifest_faults(manifest: Mapping[str, Any], *, rendered: bool) -> list[ManifestFault]:
    """Every fault, at most 64; a template (``rendered`` false) may hold placeholders where files and places go."""
    found: list[ManifestFault] = []
    for fault in _Check(rendered=rendered).all(manifest):
        found.append(fault)
        if len(found) == MAX_FAULTS:
            break
    return found


def verify_manifest(manifest: Mapping[str, Any], *, rendered: bool) -> None:
    """Raises: ManifestRefused with every fault."""
    _refuse(manifest_faults(manifest, rendered=rendered))


def verify_pins(manifest: Mapping[str, Any], measurement: Measurement) -> None:
    """Hold a rendered manifest to a measurement: each measured file is pinned, at its place, by its measured digest.

    Raises: ManifestRefused.
    """
    pinned = {entry["uri"].removeprefix("file:"): entry["sha256"] for entry in manifest["sgx"]["trusted_files"]}
    faults = []
    for name, path in measurement.paths.items():
        if path not in pinned:
            faults.append(ManifestFault("sgx.trusted_files", "unpinned-file", f"{name} is measured and not listed"))
        elif pinned[path] != measurement.items[name]:
            faults.append(ManifestFault("sgx.trusted_files", "other-file", f"{name} is not the file that was measured"))
    _refuse(faults[:MAX_FAULTS])


def verify_host_modes(manifest: Mapping[str, Any]) -> None:
    """Hold a rendered manifest to this machine: what it mounts is there, and nobody but owner and group may write it.

    Raises: ManifestRefused.
    """
    faults = []
    for index, mount in enumerate(manifest["fs"]["mounts"]):
        if mount.get("type") == "tmpfs":
            continue
        place = Path(mount["uri"].removeprefix("file:"))
        where = f"fs.mounts[{index}].uri"
        try:
            mode = place.stat().st_mode
        except OSError as error:
            faults.append(ManifestFault(where, "missing-place", f"{place}: {error.strerror}"))
            continue
        if mode & stat.S_IWOTH:
            faults.append(ManifestFault(where, "world-writable", f"{place} may be written by anyone"))
    _refuse(faults[:MAX_FAULTS])


def _refuse(faults: list[ManifestFault]) -> None:
    if faults:
        raise ManifestRefused(
            f"the manifest has {len(faults)} fault(s), first {faults[0]}",
            hint="render it again with tools/gramine_manifest.py, or mend what the faults name",
            faults=[[fault.location, fault.rule, fault.message] for fault in faults],
        )


_Rule = Callable[[str, Any], Iterator[ManifestFault]]


class _Check:
    """The schema: a table of rules by key for each table of the manifest."""

    def __init__(self, *, rendered: bool) -> None:
        self._rendered = rendered

    def all(self, manifest: Mapping[str, Any]) -> Iterator[ManifestFault]:
        tables: dict[str, tuple[dict[str, _Rule], tuple[str, ...]]] = {
            "loader": (
                {
                    "entrypoint": self._pinned,
                    "log_level": _one_of("leaking-log", "error", "none"),
                    "argv": self._arguments,
                    "argv_src_file": _refused("host-arguments", "arguments stand in the manifest"),
                    "env": self._environment,
                    "env_src_file": _refused("host-environment", "the environment stands in the manifest"),
                    "uid": _integer(0, 2**31 - 1),
                    "gid": _integer(0, 2**31 - 1),
                },
                ("entrypoint", "argv", "env"),
            ),
            "libos": ({"entrypoint": self._place, "check_invalid_pointers": _only(True)}, ("entrypoint",)),
            "sys": (
                {
                    "stack": self._inner({"size": _size}),
                    "brk": self._inner({"max_size": _size}),
                    "fds": self._inner({"limit": _integer(64, 65_536)}),
                    "disallow_subprocesses": _boolean,
                    "enable_sigterm_injection": _boolean,
                    "experimental__enable_flock": _boolean,
                },
                (),
            ),
            "fs": ({"root": self._inner({"type": _one_of("host-root", "tmpfs")}, ("type",)), "mounts": self._mounts,
                    "start_dir": self._place}, ("root", "mounts")),
            "sgx": (
                {
                    "debug": _only(False, "debug-on"),
                    "edmm_enable": _boolean,
                    "enclave_size": _enclave_size,
                    "max_threads": _integer(MINIMUM_THREADS, 256),
                    "isvprodid": _integer(0, 0xFFFF),
                    "isvsvn": _integer(0, 0xFFFF),
                    "remote_attestation": _one_of("attestation-type", "dcap"),
                    "trusted_files": self._trusted,
                    "allowed_files": _refused("unpinned-file", "an allowed file is one whose bytes nobody checks"),
                    "file_check_policy": _one_of("unpinned-file", "strict"),
                },
                ("debug", "enclave_size", "max_threads", "remote_attestation", "trusted_files"),
            ),
        }  # fmt: skip
        yield from self._table(
            "",
            manifest,
            {name: self._inner(*table) for name, table in tables.items()},
            ("loader", "libos", "fs", "sgx"),
        )

    def _inner(self, rules: dict[str, _Rule], required: tuple[str, ...] = ()) -> _Rule:
        return lambda where, value: self._table(where, value, rules, required)

    def _table(
        self, where: str, value: object, rules: Mapping[str, _Rule], required: tuple[str, ...]
    ) -> Iterator[ManifestFault]:
        if not isinstance(value, dict):
            yield ManifestFault(where, "wrong-kind", "a table belongs here")
            return
        for key in required:
            if key not in value:
                yield ManifestFault(_join(where, key), "missing-key", "must be set")
        for key, inner in value.items():
            place = _join(where, key)
            if key in rules:
                yield from rules[key](place, inner)
            elif key.startswith(_INSECURE):
                yield ManifestFault(place, "insecure-key", "gives up what the enclave is for")
            else:
                yield ManifestFault(place, "unknown-key", "is not a key that this enclave uses")

    def _text(self, where: str, value: object) -> Iterator[ManifestFault]:
        if not isinstance(value, str):
            yield ManifestFault(where, "wrong-kind", "a text belongs here")
        elif self._rendered and ("{{" in value or "}}" in value):
            yield ManifestFault(where, "unrendered", "a placeholder was not filled in")

    def _place(self, where: str, value: object) -> Iterator[ManifestFault]:
        yield from self._text(where, value)
        if isinstance(value, str) and not is_plain_path(self._filled(value)):
            yield ManifestFault(where, "unsafe-path", "a plain absolute path belongs here, without . and ..")

    def _uri(self, where: str, value: object) -> Iterator[ManifestFault]:
        yield from self._text(where, value)
        if isinstance(value, str):
            text = self._filled(value)
            if not text.startswith("file:") or not is_plain_path(text.removeprefix("file:")):
                yield ManifestFault(where, "unsafe-path", "file: and a plain absolute path belong here")

    def _filled(self, text: str) -> str:
        """In a template a placeholder stands for a plain absolute path."""
        return text if self._rendered else PLACEHOLDER.sub("/placeholder", text)

    def _pinned(self, where: str, value: object) -> Iterator[ManifestFault]:
        yield from self._table(where, value, {"uri": self._uri, "sha256": self._digest}, ("uri",))
        if isinstance(value, dict) and "sha256" not in value:
            yield ManifestFault(_join(where, "sha256"), "unpinned-file", "a trusted file is pinned by its SHA-256")

    def _digest(self, where: str, value: object) -> Iterator[ManifestFault]:
        if isinstance(value, str) and not self._rendered and PLACEHOLDER.fullmatch(value):
            return
        if not isinstance(value, str) or not _DIGEST.match(value):
            yield ManifestFault(where, "unpinned-file", "64 lower-case hex digits belong here")

    def _arguments(self, where: str, value: object) -> Iterator[ManifestFault]:
        if not isinstance(value, list) or not 0 < len(value) <= 64:
            yield ManifestFault(where, "host-arguments", "a list of 1 to 64 fixed arguments belongs here")
            return
        for index, argument in enumerate(value):
            yield from self._text(f"{where}[{index}]", argument)
        if tuple(value[1 : len(INTERPRETER_FLAGS) + 1]) != INTERPRETER_FLAGS:
            flags = " ".join(INTERPRETER_FLAGS)
            yield ManifestFault(where, "other-arguments", f"the interpreter was measured with {flags}, first of all")

    def _environment(self, where: str, value: object) -> Iterator[ManifestFault]:
        if not isinstance(value, dict):
            yield ManifestFault(where, "wrong-kind", "a table belongs here")
            return
        for name in sorted(set(ENVIRONMENT) - set(value)):
            yield ManifestFault(_join(where, name), "missing-key", "is part of the measured launch")
        for name, inner in value.items():
            place = _join(where, name)
            if name not in ENVIRONMENT_NAMES:
                yield ManifestFault(place, "unknown-key", "is not a variable of the measured launch")
            elif isinstance(inner, dict) and "passthrough" in inner:
                yield ManifestFault(place, "host-environment", "comes from the host")
            else:
                yield from self._text(place, inner)
                if name in ENVIRONMENT and inner != ENVIRONMENT[name]:
                    yield ManifestFault(place, "other-environment", f"'{ENVIRONMENT[name]}' was measured")

    def _trusted(self, where: str, value: object) -> Iterator[ManifestFault]:
        if not isinstance(value, list) or not 0 < len(value) <= MAX_ENTRIES:
            yield ManifestFault(where, "unpinned-file", f"a list of 1 to {MAX_ENTRIES} pinned files belongs here")
            return
        seen: set[str] = set()
        for index, entry in enumerate(value):
            place = f"{where}[{index}]"
            if self._is_placeholder(entry):
                continue
            if isinstance(entry, str):
                yield ManifestFault(place, "unpinned-file", "a trusted file is pinned by its SHA-256")
                continue
            yield from self._pinned(place, entry)
            uri = entry.get("uri") if isinstance(entry, dict) else None
            if isinstance(uri, str) and uri in seen:
                yield ManifestFault(place, "listed-twice", "another entry has this file")
            elif isinstance(uri, str):
                seen.add(uri)

    def _mounts(self, where: str, value: object) -> Iterator[ManifestFault]:
        if not isinstance(value, list) or len(value) > MAX_ENTRIES:
            yield ManifestFault(where, "wrong-kind", f"a list of at most {MAX_ENTRIES} mounts belongs here")
            return
        states = 0
        for index, mount in enumerate(value):
            place = f"{where}[{index}]"
            if self._is_placeholder(mount):
                continue
            if not isinstance(mount, dict):
                yield ManifestFault(place, "wrong-kind", "a table belongs here")
                continue
            yield from self._mount(place, mount)
            states += mount.get("path") == STATE_FOLDER and mount.get("type") == "encrypted"
        if states != 1:
            yield ManifestFault(where, "state-mount", f"{STATE_FOLDER} must be mounted once, encrypted")

    def _mount(self, where: str, mount: dict[str, object]) -> Iterator[ManifestFault]:
        kind = mount.get("type", "chroot")
        keys: dict[str, _Rule] = {"type": self._text, "path": self._place}
        required: tuple[str, ...] = ("path",)
        if kind not in {"chroot", "tmpfs", "encrypted"}:
            yield ManifestFault(_join(where, "type"), "mount-type", "chroot, tmpfs or encrypted belongs here")
            return
        if kind != "tmpfs":
            keys["uri"] = self._uri
            required = ("path", "uri")
        if kind == "encrypted":
            keys["key_name"] = _one_of("state-mount", STATE_KEY)
            required = (*required, "key_name")
        yield from self._table(where, mount, keys, required)
        path = mount.get("path")
        if not isinstance(path, str):
            return
        if kind == "encrypted" and path != STATE_FOLDER:
            yield ManifestFault(where, "state-mount", f"only {STATE_FOLDER} is encrypted")
        if kind != "encrypted" and _touches(path, STATE_FOLDER):
            yield ManifestFault(where, "state-mount", f"lies over or under {STATE_FOLDER} and is not encrypted")
        if kind == "tmpfs" and path != SOCKET_FOLDER:
            yield ManifestFault(where, "mount-type", f"only {SOCKET_FOLDER} is kept in memory")
        if kind == "chroot" and (_touches(path, SOCKET_FOLDER) or _touches(path, "/dev")):
            yield ManifestFault(where, "mount-type", "a folder of the host lies where the enclave's own files are")

    def _is_placeholder(self, entry: object) -> bool:
        return not self._rendered and isinstance(entry, str) and PLACEHOLDER.fullmatch(entry) is not None


def is_plain_path(text: str) -> bool:
    """An absolute path of plain characters, without empty parts, ``.`` and ``..``."""
    return len(text) <= 1_024 and bool(_PATH.match(text)) and not {".", ".."} & set(text.split("/"))


def _touches(path: str, other: str) -> bool:
    first, second = PurePosixPath(path), PurePosixPath(other)
    return first.is_relative_to(second) or second.is_relative_to(first)


def _join(where: str, key: str) -> str:
    shown = key if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", key) else repr(key[:64])
    return f"{where}.{shown}" if where else shown


def _one_of(rule: str, *allowed: str) -> _Rule:
    def check(where: str, value: object) -> Iterator[ManifestFault]:
        if not isinstance(value, str) or value not in allowed:
            yield ManifestFault(where, rule, f"{' or '.join(allowed)} belongs here")

    return check


def _only(wanted: bool, rule: str = "wrong-value") -> _Rule:
    def check(where: str, value: object) -> Iterator[ManifestFault]:
        if value is not wanted:
            yield ManifestFault(where, rule, f"must be {str(wanted).lower()}")

    return check


def _refused(rule: str, why: str) -> _Rule:
    def check(where: str, value: object) -> Iterator[ManifestFault]:
        if value != []:
            yield ManifestFault(where, rule, why)

    return check


def _integer(least: int, most: int) -> _Rule:
    def check(where: str, value: object) -> Iterator[ManifestFault]:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            yield ManifestFault(where, "wrong-value", f"a number from {least} to {most} belongs here")

    return check


def _boolean(where: str, value: object) -> Iterator[ManifestFault]:
    if not isinstance(value, bool):
        yield ManifestFault(where, "wrong-kind", "true or false belongs here")


def _size(where: str, value: object) -> Iterator[ManifestFault]:
    if _bytes(value) is None:
        yield ManifestFault(where, "wrong-value", "a size such as 8M belongs here")


def _enclave_size(where: str, value: object) -> Iterator[ManifestFault]:
    size = _bytes(value)
    if size is None or size & (size - 1) or size < 256 * 2**20:
        yield ManifestFault(where, "wrong-value", "a power of two of at least 256M belongs here")


def _bytes(value: object) -> int | None:
    match = _SIZE.match(value) if isinstance(value, str) else None
    return int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2]] if match else None
