"""The commit round: stored batches of many channels go to the chain together, and what became of each is noted.

Decided here: which commits are in flight at once, what each outcome means, when final batches are released. Not decided
here: when a batch is ready (``operator``), how transactions survive and how many wait for a block (``chain.client``).
Invariants: one commit of a channel at most is in flight, since the next one carries the history that it ends, which
holds its block's time; a batch is marked before its commit is sent; what one channel's commit meets holds back no
other; the node tries each commit before it is sent, so that a refusal costs nothing and is tried again without harm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from wattest.chain.client import Receipt, TransactionRequest
from wattest.chain.many_sent import IN_FLIGHT, outcomes
from wattest.chain.ports import RefereePort
from wattest.chain.referee import ReleasedRun, SignedCommit
from wattest.chain.referee_events import CommittedBatch
from wattest.crypto.signer import Signer
from wattest.errors import TransportError, WattestError
from wattest.io.crash_points import CrashPoints
from wattest.keys.key_keeper import KeyKeeper
from wattest.operator.step_report import BatchChange, StepReport
from wattest.store.batch_state import StoredBatch, StoredState
from wattest.store.operator_port import OperatorStore
from wattest.store.refusals import SecondHeader
from wattest.twin import errors as refusals
from wattest.twin.batch import BatchCitation
from wattest.twin.operator import OperatorHead

_S = StoredState
_READY = (_S.STORED, _S.COMMITTING)
MAX_RELEASED = 256
"""Batches of a channel that one transaction releases at most, well inside a transaction's gas."""
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
        runs: dict[bytes, ReleasedRun] = {}
        for channel, head in heads.items():
            batches = self._releasable(channel, head)
            if len(batches) >= at_least:
                intent = f"release:{channel.hex()}:{head.first_unreleased}:{len(batches)}"
                runs[channel] = ReleasedRun(tuple(batches), intent)
        made = self._referee.release_requests(self._signer, list(runs.values())) if runs else []
        requests, failures = _sorted_out(dict(zip(runs, made, strict=True)))
        released: set[bytes] = set()
        for channel, outcome in outcomes(self._referee.client, requests, in_flight=self._in_flight):
            if isinstance(outcome, WattestError):
                failures[channel] = outcome
            else:
                self._store.mark_released(channel, runs[channel].batches[-1].sequence)
                released.add(channel)
        return released, failures

    def _releasable(self, channel: bytes, head: OperatorHead) -> list[BatchCitation]:
        """The final and slashed batches from the first unreleased one on, up to the first that is neither."""
        batches: list[BatchCitation] = []
        for sequence in range(head.first_unreleased, head.sequence + 1):
            batch = self._store.find_batch(channel, sequence)
            if batch is None or batch.state not in {_S.FINAL, _S.SLASHED} or len(batches) == MAX_RELEASED:
                break
            batches.append(batch.citation(self._signer.address))
        return batches

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
        commits = {at: self._signed(batch) for at, batch in ready.items()}
        made = self._referee.commit_requests(self._signer, list(commits.values()), gas=None)
        requests, refused = _sorted_out(dict(zip(commits, made, strict=True)))
        failures |= refused
        met = self._conclude_all(requests, ready, report)
        # The node tries against its last block, whose time may still be that of the batch before: the next has another.
        soon = {at: requests[at] for at, error in met.items() if isinstance(error, refusals.CommitTooSoon)}
        again = {at: replace(request, tried_at="pending") for at, request in soon.items()}
        met = {at: error for at, error in met.items() if at not in soon} | self._conclude_all(again, ready, report)
        for channel, error in met.items():
            (short if isinstance(error, refusals.InsufficientDeposit) else failures)[channel] = error
        return short

    def _conclude_all(
        self, requests: Mapping[bytes, TransactionRequest], ready: Mapping[bytes, StoredBatch], report: StepReport
    ) -> Failures:
        """Send these and note what becomes of them; what kept the others from the chain."""
        met: Failures = {}
        for channel, outcome in outcomes(self._referee.client, requests, in_flight=self._in_flight):
            try:
                self._conclude(ready[channel], outcome, report)
            except WattestError as error:
                met[channel] = error
        return met

    def _committable(self, batches: Sequence[StoredBatch], failures: Failures) -> list[StoredBatch]:
        """Without those whose key could expire before the commit is mined."""
        held = {} if self._keys is None else self._keys.hold_back(batches, self._referee.client.now())
        failures |= held
        return [batch for batch in batches if batch.channel not in held]

    def _signed(self, batch: StoredBatch) -> SignedCommit:
        header, signature = batch.signed
        return SignedCommit(header, signature, self._store.keys.commit_intent(batch.channel, batch.sequence))

    def _conclude(self, batch: StoredBatch, outcome: Receipt | WattestError, report: StepReport) -> None:
        """Note one commit's outcome; raises what keeps the batch from the chain."""
        match outcome:
            case Receipt():
                self._faults.reach("commit.mined")
                committed = next(e for e in self._referee.events_of(outcome) if isinstance(e, CommittedBatch))
                self._note(committed, outcome.gas_used)
                report.note(BatchChange.COMMITTED, batch.channel, batch.sequence, outcome)
            case refusals.SequenceMismatch():
                self._adopt(batch)
            # The contract looks at the period before the sequence: it may be this very batch that is committed.
            case refusals.CommitDeadlinePassed() | refusals.PeriodAlreadyCommitted() if self._is_there(batch):
                self._adopt(batch)
            case refusals.CommitDeadlinePassed() | refusals.PeriodAlreadyCommitted():
                self._store.mark(batch.channel, batch.sequence, _S.MISSED)
                report.note(BatchChange.MISSED, batch.channel, batch.sequence)
                raise outcome
            case refusals.PeriodInvalid() | refusals.RosterCountMismatch() | refusals.WrongOperatorState():
                outcome.hint = outcome.hint or "if it can never be committed, give it up: wattest operator abandon"
                raise outcome
            case _:
                raise outcome

    def _is_there(self, batch: StoredBatch) -> bool:
        """Whether the chain has a batch of this sequence."""
        return self._referee.operator_head(batch.channel, self._signer.address).sequence >= batch.sequence

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


def _sorted_out(
    made: Mapping[bytes, TransactionRequest | WattestError],
) -> tuple[dict[bytes, TransactionRequest], Failures]:
    """The requests that could be made, and why the others could not, by channel."""
    requests = {at: one for at, one in made.items() if not isinstance(one, WattestError)}
    return requests, {at: one for at, one in made.items() if isinstance(one, WattestError)}
