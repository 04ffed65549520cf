"""The commit round: stored batches of many channels go to the chain together, and what became of each is noted.

Decided here: which commits are in flight at once, what each outcome means, when final batches are released. Not decided
here: when a batch is ready (``operator``), how transactions survive and how many wait for a block (``chain.client``).
Invariants: one commit of a channel at most is in flight, since the next one carries its record, which holds its block's
time; a batch is marked before its commit is sent; what one channel's commit meets holds back no other; the node tries
each commit before it is sent, so that a refusal costs nothing and is tried again without harm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from wattest.chain.client import Receipt, TransactionRequest
from wattest.chain.many_sent import IN_FLIGHT, outcomes
from wattest.chain.ports import RefereePort
from wattest.chain.referee_events import CommittedBatch
from wattest.crypto.signer import Signer
from wattest.errors import TransportError, WattestError
from wattest.io.crash_points import CrashPoints
from wattest.keys.key_keeper import KeyKeeper
from wattest.operator.step_report import StepReport
from wattest.store.batch_state import StoredBatch, StoredState
from wattest.store.operator_port import OperatorStore
from wattest.store.refusals import SecondHeader
from wattest.twin import errors as refusals
from wattest.twin.batch import EMPTY_RECORD, BatchRecord
from wattest.twin.operator import OperatorHead

_S = StoredState
_READY = (_S.STORED, _S.COMMITTING)
Failures = dict[bytes, WattestError]
"""Why channels did not get on, by channel id."""


class CommitRound:
    """The way of one operator's batches from the store to the chain; driven by ``operator.Operator``."""

    def __init__(
        self,
        store: OperatorStore,
        referee: RefereePort,
        signer: Signer,
        faults: CrashPoints,
        *,
        keys: KeyKeeper | None = None,
        in_flight: int = IN_FLIGHT,
    ) -> None:
        self._store = store
        self._referee = referee
        self._signer = signer
        self._faults = faults
        self._keys = keys
        self._in_flight = in_flight

    def pending(self, channels: Iterable[bytes]) -> list[StoredBatch]:
        """Of each channel the first batch that is stored and not on chain; a channel that has none is left out."""
        return [batch for channel in channels for batch in self._store.batches(channel, states=_READY, limit=1)]

    def run(self, batches: Sequence[StoredBatch], report: StepReport) -> Failures:
        """Commit these, one of a channel at most, and note what becomes of them; why the others were not committed.

        Where the deposit does not cover a batch, final ones are released and it is tried again.
        """
        failures: Failures = {}
        while batches:
            try:
                batches = self._try(batches, report, failures)
            except WattestError as error:  # neither chain nor store said anything of one of them alone
                failures |= {batch.channel: error for batch in batches if batch.channel not in failures}
                break
        return failures

    def release(self, heads: Mapping[bytes, OperatorHead], at_least: int) -> tuple[set[bytes], Failures]:
        """Take final batches out of the exposure where so many wait; the channels that had any, and what failed."""
        requests: dict[bytes, TransactionRequest] = {}
        up_to: dict[bytes, int] = {}
        for channel, head in heads.items():
            records: list[BatchRecord] = []
            for sequence in range(head.first_unreleased, head.sequence + 1):
                batch = self._store.find_batch(channel, sequence)
                if batch is None or batch.record is None or batch.state not in {_S.FINAL, _S.SLASHED}:
                    break
                records.append(batch.record)
            if len(records) >= at_least:
                intent = f"release:{channel.hex()}:{head.first_unreleased}:{len(records)}"
                operator = self._signer.address
                requests[channel] = self._referee.release_request(
                    self._signer, channel, operator, records, intent=intent
                )
                up_to[channel] = head.first_unreleased + len(records) - 1
        released: set[bytes] = set()
        failures: Failures = {}
        for channel, outcome in outcomes(self._referee.client, requests, in_flight=self._in_flight):
            if isinstance(outcome, WattestError):
                failures[channel] = outcome
            else:
                self._store.mark_released(channel, up_to[channel])
                released.add(channel)
        return released, failures

    def committed_on_chain(self, channel: bytes, sequence: int) -> CommittedBatch:
        """What the chain's log says of a commit that the chain's state has; raises ``TransportError`` when nothing."""
        committed = self._referee.committed_batch(channel, self._signer.address, sequence)
        if committed is None:
            raise TransportError(
                "the chain's log does not show a batch that its state has", retryable=True, sequence=sequence
            )
        return committed

    def _try(self, batches: Sequence[StoredBatch], report: StepReport, failures: Failures) -> list[StoredBatch]:
        """Commit once; what may be tried again, since its deposit fell short and final batches were released."""
        short = self._commit(batches, report, failures)
        if not short:
            return []
        heads = self._referee.heads_of(list(short), self._signer.address)
        released, unreleased = self.release({at: own for at, (_, own) in heads.items()}, at_least=1)
        failures |= {at: unreleased.get(at, error) for at, error in short.items() if at not in released}
        return self.pending(released)

    def _commit(self, batches: Sequence[StoredBatch], report: StepReport, failures: Failures) -> Failures:
        """One try; the channels whose deposit falls short, with the refusal. All else is noted or in ``failures``."""
        ready = {batch.channel: batch for batch in self._committable(batches, failures)}
        if not ready:
            return {}
        with self._store.transaction():
            for batch in ready.values():
                self._store.mark(batch.channel, batch.sequence, _S.COMMITTING)
        self._faults.reach("batch.committing")
        short: Failures = {}
        requests = self._requests(list(ready.values()), failures)
        for channel, outcome in outcomes(self._referee.client, requests, in_flight=self._in_flight):
            try:
                self._conclude(ready[channel], outcome, report)
            except refusals.InsufficientDeposit as error:
                short[channel] = error
            except WattestError as error:
                failures[channel] = error
        return short

    def _committable(self, batches: Sequence[StoredBatch], failures: Failures) -> list[StoredBatch]:
        """Without those whose key could expire before the commit is mined."""
        held = {} if self._keys is None else self._keys.hold_back(batches, self._referee.client.now())
        failures |= held
        return [batch for batch in batches if batch.channel not in held]

    def _requests(self, batches: Sequence[StoredBatch], failures: Failures) -> dict[bytes, TransactionRequest]:
        """The commits as transactions, each with the record of the batch before as it stands on chain."""
        requests: dict[bytes, TransactionRequest] = {}
        later = [(batch.channel, batch.sequence - 1) for batch in batches if batch.sequence > 1]
        stand = dict(zip(later, self._referee.record_digests(later, self._signer.address), strict=True))
        for batch in batches:
            header, signature, channel, sequence = batch.header, batch.signature, batch.channel, batch.sequence
            assert header is not None and signature is not None  # noqa: PT018 - a stored batch has both
            try:
                before = EMPTY_RECORD
                if sequence > 1:
                    before = self._record(channel, sequence - 1, stand[channel, sequence - 1])
                requests[channel] = self._referee.commit_request(
                    self._signer,
                    header,
                    signature,
                    before,
                    intent=self._store.keys.commit_intent(channel, sequence),
                    gas=None,
                )
            except WattestError as error:
                failures[channel] = error
        return requests

    def _record(self, channel: bytes, sequence: int, stands: bytes) -> BatchRecord:
        """The record whose digest the chain holds: the one that was noted, or as the chain's log has it."""
        stored = self._store.find_batch(channel, sequence)
        if stored is not None and stored.record is not None and stored.record.digest == stands:
            return stored.record
        return self._referee.current_record(self.committed_on_chain(channel, sequence))

    def _conclude(self, batch: StoredBatch, outcome: Receipt | WattestError, report: StepReport) -> None:
        """Note one commit's outcome; raises what keeps the batch from the chain."""
        match outcome:
            case Receipt():
                self._faults.reach("commit.mined")
                committed = next(e for e in self._referee.events_of(outcome) if isinstance(e, CommittedBatch))
                self._note(committed, outcome.gas_used)
                report.committed.append(outcome)
            case refusals.SequenceMismatch():
                self._adopt(batch)
            case refusals.CommitDeadlinePassed() | refusals.PeriodAlreadyCommitted():
                self._store.mark(batch.channel, batch.sequence, _S.MISSED)
                report.missed.append(batch.sequence)
                raise outcome
            case refusals.PeriodInvalid() | refusals.RosterCountMismatch() | refusals.WrongOperatorState():
                outcome.hint = outcome.hint or "if it can never be committed, give it up: wattest operator abandon"
                raise outcome
            case _:
                raise outcome

    def _adopt(self, batch: StoredBatch) -> None:
        """The chain has this sequence already: either it is ours, or somebody used our key and enclave elsewhere."""
        committed = self.committed_on_chain(batch.channel, batch.sequence)
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
        self._store.save_committed(committed.channel, committed.sequence, committed.record, place, gas_used)
        self._faults.reach("batch.committed")
