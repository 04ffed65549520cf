"""``wattest operator deposit``, ``release``, ``exit`` and ``withdraw``: an operator's money in a channel, step by step.

Decided here: what is said of each state, and which command comes next. Not decided here: the rules (the referee), how
final batches are released (``operator.commit_round``). Invariant: each step is done once however often it is asked
for; a deposit is raised to an amount and not by one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path

import click

from wattest.apps.actions.chain_deployment import moment, read_hex
from wattest.apps.actions.operator_keys import connect_contracts, duty_of
from wattest.apps.amounts import read_ether, show_ether
from wattest.apps.key_use import KeyUse, require_money, use_signer
from wattest.apps.operator_file import OperatorFile
from wattest.apps.production_files import open_operator_file
from wattest.chain.deploy import Contracts
from wattest.chain.referee_core import ChannelHead
from wattest.chain.referee_once import RefereeOnce
from wattest.errors import ProtocolError
from wattest.io.crash_points import CrashPoints
from wattest.messages.channel_name import find_channel
from wattest.operator.commit_round import CommitRound
from wattest.store.batch_state import StoredState
from wattest.twin.batch import BatchState
from wattest.twin.operator import OperatorHead, OperatorState

_CAN_DEPOSIT = frozenset({OperatorState.NONE, OperatorState.REGISTERED, OperatorState.ACTIVE})
_ENDED = {BatchState.FINAL: StoredState.FINAL, BatchState.SLASHED: StoredState.SLASHED}
_HAS_LEFT = frozenset({OperatorState.EXITING, OperatorState.WITHDRAWN})


class DepositTooSmall(ProtocolError):
    """A deposit that does not cover a single batch."""


class OperatorStands(ProtocolError):
    """What is asked for is not allowed to an operator that stands where this one does."""


class NothingFinal(ProtocolError):
    """No batch can be released yet."""


class WithdrawalTooEarly(ProtocolError):
    """The deposit cannot be withdrawn yet: batches bind it, or the exit delay runs."""


@dataclass(frozen=True, slots=True)
class _Desk:
    """An operator's key and contracts, and the channel (32 bytes) that is meant."""

    settings: OperatorFile
    channel: bytes
    key: KeyUse
    contracts: Contracts

    @property
    def address(self) -> bytes:
        return self.key.signer.address

    @property
    def once(self) -> RefereeOnce:
        return RefereeOnce(self.contracts.referee, self.key.signer, self.key.done)

    def heads(self) -> tuple[ChannelHead, OperatorHead]:
        return self.contracts.referee.heads_of([self.channel], self.address)[self.channel]

    def say(self, text: str, *, as_json: bool, **more: object) -> None:
        _, own = self.heads()
        if as_json:
            shown = {
                "operator": "0x" + self.address.hex(),
                "channel": self.channel.hex(),
                "operator_state": own.state.name.lower(),
                "deposit_wei": own.deposit_wei,
                "exposure_wei": own.open_exposure_wei,
            }
            click.echo(json.dumps(shown | more))
            return
        click.echo(text)


@contextmanager
def _at(config_path: Path, channel: str | None) -> Iterator[_Desk]:
    settings, _ = open_operator_file(config_path)
    book = settings.deployment
    named = duty_of(settings, None).channel if channel is None else find_channel(book.channels, channel)
    with use_signer(settings.signer, book.genesis_hash) as key:
        yield _Desk(settings, named.id, key, connect_contracts(settings, key.journal))


def deposit(config_path: Path, *, channel: str | None, ether: str, as_json: bool) -> None:
    """What ``wattest operator deposit`` does."""
    wanted = read_ether(ether)
    with _at(config_path, channel) as desk:
        for held, amount in _deposits_on_the_way(desk):  # an earlier run's, that it did not see mined
            desk.once.deposit(desk.channel, amount, held)
        head, own = desk.heads()
        if own.state not in _CAN_DEPOSIT:
            raise OperatorStands(
                f"this operator is {own.state.name.lower()} in the channel, and takes no more deposit",
                channel=desk.channel,
                actual=own.state.name.lower(),
                hint="take what is there: wattest operator withdraw"
                if own.state is not OperatorState.WITHDRAWN
                else "operate under another key: wattest operator new-key FILE",
            )
        exposure_wei = head.exposure_of(own)
        if wanted < exposure_wei:
            raise DepositTooSmall(
                "so little covers no batch",
                channel=desk.channel,
                expected=f"at least {show_ether(exposure_wei)} ether: what one batch binds until it is final",
                actual=f"{show_ether(wanted)} ether",
                hint="batches of a challenge window are open at once: seven days take eight times that",
            )
        added = max(0, wanted - own.deposit_wei)
        if added:
            require_money(desk.contracts.client, desk.address, added)
            desk.once.deposit(desk.channel, added, own.deposit_wei)
        _, own = desk.heads()
        verb = f"added {show_ether(added)} ether" if added else "nothing to add"
        batches = own.deposit_wei // exposure_wei
        text = f"{verb}: {show_ether(own.deposit_wei)} ether in the channel, which cover {batches} open batches"
        desk.say(text, as_json=as_json, added_wei=added, covers_batches=batches)


