"""``wattest enclave``: what this installation's enclave is.

Decided here: what is asked for. What is done is in ``apps.actions.enclave_measure``.
"""

from __future__ import annotations

import click

from wattest.apps.cli.options import JSON, production_switch


@click.group()
def enclave() -> None:
    """Say what an enclave of this installation is."""


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
@JSON
@production_switch()
def measure_command(*, device: str, debug: bool, items: bool, as_json: bool) -> None:
    """Print the measurement of the enclave that this installation would launch, and what went into it.

    The same commit, Python and distributions give the same measurement wherever they are installed.
    """
    from wattest.apps.actions import enclave_measure

    enclave_measure.measure_command(device=device, debug=debug, items=items, as_json=as_json)
