"""The operator's loop: take blocks in, seal a period, store its bundle, commit its header, answer challenges.

Decided here: the order of steps, what is persistent between them, and what a restart continues with. Not decided here:
what the enclave checks, what the contract allows, how transactions survive (``chain.client``). Every step reads the
state, does one thing and writes the state, so that ``kill -9`` between any two loses nothing and doubles nothing: the
enclave gives the same header for the same job, the store keeps one header per sequence, an intent has one nonce.

All windows use the chain's time. Invariants: nothing is sealed while an earlier batch is not on chain; a header that
the store holds is the only one ever committed for its sequence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from wattest.chain.client import ChainClient, Receipt
from wattest.chain.referee import ClosedChallenge, CommittedBatch, OpenedChallenge, Referee
from wattest.chain.signer import LocalSigner
from wattest.enclave.host.client import ChainHead, EnclaveClient, ImportJob, SealedBatch, SealJob, StatementJob
from wattest.errors import ConfigError, TransportError, WattestError
from wattest.merkle import MerkleTree
from wattest.metering.meter import meter_key_id
from wattest.node.bundle import BundleStore
from wattest.node.event_log import EventFollower
from wattest.node.faults import FaultPoints
from wattest.node.ingest import Duty, Inbox, keep_block
from wattest.node.key_keeper import KeyKeeper
from wattest.node.standby import Replicator
from wattest.node.step_report import OperatorStopped, StepReport
from wattest.node.store import OperatorStore, SecondHeader, StoredBatch, StoredState
from wattest.protocol import errors as refusals
from wattest.protocol.batch import EMPTY_RECORD, BatchRecord, EntryInclusion
from wattest.protocol.challenge import ChallengeState
from wattest.protocol.operator import OperatorState
from wattest.protocol.parameters import ChannelParameters

OPEN = "open"
_S = StoredState


class UnsafeWithholding(ConfigError):
    """Withholding entries was asked for in production."""


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """How an operator behaves.

    ``collect_grace_s`` is how long after a period's end late blocks are waited for (chain time); ``release_after`` how
    many final batches are released at once. ``unsafe_withheld`` positions are neither served nor answered: for
    demonstrations of a cheat, refused in production.
    """

    collect_grace_s: int = 300
    release_after: int = 8
    production: bool = False
    unsafe_withheld: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        if self.production and self.unsafe_withheld:
            raise UnsafeWithholding("production operators withhold nothing", hint="remove unsafe_withheld")


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


class Operator:
    """One operator with its store, its enclave and its key on chain; drive it with ``step``.

    ``enclave`` is called for every sealing, so that a restarted enclave process is found again. With ``keys`` the
    keeper says which enclave seals for a channel, and keeps its registration; ``enclave`` then serves open channels.
    """

    def __init__(
        self,
        store: OperatorStore,
        bundles: BundleStore,
        inbox: Inbox,
        referee: Referee,
        signer: LocalSigner,
        enclave: Callable[[], EnclaveClient],
        *,
        duties: Sequence[Duty] = (),
        settings: OperatorSettings | None = None,
        faults: FaultPoints | None = None,
        keys: KeyKeeper | None = None,
        standby: Replicator | None = None,
    ) -> None:
        self.store = store
        self.bundles = bundles
        self.inbox = inbox
        self.referee = referee
        self.signer = signer
        self.duties = list(duties)
        self.settings = settings or OperatorSettings()
        self.keys = keys
        self.standby = standby
        self._starts: dict[bytes, int] = {}
        self._enclave = enclave
        self._faults = faults or FaultPoints()
        self._parameters: dict[tuple[bytes, int], ChannelParameters] = {}
        self._follower = EventFollower(referee, store.cursors, "referee")
        for duty in self.duties:
            newest = max(duty.member_lists, key=lambda keys: keys.members.member_list.valid_from)
            store.put_document(duty.channel.id, "members", newest.members.to_bytes())

    @property
    def chain(self) -> ChainClient:
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
        duty = self._duty(channel)
        with self.store.database.transaction():
            return sum(keep_block(self.store, duty, body) for body in bodies)

    def step(self, now: int | None = None) -> StepReport:
        """Do everything that can be done now; ``now`` is chain time, read from the chain when None.

        Expected failures are in the report and are tried again by the next step; what cannot be mended by waiting stays
        there until somebody looks.
        """
        report = StepReport()
        try:
            time_s = self.chain.now() if now is None else now
            self._follow()
        except WattestError as error:
            report.errors.append(error)
            return report
        for channel in self.store.channels():
            for look in (self._recheck, self._answer):  # a commit that waits must not keep an answer from going out
                try:
                    look(channel, report, time_s)
                except WattestError as error:
                    report.errors.append(error)
        for duty in self.duties:
            kept, refused = self.inbox.take_in(self.store, duty, self._faults)
            report.ingested += kept
            report.errors += refused
            try:
                if self.keys is not None:
                    self.keys.tend(duty, self.chain_head, report, time_s)
                self._resume(duty.channel.id, report)
                while self._advance(duty, report, time_s):
                    pass
                self._replicate(duty.channel.id, report, time_s)
            except WattestError as error:
                report.errors.append(error)
        own = {duty.channel.id for duty in self.duties}
        for channel in self.store.channels():
            try:
                if channel not in own:
                    self._resume(channel, report)
                self._release(channel)
            except WattestError as error:
                report.errors.append(error)
        return report

    def seal(self, job: ImportJob | StatementJob) -> tuple[StoredBatch, SealedBatch]:
        """Seal, store and commit a job of an open channel; submit the identical job again after a crash."""
        channel, sequence = job.channel, job.head.sequence + 1
        self.store.collect(channel, sequence, (job.period_start, job.period_end))
        self._faults.reach("batch.collected")
        self.store.mark_if_before_sealed(channel, sequence)
        enclave = self._enclave()
        sealed = enclave.seal_import(job) if isinstance(job, ImportJob) else enclave.seal_statement(job)
        self._faults.reach("enclave.released")
        self._keep(sealed, b"")
        report = StepReport()
        batch = self.store.batch(channel, sequence)
        if batch.state in {_S.STORED, _S.COMMITTING}:
            self._commit(batch, report)
        return self.store.batch(channel, sequence), sealed

    def chain_head(self, channel: bytes) -> ChainHead:
        """The operator's head on chain, as the enclave asks for it."""
        head = self.referee.operator_head(channel, self.address)
        if head.sequence == 0:
            return ChainHead()
        stored = self.store.find_batch(channel, head.sequence)
        if stored is not None and stored.header_digest is not None and stored.record is not None:
            return ChainHead(head.sequence, stored.header_digest)
        committed = self._committed_on_chain(channel, head.sequence)
        return ChainHead(head.sequence, committed.header_digest)

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

    def _recheck(self, channel: bytes, report: StepReport, now: int) -> None:
        """See whether what was committed still stands, was slashed, or is final."""
        open_batches = self.store.batches(channel, states=[_S.COMMITTED])
        if not open_batches:
            return
        slots = self.chain.call_many(
            self.referee.abi,
            self.referee.address,
            [("recordDigestOf", (channel, self.address, batch.sequence)) for batch in open_batches],
        )
        for batch, (slot,) in zip(open_batches, slots, strict=True):
            record = _record_of(batch)
            if slot == record.slashed().digest:
                self.store.mark(channel, batch.sequence, _S.SLASHED)
            elif slot != record.digest:  # a reorganisation dropped it: the same transaction goes out again
                self.store.mark(channel, batch.sequence, _S.COMMITTING)
            elif now >= record.committed_at + self._parameters_of(channel, record).challenge_window_s and (
                self.referee.is_final(channel, self.address, batch.sequence, record)
            ):
                self.store.mark(channel, batch.sequence, _S.FINAL)
                self._faults.reach("batch.final")
                report.finalised.append(batch.sequence)

    def _answer(self, channel: bytes, report: StepReport, now: int) -> None:
        for sequence, position, deadline in self.store.challenges(channel, OPEN):
            if position in self.settings.unsafe_withheld or now >= deadline:
                continue
            stands = self.referee.challenge_of(channel, self.address, sequence, position)
            if stands.state is not ChallengeState.OPEN:
                self.store.save_challenge(channel, sequence, position, 0, stands.state.name.lower())
                continue
            try:
                report.answered.append(self._show(channel, sequence, position))
            except WattestError as error:
                report.errors.append(error)

    def _show(self, channel: bytes, sequence: int, position: int) -> Receipt:
        batch = self.store.batch(channel, sequence)
        header = batch.header
        if header is None or batch.record is None:
            raise OperatorStopped("a challenged batch is not in the store", sequence=sequence)
        receipt = self.referee.answer(
            self.signer,
            header,
            batch.record,
            self.entry_inclusion(channel, sequence, position),
            intent=f"answer:{channel.hex()}:{sequence}:{position}",
        )
        self._faults.reach("answer.mined")
        self.store.save_challenge(channel, sequence, position, 0, ChallengeState.ANSWERED.name.lower())
        return receipt

    def entry_inclusion(self, channel: bytes, sequence: int, position: int) -> EntryInclusion:
        """An entry with its salt and its path to the batch root."""
        payloads, salts = self.store.entries(channel, sequence)
        return entry_inclusion(payloads, salts, position)

    # a period of a scheduled channel

    def _advance(self, duty: Duty, report: StepReport, now: int) -> bool:
        """One step of a channel; whether another may follow at once."""
        channel = duty.channel.id
        last = self.store.last_batch(channel)
        due = self._due_period(duty, last, now)
        members = len(duty.members_at(due[0]).members.member_list.members)
        complete = self.store.meters_with_block(channel, due[0]) >= members
        step = decide(last, due, now, complete=complete, collect_grace_s=self.settings.collect_grace_s)
        if step is NextStep.WAIT:
            return False
        if step in {NextStep.COLLECT, NextStep.SEAL} and self.keys is not None and self.keys.is_switching(channel):
            return False
        if step is NextStep.COLLECT:
            self._require_able(channel, last)
            self.store.collect(channel, self.chain_head(channel).sequence + 1, due)
            self._faults.reach("batch.collected")
            return True
        assert last is not None  # every other step follows from a batch
        if step is NextStep.COMMIT:
            self._commit(last, report)
            return True
        if step is NextStep.SEAL and self._leave_out_late(last, now):
            return True
        self._seal(duty, last)
        if step is NextStep.SEAL:
            report.sealed.append(last.sequence)
        return True

    def _due_period(self, duty: Duty, last: StoredBatch | None, now: int) -> tuple[int, int]:
        """The next period that can still be committed: one whose deadline passed unsealed is left out."""
        start = self._first_start(duty) if last is None else last.period_end
        deadline_s = self.referee.channel_head(duty.channel.id).commit_deadline_s
        late = now - (start + duty.epoch_s + deadline_s)
        if late >= 0:
            start += (late // duty.epoch_s + 1) * duty.epoch_s
        return start, start + duty.epoch_s

    def _first_start(self, duty: Duty) -> int:
        """Where this host begins: after what the operator has committed, which may have been on another host."""
        channel = duty.channel.id
        if channel not in self._starts:
            sequence = self.referee.operator_head(channel, self.address).sequence
            start = duty.first_period_start
            if sequence:
                start = self.referee.committed_header(self._committed_on_chain(channel, sequence)).header.period_end
            self._starts[channel] = start
        return self._starts[channel]

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

    def _leave_out_late(self, batch: StoredBatch, now: int) -> bool:
        """Drop a batch that is past its deadline and for which the enclave signed nothing; whether it was dropped."""
        if now < batch.period_end + self.referee.channel_head(batch.channel).commit_deadline_s:
            return False
        if batch.state is _S.SEALING:
            released = self._enclave_of(batch.channel).last_release(batch.channel)
            if released is not None and released.header.sequence >= batch.sequence:
                return False
        self.store.keys.leave_out(batch)
        return True

    def _enclave_of(self, channel: bytes) -> EnclaveClient:
        return self._enclave() if self.keys is None else self.keys.enclave(channel)

    def _require_able(self, channel: bytes, last: StoredBatch | None) -> None:
        state = self.referee.operator_head(channel, self.address).state
        if state not in {OperatorState.REGISTERED, OperatorState.ACTIVE}:
            raise OperatorStopped("the operator cannot commit in this channel", channel=channel, state=state.name)
        if last is not None and last.state is _S.MISSED:
            raise OperatorStopped(
                "a sealed batch missed its commit deadline",
                sequence=last.sequence,
                hint="the enclave keeps that sequence for its header; a new key goes on: wattest operator rotate-key",
            )

    def _seal(self, duty: Duty, batch: StoredBatch) -> None:
        channel, sequence = batch.channel, batch.sequence
        keys = duty.members_at(batch.period_start)
        self.store.mark_if_before_sealed(channel, sequence)
        self._faults.reach("batch.sealing")
        while True:
            job = SealJob(
                head=self.chain_head(channel),
                period_start=batch.period_start,
                period_end=batch.period_end,
                members=keys.members,
                meter_keys=keys.meter_keys,
                blocks=self.store.blocks_of(channel, sequence),
            )
            try:
                sealed = self._enclave_of(channel).seal_batch(job)
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
        self._keep(sealed, roster)

    def _keep(self, sealed: SealedBatch, roster: bytes) -> None:
        header = sealed.header
        digest = header.digest(self.referee.domain)
        self.store.save_sealed(
            header,
            digest,
            sealed.signature,
            entries=sealed.entries,
            salts=sealed.entry_salts,
            wrapped_keys=sealed.wrapped_keys,
            roster=roster,
        )
        self._faults.reach("batch.sealed")
        if not self.bundles.has(header.content_id):
            self.bundles.put(sealed.manifest, sealed.blocks)
        self._faults.reach("bundle.written")
        if self.store.batch(header.channel, header.sequence).state is _S.SEALED:
            self.store.mark(header.channel, header.sequence, _S.STORED)
        self._faults.reach("batch.stored")

    # commit

    def _resume(self, channel: bytes, report: StepReport) -> None:
        for batch in self.store.batches(channel, states=[_S.STORED, _S.COMMITTING]):
            self._commit(batch, report)

    def _commit(self, batch: StoredBatch, report: StepReport) -> None:
        header, signature, channel, sequence = batch.header, batch.signature, batch.channel, batch.sequence
        assert header is not None and signature is not None  # noqa: PT018 - a stored batch has both
        if self.keys is not None:
            self.keys.require_committable(batch, self.chain.now())
        self.store.mark(channel, sequence, _S.COMMITTING)
        self._faults.reach("batch.committing")
        try:
            receipt = self.referee.commit(
                self.signer,
                header,
                signature,
                self._record_before(channel, sequence),
                intent=self.store.keys.commit_intent(channel, sequence),
            )
        except refusals.SequenceMismatch:
            self._adopt(batch)
            return
        except (refusals.CommitDeadlinePassed, refusals.PeriodAlreadyCommitted):
            self.store.mark(channel, sequence, _S.MISSED)
            report.missed.append(sequence)
            raise
        except refusals.InsufficientDeposit:
            if not self._release(channel, at_least=1):
                raise
            self._commit(self.store.batch(channel, sequence), report)
            return
        self._faults.reach("commit.mined")
        committed = next(e for e in self.referee.events_of(receipt) if isinstance(e, CommittedBatch))
        self._note(committed, receipt.gas_used)
        report.committed.append(receipt)

    def _adopt(self, batch: StoredBatch) -> None:
        """The chain has this sequence already: either it is ours, or somebody used our key and enclave elsewhere."""
        committed = self._committed_on_chain(batch.channel, batch.sequence)
        if committed.header_digest != batch.header_digest:
            raise SecondHeader(
                "the chain holds another header for this sequence",
                sequence=batch.sequence,
                expected=batch.header_digest,
                actual=committed.header_digest,
                hint="the same operator runs twice: stop one, and keep the header in this store to yourself",
            )
        self._note(committed, None)

    def _note(self, committed: CommittedBatch, gas_used: int | None) -> None:
        place = (committed.place.block_number, committed.place.block_hash, committed.place.transaction_hash)
        self.store.save_committed(committed.channel, committed.sequence, committed.record, place, gas_used)
        self._faults.reach("batch.committed")

    def _record_before(self, channel: bytes, sequence: int) -> BatchRecord:
        if sequence == 1:
            return EMPTY_RECORD
        stored = self.store.find_batch(channel, sequence - 1)
        if stored is not None and stored.record is not None:
            slot = self.referee.record_digest(channel, self.address, sequence - 1)
            if slot in {stored.record.digest, b""}:
                return stored.record
        return self.referee.current_record(self._committed_on_chain(channel, sequence - 1))

    def _committed_on_chain(self, channel: bytes, sequence: int) -> CommittedBatch:
        committed = self.referee.committed_batch(channel, self.address, sequence)
        if committed is None:
            raise TransportError(
                "the chain's log does not show a batch that its state has", retryable=True, sequence=sequence
            )
        return committed

    def _release(self, channel: bytes, at_least: int | None = None) -> bool:
        """Release final batches once enough wait; whether any were."""
        head = self.referee.operator_head(channel, self.address)
        records: list[BatchRecord] = []
        for sequence in range(head.first_unreleased, head.sequence + 1):
            batch = self.store.find_batch(channel, sequence)
            if batch is None or batch.record is None or batch.state not in {_S.FINAL, _S.SLASHED}:
                break
            records.append(batch.record)
        if len(records) < (self.settings.release_after if at_least is None else at_least):
            return False
        intent = f"release:{channel.hex()}:{head.first_unreleased}:{len(records)}"
        self.referee.release(self.signer, channel, self.address, records, intent=intent)
        self.store.mark_released(channel, head.first_unreleased + len(records) - 1)
        return True

    def _parameters_of(self, channel: bytes, record: BatchRecord) -> ChannelParameters:
        key = (channel, record.parameters_version)
        if key not in self._parameters:
            self._parameters[key] = self.referee.parameters_of(*key)
        return self._parameters[key]

    def _duty(self, channel: bytes) -> Duty:
        for duty in self.duties:
            if duty.channel.id == channel:
                return duty
        raise ConfigError("the operator does not serve this channel", channel=channel)


__all__ = [
    "NextStep",
    "Operator",
    "OperatorSettings",
    "OperatorStopped",
    "StepReport",
    "UnsafeWithholding",
    "decide",
    "entry_inclusion",
]


def entry_inclusion(payloads: Sequence[bytes], salts: Sequence[bytes], position: int) -> EntryInclusion:
    """The inclusion of one entry in the batch tree over these payloads and salts."""
    tree = MerkleTree.from_payloads(list(payloads), list(salts))
    return EntryInclusion(position, salts[position], payloads[position], tuple(tree.prove(position).path))


def _record_of(batch: StoredBatch) -> BatchRecord:
    assert batch.record is not None  # committed batches have one
    return batch.record