def release(config_path: Path, *, channel: str | None, as_json: bool) -> None:
    """What ``wattest operator release`` does."""
    with _at(config_path, channel) as desk:
        referee = desk.contracts.referee
        _, own = desk.heads()
        store = desk.settings.data.write()
        try:
            found = store.batches(desk.channel, from_sequence=own.first_unreleased, limit=own.open_batches)
            places = count(own.first_unreleased)
            unreleased = list(takewhile(lambda one: one.record is not None and one.sequence == next(places), found))
            states = referee.states_of([batch.citation(desk.address) for batch in unreleased])
            final = 0
            for batch, state in zip(unreleased, states, strict=True):
                if state not in _ENDED:
                    break
                if batch.state is StoredState.COMMITTED:
                    store.mark(desk.channel, batch.sequence, _ENDED[state])
                final += 1
            if not final:
                waiting = own.sequence - own.first_unreleased + 1 if own.sequence else 0
                raise NothingFinal(
                    "no batch of the channel is bound" if waiting <= 0 else "no batch of the channel is final yet",
                    channel=desk.channel,
                    actual=f"{max(0, waiting)} batches bind {show_ether(own.open_exposure_wei)} ether",
                    hint="a batch is final once its challenge window is over: `wattest operator status` says when",
                )
            commits = CommitRound(store, referee, desk.key.signer, CrashPoints())
            while own.first_unreleased < unreleased[0].sequence + final:  # so many as fit a transaction at a time
                _, failures = commits.release({desk.channel: own}, 1)
                for error in failures.values():
                    raise error
                _, own = desk.heads()
            desk.key.done(*(one for one in desk.key.journal.intents(desk.address) if one.startswith("release:")))
        finally:
            store.close()
        text = f"released {final} final batches: {show_ether(desk.heads()[1].open_exposure_wei)} ether stay bound"
        desk.say(text, as_json=as_json, released=final)


def leave(config_path: Path, *, channel: str | None, is_confirmed: bool, as_json: bool) -> None:
    """What ``wattest operator exit`` does."""
    with _at(config_path, channel) as desk:
        _, own = desk.heads()
        if own.state not in _HAS_LEFT:
            if own.state not in _CAN_DEPOSIT - {OperatorState.NONE}:
                raise OperatorStands(
                    f"this operator is {own.state.name.lower()} in the channel: there is nothing to leave",
                    channel=desk.channel,
                    actual=own.state.name.lower(),
                    hint=None if own.state is OperatorState.NONE else "take what is left: wattest operator withdraw",
                )
            if not is_confirmed:
                click.confirm("Leave for good? This key can never commit in the channel again.", abort=True, err=True)
            desk.once.request_exit(desk.channel)
        at = desk.contracts.referee.withdrawable_at(desk.channel, desk.address)
        when = moment(at) if at else "when its batches are final"
        desk.say(f"left; the deposit can be withdrawn from {when}", as_json=as_json, withdrawable_at=at or None)


def withdraw(config_path: Path, *, channel: str | None, to: str | None, owed: bool, as_json: bool) -> None:
    """What ``wattest operator withdraw`` does."""
    with _at(config_path, channel) as desk:
        referee, receiver = desk.contracts.referee, desk.address if to is None else read_hex(to, "--to", 20)
        before = referee.owed(desk.address)
        _, own = desk.heads()
        if owed:
            amount = before
            if before:
                desk.once.withdraw_owed(receiver)
        else:
            amount = own.deposit_wei
            if own.state is not OperatorState.WITHDRAWN:
                _require_withdrawable(desk, own)
                desk.once.withdraw(desk.channel, receiver)
        text = f"{show_ether(amount)} ether went to 0x{receiver.hex()}" if amount else "nothing is left to withdraw"
        desk.say(text, as_json=as_json, withdrawn_wei=amount, to="0x" + receiver.hex())


def _require_withdrawable(desk: _Desk, own: OperatorHead) -> None:
    if own.state not in {OperatorState.EXITING, OperatorState.BANNED}:
        raise OperatorStands(
            f"this operator is {own.state.name.lower()} in the channel: a deposit stays until its operator leaves",
            channel=desk.channel,
            actual=own.state.name.lower(),
            hint="leave first: wattest operator exit",
        )
    at, now = desk.contracts.referee.withdrawable_at(desk.channel, desk.address), desk.contracts.client.now()
    if own.first_unreleased <= own.sequence:
        raise WithdrawalTooEarly(
            "batches bind the deposit until they are final and released",
            channel=desk.channel,
            actual=f"batches {own.first_unreleased} to {own.sequence}",
            hint="once they are final: wattest operator release",
        )
    if now < at:
        raise WithdrawalTooEarly(
            "the exit delay runs",
            channel=desk.channel,
            expected=f"{moment(at)} or later",
            actual=moment(now),
            hint="try again then",
        )


def _deposits_on_the_way(desk: _Desk) -> list[tuple[int, int]]:
    """Held and added wei of deposits in this channel that were sent and not seen to land, oldest first."""
    ending = f":{desk.contracts.referee.address.hex()}:{desk.channel.hex()}"
    found = [
        one for one in desk.key.journal.intents(desk.address) if one.startswith("deposit:") and one.endswith(ending)
    ]
    return [(int(held), int(amount)) for _, held, amount, *_ in (one.split(":") for one in found)]
