"""The payout contract's pure twin: a cumulative Merkle drop whose roots come from final statements.

Decided here: leaves, the payout entry's job id and result digest, citation lists, and every call of the contract. Not
decided here: who is owed what (``settlement``) and how a token moves (the caller says what arrived). Invariants:
paid <= active total <= funded - reclaimed; a root is active only when its statement and all it cites are final.
Source: contracts/src/Payouts.sol; docs/spec/settlement.md "Payouts".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from wattest.crypto.hashing import keccak256
from wattest.merkle import InclusionProof, verify_inclusion
from wattest.messages.fields import (
    ADDRESS_BYTES,
    WORD,
    ZERO_ADDRESS,
    ZERO_WORD,
    address_word,
    require_bytes,
    require_uint,
)
from wattest.messages.header import BatchHeader
from wattest.sealing.statement_block import citations_root, payout_job_id, payout_leaf, payout_result
from wattest.twin.batch import BatchReference, BatchRun, BatchState, EntryInclusion
from wattest.twin.entry_proof import require_entry
from wattest.twin.errors import (
    ActivationDelayRunning,
    BatchNotFinal,
    CitationCountOutOfRange,
    CitationForeign,
    CitationsMismatch,
    DistributionExists,
    EntryKindMismatch,
    EscrowTooSmall,
    JobMismatch,
    NoRootPending,
    NotDisabler,
    NothingReceived,
    NothingToClaim,
    NotPoster,
    ResultMismatch,
    RootPending,
    StatementForeign,
    StatementStale,
    TermsInvalid,
    TotalDecreased,
    TotalExceeded,
    UnknownDistribution,
)
from wattest.twin.referee.state import (
    Call,
    RefereeState,
    final_count,
    put,
    require_batch,
    require_header,
    require_run,
    state_of,
)
from wattest.units import SECONDS_PER_DAY, SECONDS_PER_HOUR

DISTRIBUTION_TAG = keccak256(b"wattest/distribution/1")
STATEMENT_KIND = 18
MAX_CITATIONS = 400
MAX_CHANNELS = 8
MIN_ACTIVATION_DELAY_S = SECONDS_PER_HOUR
MAX_ACTIVATION_DELAY_S = 90 * SECONDS_PER_DAY


@dataclass(frozen=True, slots=True)
class DistributionTerms:
    """What a distribution is fixed to; addresses 20 bytes, channels 32.

    ``metering_channels`` (1 to 8) and ``import_channels`` (0 to 8) are what a statement may cite, ascending.
    """

    poster: bytes
    disabler: bytes
    token: bytes
    referee: bytes
    statement_channel: bytes
    statement_operator: bytes
    activation_delay_s: int
    metering_channels: tuple[bytes, ...]
    import_channels: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        for name in ("poster", "disabler", "token", "referee", "statement_operator"):
            require_bytes(name, getattr(self, name), ADDRESS_BYTES)
        for channel in (self.statement_channel, *self.metering_channels, *self.import_channels):
            require_bytes("channel", channel, WORD)
        require_uint("activation_delay_s", self.activation_delay_s, 32)

    @property
    def cited_channels(self) -> tuple[bytes, ...]:
        """Every channel that a statement may cite."""
        return self.metering_channels + self.import_channels


@dataclass(frozen=True, slots=True)
class PendingRoot:
    """A root that waits: what it promises, its statement's sequence, when it can be active, and what must be final."""

    root: bytes
    total: int
    sequence: int
    activatable_at: int
    citations_digest: bytes


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution's terms, sums (smallest units of the token), roots, and what each account was paid."""

    terms: DistributionTerms
    funded: int = 0
    reclaimed: int = 0
    paid: int = 0
    active_total: int = 0
    active_root: bytes = ZERO_WORD
    active_sequence: int = 0
    pending: PendingRoot | None = None
    paid_to: Mapping[bytes, int] = field(default_factory=dict)

    @property
    def escrow(self) -> int:
        """What was funded and not taken back."""
        return self.funded - self.reclaimed


@dataclass(frozen=True, slots=True)
class PayoutsState:
    """All distributions by id."""

    distributions: Mapping[bytes, Distribution] = field(default_factory=dict)


def distribution_id(creator: bytes, salt: bytes) -> bytes:
    """keccak256(abi.encode(keccak256("wattest/distribution/1"), creator, salt))."""
    return keccak256(DISTRIBUTION_TAG + address_word(creator) + salt)


