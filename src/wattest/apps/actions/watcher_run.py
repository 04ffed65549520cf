"""``wattest watcher``: run a watcher from a configuration file.

Decided here: which parts a running watcher is made of, and what it prints. The loop is ``wattest.watcher.watcher``.
"""

from __future__ import annotations

import os
from pathlib import Path

import click

from wattest.apps.interrupts import SteadyStack
from wattest.apps.production_files import open_watcher_file
from wattest.apps.service import print_line, run_steps
from wattest.apps.settings_agreement import owner_of, require_watcher_agreement
from wattest.attestation.roots import parse_root
from wattest.chain.client import ChainClient
from wattest.chain.deploy import Contracts
from wattest.crypto.hpke import ReaderPrivateKey
from wattest.errors import WattestError
from wattest.io.crash_points import CrashPoints
from wattest.io.files import read_key_file
from wattest.store.remote_operator import OperatorRemote
from wattest.watcher.registration_check import RegistrationAppraiser
from wattest.watcher.watch_log import WatchLog
from wattest.watcher.watcher import Watcher, WatcherSettings


def run(config_path: Path, *, once: bool, faulty: bool) -> int:
    """What ``wattest watcher run`` does."""
    settings, standing = open_watcher_file(config_path, faulty=faulty)
    faults = CrashPoints.unsafe_from_environment(os.environ) if faulty else CrashPoints()
    signer = settings.signer.open()
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
        owner = owner_of(deployment, signer.address)
        log.belonging.require(owner)
        require_watcher_agreement(settings, contracts, signer.address)
        log.belonging.claim(owner)
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
        standing.say()

        def step() -> list[WattestError]:
            report = node.step()
            for verdict in report.verdicts:
                print_line(verdict)
            for kind, receipt in report.sent:
                channel = next((event.channel.hex() for event in node.referee.events_of(receipt)), None)
                sent = {"transaction": receipt.transaction_hash.hex(), "gas": receipt.gas_used}
                print_line({"event": kind, "channel": channel} | sent)
            return report.errors

        return run_steps(step, settings.interval_s, once=once)


def verdicts(config_path: Path) -> None:
    """What ``wattest watcher verdicts`` does."""
    settings, _ = open_watcher_file(config_path)
    log = WatchLog(settings.data_dir / "watcher.sqlite")
    try:
        for verdict in log.verdicts():
            print_line(verdict)
    finally:
        log.close()
