"""The way of a settlement: sealed and committed as a statement, its root posted, activated once everything is final.

Decided here: the order of steps, what a restart continues with, and when a settlement waits, is void, or was stopped by
the manager. Not decided here: what is settled (``settlement_plan``), how a batch is sealed and committed (``Sealer``,
which is the operator). Every step reads the store and the chain, does one thing and writes the store, so that ``kill
-9`` between any two loses nothing and doubles nothing: the enclave gives the same header for the same job, an intent
has one nonce, and what is on chain is found there. docs/spec/lifecycles.md, section "Settlement"
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from wattest.chain.payouts_port import PayoutsPort
from wattest.crypto.signer import Signer
from wattest.enclave.host.client import EnclaveClient, SealedBatch, StatementJob
from wattest.errors import ProtocolError, TransportError, WattestError
from wattest.io.crash_points import CrashPoints
from wattest.keys.key_report import OperatorStopped
from wattest.settlement.payout import PayoutTree
from wattest.settling.statement import citations, settled_rows, statement_citation, statement_job
from wattest.store.batch_state import StoredState
from wattest.store.batch_tree import entry_inclusion
from wattest.store.duty import Duty
from wattest.store.operator_port import OperatorStore
from wattest.store.ports import BundleStore
from wattest.store.settlement import ENDED, Settlement, SettlementState
from wattest.workload.settle import parse_payouts

_S = SettlementState
_COMMITTED = frozenset({StoredState.COMMITTED, StoredState.FINAL})
_GONE = frozenset({StoredState.SLASHED, StoredState.GIVEN_UP})
SALT_BYTES = 16


class EscrowShort(ProtocolError):
    """The distribution's escrow does not hold what the waiting root promises."""


class MeteringChannelUnserved(ProtocolError):
    """A settlement over a channel that this operator no longer serves."""


class Sealer(Protocol):
    """How a statement becomes a batch on chain: the operator's loop."""

    def seal_open(self, job: StatementJob, keep: Callable[[SealedBatch], None]) -> None:
        """Have a job sealed and store it, ``keep`` in the same change; a refused job leaves nothing behind."""

    def enclave_of(self, channel: bytes) -> EnclaveClient:
        """The enclave whose key is the channel's."""


@dataclass(frozen=True, slots=True)
class SettlementStep:
    """A step that a settlement took, with the gas of its transaction (None: none was sent)."""

    settlement: Settlement
    state: SettlementState
    gas_used: int | None = None


@dataclass(frozen=True, slots=True)
class SettlementWait:
    """What a settlement waits for, and until when (unix seconds of the chain; None: not known)."""

    settlement: Settlement
    reason: str
    until: int | None = None


@dataclass(slots=True)
class SettlingReport:
    """What was done for settlements, what they wait for, and what failed and will be tried again."""

    steps: list[SettlementStep] = field(default_factory=list)
    waits: list[SettlementWait] = field(default_factory=list)
    errors: list[WattestError] = field(default_factory=list)


