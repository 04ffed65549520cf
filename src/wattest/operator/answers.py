"""Answering challenges: every entry that is demanded of an operator's batches and not shown yet, shown together.

Decided here: which challenges are answered, and that all answers of a step are in flight at once. Not decided here: how
challenges become known (``operator`` follows the log), what the contract takes for an answer. Invariants: a challenge
that cannot be answered keeps no other from its answer; an answer has one intent, so that it is paid for once.
"""

from __future__ import annotations

from wattest.chain.client import TransactionRequest
from wattest.chain.many_sent import IN_FLIGHT, outcomes
from wattest.chain.ports import RefereePort
from wattest.crypto.signer import Signer
from wattest.errors import WattestError
from wattest.io.crash_points import CrashPoints
from wattest.keys.key_report import OperatorStopped
from wattest.operator.step_report import BatchChange, StepReport
from wattest.store.batch_tree import BatchTrees
from wattest.store.operator_port import OperatorStore
from wattest.twin.challenge import ChallengeState

OPEN = "open"
Demand = tuple[bytes, int, int]
"""Channel, sequence and position of a demanded entry."""


class Answers:
    """The answers of one operator; ``withheld`` positions get none (a cheat, for demonstrations)."""

    def __init__(
        self,
        store: OperatorStore,
        referee: RefereePort,
        signer: Signer,
        faults: CrashPoints,
        *,
        withheld: frozenset[int] = frozenset(),
        in_flight: int = IN_FLIGHT,
    ) -> None:
        self._store = store
        self._trees = BatchTrees.in_cache(store.cache_folder)
        self._referee = referee
        self._signer = signer
        self._faults = faults
        self._withheld = withheld
        self._in_flight = in_flight

    def run(self, report: StepReport, now: int) -> None:
        """Answer what is open and due; ``now`` is chain time. Receipts and failures are in the report."""
        requests: dict[Demand, TransactionRequest] = {}
        for channel in self._store.channels():
            for sequence, position, deadline in self._store.challenges(channel, OPEN):
                if position in self._withheld or now >= deadline:
                    continue
                try:
                    request = self._request(channel, sequence, position)
                except WattestError as error:
                    report.errors.append(error)
                    continue
                if request is not None:
                    requests[channel, sequence, position] = request
        failures: dict[WattestError, None] = {}
        for demand, outcome in outcomes(self._referee.client, requests, in_flight=self._in_flight):
            if isinstance(outcome, WattestError):
                failures[outcome] = None
                continue
            self._faults.reach("answer.mined")
            self._store.save_challenge(*demand, 0, ChallengeState.ANSWERED.name.lower())
            report.note(BatchChange.ANSWERED, demand[0], demand[1], outcome)
        report.errors += failures

    def _request(self, channel: bytes, sequence: int, position: int) -> TransactionRequest | None:
        """The answer to one challenge, None when it is no longer open."""
        batch = self._store.batch(channel, sequence)
        if batch.header is None or batch.header_digest is None:
            raise OperatorStopped("a challenged batch is not in the store", sequence=sequence)
        stands = self._referee.challenge_of(batch.header_digest, position)
        if stands.state is not ChallengeState.OPEN:
            self._store.save_challenge(channel, sequence, position, 0, stands.state.name.lower())
            return None
        entry = self._trees.inclusion(self._store, batch, position)
        if entry is None:
            raise OperatorStopped("a challenged batch is not in the store", sequence=sequence)
        return self._referee.answer_request(
            self._signer, batch.header, entry, intent=f"answer:{channel.hex()}:{sequence}:{position}"
        )
