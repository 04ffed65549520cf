"""``wattest operator``: run an operator from a configuration file.

Decided here: which parts a running operator is made of, and what it prints. The loop is ``wattest.operator.operator``.
"""

from __future__ import annotations

import os
from pathlib import Path

import click

from wattest.apps.actions.operator_keys import Warned, warning_line
from wattest.apps.actions.operator_witness import WitnessDesk
from wattest.apps.interrupts import SteadyStack
from wattest.apps.operator_node import open_node
from wattest.apps.production_files import open_operator_file
from wattest.apps.service import print_line, run_steps
from wattest.apps.settlement_orders import SettlementOrders
from wattest.apps.settlement_words import settling_lines
from wattest.errors import WattestError
from wattest.io.crash_points import CrashPoints
from wattest.operator.server import OperatorServer


def run(config_path: Path, *, once: bool, faulty: bool) -> int:
    """What ``wattest operator run`` does."""
    settings, standing = open_operator_file(config_path, faulty=faulty)
    faults = CrashPoints.unsafe_from_environment(os.environ) if faulty else CrashPoints()
    deployment = settings.deployment
    with SteadyStack() as stack:
        parts = open_node(settings, stack, faults)
        node, signer, client = parts.operator, parts.signer, parts.contracts.client
        orders = SettlementOrders(settings.data_dir / "orders")
        server = OperatorServer(
            settings.data,
            parts.bundles,
            parts.inbox,
            signer=signer,
            chain_id=deployment.chain_id,
            referee=deployment.referee,
            duties=settings.duties,
            host=settings.host,
            port=settings.port,
        ).start()
        stack.callback(server.stop)
        desk = WitnessDesk(settings, parts.turn, parts.endorsements)
        stack.callback(desk.stop)
        click.echo(f"operator 0x{signer.address.hex()} serves at {server.url}", err=True)
        standing.say()

        def step() -> list[WattestError]:
            refused = orders.take(parts)
            report = node.step()
            desk.offer(parts.keeper, client.now)
            for happened in report.batches:
                print_line(happened.shown())
            for line in settling_lines(report.settling):
                print_line(line)
            for change in report.keys:
                shown = {
                    "event": f"key {change.change}",
                    "channel": change.channel.hex(),
                    "key": "0x" + change.enclave_key.hex(),
                }
                print_line(shown if change.cause is None else shown | {"cause": change.cause})
            warnings: list[Warned] = [*report.warnings, *report.collateral, *report.lags]
            for warning in warnings:
                click.echo(warning_line(warning), err=True)
            return [*refused, *report.errors]

        code = run_steps(step, settings.interval_s, once=once)
        if once and node.standby is not None:
            node.standby.finish()
        return code
