"""The operator's loop: take blocks in, seal periods, store their bundles, commit their headers, answer challenges.

Decided here: the order of steps, what is persistent between them, and what a restart continues with. Not decided here:
what the enclave checks, what the contract allows, how transactions survive (``chain.client``), what becomes of commits
(``commit_round``) and of challenges (``answers``). Every step reads the state, does one thing and writes the state, so
that ``kill -9`` between any two loses nothing and doubles nothing: the enclave gives the same header for the same job,
the store keeps one header per sequence, an intent has one nonce.

The chain is waited for together: every channel is taken as far as it goes without a block, and then all commit at once.
What one channel meets holds back no other. All windows use the chain's time. Invariants: nothing of a channel is sealed
while an earlier batch of it is not on chain; a header that the store holds is the only one ever committed for its
sequence.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from wattest.chain.many_sent import IN_FLIGHT
from wattest.chain.ports import ChainPort, RefereePort
from wattest.chain.referee_events import ClosedChallenge, OpenedChallenge
from wattest.chain.shared_settings import SettingsDisagree, channel_differences, require_agreement
from wattest.crypto.signer import Signer
from wattest.enclave.host.client import ChainHead, EnclaveClient, SealedBatch, SealJob
from wattest.enclave.host.job_calls import OpenChannelJob
from wattest.errors import ConfigError, WattestError
from wattest.io.crash_points import CrashPoints
from wattest.keys.key_keeper import KeyKeeper
from wattest.keys.key_report import OperatorStopped
from wattest.keys.standby import Replicator
from wattest.metering.meter import meter_key_id
from wattest.operator.answers import OPEN, Answers
from wattest.operator.commit_round import CommitRound, Failures
from wattest.operator.due import Due, Heads
from wattest.operator.ingest import keep_block, keep_blocks, take_in
from wattest.operator.open_batches import OpenBatches
from wattest.operator.step_report import BatchChange, StepReport
from wattest.settling.settler import Settler
from wattest.store.batch_state import StoredBatch, StoredState
from wattest.store.duty import Duty, OpenDuty
from wattest.store.event_log import EventFollower
from wattest.store.operator_port import OperatorStore
from wattest.store.ports import BlockInbox, BundleGroup, BundleStore
from wattest.twin.batch import BatchState

LONGEST_PREPARATION_S = 60.0
"""How long channels are sealed before what is ready is committed: little beside a commit deadline of hours."""
_S = StoredState


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """How an operator behaves.

    ``collect_grace_s`` is how long after a period's end late blocks are waited for (chain time); ``release_after`` how
    many final batches are released at once; ``in_flight`` how many transactions wait for a block at once.
    ``unsafe_withheld`` positions are neither served nor answered: for demonstrations of a cheat; no setting says it.
    """

    collect_grace_s: int = 300
    release_after: int = 8
    in_flight: int = IN_FLIGHT
    unsafe_withheld: frozenset[int] = frozenset()


class Operator:
    """One operator with its store, its enclave and its key on chain; drive it with ``step``.

    ``enclave`` is called for every sealing, so that a restarted enclave process is found again. With ``keys`` the
    keeper says which enclave seals for a channel, and keeps its registration; ``enclave`` then serves open channels.
    """

    def __init__(
        self,
        store: OperatorStore,
        bundles: BundleStore,
        inbox: BlockInbox,
        referee: RefereePort,
        signer: Signer,
        enclave: Callable[[], EnclaveClient],
        *,
        duties: Sequence[Duty] = (),
        open_duties: Sequence[OpenDuty] = (),
        settler: Settler | None = None,
        settings: OperatorSettings | None = None,
        faults: CrashPoints | None = None,
        keys: KeyKeeper | None = None,
        standby: Replicator | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``clock`` (seconds) paces what is sealed before the next commits, nothing else."""
        self.store = store
        self.bundles = bundles
        self.inbox = inbox
        self.referee = referee
        self.signer = signer
        self.duties = list(duties)
        self.open_duties = list(open_duties)
        self.settler = settler
        self.settings = settings or OperatorSettings()
        self.keys = keys
        self.standby = standby
        self._enclave = enclave
        self._clock = clock
        self._faults = faults or CrashPoints()
        self._heads: Heads = {}
        self._answers = Answers(
            store, referee, signer, self._faults,
            withheld=self.settings.unsafe_withheld, in_flight=self.settings.in_flight,
        )  # fmt: skip
        self._commits = CommitRound(store, referee, signer, self._faults, keys=keys, in_flight=self.settings.in_flight)
        self._due = Due(
            store, referee, self._commits, self._enclave_of, keys=keys, collect_grace_s=self.settings.collect_grace_s
        )
        self._open = OpenBatches(store, bundles, self._faults, keep=self._keep, store=self._store)
        bundles.remove_unfinished()
        self._follower = EventFollower(referee, store.cursors, "referee")
        for duty in self.duties:
            newest = max(duty.member_lists, key=lambda keys: keys.members.member_list.valid_from)
            store.put_document(duty.channel.id, "members", newest.members.to_bytes())

    @property
    def chain(self) -> ChainPort:
        """The chain that the referee is on."""
        return self.referee.client

    @property
    def address(self) -> bytes:
        """The operator's 20-byte address."""
        return self.signer.address

    def ingest(self, channel: bytes, body: bytes) -> bool:
        """Take a device block in, in this process; False when it is there already."""
        return keep_block(self.store, self._duty(channel), body)

    def ingest_many(self, channel: bytes, bodies: Iterable[bytes]) -> int:
        """Take many blocks in with one durable write; how many were new. One refusal is raised and none is kept."""
        with self.store.transaction():
            outcomes = keep_blocks(self.store, self._duty(channel), bodies)
            for outcome in outcomes:
                if isinstance(outcome, WattestError):
                    raise outcome
        return sum(map(bool, outcomes))

    def step(self, now: int | None = None) -> StepReport:
        """Do everything that can be done now; ``now`` is chain time, read from the chain when None.

        Expected failures are in the report and are tried again by the next step; what cannot be mended by waiting stays
        there until somebody looks.
        """
        report = StepReport()
        time_of = self.chain.now if now is None else lambda: now
        try:
            time_s = time_of()
            self._follow()
        except WattestError as error:
            report.errors.append(error)
            return report
        self._recheck(report)
        self._answers.run(report, time_s)  # before any commit: that one waits must not keep an answer from going out
        tended = [duty for duty in self._agreed(report) if self._tend(duty, report, time_s)]
        for open_duty in self.open_duties:
            self._tend_key(open_duty, report, time_s)
        if self.settler is not None:
            self.settler.seal(self, report.settling)
        held = self._advance_all(tended, report, time_of)
        for duty in tended:
            if duty.channel.id not in held:
                try:
                    self._replicate(duty.channel.id, report, time_s)
                except WattestError as error:
                    report.errors.append(error)
        if self.settler is not None:
            self.settler.follow(report.settling, time_s)
        report.errors += report.settling.errors
        self._release(report)
        return report

    def seal(self, job: OpenChannelJob) -> tuple[StoredBatch, SealedBatch]:
        """Seal, store and commit a job of an open channel; submit the identical job again after a crash."""
        channel, sequence = job.channel, job.head.sequence + 1
        found: list[SealedBatch] = []
        self.seal_open(job, found.append)
        batch = self.store.batch(channel, sequence)
        if batch.state in {_S.STORED, _S.COMMITTING}:
            for failure in self._commits.run([batch], StepReport()).values():
                raise failure
        return self.store.batch(channel, sequence), found[0]

    def seal_open(self, job: OpenChannelJob, keep: Callable[[SealedBatch], None]) -> None:
        """Seal and store a job of an open channel, to be committed next, ``keep`` in the change that keeps its header.

        A job that is refused before anything was signed leaves nothing behind.
        """
        self._open.seal(job, self.enclave_of(job.channel), keep)

    def enclave_of(self, channel: bytes) -> EnclaveClient:
        """The enclave that seals for a channel; raises ``OperatorStopped`` when its key is not active."""
        kept = self.keys is not None and self.keys.keeps(channel)
        return self._enclave_of(channel) if kept else self._enclave()

    def chain_head(self, channel: bytes) -> ChainHead:
        """The operator's head on chain, as the enclave asks for it."""
        return self._chain_head(channel, self.referee.operator_head(channel, self.address).sequence)

    def _chain_head(self, channel: bytes, sequence: int) -> ChainHead:
        if sequence == 0:
            return ChainHead()
        stored = self.store.find_batch(channel, sequence)
        if stored is not None and stored.header_digest is not None and stored.record is not None:
            return ChainHead(sequence, stored.header_digest)
        return ChainHead(sequence, self._commits.committed_on_chain(channel, sequence).header_digest)

    # following the chain

    def _follow(self) -> None:
        for event in self._follower.read():
            if event.operator != self.address:
                continue
            if isinstance(event, OpenedChallenge):
                self.store.save_challenge(event.channel, event.sequence, event.entry_index, event.deadline, OPEN)
                self._faults.reach("challenge.noted")
            elif isinstance(event, ClosedChallenge):
                self.store.save_challenge(event.channel, event.sequence, event.entry_index, 0, event.state.name.lower())
        self._follower.keep()

    def _recheck(self, report: StepReport) -> None:
        """See whether what was committed still stands, was slashed, or is final."""
        waiting = [one for at in self.store.channels() for one in self.store.batches(at, states=[_S.COMMITTED])]
        try:
            states = self.referee.states_of([one.citation(self.address) for one in waiting])
        except WattestError as error:
            report.errors.append(error)
            return
        for batch, stands in zip(waiting, states, strict=True):
            try:
                self._recheck_one(batch, stands, report)
            except WattestError as error:
                report.errors.append(error)

    def _recheck_one(self, batch: StoredBatch, stands: BatchState, report: StepReport) -> None:
        match stands:
            case BatchState.SLASHED:
                self.store.mark(batch.channel, batch.sequence, _S.SLASHED)
            case BatchState.NONE:  # a reorganisation dropped it: the same transaction goes out again
                self.store.mark(batch.channel, batch.sequence, _S.COMMITTING)
            case BatchState.FINAL:
                self.store.mark(batch.channel, batch.sequence, _S.FINAL)
                self._faults.reach("batch.final")
                report.note(BatchChange.FINAL, batch.channel, batch.sequence)
            case BatchState.COMMITTED:
                pass

    # periods of scheduled channels

    def _agreed(self, report: StepReport) -> list[Duty]:
        """The duties whose settings are the chain's; of any other no block is taken in, nothing asked of an enclave."""
        agreed: list[Duty] = []
        try:
            heads = self.referee.heads_of([duty.channel.id for duty in self.duties], self.address)
        except WattestError as error:
            report.errors.append(error)
            return agreed
        for duty in self.duties:
            place, (head, _) = f"channel {duty.channel.id.hex()}", heads[duty.channel.id]
            try:
                require_agreement(channel_differences(place, duty.channel, duty.epoch_s, head))
                agreed.append(duty)
            except SettingsDisagree as error:
                report.errors.append(error)
        return agreed

    def _tend(self, duty: Duty, report: StepReport, now: int) -> bool:
        """Take the duty's blocks in and see to its enclave key; whether the channel may go on."""
        kept, refused = take_in(self.inbox, self.store, duty, self._faults)
        report.ingested += kept
        report.errors += refused
        return self._tend_key(duty, report, now)

    def _tend_key(self, duty: Duty | OpenDuty, report: StepReport, now: int) -> bool:
        try:
            if self.keys is not None:
                self.keys.tend(duty, self.chain_head, report, now)
        except WattestError as error:
            report.errors.append(error)
            return False
        return True

    def _advance_all(self, duties: Sequence[Duty], report: StepReport, time_of: Callable[[], int]) -> set[bytes]:
        """Take every channel as far as it goes, in rounds: all that needs no block, then one commit of each together.

        A channel that committed may have another batch waiting: it is in the next round. The channels that failed.
        """
        own = {duty.channel.id for duty in self.duties}
        rest = [channel for channel in self.store.channels() if channel not in own]
        going, held = list(duties), set[bytes]()
        while going or rest:
            try:
                now = time_of()
                self._heads = self.referee.heads_of([duty.channel.id for duty in going], self.address)
            except WattestError as error:
                report.errors.append(error)
                return held | {duty.channel.id for duty in going}
            failures: Failures = {}
            left = self._prepare(going, report, failures, now)
            channels = [*(duty.channel.id for duty in going), *rest]
            batches = self._commits.pending(channel for channel in channels if channel not in failures)
            failures |= self._commits.run(batches, report)
            report.errors += dict.fromkeys(failures.values())  # one that many share is told once
            held |= set(failures)
            on = left | {batch.channel for batch in batches} - held
            going = [duty for duty in going if duty.channel.id in on]
            rest = [channel for channel in rest if channel in on]
        return held

    def _prepare(self, duties: Sequence[Duty], report: StepReport, failures: Failures, now: int) -> set[bytes]:
        """Collect what is due, seal it, and store it, so that it can be committed.

        The channels that are left for the next round: what is sealed for long must not wait until all others are.
        """
        begun = self._clock()
        waiting = self._collect(duties, report, failures, now)
        sealed: list[bytes] = []
        with self.bundles.group(self._faults) as group:
            for duty in duties:
                batch = waiting.get(duty.channel.id)
                if batch is None:
                    continue
                if sealed and (group.is_full or self._clock() - begun > LONGEST_PREPARATION_S):
                    break
                del waiting[batch.channel]
                try:
                    self._seal(duty, batch, group)
                except WattestError as error:
                    failures[batch.channel] = error
                    continue
                sealed.append(batch.channel)
                if batch.state is not _S.SEALED:
                    report.note(BatchChange.SEALED, batch.channel, batch.sequence)
            try:
                self._store(group, sealed)
            except WattestError as error:  # they stay sealed: the next step stores them
                failures |= dict.fromkeys(sealed, error)
        return set(waiting)

    def _collect(
        self, duties: Sequence[Duty], report: StepReport, failures: Failures, now: int
    ) -> dict[bytes, StoredBatch]:
        """The batch that is to be sealed next, by channel; one of a period that is due is new."""
        waiting: dict[bytes, StoredBatch] = {}
        due: dict[bytes, tuple[int, int]] = {}
        for duty in duties:
            try:
                found = self._due.next(duty, self._heads, now)
            except WattestError as error:
                failures[duty.channel.id] = error
                continue
            if isinstance(found, StoredBatch):
                waiting[duty.channel.id] = found
            elif found is not None:
                due[duty.channel.id] = found
        try:
            with self.store.transaction():
                for channel, period in due.items():
                    try:
                        waiting[channel] = self.store.collect(channel, self._heads[channel][1].sequence + 1, period)
                    except WattestError as error:
                        failures[channel] = error
            if due:
                self._faults.reach("batch.collected")
            self._take_last(duties, waiting, report)
            with self.store.transaction():
                for batch in waiting.values():
                    self.store.mark_if_before_sealed(batch.channel, batch.sequence)
            if waiting:
                self._faults.reach("batch.sealing")
        except WattestError as error:  # nothing was collected, or nothing may be asked of an enclave
            failures |= dict.fromkeys([*waiting, *due], error)
            return {}
        return waiting

    def _take_last(self, duties: Sequence[Duty], waiting: dict[bytes, StoredBatch], report: StepReport) -> None:
        """Take in what came before the period was seen to be collected: the server signed for it."""
        for duty in duties:
            batch = waiting.get(duty.channel.id)
            if batch is not None and batch.state is _S.COLLECTED:
                kept, refused = take_in(self.inbox, self.store, duty, self._faults)
                report.ingested += kept
                report.errors += refused

    def _replicate(self, channel: bytes, report: StepReport, now: int) -> None:
        """Keep the standby current with what is committed; whatever becomes of that, nothing here waits for it."""
        last = self.store.last_batch(channel)
        if self.standby is None or last is None:
            return
        ended = last.state in {_S.COMMITTED, _S.FINAL, _S.SLASHED}
        committed = last.sequence if ended else last.sequence - 1
        lag = self.standby.tend(channel, committed, self.chain_head, self._enclave_of, now)
        if lag is not None:
            report.lags.append(lag)

    def _enclave_of(self, channel: bytes) -> EnclaveClient:
        return self._enclave() if self.keys is None else self.keys.enclave(channel)

    def _seal(self, duty: Duty, batch: StoredBatch, group: BundleGroup) -> None:
        channel, sequence = batch.channel, batch.sequence
        keys = duty.members_at(batch.period_start)
        while True:
            job = SealJob(
                head=self._chain_head(channel, self._heads[channel][1].sequence),
                period_start=batch.period_start,
                period_end=batch.period_end,
                members=keys.members,
                meter_keys=keys.meter_keys,
                blocks=self.store.blocks_of(channel, sequence),
            )
            try:
                sealed = self._enclave_of(channel).seal(job)
                break
            except WattestError as error:
                # One block that the enclave refuses must not cost a whole community its period.
                member = error.fields.get("member")
                if error.code not in {"DeviceBlockRefused", "SeriesRefused"} or not isinstance(member, int):
                    raise
                meter = meter_key_id(keys.members.member_list.members[member].public_key)
                self.store.refuse_block(channel, sequence, meter, error.message)
        self._faults.reach("enclave.released")
        members = keys.members.member_list.members
        roster = b"".join(meter_key_id(members[index].public_key) for index in sealed.member_of)
        self._keep(sealed, roster, group)

    def _keep(self, sealed: SealedBatch, roster: bytes, group: BundleGroup) -> None:
        header = sealed.header
        self.store.save_sealed(
            header,
            header.digest(self.referee.domain),
            sealed.signature,
            entries=sealed.entries,
            salts=sealed.entry_salts,
            wrapped_keys=sealed.wrapped_keys,
            roster=roster,
        )
        self._faults.reach("batch.sealed")
        group.add(sealed.manifest, sealed.blocks)
        self._faults.reach("bundle.written")

    def _store(self, group: BundleGroup, channels: Sequence[bytes]) -> None:
        """Make a group's bundles durable, and then these channels' sealed batches known as stored, all at once."""
        group.store()
        if not channels:
            return
        with self.store.transaction():
            for channel in channels:
                for batch in self.store.batches(channel, states=[_S.SEALED]):
                    self.store.mark(channel, batch.sequence, _S.STORED)
        self._faults.reach("batch.stored")

    def _release(self, report: StepReport) -> None:
        """Release final batches, lazily, of all channels together."""
        try:
            heads = self.referee.heads_of(self.store.channels(), self.address)
            _, failures = self._commits.release(
                {channel: own for channel, (_, own) in heads.items()}, self.settings.release_after
            )
            report.errors += dict.fromkeys(failures.values())
        except WattestError as error:
            report.errors.append(error)

    def _duty(self, channel: bytes) -> Duty:
        for duty in self.duties:
            if duty.channel.id == channel:
                return duty
        raise ConfigError("the operator does not serve this channel", channel=channel)


__all__ = [
    "Operator",
    "OperatorSettings",
    "OperatorStopped",
    "StepReport",
]
