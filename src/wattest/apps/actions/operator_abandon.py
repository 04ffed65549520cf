"""``wattest operator abandon``: give up a sealed batch that can never be committed.

Decided here: what is asked, refused and said. Not decided here: whether the chain may still take it
(``keys.commit_outlook``), where its blocks go (``store.block_filing``), the new key that follows (``keys.key_keeper``).
Invariants: the header stays on record for ever, since it was signed and may be out in the world; nothing is given up
that may yet be committed; what is done is one change on disk (ADR 12).
"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime

import click

from wattest.apps.actions.operator_keys import connect_contracts, duty_of
from wattest.apps.interrupts import SteadyStack
from wattest.apps.operator_file import OperatorFile
from wattest.apps.settings_agreement import owner_of
from wattest.chain.client import MemoryJournal
from wattest.chain.deploy import Contracts
from wattest.chain.shared_settings import channel_differences, require_agreement
from wattest.errors import ConfigError, ProtocolError
from wattest.io.crash_points import CrashPoints
from wattest.keys.commit_outlook import RELEASED, is_commit_sent, why_never
from wattest.metering.device_block import parse_device_block
from wattest.operator.due import next_period
from wattest.store.batch_state import StoredBatch, StoredState
from wattest.store.block_filing import Filed
from wattest.store.duty import Duty
from wattest.store.enclave_key import Cause
from wattest.store.operator_port import OperatorStore

_S = StoredState
WARNING = (
    "Its header is signed and may be known to others: it stays on record, and that key never signs its sequence again."
    " A new enclave key goes on from the chain's head. Never run an older copy of the enclave's state: two headers of"
    " one key for one sequence cost the deposit."
)


class NothingToAbandon(ProtocolError):
    """No batch of the channel was sealed that is not committed."""


class BatchStillCommittable(ProtocolError):
    """The batch may yet be committed, or is: it is not given up."""


class ConfirmationMissing(ConfigError):
    """Nobody said that the batch is to be given up."""


def abandon(
    settings: OperatorFile,
    *,
    channel: str | None,
    sequence: int | None,
    is_confirmed: bool,
    as_json: bool,
    faulty: bool,
) -> None:
    """What ``wattest operator abandon`` does."""
    faults = CrashPoints.unsafe_from_environment(os.environ) if faulty else CrashPoints()
    duty = duty_of(settings, channel)
    operator = settings.signer.open().address
    with SteadyStack() as stack:
        store = settings.data.write()  # the lock says that the operator is stopped
        stack.callback(store.close)
        store.belonging.require(owner_of(settings.deployment, operator))
        contracts = connect_contracts(settings, MemoryJournal())
        head = contracts.referee.channel_head(duty.channel.id)
        require_agreement(channel_differences("channel", duty.channel, duty.epoch_s, head))
        batch = _find(store, duty, sequence)
        reason = _require_hopeless(store, contracts, batch, operator)
        if not is_confirmed:
            _confirm(batch, reason, as_json=as_json)
        now = contracts.client.now()
        due_from, _ = next_period(duty.period_of(batch.period_start)[0], duty.epoch_s, head.commit_deadline_s, now)
        with store.transaction():
            store.mark(batch.channel, batch.sequence, _S.GIVEN_UP)
            store.keys.order(batch.channel, Cause.GIVEN_UP, now)
            filed = store.file_anew(duty, batch.sequence, due_from)
            faults.reach("abandon.marked")
        faults.reach("abandon.noted")
        returned = settings.data.open_inbox().take_back(
            batch.channel, "PeriodMismatch", lambda body: _fits(duty, body, due_from)
        )
    faults.reach("abandon.returned")
    _say(batch, reason, filed, returned, as_json=as_json)


def _find(store: OperatorStore, duty: Duty, sequence: int | None) -> StoredBatch:
    last = store.last_batch(duty.channel.id)
    wanted = last if sequence is None else store.find_batch(duty.channel.id, sequence)
    if wanted is None or wanted.state in {_S.COLLECTED, _S.SEALING}:
        raise NothingToAbandon(
            "nothing is signed for it yet" if wanted is not None else "no such batch",
            channel=duty.channel.id,
            sequence=sequence if wanted is None else wanted.sequence,
            hint="run the operator: a period that was not sealed in time is left out by itself",
        )
    return wanted


def _require_hopeless(store: OperatorStore, contracts: Contracts, batch: StoredBatch, operator: bytes) -> str:
    if batch.state is _S.GIVEN_UP:
        return "it was given up before"
    if batch.state not in RELEASED | {_S.MISSED}:
        raise BatchStillCommittable(
            "the batch is on chain",
            sequence=batch.sequence,
            state=batch.state.value,
            hint="there is nothing to give up",
        )
    found = why_never(
        contracts.referee,
        contracts.registry,
        batch,
        operator,
        is_sent=lambda one: is_commit_sent(store, one, operator),
    )
    if found is None:
        deadline = batch.period_end + contracts.referee.channel_head(batch.channel).commit_deadline_s
        raise BatchStillCommittable(
            "the batch may yet be committed",
            sequence=batch.sequence,
            state=batch.state.value,
            until=deadline,
            hint="run the operator: it commits the batch, or leaves it when its deadline is over",
        )
    return found.reason


def _confirm(batch: StoredBatch, reason: str, *, as_json: bool) -> None:
    interactive = not as_json and sys.stdin.isatty()
    question = f"Batch {batch.sequence} can never be committed: {reason}. {WARNING}\nGive it up?"
    if not interactive or not click.confirm(question, err=True):
        raise ConfirmationMissing(
            "the batch was not given up", sequence=batch.sequence, reason=reason, hint="say so with --yes"
        )


def _fits(duty: Duty, body: bytes, due_from: int) -> bool:
    block = parse_device_block(body)
    period = duty.period_of(block.period_start)
    return period[0] >= due_from and block.period_end <= period[1]


def _say(batch: StoredBatch, reason: str, filed: Filed, returned: int, *, as_json: bool) -> None:
    if as_json:
        shown = {
            "channel": batch.channel.hex(), "sequence": batch.sequence, "reason": reason,
            "header_digest": (batch.header_digest or b"").hex(), "waiting": dict(sorted(filed.waiting.items())),
            "kept_back": dict(filed.kept_back), "returned": returned,
        }  # fmt: skip
        click.echo(json.dumps(shown))
        return
    click.echo(f"given up: batch {batch.sequence}, since {reason}\n{WARNING}")
    for start, number in sorted(filed.waiting.items()):
        click.echo(
            f"  {number} blocks wait for the period from {datetime.fromtimestamp(start, UTC):%Y-%m-%d %H:%M} UTC"
        )
    for why, count in filed.kept_back.items():
        click.echo(f"  {count} blocks stay behind: {why}; their readings can go into an open channel")
    if returned:
        click.echo(f"  {returned} blocks that were set aside went back into the inbox")
    click.echo("next: wattest operator run, which makes and registers the new key")
