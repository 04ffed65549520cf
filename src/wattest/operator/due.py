"""What is next in a scheduled channel: a period to collect, a batch to seal, or nothing.

Decided here: which period is due, when late blocks are waited for no longer, what is left out because its deadline
passed. Not decided here: when it is done (``operator``), what is committed (``commit_round``). All windows use the
chain's time. Invariant: nothing is next while a batch of the channel is on its way to the chain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum

from wattest.chain.ports import RefereePort
from wattest.chain.referee_core import ChannelHead
from wattest.chain.shared_settings import require_agreement, roster_differences
from wattest.enclave.host.client import EnclaveClient
from wattest.keys.key_keeper import KeyKeeper
from wattest.keys.key_report import OperatorStopped
from wattest.operator.commit_round import CommitRound
from wattest.store.batch_state import StoredBatch, StoredState
from wattest.store.duty import Duty
from wattest.store.operator_port import OperatorStore
from wattest.twin.operator import OperatorHead, OperatorState

Heads = Mapping[bytes, tuple[ChannelHead, OperatorHead]]
"""What the chain says of channels and of the operator in them, by channel id."""
_S = StoredState


class NextStep(Enum):
    """What is to be done next in a channel."""

    WAIT = "wait"
    COLLECT = "collect"
    SEAL = "seal"
    STORE = "store"
    COMMIT = "commit"


def decide(
    last: StoredBatch | None, due: tuple[int, int], now: int, *, complete: bool, collect_grace_s: int
) -> NextStep:
    """The next step from the last batch's state, the period that is due and the chain's time; no effects.

    ``complete`` says that every member's block is there, so that nobody need be waited for.
    """
    if last is not None:
        match last.state:
            case StoredState.COLLECTED | StoredState.SEALING:
                return NextStep.SEAL
            case StoredState.SEALED:
                return NextStep.STORE
            case StoredState.STORED | StoredState.COMMITTING:
                return NextStep.COMMIT
            case _:
                pass
    if now < due[1] or (not complete and now < due[1] + collect_grace_s):
        return NextStep.WAIT
    return NextStep.COLLECT


def next_period(start: int, epoch_s: int, commit_deadline_s: int, now: int) -> tuple[int, int]:
    """The first period from ``start`` on that can still be committed at ``now`` (chain time)."""
    late = now - (start + epoch_s + commit_deadline_s)
    if late >= 0:
        start += (late // epoch_s + 1) * epoch_s
    return start, start + epoch_s


class Due:
    """The next work in one operator's channels; ``enclave_of`` gives the enclave that seals for a channel."""

    def __init__(
        self,
        store: OperatorStore,
        referee: RefereePort,
        commits: CommitRound,
        enclave_of: Callable[[bytes], EnclaveClient],
        *,
        keys: KeyKeeper | None = None,
        collect_grace_s: int,
    ) -> None:
        self._store = store
        self._referee = referee
        self._commits = commits
        self._enclave_of = enclave_of
        self._keys = keys
        self._collect_grace_s = collect_grace_s
        self._starts: dict[bytes, int] = {}

    def next(self, duty: Duty, heads: Heads, now: int) -> StoredBatch | tuple[int, int] | None:
        """The channel's batch that is to be sealed, or the period that is to be collected; None to wait or commit.

        A batch past its deadline for which nothing was signed is dropped. Raises: OperatorStopped, SettingsDisagree.
        """
        channel = duty.channel.id
        while not self._commits.pending([channel]):
            last = self._store.last_batch(channel)
            if last is not None and last.state is _S.GIVEN_UP:
                raise OperatorStopped(
                    "a sealed batch was given up: nothing is sealed until a new enclave key is registered",
                    channel=channel,
                    sequence=last.sequence,
                    hint="see what keeps the new key: wattest operator status",
                )
            due = self._due_period(duty, last, heads[channel], now)
            members = len(duty.members_at(due[0]).members.member_list.members)
            complete = self._store.meters_with_block(channel, due[0]) >= members
            step = decide(last, due, now, complete=complete, collect_grace_s=self._collect_grace_s)
            if step is NextStep.WAIT:
                return None
            if step is not NextStep.STORE and self._keys is not None and self._keys.is_switching(channel):
                return None
            if step is NextStep.COLLECT:
                _require_able(channel, heads[channel][1], last)
                _require_roster(duty, due[0], heads[channel][0])
                return due
            assert last is not None  # every other step follows from a batch
            if step is NextStep.STORE:
                return last
            if not self._leave_out(duty, last, heads[channel][0], now):
                _require_roster(duty, last.period_start, heads[channel][0])
                return last
        return None

    def _due_period(
        self, duty: Duty, last: StoredBatch | None, head: tuple[ChannelHead, OperatorHead], now: int
    ) -> tuple[int, int]:
        """The next period that can still be committed: one whose deadline passed unsealed is left out."""
        start = self._first_start(duty, head[1].sequence) if last is None else last.period_end
        return next_period(start, duty.epoch_s, head[0].commit_deadline_s, now)

    def _first_start(self, duty: Duty, sequence: int) -> int:
        """Where this host begins: after what the operator has committed, which may have been on another host."""
        channel = duty.channel.id
        if channel not in self._starts:
            start = duty.first_period_start
            if sequence:
                start = self._referee.committed_header(
                    self._commits.committed_on_chain(channel, sequence)
                ).header.period_end
            self._starts[channel] = start
        return self._starts[channel]

    def _leave_out(self, duty: Duty, batch: StoredBatch, head: ChannelHead, now: int) -> bool:
        """Drop a batch that is past its deadline, or of a period that the channel has not, and for which the enclave
        signed nothing; whether it was dropped."""
        fits = (batch.period_start, batch.period_end) == duty.period_of(batch.period_start)
        if fits and now < batch.period_end + head.commit_deadline_s:
            return False
        if batch.state is _S.SEALING:
            released = self._enclave_of(batch.channel).last_release(batch.channel)
            if released is not None and released.header.sequence >= batch.sequence:
                return False
        with self._store.transaction():
            if not fits:
                start = duty.period_of(batch.period_start)[0]
                due_from, _ = next_period(start, duty.epoch_s, head.commit_deadline_s, now)
                self._store.file_anew(duty, batch.sequence, due_from)
            self._store.keys.leave_out(batch)
        return True


def _require_roster(duty: Duty, period_start: int, head: ChannelHead) -> None:
    """Seal nothing that the contract would not take: a batch has as many entries as the channel's roster count."""
    lists = [keys.members for keys in duty.member_lists]
    require_agreement(roster_differences(f"channel {duty.channel.id.hex()}", lists, period_start, head))


def _require_able(channel: bytes, head: OperatorHead, last: StoredBatch | None) -> None:
    if head.state not in {OperatorState.REGISTERED, OperatorState.ACTIVE}:
        raise OperatorStopped("the operator cannot commit in this channel", channel=channel, state=head.state.name)
    if last is not None and last.state is _S.MISSED:
        raise OperatorStopped(
            "a sealed batch missed its commit deadline",
            sequence=last.sequence,
            hint="the enclave keeps that sequence for its header; a new key goes on: wattest operator rotate-key",
        )
