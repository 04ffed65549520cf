"""``wattest deploy``: all contracts, on any chain.

Decided here: what is asked for. What is done is in ``apps.actions.deploy``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from wattest.apps.cli.options import DEPLOYMENT_FILE, JSON, PATH, REGISTRATION_DAYS, RPC, production_switch


@click.command(
    epilog="Example: wattest deploy --rpc http://127.0.0.1:8545 --key-file manager.key --root platform/root.pem"
)
@RPC
@click.option("--key-file", required=True, type=PATH, help="Who pays: 64 hex digits, mode 0600.")
@click.option(
    "--root",
    "roots",
    multiple=True,
    default=("intel",),
    show_default=True,
    metavar="intel|simulator|FILE",
    help="Whose evidence verifiers take: Intel's, or a root certificate's; repeat it.",
)
@click.option(
    "--appraiser",
    "appraisers",
    multiple=True,
    metavar="ADDRESS",
    help="Let appraisers judge, not a contract; repeat it.",
)
@click.option("--threshold", type=click.IntRange(1, 32), help="How many appraisers must agree.")
@click.option(
    "--registration-days",
    type=click.IntRange(1, 90),
    default=REGISTRATION_DAYS,
    show_default=True,
    help="Longest registration of an enclave key.",
)
@click.option(
    "--demo-token",
    type=click.IntRange(0, 10**15),
    default=0,
    metavar="CENTS",
    help="For development: deploy a token, too, so many cents of it, all of them the deployer's.",
)
@click.option("--chain-id", type=click.IntRange(1), help="Refuse any other chain.")
@click.option(
    "--out",
    type=PATH,
    default=DEPLOYMENT_FILE,
    show_default=True,
    help="The address book to write; never over another.",
)
@JSON
@production_switch()
def deploy(
    *,
    rpc: str,
    key_file: Path,
    roots: Sequence[str],
    appraisers: Sequence[str],
    threshold: int | None,
    registration_days: int,
    demo_token: int,
    chain_id: int | None,
    out: Path,
    as_json: bool,
) -> None:
    """Deploy every contract to the chain behind --rpc, and write the address book that names them.

    Quotes are judged by a contract, with a collateral registry of its own, unless --appraiser names people. A
    deployment that was interrupted goes on with the same command, wherever it was killed, and deploys nothing twice: it
    keeps deployment.json.journal until it is done.
    """
    from wattest.apps.actions import deploy as actions

    actions.deploy(
        rpc=rpc,
        key_file=key_file,
        roots=roots,
        appraisers=appraisers,
        threshold=threshold,
        registration_days=registration_days,
        demo_token=demo_token,
        chain_id=chain_id,
        out=out,
        as_json=as_json,
    )