def apply_create_distribution(state: PayoutsState, call: Call, salt: bytes, terms: DistributionTerms) -> PayoutsState:
    """Create the distribution that the caller and the salt name.

    Raises: DistributionExists, TermsInvalid.
    """
    distribution = distribution_id(call.caller, salt)
    if distribution in state.distributions:
        raise DistributionExists(distribution)
    if (
        ZERO_ADDRESS in (terms.poster, terms.disabler, terms.token, terms.referee, terms.statement_operator)
        or not _are_channels_valid(terms)
        or not MIN_ACTIVATION_DELAY_S <= terms.activation_delay_s <= MAX_ACTIVATION_DELAY_S
    ):
        raise TermsInvalid
    return _put(state, distribution, Distribution(terms))


def apply_fund(state: PayoutsState, distribution: bytes, received: int) -> PayoutsState:
    """Count what arrived in escrow.

    Raises: UnknownDistribution, NothingReceived.
    """
    found = _known(state, distribution)
    if received == 0:
        raise NothingReceived
    return _put(state, distribution, replace(found, funded=found.funded + received))


def apply_post_root(
    state: PayoutsState,
    call: Call,
    referee: RefereeState,
    distribution: bytes,
    root: bytes,
    total: int,
    header: BatchHeader,
    statement: BatchReference,
    entry: EntryInclusion,
    cited: Sequence[BatchRun],
) -> PayoutsState:
    """Post the root that a statement's payout entry carries; one root waits at a time.

    ``cited`` are the batches in runs, in the order in which the statement's ``inputs`` hash them.

    Raises: the errors of the contract's ``postRoot``.
    """
    found = _known(state, distribution)
    terms = found.terms
    if call.caller != terms.poster:
        raise NotPoster(terms.poster, call.caller)
    if found.pending is not None:
        raise RootPending(found.pending.root)
    if header.sequence <= found.active_sequence:
        raise StatementStale(found.active_sequence, header.sequence)
    if total < found.active_total:
        raise TotalDecreased(found.active_total, total)
    if (header.channel, header.operator) != (terms.statement_channel, terms.statement_operator):
        raise StatementForeign(header.channel, header.operator)
    digest = require_header(referee, header, statement.record)
    require_batch(referee, statement)
    require_payout_entry(header, entry, root, total)
    digests = _digests_of(cited)
    for run in cited:
        if run.channel not in terms.cited_channels:
            raise CitationForeign(run.channel)
        require_run(referee, run)
    inputs = citations_root(digests)
    if inputs != header.inputs:
        raise CitationsMismatch(header.inputs, inputs)
    activatable_at = call.now + terms.activation_delay_s
    pending = PendingRoot(root, total, header.sequence, activatable_at, citations_digest(digest, inputs))
    return _put(state, distribution, replace(found, pending=pending))


def require_payout_entry(header: BatchHeader, entry: EntryInclusion, root: bytes, total: int) -> None:
    """Check that ``entry`` is the payout entry of the header's channel and period, and names this root and total.

    Raises: those of ``require_entry``, EntryKindMismatch, JobMismatch, ResultMismatch.
    """
    require_entry(header, entry)
    payload = entry.payload
    if payload[0] != 1 or payload[1] != STATEMENT_KIND:
        raise EntryKindMismatch(STATEMENT_KIND, payload[1])
    job, subject = payout_job_id(header.channel, header.period_start), payload[2:34]
    if subject != job:
        raise JobMismatch(job, subject)
    result, actual = payout_result(root, total), payload[54:86]
    if actual != result:
        raise ResultMismatch(result, actual)


def apply_activate_root(
    state: PayoutsState,
    call: Call,
    referee: RefereeState,
    distribution: bytes,
    statement: BatchReference,
    cited: Sequence[BatchRun],
) -> PayoutsState:
    """Make the waiting root active, after the delay and once everything it rests on is final.

    The batches are those of ``apply_post_root`` in the same order; runs may be cut otherwise.

    Raises: UnknownDistribution, NoRootPending, ActivationDelayRunning, CitationCountOutOfRange, CitationsMismatch,
    those of ``state_of`` and ``final_count``, BatchNotFinal, EscrowTooSmall.
    """
    found = _known(state, distribution)
    pending = _pending(found, distribution)
    if call.now < pending.activatable_at:
        raise ActivationDelayRunning(pending.activatable_at, call.now)
    # A header's digest names its channel, operator and sequence: the same digests are the same batches.
    digest = citations_digest(statement.record.header_digest, citations_root(_digests_of(cited)))
    if digest != pending.citations_digest:
        raise CitationsMismatch(pending.citations_digest, digest)
    if state_of(referee, statement, call.now) is not BatchState.FINAL:
        raise BatchNotFinal(statement.sequence)
    for run in cited:
        count = final_count(referee, run, call.now)
        if count != len(run.records):
            raise BatchNotFinal(run.first_sequence + count)
    if pending.total > found.escrow:
        raise EscrowTooSmall(pending.total, found.escrow)
    active = replace(
        found,
        active_root=pending.root,
        active_total=pending.total,
        active_sequence=pending.sequence,
        pending=None,
    )
    return _put(state, distribution, active)


