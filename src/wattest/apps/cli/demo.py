"""``wattest demo``: an energy community end to end, on an embedded chain."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from wattest.apps.cli.options import CHEATS, production_switch

if TYPE_CHECKING:
    from wattest.apps.demo.output import OutputFolder
    from wattest.apps.demo.result import Cheat, DemoResult


@click.command()
@click.option(
    "--households", default=20, show_default=True, type=click.IntRange(1, 1_000), help="Households that share."
)
@click.option("--days", default=2, show_default=True, type=click.IntRange(1, 14), help="Days of readings.")
@click.option(
    "--data",
    "data_files",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE...",
    help="Meter files (OCMF, DSMR P1) to seal as batches of their own periods; may be given more than once.",
)
@click.option("--keys", "keys_file", type=click.Path(path_type=Path), help="Public keys of --data files, as JSON.")
@click.option(
    "--cheat",
    default="withhold",
    show_default=True,
    type=click.Choice(CHEATS),
    help="What the second operator does.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the results; must be new or empty.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.argument("more_data", nargs=-1, type=click.Path(path_type=Path))
@production_switch(development="the demo, on an embedded chain and a simulated platform")
def demo(
    households: int,
    days: int,
    data_files: tuple[Path, ...],
    keys_file: Path | None,
    cheat: str,
    out: Path | None,
    as_json: bool,
    more_data: tuple[Path, ...],
) -> None:
    """Take an energy community through all of wattest: meters, enclave, chain, a cheat, bills, payouts, receipts.

    \b
    Cheats of the second operator, in a channel of its own:
      withhold    does not serve an entry; the challenge expires and it is slashed
      forge       takes the key out of the simulator and signs data that no meter signed; slashed
      equivocate  signs two headers for one sequence; slashed
      rollback    gives the enclave its old state back; the enclave refuses
      none        there is no second operator

    \b
    The folder holds deployment.json, chain/, receipts/, bills.csv and report.html. Afterwards:
      wattest chain serve OUT/chain
      wattest receipt verify OUT/receipts/household-01.json --deployment OUT/deployment.json --rpc URL
    """
    from wattest.apps.actions.public_keys_file import read_public_keys
    from wattest.apps.demo.imports import read_data_files
    from wattest.apps.demo.output import output_folder
    from wattest.apps.demo.run import Demo, DemoOptions, demo_readings, write_results
    from wattest.apps.interrupts import SteadyStack, ignore_interrupts
    from wattest.apps.terminal import Progress
    from wattest.chain.anvil import find_anvil

    paths = (*data_files, *more_data)
    if more_data and not data_files:
        raise click.UsageError("files to import follow --data")
    if keys_file is not None and not paths:
        raise click.UsageError("--keys goes with --data")
    chosen = cast("Cheat", cheat)
    with SteadyStack() as stack:
        folder = stack.enter_context(output_folder(out))
        _say_leftovers(folder)
        # everything that can be wrong with what was asked is said before anything starts
        find_anvil()
        readings = demo_readings(days, households, chosen, int(time.time()))
        keys = {} if keys_file is None else read_public_keys(keys_file)
        files = read_data_files(paths, keys, readings.period(days - 1)[1])
        options = DemoOptions(households, days, chosen, tuple(files))
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wattest-demo-")))
        progress = stack.enter_context(Progress())
        result = Demo(options, readings, folder.partial, work, progress.tell).run()
        write_results(result, folder.partial)
        ignore_interrupts()  # the run is done; what is left is to give the folder its name
    _print(result, folder.path, as_json=as_json)


def _say_leftovers(folder: OutputFolder) -> None:
    for left in folder.cleared:
        click.echo(f"removed {left}, which a run that was killed had left", err=True)
    for left in folder.kept:
        click.echo(f"{left} is left of another run, whose process may live: remove it if that run is over", err=True)


def _print(result: DemoResult, target: Path, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(result.as_dict()))
        return
    from wattest.apps.demo.closing_table import closing_table
    from wattest.apps.terminal import width_of

    for line in closing_table(result, width_of(sys.stdout)):
        click.echo(line)
    click.echo(f"\nLook at {target / 'report.html'}; check a bill as its household would:")
    first = min(bill.household for bill in result.bills)
    click.echo(f"  wattest chain serve {target / 'chain'} --port 8545")
    click.echo(
        f"  wattest receipt verify {target / 'receipts' / first}.json --deployment {target / 'deployment.json'}"
        " --rpc http://127.0.0.1:8545"
    )
