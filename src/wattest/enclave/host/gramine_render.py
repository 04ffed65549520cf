"""A Gramine manifest from the template and a measurement: what the simulator measures is what the manifest pins.

Decided here: which files are trusted, where they are mounted (where they lie on the host, so that one launch file holds
for both), and the launch file that the program starts from. Not decided here: what a manifest may say
(``gramine_manifest``). Invariants: no file is listed without its SHA-256; the launch file is one of them; what is
rendered passes the schema. Source: deploy/gramine/README.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from wattest.enclave.host.gramine_manifest import (
    PLACEHOLDER,
    SOCKET_FOLDER,
    STATE_FOLDER,
    is_plain_path,
    parse_manifest,
    verify_manifest,
    verify_pins,
)
from wattest.enclave.simulator.measurement import BOOT_FILE, Measurement, interpreter_path
from wattest.errors import ConfigError

LAUNCH_FILE = "launch.json"
LISTEN_PORT = 47_471
DEVICE_ROOT = "/dev/attestation"
_STANDARD_INPUT, _STANDARD_OUTPUT = 0, 1
_WHOLE_ENTRY = frozenset({"mounts", "trusted_files"})


class ManifestNotRendered(ConfigError):
    """A measurement, file or place from which no manifest for SGX can be made."""


@dataclass(frozen=True, slots=True)
class GramineFiles:
    """Where things are: Gramine's library OS, the C library and others to be loaded, the launch file, sealed state."""

    libos: Path
    libraries: tuple[Path, ...]
    launch: Path
    state: Path


def launch_file(measurement: Measurement, *, device_root: str = DEVICE_ROOT, state: str = STATE_FOLDER,
                socket: str = f"{SOCKET_FOLDER}/enclave.sock", port: int = LISTEN_PORT) -> bytes:  # fmt: skip
    """What the program starts from: readiness goes to standard output, and the end of standard input ends it.

    It listens on ``port`` of the loopback interface, since Gramine keeps Unix sockets inside; on the socket when 0.
    """
    run = {
        "socket": socket,
        "port": port,
        "state_dir": state,
        "device_root": device_root,
        "code_dir": "",
        "device_fd": -1,
        "lifeline_fd": _STANDARD_INPUT,
        "ready_fd": _STANDARD_OUTPUT,
    }
    launch = {"manifest": measurement.manifest, "paths": measurement.paths, "run": run}
    return json.dumps(launch, sort_keys=True, separators=(",", ":")).encode()


def render_manifest(template: str, measurement: Measurement, files: GramineFiles, launch: bytes) -> str:
    """The manifest that gramine-sgx-sign takes; ``launch`` is the bytes that ``files.launch`` will have.

    Raises: ManifestNotRendered; ManifestRefused when the template is not one for this enclave.
    """
    if measurement.manifest["device"] != "gramine" or measurement.manifest["debug"] is not False:
        raise ManifestNotRendered(
            "only a measurement for Gramine's device and without debug goes into a manifest",
            hint='measure with LaunchSettings(device="gramine")',
        )
    pins = {path: measurement.items[name] for name, path in measurement.paths.items()}
    pins |= {str(library): _digest_of(library) for library in files.libraries}
    pins[str(files.launch)] = sha256(launch).hexdigest()
    places = [*pins, str(files.libos), str(files.state)]
    for place in places:
        if not is_plain_path(place):
            raise ManifestNotRendered(
                "a place has characters that a manifest should not carry", hint="install below a plain path", path=place
            )
    values = {
        "libos": str(files.libos),
        "libos_sha256": _digest_of(files.libos),
        "interpreter": str(interpreter_path()),
        "boot": measurement.paths[BOOT_FILE],
        "launch": str(files.launch),
        "library_path": ":".join(sorted({str(library.parent) for library in files.libraries})) or "/lib",
        "state": str(files.state),
        "mounts": ",\n  ".join(
            f'{{ path = "{place}", uri = "file:{place}" }}' for place in _mounted(measurement, files)
        ),
        "trusted_files": ",\n  ".join(
            f'{{ uri = "file:{path}", sha256 = "{digest}" }}' for path, digest in sorted(pins.items())
        ),
    }
    missing = sorted(set(PLACEHOLDER.findall(template)) - set(values))
    if missing:
        raise ManifestNotRendered("the template has unknown placeholders", actual=missing)
    for name in _WHOLE_ENTRY:
        template = template.replace(f'"{{{{ {name} }}}}"', values[name])
    text = PLACEHOLDER.sub(lambda match: values[match[1]], template)
    manifest = parse_manifest(text.encode())
    verify_manifest(manifest, rendered=True)
    verify_pins(manifest, measurement)
    return text


def _mounted(measurement: Measurement, files: GramineFiles) -> list[str]:
    """The folders below which measured names lie, and the single files that have none."""
    places = {str(library) for library in files.libraries} | {str(files.launch)}
    for file in measurement.files:
        parts = file.name.split("/")[1:]
        root = file.path.parents[len(parts) - 1] if file.path.parts[-len(parts) :] == tuple(parts) else None
        places.add(str(file.path) if file.category == "interpreter" or root is None else str(root))
    return _outermost(places)


def _outermost(places: Iterable[str]) -> list[str]:
    kept: list[str] = []
    for place in sorted(places):
        if not any(place.startswith(folder + "/") for folder in kept):
            kept.append(place)
    return kept


def _digest_of(path: Path) -> str:
    try:
        with path.open("rb") as handle:
            digest = sha256()
            while piece := handle.read(1024 * 1024):
                digest.update(piece)
    except OSError as error:
        raise ManifestNotRendered(
            f"a file to be trusted cannot be read: {error.strerror}", hint="name Gramine's folders", path=str(path)
        ) from error
    return digest.hexdigest()
