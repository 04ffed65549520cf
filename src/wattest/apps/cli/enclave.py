"""``wattest enclave``: what this installation's enclave is.

Decided here: what is asked for. What is done is in ``apps.actions.enclave_*``.
"""

from __future__ import annotations

from pathlib import Path

import click

from wattest.apps.cli.options import JSON, PATH, production_switch


@click.group()
def enclave() -> None:
    """Say what an enclave of this installation is; make a simulated platform for it."""


@enclave.command("new-platform", epilog="Example: wattest enclave new-platform platform --at 2026-03-01")
@click.argument("folder", type=PATH)
@click.option("--at", metavar="MOMENT", help="From a day before when its certificates hold; now if left out.")
@JSON
@production_switch(development="a simulated platform, whose keys lie on this host")
def new_platform(folder: Path, *, at: str | None, as_json: bool) -> None:
    """Make a simulated platform in FOLDER, for development: an enclave without hardware that protects nothing.

    Its quotes verify under FOLDER/root.pem and no other root; production refuses them. Where a chain's time begins in
    the past, say --at its beginning.
    """
    from wattest.apps.actions import enclave_platform

    enclave_platform.new_platform(folder, at=at, as_json=as_json)


@enclave.command("measure")
@click.option(
    "--device",
    type=click.Choice(["simulator", "gramine"]),
    default="simulator",
    show_default=True,
    help="The attestation device of the launch; it is measured too.",
)
@click.option("--debug", is_flag=True, help="Measure a debug launch, which no policy should accept.")
@click.option("--items", is_flag=True, help="List every measured file with its SHA-256.")
@click.option("--write-policy", type=PATH, metavar="FILE", help="Write an appraisal policy that accepts it alone.")
@JSON
@production_switch()
def measure_command(*, device: str, debug: bool, items: bool, write_policy: Path | None, as_json: bool) -> None:
    """Print the measurement of the enclave that this installation would launch, and what went into it.

    The same commit, Python and distributions give the same measurement wherever they are installed.
    """
    from wattest.apps.actions import enclave_measure

    enclave_measure.measure_command(device=device, debug=debug, items=items, write_policy=write_policy, as_json=as_json)
