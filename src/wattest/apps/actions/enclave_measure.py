"""``wattest enclave``: what this installation's enclave is.

Decided here: how a measurement is shown. Not decided here: what is measured (``enclave.simulator.measurement``).
Nothing is started, and nothing but a policy is written. Source: docs/adr/0006-measured-code.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import click

from wattest.apps.measurement_policy import write_measurement_policy
from wattest.enclave.simulator.measurement import LaunchSettings, Measurement, MeasurementFailed, measure

_CATEGORIES = {
    "interpreter": "the Python interpreter and its library",
    "stdlib": "its standard library",
    "package": "distributions that measured code imports",
    "program": "the files of wattest that the program reaches",
    "native": "the native library",
    "guest": "WASM guests and their pinned hashes",
}


@dataclass(frozen=True, slots=True)
class Share:
    """What one category adds: how many files, and how many bytes."""

    files: int
    bytes: int


def shares(measurement: Measurement) -> dict[str, Share]:
    """Files and bytes by category.

    Raises: MeasurementFailed when a file went away since it was measured.
    """
    found: dict[str, Share] = {}
    for file in measurement.files:
        try:
            size = file.path.stat().st_size
        except OSError as error:
            raise MeasurementFailed(
                f"a measured file cannot be read: {error.strerror}", path=str(file.path), hint="measure again"
            ) from error
        before = found.get(file.category, Share(0, 0))
        found[file.category] = Share(before.files + 1, before.bytes + size)
    return {category: found[category] for category in _CATEGORIES}


def measure_command(*, device: str, debug: bool, items: bool, write_policy: Path | None, as_json: bool) -> None:
    """What ``wattest enclave measure`` does."""
    measurement = measure(LaunchSettings(device=device, debug=debug))
    if write_policy is not None:
        write_measurement_policy(write_policy, measurement.digest)
    parts = shares(measurement)
    launch = {name: value for name, value in measurement.manifest.items() if name != "files"}
    if as_json:
        shown: dict[str, object] = {
            "measurement": measurement.digest.hex(),
            "launch": launch,
            "categories": {name: {"files": part.files, "bytes": part.bytes} for name, part in parts.items()},
        }
        click.echo(json.dumps(shown | ({"items": measurement.items} if items else {}), indent=2))
        return
    click.echo(f"measurement: {measurement.digest.hex()}")
    for name, part in parts.items():
        click.echo(f"  {name:<12} {part.files:>5} files {part.bytes:>12,} bytes   {_CATEGORIES[name]}")
    for setting, value in launch.items():
        click.echo(f"  {setting}: {value if isinstance(value, str) else json.dumps(value)}")
    if items:
        for name, digest in measurement.items.items():
            click.echo(f"{digest}  {name}")
    if device == "gramine":
        click.echo("On SGX the quote carries MRENCLAVE, which pins these files by another digest.", err=True)
