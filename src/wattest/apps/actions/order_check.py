"""Whether a new enclave key that is asked for can be made as things stand, and what else stands in an operator's way.

Decided here: what is asked before an order is left, and what status warns of: settings that the chain has differently,
a batch that can never be committed. Not decided here: how an order is carried out (``keys.key_keeper``).
"""

from __future__ import annotations

import click

from wattest.apps.operator_file import OperatorFile
from wattest.apps.settings_agreement import operator_file_differences
from wattest.chain.deploy import Contracts
from wattest.errors import TransportError
from wattest.keys.commit_outlook import RELEASED, why_never
from wattest.keys.orders import OrderHeld, nobody_judges, order_held
from wattest.store.database import DatabaseUnknown
from wattest.store.duty import Duty
from wattest.store.enclave_key import Cause, KeyState
from wattest.store.operator_port import OperatorView
from wattest.twin.operator import OperatorState


def require_doable(settings: OperatorFile, contracts: Contracts, duty: Duty, operator: bytes, cause: Cause) -> None:
    """Refuse an order that would wait for ever; a chain that does not answer leaves it to the next step to say so.

    Raises: RegistrarMissing, OrderHeld.
    """
    if not settings.deployment.is_judged_by_quote and not settings.appraisers:
        raise nobody_judges(duty.channel.id, cause)
    own = contracts.referee.operator_head(duty.channel.id, operator)
    if own.state not in {OperatorState.REGISTERED, OperatorState.ACTIVE}:
        raise OrderHeld(
            f"the operator is {own.state.name.lower()}: with no key it can commit in this channel",
            channel=duty.channel.id,
            cause=cause.value,
            hint="name the key file of the channel's operator, or make the deposit first"
            if own.state is OperatorState.NONE
            else "nothing is left to be done: an operator that left commits no more",
        )
    if not settings.data.has_tables:
        return
    try:
        store = settings.data.view()
    except DatabaseUnknown:  # of the version before: the operator migrates it at its next start
        return
    try:
        found = hopeless_batch(store, contracts, duty, operator)
    finally:
        store.close()
    if found is not None:
        raise order_held(cause, *found)


def say_undecided(error: TransportError) -> None:
    """The chain did not answer whether an order can be done."""
    click.echo(
        f"the chain does not answer ({error.message}): the operator's next step says whether it can be done", err=True
    )


def hopeless_batch(store: OperatorView, contracts: Contracts, duty: Duty, operator: bytes) -> tuple[int, str] | None:
    """Sequence of the channel's batch that was sealed and can never be committed, and why; None when there is none.

    What the operator follows by itself at its next step is none.
    """
    last = store.last_batch(duty.channel.id)
    if last is None or last.state not in RELEASED:
        return None
    found = why_never(contracts.referee, contracts.registry, last, operator, is_sent=lambda _: True)
    return None if found is None or found.goes_on else (last.sequence, found.reason)


def obstacles(
    settings: OperatorFile, contracts: Contracts, operator: bytes, store: OperatorView
) -> dict[bytes, list[str]]:
    """What keeps channels from going on, in words, by channel: for ``status``."""
    found: dict[bytes, list[str]] = {}
    differences = operator_file_differences(settings, contracts, operator, store)
    for number, duty in enumerate(settings.duties):
        place = f"channel[{number}]"
        lines = found.setdefault(duty.channel.id, [])
        for one in differences:
            if one.setting.startswith(place) or not one.setting.startswith("channel["):
                shown = one.shown()
                lines.append(f"{one.setting}: {shown['here']} here, {shown['chain']} on chain: {one.remedy}")
        hopeless = hopeless_batch(store, contracts, duty, operator)
        if hopeless is not None:
            sequence, reason = hopeless
            lines.append(f"batch {sequence} can never be committed, since {reason}: wattest operator abandon")
        created = store.keys.key_in(duty.channel.id, KeyState.CREATED)
        if store.keys.ordered(duty.channel.id) is Cause.UPGRADE and created is None:
            lines.append("an upgrade is ordered, and the old program runs still: stop it and start the new one")
        if (
            store.keys.ordered(duty.channel.id)
            and not settings.deployment.is_judged_by_quote
            and not settings.appraisers
        ):
            lines.append("a new key is ordered and nobody judges its evidence: name appraisers under [registration]")
    return found
