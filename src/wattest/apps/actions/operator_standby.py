"""``wattest operator standby`` and ``take-over``: the other host, which waits for its turn and takes it.

Decided here: which parts a waiting standby is made of, what it prints, and that one that was not activated cannot be
run as the operator. Not decided here: what is received (``keys.standby``), when a primary counts as silent
(``keys.take_over``).
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from wattest.apps.actions.operator_keys import connect_contracts, duty_of, order_box, replica_folder, say_collateral
from wattest.apps.collateral_source import collateral_source
from wattest.apps.interrupts import SteadyStack, hold_interrupts
from wattest.apps.operator_file import OperatorFile
from wattest.apps.production_files import open_operator_file
from wattest.apps.service import print_line
from wattest.apps.settings_reader import SettingInvalid
from wattest.chain.client import MemoryJournal
from wattest.chain.deploy import Contracts
from wattest.enclave.host.jobs import PeerSettings
from wattest.errors import ProtocolError, TransportError, WattestError
from wattest.keys.enclave_slots import ProcessSlots
from wattest.keys.standby import Replica, ReplicaFile, StandbyListener, StandbyTerms
from wattest.keys.take_over import NothingReplicated, fetch_silence, take_over
from wattest.messages.report_data import KeyBinding
from wattest.store.duty import Duty
from wattest.store.enclave_key import EnclaveKey
from wattest.store.operator_port import OperatorStore


class StandbyNotActive(ProtocolError):
    """This host is a standby that has not taken over: as the operator it would seal nothing."""


def require_own_turn(settings: OperatorFile, store: OperatorStore) -> None:
    """Refuse to run a waiting standby as the operator.

    Raises: StandbyNotActive.
    """
    for channel, terms in settings.standbys.items():
        if terms.listen is not None and not store.keys.keys(channel) and not order_box(settings).waits(channel):
            raise StandbyNotActive(
                "this host is a standby and has not taken over",
                channel=channel,
                hint="wattest operator standby waits; wattest operator take-over ends the wait",
            )


def standby(config_path: Path, *, channel: str | None, once: bool) -> None:
    """What ``wattest operator standby`` does."""
    settings, standing = open_operator_file(config_path)
    duty = duty_of(settings, channel)
    terms = _standby_of(settings, duty)
    operator = settings.signer.open().address
    platform = settings.platform.open()
    with SteadyStack() as stack:
        store = settings.data.write()  # the lock: no operator runs here meanwhile
        stack.callback(store.close)
        contracts = connect_contracts(settings, MemoryJournal())
        endorsements = collateral_source(settings.collateral, platform, say_collateral)
        slots = ProcessSlots(platform, settings.enclave_state_dir, guard=hold_interrupts)
        stack.callback(slots.stop)
        deployment, name = settings.deployment, duty.channel.id
        binding = KeyBinding(deployment.chain_id, deployment.referee, name, operator, bytes(32))
        slots.client(0).prepare_successor(binding, duty.channel)
        listener = StandbyListener(terms)
        stack.callback(listener.close)
        click.echo(
            f"waits for replicas of channel {name.hex()} at {listener.address[0]}:{listener.address[1]}", err=True
        )
        standing.say()

        def settings_now() -> PeerSettings:
            now = contracts.client.now()
            return terms.terms.settings(endorsements(now), now)

        while True:
            try:
                sequence = listener.receive(slots.client(0), settings_now, settings.interval_s)
                if sequence is not None:
                    ReplicaFile(replica_folder(settings), name).write(Replica(sequence, contracts.client.now()))
                    print_line({"event": "replica", "channel": name.hex(), "sequence": sequence})
                    if once:
                        return
                if terms.take_over_after_s and _is_silent(contracts, operator, duty, terms):
                    key = _take_over(store, contracts, slots, operator, duty, is_primary_dead=True)
                    print_line({"event": "taken over", "channel": name.hex(), "key": "0x" + key.address.hex()})
                    return
            except WattestError as error:
                if isinstance(error, TransportError) and not error.retryable:
                    raise
                click.echo(json.dumps(error.as_dict(), sort_keys=True), err=True)
                time.sleep(min(settings.interval_s, 1.0))


def take_over_command(config_path: Path, *, channel: str | None, primary_is_dead: bool) -> None:
    """What ``wattest operator take-over`` does."""
    settings, _ = open_operator_file(config_path)
    duty = duty_of(settings, channel)
    _standby_of(settings, duty)
    operator = settings.signer.open().address
    platform = settings.platform.open()
    with SteadyStack() as stack:
        store = settings.data.write()
        stack.callback(store.close)
        contracts = connect_contracts(settings, MemoryJournal())
        slots = ProcessSlots(platform, settings.enclave_state_dir, guard=hold_interrupts)
        stack.callback(slots.stop)
        key = _take_over(store, contracts, slots, operator, duty, is_primary_dead=primary_is_dead)
    click.echo(f"taken over from batch {key.start[0]} on, by 0x{key.address.hex()}; next: wattest operator run")


def _standby_of(settings: OperatorFile, duty: Duty) -> StandbyTerms:
    terms = settings.standbys.get(duty.channel.id)
    if terms is None or terms.listen is None:
        raise SettingInvalid(
            "this host is no standby",
            place="channel.standby.listen",
            hint="give the address to wait at, and the manager's permit: docs/howto/keep-a-standby.md",
        )
    return terms


def _is_silent(contracts: Contracts, operator: bytes, duty: Duty, terms: StandbyTerms) -> bool:
    try:
        _, silent_s = fetch_silence(contracts.referee, operator, duty, contracts.client.now())
    except NothingReplicated:
        return False
    return silent_s >= terms.take_over_after_s


def _take_over(
    store: OperatorStore,
    contracts: Contracts,
    slots: ProcessSlots,
    operator: bytes,
    duty: Duty,
    *,
    is_primary_dead: bool,
) -> EnclaveKey:
    return take_over(
        store,
        contracts.referee,
        contracts.registry,
        slots.client(0),
        operator,
        duty,
        contracts.client.now(),
        is_primary_dead=is_primary_dead,
    )