class Settler:
    """Takes every settlement of one operator as far as it goes; the operator's loop calls ``step``."""

    def __init__(
        self,
        store: OperatorStore,
        bundles: BundleStore,
        payouts: PayoutsPort,
        signer: Signer,
        duties: Sequence[Duty],
        *,
        faults: CrashPoints | None = None,
    ) -> None:
        self._store = store
        self._kept = store.settlements
        self._bundles = bundles
        self._payouts = payouts
        self._signer = signer
        self._duties = {duty.channel.id: duty for duty in duties}
        self._faults = faults or CrashPoints()

    def begin(self, settlement: Settlement) -> Settlement:
        """Keep a planned settlement; the very same again is the one that is kept. Raises: SettledAlready."""
        kept = self._kept.add(settlement)
        self._faults.reach("settlement.planned")
        return kept

    def seal(self, sealer: Sealer, report: SettlingReport) -> None:
        """Have what was planned sealed and stored; it is committed with everything else that is."""
        for settlement in self._kept.unfinished():
            if settlement.state is _S.PLANNED or self._is_half_stored(settlement):
                self._trying(settlement, report, lambda one: self._seal(one, sealer, report))

    def follow(self, report: SettlingReport, now: int) -> None:
        """Take what is sealed as far as it goes; ``now`` is the chain's time."""
        for settlement in self._kept.unfinished():
            if settlement.state is not _S.PLANNED:
                self._trying(settlement, report, lambda one: self._follow(one, report, now))

    def _trying(self, settlement: Settlement, report: SettlingReport, work: Callable[[Settlement], None]) -> None:
        try:
            work(settlement)
        except WattestError as error:
            if isinstance(error, TransportError) and not error.retryable:
                raise
            report.errors.append(error)

    # the statement

    def _seal(self, settlement: Settlement, sealer: Sealer, report: SettlingReport) -> None:
        channel, sequence = settlement.statement_channel, settlement.sequence
        try:
            job = statement_job(
                settlement, self._store, self._bundles, self._duty(settlement), sealer.enclave_of(channel)
            )
            sealer.seal_open(job, lambda sealed: self._keep_sealed(settlement, sealed))
        except (TransportError, OperatorStopped):  # an enclave or its key that may come back: it stays planned
            raise
        except WattestError:
            if self._store.find_batch(channel, sequence) is None:  # nothing was signed: nothing is left
                self._kept.drop(settlement)
            raise
        if settlement.state is _S.PLANNED:
            report.steps.append(SettlementStep(settlement, _S.SEALED))

    def _keep_sealed(self, settlement: Settlement, sealed: SealedBatch) -> None:
        self._kept.save_sealed(settlement, *settled_rows(sealed))
        self._faults.reach("settlement.sealed")

    def _is_half_stored(self, settlement: Settlement) -> bool:
        """Whether a crash left its bundle out: the same job again makes the same one."""
        batch = self._store.find_batch(settlement.statement_channel, settlement.sequence)
        return settlement.state is _S.SEALED and batch is not None and batch.state is StoredState.SEALED

    # the chain

    def _follow(self, settlement: Settlement, report: SettlingReport, now: int) -> None:
        while settlement.state not in ENDED:
            if self._is_void(settlement):
                self._note(settlement, _S.VOID, report)
                return
            step = {_S.SEALED: self._committed, _S.COMMITTED: self._post, _S.POSTED: self._activate}
            found = step[settlement.state](settlement, now)
            if isinstance(found, SettlementWait):
                report.waits.append(found)
                return
            self._note(settlement, found.state, report, found.gas_used)
            settlement = self._kept.one(settlement.statement_channel, settlement.sequence)

    def _note(
        self, settlement: Settlement, state: SettlementState, report: SettlingReport, gas_used: int | None = None
    ) -> None:
        self._kept.mark(settlement, state)
        self._faults.reach("settlement.noted")
        report.steps.append(SettlementStep(settlement, state, gas_used))

    def _is_void(self, settlement: Settlement) -> bool:
        """Whether a batch fell that the settlement rests on: then nothing is ever paid over it."""
        own = self._store.find_batch(settlement.statement_channel, settlement.sequence)
        cited = self._store.batches(
            settlement.metering_channel,
            from_sequence=settlement.cited[0],
            limit=len(settlement.cited_sequences),
        )
        return own is None or any(batch.state in _GONE for batch in (own, *cited))

    def _committed(self, settlement: Settlement, _now: int) -> SettlementStep | SettlementWait:
        batch = self._store.batch(settlement.statement_channel, settlement.sequence)
        if batch.state in _COMMITTED:
            return SettlementStep(settlement, _S.COMMITTED, batch.gas_used)
        return SettlementWait(settlement, f"the statement's batch is {batch.state.value}, and goes on chain next")

    def _post(self, settlement: Settlement, _now: int) -> SettlementStep | SettlementWait:
        owed = settlement.payouts
        assert owed is not None  # a sealed settlement has it
        if not owed.listed:
            return SettlementStep(settlement, _S.NOTHING_OWED)
        account = self._payouts.account_of(settlement.distribution)
        pending = self._payouts.pending_root_of(settlement.distribution)
        if settlement.sequence in {pending.sequence, account.active_sequence}:
            return SettlementStep(settlement, _S.POSTED)  # mined before a crash
        if any(pending.root):
            return SettlementWait(
                settlement,
                f"the root of statement {pending.sequence} waits, and only one does at a time",
                pending.activatable_at,
            )
        batch = self._store.batch(settlement.statement_channel, settlement.sequence)
        if batch.header is None:
            return SettlementWait(settlement, "the statement's batch is not on chain")
        entries, salts = self._store.entries(batch.channel, batch.sequence)
        receipt = self._payouts.post_root(
            self._signer,
            settlement.distribution,
            root=owed.root,
            total=owed.total,
            header=batch.header,
            statement=statement_citation(settlement, self._store),
            entry=entry_inclusion(entries, salts, owed.entry),
            cited=citations(settlement, self._store),
            intent=f"post-root:{settlement.distribution.hex()}:{settlement.sequence}",
        )
        self._faults.reach("root.mined")
        return SettlementStep(settlement, _S.POSTED, receipt.gas_used)

    def _activate(self, settlement: Settlement, now: int) -> SettlementStep | SettlementWait:
        account = self._payouts.account_of(settlement.distribution)
        pending = self._payouts.pending_root_of(settlement.distribution)
        if account.active_sequence >= settlement.sequence:
            return SettlementStep(settlement, _S.ACTIVATED)
        if pending.sequence != settlement.sequence or not any(pending.root):
            owed = settlement.payouts
            assert owed is not None  # a posted settlement has it
            was_disabled = self._payouts.was_disabled(settlement.distribution, owed.root)
            return SettlementStep(settlement, _S.DISABLED if was_disabled else _S.COMMITTED)  # else a reorganisation's
        if now < pending.activatable_at:
            return SettlementWait(settlement, "the root waits for its delay", pending.activatable_at)
        open_batches = self._open(settlement)
        if open_batches:
            return SettlementWait(settlement, f"{open_batches} batches are not final yet")
        escrow = account.funded_amount - account.reclaimed_amount
        if pending.total > escrow:
            raise EscrowShort(
                "the escrow does not hold what the root promises",
                distribution=settlement.distribution,
                expected=pending.total,
                actual=escrow,
                missing=pending.total - escrow,
                hint=f"fund it, then go on: wattest payouts fund --to {pending.total}",
            )
        receipt = self._payouts.activate_root(
            self._signer,
            settlement.distribution,
            statement_citation(settlement, self._store),
            citations(settlement, self._store),
            intent=f"activate-root:{settlement.distribution.hex()}:{settlement.sequence}",
        )
        self._faults.reach("activation.mined")
        return SettlementStep(settlement, _S.ACTIVATED, receipt.gas_used)

    def _open(self, settlement: Settlement) -> int:
        """How many batches that the root rests on are not final, as far as the operator knows."""
        own = self._store.batch(settlement.statement_channel, settlement.sequence)
        cited = self._store.batches(
            settlement.metering_channel, from_sequence=settlement.cited[0], limit=len(settlement.cited_sequences)
        )
        return sum(batch.state is not StoredState.FINAL for batch in (own, *cited))

    def _duty(self, settlement: Settlement) -> Duty:
        duty = self._duties.get(settlement.metering_channel)
        if duty is None:
            raise MeteringChannelUnserved(
                "the metering channel of a settlement is not in the configuration",
                channel=settlement.metering_channel,
                hint="put its [[channel]] back until the period is settled",
            )
        return duty


def payout_tree(settlement: Settlement) -> PayoutTree | None:
    """The tree over what a sealed settlement owes, None where it owes nothing."""
    owed = settlement.payouts
    if owed is None or not owed.listed:
        return None
    salts = [owed.salts[at : at + SALT_BYTES] for at in range(0, len(owed.salts), SALT_BYTES)]
    return PayoutTree.build(parse_payouts(owed.listed), salts)
