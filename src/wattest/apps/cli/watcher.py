"""``wattest watcher``: run a watcher from a configuration file.

Decided here: which parts a running watcher is made of, and what it prints. The loop is ``wattest.watcher.watcher``.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import click

from wattest.apps.interrupts import SteadyStack
from wattest.apps.node_files import read_watcher_file
from wattest.apps.service import print_line, run_steps
from wattest.attestation.roots import parse_root
from wattest.chain.client import ChainClient
from wattest.chain.deploy import Contracts
from wattest.chain.signer import LocalSigner
from wattest.crypto.hpke import ReaderPrivateKey
from wattest.errors import WattestError
from wattest.io.crash_points import CrashPoints
from wattest.io.files import read_key_file, write_key_file
from wattest.store.remote_operator import OperatorRemote
from wattest.watcher.registration_check import RegistrationAppraiser
from wattest.watcher.watch_log import WatchLog
from wattest.watcher.watcher import Watcher, WatcherSettings

_CONFIG = click.option(
    "--config", "config_path", required=True, type=click.Path(path_type=Path), help="The watcher's TOML file."
)


@click.group()
def watcher() -> None:
    """Run a watcher."""


@watcher.command("new-key")
@click.argument("file", type=click.Path(path_type=Path))
def new_key(file: Path) -> None:
    """Make a transaction key in FILE (mode 0600) and print its address."""
    key = secrets.token_bytes(32)
    write_key_file(file, key)
    click.echo("0x" + LocalSigner(key).address.hex())


@watcher.command("new-reader-key")
@click.argument("file", type=click.Path(path_type=Path))
def new_reader_key(file: Path) -> None:
    """Make a reader key in FILE (mode 0600) and print its public half, for the channel's manager."""
    key = secrets.token_bytes(32)
    write_key_file(file, key)
    click.echo(ReaderPrivateKey.from_seed(key).public_key.hex())


@watcher.command()
@_CONFIG
@click.option("--once", is_flag=True, help="Take one step and end; the exit code is that of the first error.")
@click.option(
    "--unsafe-development-faults",
    "faulty",
    is_flag=True,
    help="Let WATTEST_UNSAFE_FAULT kill this process. Tests only.",
)
def run(config_path: Path, *, once: bool, faulty: bool) -> int:
    """Follow, fetch, check, challenge and prove until Ctrl-C; one JSON line for each verdict and transaction."""
    settings = read_watcher_file(config_path)
    faults = CrashPoints.unsafe_from_environment(os.environ) if faulty else CrashPoints()
    signer = LocalSigner.from_file(settings.key_file)
    reader = ReaderPrivateKey.from_seed(read_key_file(settings.reader_key_file))
    deployment = settings.deployment
    with SteadyStack() as stack:
        log = WatchLog(settings.data_dir / "watcher.sqlite", faults=faults)
        stack.callback(log.close)
        client = ChainClient.connect(
            settings.chain.rpc_url or "",
            chain_id=deployment.chain_id,
            genesis_hash=deployment.genesis_hash,
            config=settings.chain,
            journal=log.journal,
        )
        contracts = Contracts.at(client, deployment)
        remotes = {address: OperatorRemote(url) for address, url in settings.operators.items()}
        appraiser = None
        if settings.policy is not None:
            roots = [parse_root(root) for root in deployment.trust_roots]
            appraiser = RegistrationAppraiser(
                contracts.registry,
                deployment.referee,
                remotes,
                policy=settings.policy,
                roots=roots,
                report=lambda line: click.echo(line, err=True),
                is_judged_by_quote=deployment.is_judged_by_quote,
            )
        node = Watcher(
            log,
            contracts.referee,
            contracts.registry,
            signer,
            reader,
            remotes,
            settings=WatcherSettings(
                max_challenges_per_batch=settings.max_challenges_per_batch,
                unreachable_grace_s=settings.unreachable_grace_s,
            ),
            faults=faults,
            accept_registration=appraiser,
        )
        click.echo(f"watcher 0x{signer.address.hex()} watches {len(settings.operators)} operator(s)", err=True)

        def step() -> list[WattestError]:
            report = node.step()
            for verdict in report.verdicts:
                print_line(verdict)
            for kind, receipt in report.sent:
                print_line({"event": kind, "transaction": receipt.transaction_hash.hex(), "gas": receipt.gas_used})
            return report.errors

        return run_steps(step, settings.interval_s, once=once)


@watcher.command()
@_CONFIG
def verdicts(config_path: Path) -> None:
    """Print every verdict given so far, one JSON line each; the watcher must not be running."""
    settings = read_watcher_file(config_path)
    log = WatchLog(settings.data_dir / "watcher.sqlite")
    try:
        for verdict in log.verdicts():
            print_line(verdict)
    finally:
        log.close()
