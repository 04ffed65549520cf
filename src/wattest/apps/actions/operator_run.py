"""``wattest operator``: run an operator from a configuration file.

Decided here: which parts a running operator is made of, and what it prints. The loop is ``wattest.operator.operator``.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import click

from wattest.apps.actions.operator_keys import (
    Warned,
    order_box,
    outlook_of,
    registrar_of,
    replica_folder,
    say_collateral,
    warning_line,
)
from wattest.apps.actions.operator_standby import require_own_turn
from wattest.apps.actions.operator_witness import WitnessDesk
from wattest.apps.collateral_source import collateral_source
from wattest.apps.interrupts import SteadyStack, hold_interrupts
from wattest.apps.production_files import open_operator_file
from wattest.apps.service import print_line, run_steps
from wattest.apps.settings_agreement import owner_of, require_operator_agreement
from wattest.chain.client import ChainClient
from wattest.chain.deploy import Contracts
from wattest.errors import WattestError
from wattest.io.crash_points import CrashPoints
from wattest.keys.carry_over import CarryOver
from wattest.keys.enclave_slots import ProcessSlots
from wattest.keys.key_keeper import KeyKeeper
from wattest.keys.standby import Replicator
from wattest.operator.operator import Operator, OperatorSettings
from wattest.operator.server import OperatorServer


def run(config_path: Path, *, once: bool, faulty: bool) -> int:
    """What ``wattest operator run`` does."""
    settings, standing = open_operator_file(config_path, faulty=faulty)
    faults = CrashPoints.unsafe_from_environment(os.environ) if faulty else CrashPoints()
    signer = settings.signer.open()
    deployment = settings.deployment
    with SteadyStack() as stack:
        store = settings.data.write(faults)
        stack.callback(store.close)
        owner = owner_of(deployment, signer.address)
        store.belonging.require(owner)
        require_own_turn(settings, store)
        client = ChainClient.connect(
            settings.chain.rpc_url or "",
            chain_id=deployment.chain_id,
            genesis_hash=deployment.genesis_hash,
            config=settings.chain,
            journal=store.journal,
        )
        contracts = Contracts.at(client, deployment)
        for difference in require_operator_agreement(settings, contracts, signer.address, store):
            click.echo(json.dumps({"warning": "settings differ"} | difference.shown(), sort_keys=True), err=True)
        store.belonging.claim(owner)
        platform = settings.platform.open()
        slots = ProcessSlots(platform, settings.enclave_state_dir, guard=hold_interrupts)
        stack.callback(slots.stop)
        endorsements = collateral_source(settings.collateral, platform, say_collateral)
        keeper = KeyKeeper(
            store,
            contracts.referee,
            contracts.registry,
            signer,
            slots,
            registrar=registrar_of(settings, contracts, signer),
            endorsements=endorsements,
            settings=settings.keys,
            orders=order_box(settings),
            carry_over=CarryOver(settings.hand_overs, endorsements),
            outlook=outlook_of(settings, contracts, endorsements),
            faults=faults,
        )
        turn = threading.Lock()  # the enclave's one conversation at a time
        bundles, inbox = settings.data.open_bundles(), settings.data.open_inbox()
        node = Operator(
            store,
            bundles,
            inbox,
            contracts.referee,
            signer,
            lambda: slots.client(0),  # a running one is left as it is, a dead one comes back
            duties=settings.duties,
            settings=OperatorSettings(
                collect_grace_s=settings.collect_grace_s,
                release_after=settings.release_after,
                in_flight=settings.in_flight,
            ),
            faults=faults,
            keys=keeper,
            standby=Replicator(settings.standbys, endorsements, replica_folder(settings), turn=turn),
        )
        for (channel, document), body in settings.documents.items():
            if store.keys.registered(channel) is None:  # else the node has newer ones, of its own registration
                store.put_document(channel, document, body)
        server = OperatorServer(
            settings.data,
            bundles,
            inbox,
            operator=signer.address,
            chain_id=deployment.chain_id,
            referee=deployment.referee,
            duties=settings.duties,
            host=settings.host,
            port=settings.port,
        ).start()
        stack.callback(server.stop)
        desk = WitnessDesk(settings, turn, endorsements)
        stack.callback(desk.stop)
        click.echo(f"operator 0x{signer.address.hex()} serves at {server.url}", err=True)
        standing.say()

        def step() -> list[WattestError]:
            report = node.step()
            desk.offer(keeper, client.now)
            for sequence in report.sealed:
                print_line({"event": "sealed", "sequence": sequence})
            for kind, receipts in (("committed", report.committed), ("answered", report.answered)):
                for receipt in receipts:
                    print_line({"event": kind, "transaction": receipt.transaction_hash.hex(), "gas": receipt.gas_used})
            for sequence in report.finalised:
                print_line({"event": "final", "sequence": sequence})
            for sequence in report.missed:
                print_line({"event": "missed", "sequence": sequence})
            for change in report.keys:
                shown = {"event": f"key {change.change}", "key": "0x" + change.enclave_key.hex()}
                print_line(shown if change.cause is None else shown | {"cause": change.cause})
            warnings: list[Warned] = [*report.warnings, *report.collateral, *report.lags]
            for warning in warnings:
                click.echo(warning_line(warning), err=True)
            return report.errors

        code = run_steps(step, settings.interval_s, once=once)
        if once and node.standby is not None:
            node.standby.finish()
        return code
