"""``wattest bench``: measure wattest beside its peers, in one run.

Decided here: where the benchmarks are found and how rows are shown. Not decided here: what is measured, and how (the
folder ``bench`` of the checkout: it brings peers, a JavaScript runtime's packages and the tests' communities, none of
which an installed package carries).
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import click

from wattest.apps.cli.options import production_switch
from wattest.errors import ConfigError

NAMES = ("merkle", "proofs", "verify", "seal", "chain", "fleet")


class BenchmarksMissing(ConfigError):
    """This installation is not a checkout, so that there is nothing to measure with."""


@click.command()
@click.argument("name", type=click.Choice(NAMES))
@click.option("--quick", is_flag=True, help="Smaller sizes and fewer rounds: a look, not a figure to publish.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path("out/bench"), show_default=True,
    help="Where NAME.json and NAME.html are written.",
)  # fmt: skip
@click.option("--resume", is_flag=True, help="Keep what an earlier run of the same commit and size has measured.")
@click.option("--json", "as_json", is_flag=True, help="Print machine facts and rows as one JSON object.")
@production_switch(development="benchmarks, on embedded chains and simulated platforms")
def bench(name: str, *, quick: bool, out: Path, resume: bool, as_json: bool) -> None:
    """Measure NAME beside its peers: merkle, proofs, verify, seal, chain or fleet.

    Contenders take turns in processes of their own. One that is not installed ends the benchmark; none is left out.
    """
    outcome = _session().measure(name, quick=quick, out=out, resume=resume)
    if as_json:
        click.echo(json.dumps(outcome.as_json()))
        return
    for row in outcome.rows:
        ratio = "" if row.speed_ratio is None else f"{row.speed_ratio:8.2f} x"
        click.echo(
            f"{row.work} | {row.who:<42} {row.median:14,.4g} {row.unit:<12} {row.spread:5.0%} {ratio} {row.target}"
        )
    click.echo(f"{outcome.page_path} shows it", err=True)


def _session() -> Any:
    """The module that measures, out of the checkout that this package runs from; raises ``BenchmarksMissing``."""
    folder = Path(__file__).resolve().parents[4] / "bench"
    if not (folder / "compare" / "session.py").is_file():
        raise BenchmarksMissing(
            "the benchmarks are not part of an installed package", expected=folder,
            hint="run it from a checkout that wattest is installed from (make setup-bench)",
        )  # fmt: skip
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    return importlib.import_module("compare.session")
