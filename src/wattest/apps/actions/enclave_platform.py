"""``wattest enclave new-platform``: a simulated platform's folder. Development only.

Decided here: how it is shown. Not decided here: what it is (``enclave.simulator.platform``).
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from wattest.apps.amounts import read_moment
from wattest.attestation.roots import parse_root
from wattest.enclave.simulator.platform import ROOT_FILE, SimulatedPlatform


def new_platform(folder: Path, *, at: str | None, as_json: bool) -> None:
    """What ``wattest enclave new-platform`` does."""
    now = int(time.time()) if at is None else read_moment(at, "--at")
    platform = SimulatedPlatform.create(folder, now)
    root = parse_root(platform.root_certificate)
    if as_json:
        shown = {
            "folder": str(folder),
            "root": str(folder / ROOT_FILE),
            "root_fingerprint": root.fingerprint.hex(),
            "development": True,
        }
        click.echo(json.dumps(shown))
        return
    click.echo(f"simulated platform in {folder}, for development; trust it by --root {folder / ROOT_FILE}")