def apply_disable_root(state: PayoutsState, call: Call, distribution: bytes) -> PayoutsState:
    """Drop the waiting root.

    Raises: UnknownDistribution, NotDisabler, NoRootPending.
    """
    found = _known(state, distribution)
    if call.caller not in (found.terms.disabler, found.terms.poster):
        raise NotDisabler(found.terms.disabler, call.caller)
    _pending(found, distribution)
    return _put(state, distribution, replace(found, pending=None))


def apply_claim(
    state: PayoutsState,
    distribution: bytes,
    account: bytes,
    cumulative_amount: int,
    salt: bytes,
    proof: InclusionProof,
) -> PayoutsState:
    """Pay the account what the active root promises it beyond what it was paid.

    Raises: UnknownDistribution, the merkle room's errors, NothingToClaim, TotalExceeded.
    """
    found = _known(state, distribution)
    verify_inclusion(found.active_root, payout_leaf(salt, account, cumulative_amount), proof)
    before = found.paid_to.get(account, 0)
    if cumulative_amount <= before:
        raise NothingToClaim(account)
    paid = found.paid + cumulative_amount - before
    if paid > found.active_total:
        raise TotalExceeded(found.active_total, paid)
    claimed = replace(found, paid=paid, paid_to=put(found.paid_to, account, cumulative_amount))
    return _put(state, distribution, claimed)


def apply_reclaim(state: PayoutsState, call: Call, distribution: bytes, amount: int) -> PayoutsState:
    """Return escrow that no active or waiting root promises.

    Raises: UnknownDistribution, NotPoster, EscrowTooSmall.
    """
    found = _known(state, distribution)
    if call.caller != found.terms.poster:
        raise NotPoster(found.terms.poster, call.caller)
    # A waiting root's total is never below the active one's.
    promised = found.pending.total if found.pending is not None else found.active_total
    if promised + amount > found.escrow:
        raise EscrowTooSmall(promised + amount, found.escrow)
    return _put(state, distribution, replace(found, reclaimed=found.reclaimed + amount))


def citations_digest(statement_digest: bytes, inputs: bytes) -> bytes:
    """keccak256(statement's header digest || its ``inputs``): what the contract keeps of a waiting root's citations."""
    return keccak256(statement_digest + inputs)


def _digests_of(cited: Sequence[BatchRun]) -> list[bytes]:
    """The header digests of all runs, one after the other.

    Raises: CitationCountOutOfRange.
    """
    digests = [record.header_digest for run in cited for record in run.records]
    if not 0 < len(digests) <= MAX_CITATIONS:
        raise CitationCountOutOfRange(len(digests))
    return digests


def _are_channels_valid(terms: DistributionTerms) -> bool:
    """Each list ascending and short, none of them the statements', none in both."""
    lists = terms.metering_channels, terms.import_channels
    return (
        bool(terms.metering_channels)
        and all(len(channels) <= MAX_CHANNELS for channels in lists)
        and all(before < after for channels in lists for before, after in pairwise(channels))
        and terms.statement_channel not in terms.cited_channels
        and not set(terms.metering_channels) & set(terms.import_channels)
    )


def _known(state: PayoutsState, distribution: bytes) -> Distribution:
    found = state.distributions.get(distribution)
    if found is None:
        raise UnknownDistribution(distribution)
    return found


def _pending(found: Distribution, distribution: bytes) -> PendingRoot:
    if found.pending is None:
        raise NoRootPending(distribution)
    return found.pending


def _put(state: PayoutsState, distribution: bytes, found: Distribution) -> PayoutsState:
    return PayoutsState(put(state.distributions, distribution, found))
