"""``wattest operator give-state``: the program before gives its enclave's state to the one that takes over.

Decided here: when it is given (nothing in flight that may still be committed), and where one listens. Not decided here:
to whom: the enclaves judge each other under what the channel's manager signed (docs/spec/ra-tls.md).
"""

from __future__ import annotations

import socket
from pathlib import Path

import click

from wattest.apps.actions.operator_keys import connect_contracts, duty_of, say_collateral
from wattest.apps.collateral_source import collateral_source
from wattest.apps.interrupts import SteadyStack, hold_interrupts
from wattest.apps.production_files import open_operator_file
from wattest.apps.settings_agreement import owner_of
from wattest.apps.settings_reader import SettingInvalid, parse_address
from wattest.chain.client import MemoryJournal
from wattest.enclave.host.client import ChainHead
from wattest.enclave.host.jobs import PeerSettings
from wattest.errors import ProtocolError, TransportError, WattestError
from wattest.keys.carry_over import give_once
from wattest.keys.enclave_slots import ProcessSlots
from wattest.store.batch_state import StoredState
from wattest.store.enclave_key import KeyState

_SETTLED = frozenset(
    {StoredState.COMMITTED, StoredState.FINAL, StoredState.SLASHED, StoredState.MISSED, StoredState.GIVEN_UP}
)


class FlightNotSettled(ProtocolError):
    """A batch is on its way: an enclave that gave its state away makes it no more."""


class GiverNotStarted(TransportError):
    """The address cannot be listened on."""


def give_state(config_path: Path, *, channel: str | None, listen: str) -> None:
    """What ``wattest operator give-state`` does."""
    settings, standing = open_operator_file(config_path)
    duty = duty_of(settings, channel)
    terms = settings.hand_overs.get(duty.channel.id)
    if terms is None:
        raise SettingInvalid(
            "the manager's permit is missing", place="channel.hand_over", hint="see docs/spec/ra-tls.md"
        )
    host, port = parse_address(listen, "--listen", "127.0.0.1:8550")
    operator = settings.signer.open().address
    platform = settings.platform.open()
    with SteadyStack() as stack:
        store = settings.data.write()  # the lock says that the operator is stopped
        try:
            store.belonging.require(owner_of(settings.deployment, operator))
            last, key = store.last_batch(duty.channel.id), store.keys.key_in(duty.channel.id, KeyState.ACTIVE)
        finally:
            store.close()  # the new program needs it; the enclave's own lock keeps the old operator from starting again
        if last is not None and last.state not in _SETTLED:
            raise FlightNotSettled(
                "a batch is on its way",
                sequence=last.sequence,
                state=last.state.value,
                hint="let the operator commit it first, or rotate without its state: rotate-key --lost",
            )
        contracts = connect_contracts(settings, MemoryJournal())
        sequence = contracts.referee.operator_head(duty.channel.id, operator).sequence
        committed = contracts.referee.committed_batch(duty.channel.id, operator, sequence) if sequence else None
        head = ChainHead() if committed is None else ChainHead(sequence, committed.header_digest)
        endorsements = collateral_source(settings.collateral, platform, say_collateral)
        slots = ProcessSlots(platform, settings.enclave_state_dir, guard=hold_interrupts)
        stack.callback(slots.stop)
        client = slots.client(0 if key is None else key.slot)
        try:
            listener = stack.enter_context(socket.create_server((host, port)))
        except OSError as error:
            raise GiverNotStarted(
                "the address cannot be listened on", retryable=False, address=listen, cause=str(error)
            ) from error
        address = "{}:{}".format(*listener.getsockname()[:2])
        click.echo(f"gives the state of channel {duty.channel.id.hex()} at {address}", err=True)
        standing.say()

        def settings_now() -> PeerSettings:
            now = contracts.client.now()
            return terms.settings(endorsements(now), now)

        def say(error: WattestError) -> None:
            click.echo(f"not given ({error.code}): {error.message}; waiting for the next", err=True)

        given = give_once(client, terms.permit, settings_now, head, listener, say)
        click.echo(f"given: the state after batch {given}")
