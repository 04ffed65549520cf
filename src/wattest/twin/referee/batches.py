"""Committing batches, and dropping final ones from the exposure.

Twin of ``contracts/src/referee/BatchBook.sol``; the checks stand in the contract's order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wattest.crypto.secp256k1 import recover_address
from wattest.errors import WattestError
from wattest.messages.channel import ChannelKind
from wattest.messages.fields import ZERO_WORD
from wattest.messages.header import MAX_ENTRIES, BatchHeader
from wattest.twin.batch import BatchRecord, BatchRun, BatchState
from wattest.twin.errors import (
    BatchesUnreleased,
    BatchNotFinal,
    CommitDeadlinePassed,
    CommitTooSoon,
    EnclaveKeyNotActive,
    EntryCountOutOfRange,
    HistoryMismatch,
    InsufficientDeposit,
    InvalidSignature,
    NotOperator,
    OpenChannelFieldSet,
    PeriodAlreadyCommitted,
    PeriodInvalid,
    PeriodNotOver,
    ReleaseOutOfOrder,
    ReservedFieldSet,
    RosterCountMismatch,
    ScheduledChannelFieldMissing,
    SequenceMismatch,
)
from wattest.twin.gwei import WEI_PER_GWEI
from wattest.twin.history_proof import RING, appended_peaks, history_word
from wattest.twin.operator import MAX_OPEN_BATCHES, OperatorEvent, OperatorHead
from wattest.twin.referee.channels import roster_count_at
from wattest.twin.referee.stakes import step
from wattest.twin.referee.state import (
    Call,
    ChannelRecord,
    OperatorBook,
    RefereeState,
    known_state,
    require_channel,
    require_run,
)
from wattest.twin.registry import RegistryState, active_key
from wattest.twin.signature_words import signature_of_words


def apply_commit(
    state: RefereeState,
    call: Call,
    registry: RegistryState,
    header: BatchHeader,
    r: bytes,
    vs: bytes,
    peaks: Sequence[bytes],
) -> RefereeState:
    """Commit a batch under a signature in two words; ``peaks`` are those of the history before it.

    The new record is ``committed_record(state, call, header)`` of the state before.

    Raises: every error of the contract's ``commit``.
    """
    if header.operator != call.caller:
        raise NotOperator(header.operator, call.caller)
    channel = require_channel(state, header.channel)
    book = state.book_of(header.channel, call.caller)
    head = book.head
    _require_header_rules(header, channel, head.committed_at, call.now)
    after = step(head.state, OperatorEvent.COMMIT)
    sequence = head.sequence + 1
    if header.sequence != sequence:
        raise SequenceMismatch(sequence, header.sequence)
    record = committed_record(state, call, header)
    exposure = _require_exposure(head, record.stake_gwei + channel.parameters.margin_gwei)

    signer = recover_signer(record.header_digest, signature_of_words(r, vs))
    key, expires_at = active_key(registry, state.referee, header.channel, call.caller, header.workload)
    if key != signer or call.now >= expires_at:
        raise EnclaveKeyNotActive(signer, header.workload)

    history = _appended(book, header.previous, peaks, record, sequence)
    head = replace(
        head,
        state=after,
        open_batches=head.open_batches + 1,
        sequence=sequence,
        committed_at=call.now,
        exposure_gwei=exposure,
    )
    return state.with_book((header.channel, call.caller), replace(book, head=head, history=history))


def committed_record(state: RefereeState, call: Call, header: BatchHeader) -> BatchRecord:
    """The record that a commit of ``header`` at ``call.now`` writes.

    Raises: UnknownChannel.
    """
    channel = require_channel(state, header.channel)
    stake = state.head_of(header.channel, call.caller).next_stake_gwei(channel.parameters.stake_gwei)
    return BatchRecord(header.digest(state.domain), call.now, channel.version, stake)


def apply_release(state: RefereeState, call: Call, run: BatchRun) -> RefereeState:
    """Drop consecutive batches from the exposure, from the first unreleased one on; anyone.

    Raises: those of ``require_run``, ReleaseOutOfOrder, BatchNotFinal.
    """
    book = require_run(state, run)
    head = book.head
    if run.first_sequence != head.first_unreleased or len(run.records) > head.open_batches:
        raise ReleaseOutOfOrder(head.first_unreleased, head.sequence)
    exposure = head.exposure_gwei
    for sequence, record in enumerate(run.records, run.first_sequence):
        stands = known_state(state, book, run.channel, sequence, record, call.now)
        if stands is BatchState.COMMITTED:
            raise BatchNotFinal(sequence)
        if stands is BatchState.FINAL:
            parameters = state.channels[run.channel].parameters_of(record.parameters_version)
            exposure -= record.stake_gwei + parameters.margin_gwei
    head = replace(head, open_batches=head.open_batches - len(run.records), exposure_gwei=exposure)
    return state.with_head((run.channel, run.operator), head)


def recover_signer(digest: bytes, signature: bytes) -> bytes:
    """The address that signed, as the contract recovers it.

    Raises: InvalidSignature.
    """
    try:
        return recover_address(digest, signature)
    except WattestError as error:
        raise InvalidSignature from error


def _require_exposure(head: OperatorHead, added_gwei: int) -> int:
    """What the open batches and this one bind, which the deposit covers, gwei."""
    required = head.exposure_gwei + added_gwei
    if head.deposit_gwei < required:
        raise InsufficientDeposit(required * WEI_PER_GWEI, head.deposit_wei)
    if head.open_batches == MAX_OPEN_BATCHES:
        raise BatchesUnreleased(head.first_unreleased, head.sequence)
    return required


def _appended(
    book: OperatorBook, previous: bytes, peaks: Sequence[bytes], record: BatchRecord, sequence: int
) -> tuple[bytes, ...]:
    """The ring with the word of one more batch; ``previous`` and ``peaks`` are those of the history so far."""
    last = sequence - 1
    kept, actual = book.history[last % RING], history_word(last, previous, peaks)
    # An empty history has no word: nothing comes before the first batch.
    if (previous != ZERO_WORD or len(peaks) > 0) if last == 0 else actual != kept:
        raise HistoryMismatch(kept, actual)
    words = list(book.history)
    grown = appended_peaks(last, peaks, record.leaf(sequence))
    words[sequence % RING] = history_word(sequence, record.header_digest, grown)
    return tuple(words)


def _require_header_rules(header: BatchHeader, channel: ChannelRecord, previous_committed_at: int, now: int) -> None:
    """What can be said of a header without its operator's state."""
    if not 0 < header.entry_count <= MAX_ENTRIES:
        raise EntryCountOutOfRange(header.entry_count)
    if header.witnesses != ZERO_WORD or header.zk_root != ZERO_WORD:
        raise ReservedFieldSet
    start, end = header.period_start, header.period_end
    if channel.kind is ChannelKind.OPEN:
        # A proof of a history outlives seven commits: at most one of them comes in a block.
        if now <= previous_committed_at:
            raise CommitTooSoon(previous_committed_at)
        if header.roster != ZERO_WORD or header.state != ZERO_WORD:
            raise OpenChannelFieldSet
        if start > end:
            raise PeriodInvalid(start, end)
        if now < end:
            raise PeriodNotOver(end, now)
        return
    if ZERO_WORD in (header.roster, header.state):
        raise ScheduledChannelFieldMissing
    epoch = channel.parameters.epoch_s
    if start % epoch != 0 or start + epoch != end:
        raise PeriodInvalid(start, end)
    if now < end:
        raise PeriodNotOver(end, now)
    deadline = end + channel.parameters.commit_deadline_s
    if now >= deadline:
        raise CommitDeadlinePassed(deadline, now)
    # The deadline is shorter than the epoch: a batch committed since this period's end was for this same period.
    if previous_committed_at >= end:
        raise PeriodAlreadyCommitted(end)
    expected = roster_count_at(channel, start)
    if header.entry_count != expected:
        raise RosterCountMismatch(expected, header.entry_count)
