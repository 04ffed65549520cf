"""An operator put together from its configuration: store, chain, enclaves, keeper of keys, settler, and the loop.

Decided here: which parts there are and in which order they are opened and judged; ``operator run`` and ``settle`` have
the same ones. Not decided here: what the parts do, and what is served to others (``actions.operator_run``).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import click

from wattest.apps.actions.operator_keys import (
    connect_contracts,
    order_box,
    outlook_of,
    registrar_of,
    replica_folder,
    say_collateral,
)
from wattest.apps.actions.operator_standby import require_own_turn
from wattest.apps.collateral_source import collateral_source
from wattest.apps.interrupts import SteadyStack, hold_interrupts
from wattest.apps.operator_file import OperatorFile
from wattest.apps.settings_agreement import owner_of, require_operator_agreement
from wattest.chain.deploy import Contracts
from wattest.crypto.signer import Signer
from wattest.io.crash_points import CrashPoints
from wattest.keys.carry_over import CarryOver
from wattest.keys.enclave_slots import ProcessSlots
from wattest.keys.key_keeper import KeyKeeper
from wattest.keys.standby import Replicator
from wattest.operator.operator import Operator, OperatorSettings
from wattest.settling.settlement_plan import Place
from wattest.settling.settler import Settler
from wattest.store.duty import Duty
from wattest.store.operator_port import OperatorStore, OperatorView
from wattest.store.ports import BlockInbox, BundleStore


@dataclass(frozen=True, slots=True)
class OperatorNode:
    """The parts of an operator that runs; ``turn`` is held while its enclave talks to another one."""

    settings: OperatorFile
    signer: Signer
    store: OperatorStore
    bundles: BundleStore
    inbox: BlockInbox
    contracts: Contracts
    keeper: KeyKeeper
    settler: Settler
    operator: Operator
    endorsements: Callable[[int], bytes]
    turn: threading.Lock = field(default_factory=threading.Lock)


def open_node(settings: OperatorFile, stack: SteadyStack, faults: CrashPoints) -> OperatorNode:
    """Open everything; ``stack`` closes it. Raises: DatabaseInUse where an operator runs here, SettingsDisagree."""
    signer, deployment = settings.signer.open(), settings.deployment
    store = settings.data.write(faults)
    stack.callback(store.close)
    owner = owner_of(deployment, signer.address)
    store.belonging.require(owner)
    require_own_turn(settings, store)
    contracts = connect_contracts(settings, store.journal)
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
        open_duties=settings.open_duties,
        faults=faults,
    )
    turn = threading.Lock()  # the enclave's one conversation at a time
    bundles, inbox = settings.data.open_bundles(), settings.data.open_inbox()
    settler = Settler(store, bundles, contracts.payouts, signer, settings.duties, faults=faults)
    operator = Operator(
        store,
        bundles,
        inbox,
        contracts.referee,
        signer,
        lambda: slots.client(0),  # a running one is left as it is, a dead one comes back
        duties=settings.duties,
        open_duties=settings.open_duties,
        settler=settler,
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
    return OperatorNode(
        settings, signer, store, bundles, inbox, contracts, keeper, settler, operator, endorsements, turn
    )


def settling_place(
    settings: OperatorFile, contracts: Contracts, view: OperatorView, duty: Duty, operator: bytes
) -> Place:
    """What planning a settlement looks at."""
    token = None if not any(settings.deployment.token) else contracts.token.decimals()
    return Place(operator, duty, settings.deployment, view, contracts.referee, contracts.payouts, token)
